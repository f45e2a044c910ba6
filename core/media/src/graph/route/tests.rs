use super::{Route, routes};
use crate::command::LegKey;
use crate::graph::codec::CodecFactory;
use crate::graph::codec::tests::LinearCodecs;
use crate::graph::g711::{G711Codecs, Law};
use crate::rtp::extension::MID;
use offhook_sdp::codec::{Codec, MediaKind, Payload};
use offhook_sdp::direction::Direction;
use offhook_sdp::webrtc::{HeaderExtension, Section};
use std::sync::Arc;

fn payload(number: u8, name: &str, fmtp: Option<&str>) -> Payload {
    let codec = Codec { name: name.to_owned(), clock_rate: 90_000, channels: 1, fmtp: fmtp.map(str::to_owned) };
    Payload { number, codec, feedback: vec![] }
}

fn section(kind: MediaKind, payloads: Vec<Payload>, extensions: &[(u8, &str)]) -> Section {
    Section {
        kind,
        mid: "m".to_owned(),
        direction: Direction::SendRecv,
        rejected: false,
        payloads,
        extensions: extensions.iter().map(|(id, uri)| HeaderExtension { id: *id, uri: (*uri).to_owned() }).collect(),
        ssrcs: vec![],
    }
}

fn between(sender: &Section, receiver: &Section) -> Option<Route> {
    Route::between((LegKey(1), 0), sender, receiver, &g711())
}

fn g711() -> Arc<dyn CodecFactory> {
    Arc::new(G711Codecs)
}

const SOUND: [u8; 4] = [0, 1, 0x80, 0xff];

/// The converted payload for a payload type whose law is changed.
fn converted(route: &Route, number: u8) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    route.law(number)?.convert(&SOUND, &mut out);
    Some(out)
}

fn of_law(law: Law) -> Vec<u8> {
    let mut out = Vec::new();
    law.convert(&SOUND, &mut out);
    out
}

#[test]
fn payload_types_map_by_codec_extensions_by_uri() {
    let baseline = Some("profile-level-id=42e01f;packetization-mode=1");
    let high = Some("profile-level-id=640c1f;packetization-mode=1");
    let sender = vec![payload(96, "vp8", None), payload(97, "H264", baseline), payload(98, "H264", high)];
    let receiver = vec![payload(120, "H264", high), payload(121, "VP8", None)];
    let sender = section(MediaKind::Video, sender, &[(1, MID), (2, "a"), (3, "b")]);
    let receiver = section(MediaKind::Video, receiver, &[(9, "b"), (5, MID)]);
    let route = between(&sender, &receiver).unwrap();
    assert_eq!([96, 97, 98, 99, 200].map(|n| route.payload(n)), [Some(121), None, Some(120), None, None]);
    assert_eq!([1, 2, 3, 4].map(|id| route.extension(id)), [None, None, Some(9), None]);
    assert_eq!(route.mid(), Some((5, "m")));
}

#[test]
fn other_g711_law_is_used_as_last_resort() {
    let g711 = |number: u8, name: &str| {
        let payload = payload(number, name, None);
        Payload { codec: Codec { clock_rate: 8000, ..payload.codec }, ..payload }
    };
    let both = section(MediaKind::Audio, vec![g711(0, "PCMU"), g711(8, "PCMA")], &[]);
    let only_a = section(MediaKind::Audio, vec![g711(8, "PCMA")], &[]);
    let route = between(&both, &only_a).unwrap();
    assert_eq!([0, 8].map(|n| route.payload(n)), [Some(8), Some(8)]);
    assert_eq!([0, 8].map(|n| converted(&route, n)), [Some(of_law(Law::MuToA)), None]);
    let back = between(&only_a, &both).unwrap();
    assert_eq!((back.payload(8), converted(&back, 8)), (Some(8), None));
    let other = section(MediaKind::Audio, vec![g711(9, "G722")], &[]);
    let none = between(&both, &other).unwrap();
    assert_eq!((none.payload(0), converted(&none, 0)), (None, None));
}

#[test]
fn route_follows_directions() {
    let open = section(MediaKind::Audio, vec![], &[]);
    for (sends, receives, is_open) in [
        (Direction::SendRecv, Direction::RecvOnly, true),
        (Direction::RecvOnly, Direction::SendRecv, false),
        (Direction::SendRecv, Direction::SendOnly, false),
        (Direction::Inactive, Direction::SendRecv, false),
    ] {
        let sender = Section { direction: sends, ..open.clone() };
        let receiver = Section { direction: receives, ..open.clone() };
        assert_eq!(between(&sender, &receiver).is_some(), is_open);
    }
}

#[test]
fn streams_are_matched_by_position_within_their_kind() {
    let stream = |kind| section(kind, vec![], &[]);
    let sender = [stream(MediaKind::Video), stream(MediaKind::Audio)];
    let receiver = [stream(MediaKind::Audio), stream(MediaKind::Video), stream(MediaKind::Video)];
    let found: Vec<_> =
        routes(LegKey(1), &sender, &receiver, &g711()).iter().map(|r| r.as_ref().map(|r| r.stream)).collect();
    assert_eq!(found, [Some(1), Some(0), None]);
}

#[test]
fn rejected_section_is_skipped() {
    let audio = || section(MediaKind::Audio, vec![payload(0, "PCMU", None)], &[]);
    let refused = || Section { rejected: true, ..audio() };
    let of_peer = [refused(), audio()];
    let stream = |routes: Vec<Option<Route>>| routes.into_iter().map(|r| r.map(|r| r.stream)).collect::<Vec<_>>();
    assert_eq!(stream(routes(LegKey(1), &of_peer, &[audio()], &g711())), [Some(1)]);
    assert_eq!(stream(routes(LegKey(1), &[audio()], &of_peer, &g711())), [None, Some(0)]);
}

fn audio_of(formats: &[(u8, &str, u32)]) -> Section {
    let payloads = formats.iter().map(|(number, name, rate)| crate::graph::codec::tests::payload(*number, name, *rate));
    section(MediaKind::Audio, payloads.collect(), &[])
}

#[test]
fn codec_that_receiver_lacks_is_transcoded() {
    let codecs: Arc<dyn CodecFactory> = Arc::new(LinearCodecs);
    let between =
        |sender: &Section, receiver: &Section| Route::between((LegKey(1), 0), sender, receiver, &codecs).unwrap();
    let sender = audio_of(&[(96, "L16", 16_000), (0, "PCMU", 8000), (13, "CN", 8000), (101, "telephone-event", 8000)]);
    let receiver = audio_of(&[(8, "PCMA", 8000), (97, "L16", 8000), (101, "telephone-event", 8000)]);
    let mut route = between(&sender, &receiver);
    let transcoded = [96, 0, 13, 101].map(|number| route.is_transcoded(number));
    assert_eq!(transcoded, [true, false, false, false], "the law of PCMU is changed packet by packet");
    assert_eq!([96, 0, 13, 101].map(|number| route.payload(number)), [None, Some(8), None, Some(101)]);
    assert_eq!(route.transcoding().unwrap().transcoder.sink().number, 8);
    // Comfort noise of the clock rate of a transcoded codec is transcoded with it.
    let sender = audio_of(&[(96, "L16", 8000), (13, "CN", 8000)]);
    let route = between(&sender, &audio_of(&[(8, "PCMA", 8000), (13, "CN", 8000)]));
    assert!(route.is_transcoded(96) && route.is_transcoded(13));
    // A wideband target is preferred for a wideband source.
    let sender = audio_of(&[(96, "L16", 16_000)]);
    let mut route = between(&sender, &audio_of(&[(0, "PCMU", 8000), (8, "PCMA", 8000)]));
    assert_eq!(route.transcoding().unwrap().transcoder.sink().number, 0);
    assert!(!between(&sender, &audio_of(&[(0, "PCMU", 8000), (98, "L16", 16_000)])).transcodes(), "it passes");
    assert!(!between(&audio_of(&[(9, "G722", 8000)]), &sender).transcodes(), "no decoder");
}

#[test]
fn transcoder_continues_if_formats_are_the_same() {
    let codecs: Arc<dyn CodecFactory> = Arc::new(LinearCodecs);
    let (sender, receiver) = (audio_of(&[(96, "L16", 16_000)]), audio_of(&[(0, "PCMU", 8000)]));
    let route = |receiver: &Section| Route::between((LegKey(1), 0), &sender, receiver, &codecs).unwrap();
    let mut before = route(&receiver);
    before.transcoding().unwrap().timestamp = 77;
    let mut after = route(&receiver);
    after.continue_transcoding(before);
    assert_eq!(after.transcoding().unwrap().timestamp, 77);
    let mut other = route(&audio_of(&[(8, "PCMA", 8000)]));
    other.continue_transcoding(after);
    assert_eq!(other.transcoding().unwrap().timestamp, 0);
}
