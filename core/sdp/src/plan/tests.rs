use super::{AudioCodec, Conversions, Delivery, MediaPlan, StreamPlan, offers_other_codecs};
use crate::codec::{Codec, MediaKind, Payload};
use crate::direction::Direction;
use crate::section::Section;
use core::fmt::Write as _;

/// Codec lists of legs, as they are negotiated.
const LISTS: [&str; 9] =
    ["PCMU", "PCMA", "PCMU PCMA", "PCMA PCMU", "opus", "opus PCMU PCMA", "G722 PCMA", "G729", "telephone-event"];

const VIDEO: [&str; 3] = ["VP8", "H264", "H264 VP8"];

fn section(kind: MediaKind, names: &str) -> Section {
    let payload = |(index, name): (usize, &str)| {
        let clock_rate = match (kind, name) {
            (MediaKind::Video, _) => 90_000,
            (MediaKind::Audio, "opus") => 48_000,
            (MediaKind::Audio, wideband) if wideband.ends_with("/16") => 16_000,
            (MediaKind::Audio, _) => 8000,
        };
        let channels = if name == "opus" { 2 } else { 1 };
        let name = name.trim_end_matches("/16").to_owned();
        let codec = Codec { name, clock_rate, channels, fmtp: None };
        let number = codec.static_payload().unwrap_or(96 + u8::try_from(index).unwrap());
        Payload { number, codec, feedback: Vec::new() }
    };
    Section {
        kind,
        mid: "0".to_owned(),
        direction: Direction::SendRecv,
        rejected: false,
        payloads: names.split(' ').enumerate().map(payload).collect(),
        extensions: Vec::new(),
        ssrcs: Vec::new(),
    }
}

fn audio(names: &str) -> Section {
    section(MediaKind::Audio, names)
}

fn names(payloads: &[&Payload]) -> String {
    let names: Vec<&str> = payloads.iter().map(|payload| payload.codec.name.as_str()).collect();
    if names.is_empty() { "-".to_owned() } else { names.join(" ") }
}

fn direction(plan: &StreamPlan<'_>) -> String {
    let sent = plan.sent.map(|sent| sent.codec.name.as_str()).unwrap_or_default();
    match (&plan.delivery, plan.alternative) {
        (Delivery::Pass(_), _) => format!("pass {sent}"),
        (Delivery::Convert(to), _) => format!("convert {sent} to {}", to.codec.name),
        (Delivery::None, Some(other)) => format!("none, {} possible", other.codec.name),
        (Delivery::None, None) => "none".to_owned(),
    }
}

fn table(conversions: Conversions) -> String {
    table_of(conversions, &LISTS, &VIDEO)
}

fn table_of(conversions: Conversions, audio: &[&str], video: &[&str]) -> String {
    let mut text = String::new();
    for (kind, lists) in [(MediaKind::Audio, audio), (MediaKind::Video, video)] {
        for a in lists {
            for b in lists {
                let (one, two) = ([section(kind, a)], [section(kind, b)]);
                let plan = conversions.legs(&one, &two);
                let [stream] = &plan.streams[..] else { panic!("one stream") };
                let join = if conversions.can_join(&one, &two) { "joined" } else { "not joined" };
                let answer = names(&conversions.answerable(&two[0].payloads, &one[0]));
                let (forward, backward) = (direction(&stream.forward), direction(&stream.backward));
                writeln!(text, "{a:16}| {b:16}| {forward:22}| {backward:22}| {join:11}| {answer}").unwrap();
            }
        }
    }
    text
}

/// Lists of codecs that need transcoding.
const TRANSCODED: [&str; 8] =
    ["PCMU", "PCMA PCMU", "opus", "opus G722 PCMU", "G722", "G729", "speex speex/16", "L16/16 G729 CN"];

/// The columns are those of the other table. All codecs can be converted.
#[test]
fn plan_with_all_codecs_equals_committed_table() {
    let all = AudioCodec::ALL.into_iter().fold(Conversions::NONE, Conversions::with);
    let table = table_of(all, &TRANSCODED, &[]);
    assert!(table == include_str!("transcoding.txt"), "{table}");
}

/// The columns: codecs of the legs A and B, from A to B, from B to A, attended transfer, and the codecs of the answer to
/// an offer of B.
#[test]
fn plan_equals_committed_table() {
    let table = table(Conversions::G711);
    assert!(table == include_str!("table.txt"), "{table}");
}

#[test]
fn plan_without_conversions_converts_nothing() {
    let table = table(Conversions::NONE);
    assert!(!table.contains("convert"), "{table}");
    let (pcmu, pcma) = ([audio("PCMU")], [audio("PCMA")]);
    assert!(!Conversions::NONE.can_join(&pcmu, &pcma) && Conversions::G711.can_join(&pcmu, &pcma));
}

#[test]
fn added_conversion_extends_the_plan() {
    let (opus, g722) = ([audio("opus")], [audio("G722")]);
    assert!(!Conversions::G711.legs(&opus, &g722).is_delivered());
    let all = Conversions::G711.with(AudioCodec::Opus).with(AudioCodec::G722);
    let plan = all.legs(&opus, &g722);
    assert!(plan.is_delivered_both_ways());
    assert_eq!(direction(&plan.streams[0].forward), "convert opus to G722");
    assert_eq!(names(&all.answerable(&g722[0].payloads, &opus[0])), "G722");
}

#[test]
fn holding_leg_needs_no_delivery() {
    let (opus, g729) = ([audio("opus")], [Section { direction: Direction::SendOnly, ..audio("G729") }]);
    let requested = |plan: &MediaPlan<'_>| (plan.is_delivered(), plan.is_delivered_where_requested());
    assert_eq!(requested(&Conversions::G711.legs(&opus, &g729)), (false, true));
    assert_eq!(requested(&Conversions::G711.legs(&opus, &[audio("G729")])), (false, false));
    assert_eq!(requested(&Conversions::G711.legs(&opus, &[])), (true, true), "there is no audio to deliver");
}

#[test]
fn offer_is_limited_to_exchangeable_codecs() {
    let limited = |offered: &str, other: &str| {
        let mut sections = [audio(offered)];
        Conversions::G711.limit(&mut sections, &[audio(other)]);
        names(&sections[0].payloads.iter().collect::<Vec<_>>())
    };
    assert_eq!(limited("opus PCMA telephone-event", "PCMU"), "PCMA telephone-event");
    assert_eq!(limited("G722 PCMA PCMU", "PCMU PCMA"), "PCMU PCMA");
    assert_eq!(limited("G729 telephone-event", "opus"), "G729 telephone-event", "nothing would be left");
}

#[test]
fn another_offer_is_useful_if_codecs_differ() {
    assert!(!offers_other_codecs(&[audio("PCMU PCMA")], &[audio("PCMA PCMU telephone-event")]));
    assert!(offers_other_codecs(&[audio("PCMU")], &[audio("PCMU opus")]));
    assert!(offers_other_codecs(&[audio("PCMU opus")], &[audio("PCMU")]));
    let rejected = Section { rejected: true, ..audio("opus") };
    assert!(!offers_other_codecs(&[audio("PCMU"), rejected], &[audio("PCMU")]));
}
