//! The result of every input in every phase of a WebRTC leg, compared with `table.txt`.

use super::audio::TAPE;
use super::{ALICE, BOB, Scene, credentials};
use crate::command::{
    Command, Event, LegKey, LocalTransport, MuteDirection, PlaybackId, PlaybackMode, PlaybackSource, RecordedLeg,
    RecordingChannel, RecordingId, Repeat,
};
use crate::counters::Dropped;
use crate::rtcp::write;
use crate::socket::Local;
use crate::transport::demux::{Protocol, classify};
use crate::worker::Output;
use core::time::Duration;

type Reach = fn() -> Scene;

fn checked() -> Scene {
    let mut scene = Scene::new();
    scene.alice.check(true);
    scene.exchange();
    scene
}

/// The relay is the DTLS client and has no pair for the handshake.
fn waiting() -> Scene {
    let mut scene = Scene::new();
    scene.alice.be_passive(scene.now);
    scene.connect(ALICE, Scene::sections().0);
    scene
}

fn handshake() -> Scene {
    let mut scene = Scene::new();
    scene.connect(ALICE, Scene::sections().0);
    scene.alice.check(true);
    let mut check = scene.alice.outgoing.pop_front().unwrap();
    scene.worker.handle_datagram(Local::Shared(scene.alice.relay), scene.alice.address, &mut check, scene.now);
    scene
}

fn unnominated() -> Scene {
    let mut scene = Scene::new();
    scene.connect(ALICE, Scene::sections().0);
    scene.alice.check(false);
    scene.exchange();
    scene
}

fn connected() -> Scene {
    let mut scene = Scene::new();
    let (of_alice, of_bob) = Scene::sections();
    scene.connect_both(of_alice, of_bob);
    scene
}

fn restored() -> Scene {
    let mut scene = Scene::bridged_call();
    scene.move_on(Duration::from_millis(1));
    scene
}

fn closed() -> Scene {
    let mut scene = Scene::bridged_call();
    scene.worker.handle_command(Command::Close { leg: ALICE }, scene.now);
    scene.exchange();
    scene
}

/// An RTP datagram of the browser: protected if it has keys, else with arbitrary octets.
fn rtp(scene: &mut Scene) -> Vec<u8> {
    if scene.alice.has_keys() {
        scene.alice.send_rtp((111, 7, 960, 77), &[], b"voice");
        return scene.alice.outgoing.pop_back().unwrap();
    }
    [&[0x80, 111, 0, 7, 0, 0, 3, 192, 0, 0, 0, 77][..], &[0; 40]].concat()
}

fn rtcp(scene: &mut Scene) -> Vec<u8> {
    let mut report = Vec::new();
    write::receiver_report(77, &[], &mut report);
    if scene.alice.has_keys() {
        scene.alice.send_rtcp(report);
        return scene.alice.outgoing.pop_back().unwrap();
    }
    [report, vec![0; 20]].concat()
}

fn stun(scene: &mut Scene, password: Option<&str>, nominate: bool) -> Vec<u8> {
    match password {
        Some(password) => scene.alice.check_with(password, nominate),
        None => scene.alice.check(nominate),
    }
    scene.alice.outgoing.pop_back().unwrap()
}

/// An input of the worker.
type Happens = fn(&mut Scene);

fn arrives(scene: &mut Scene, mut datagram: Vec<u8>) {
    scene.worker.handle_datagram(Local::Shared(scene.alice.relay), scene.alice.address, &mut datagram, scene.now);
}

fn ordered(scene: &mut Scene, command: Command) {
    scene.worker.handle_command(command, scene.now);
}

fn inputs() -> Vec<(&'static str, Happens)> {
    vec![
        ("Open", |s| {
            ordered(s, Command::Open { leg: ALICE, transport: LocalTransport::WebRtc { ice: credentials("ra") } });
        }),
        ("Connect", |s| s.connect(ALICE, Scene::sections().0)),
        ("Bridge", |s| ordered(s, Command::Bridge { a: ALICE, b: BOB })),
        ("Unbridge", |s| ordered(s, Command::Unbridge { leg: ALICE })),
        ("SendDtmf", |s| {
            ordered(s, Command::SendDtmf { leg: ALICE, digits: "5".to_owned() });
            pass(s, Duration::ZERO);
        }),
        ("Play", |s| {
            ordered(s, play(ALICE));
            pass(s, Duration::from_millis(10));
        }),
        ("Play to the end", |s| {
            ordered(s, play(ALICE));
            pass(s, Duration::from_secs(1));
        }),
        ("Play, StopPlayback", |s| {
            ordered(s, play(ALICE));
            ordered(s, Command::StopPlayback { leg: ALICE, playback: PlaybackId(1) });
        }),
        ("Mute, RTP", |s| {
            ordered(s, Command::Mute { leg: ALICE, direction: MuteDirection::Sent });
            let packet = rtp(s);
            arrives(s, packet);
        }),
        ("Record", |s| ordered(s, record(s, ALICE, TAPE))),
        ("Record unknown", |s| ordered(s, record(s, ALICE, RecordingId(9)))),
        ("Record, StopRecording", |s| {
            ordered(s, record(s, ALICE, TAPE));
            ordered(s, Command::StopRecording { leg: ALICE, recording: TAPE });
        }),
        ("Record, Close", |s| {
            ordered(s, record(s, ALICE, TAPE));
            ordered(s, Command::Close { leg: ALICE });
        }),
        ("PauseRecording", |s| ordered(s, Command::PauseRecording { leg: ALICE, recording: TAPE })),
        ("Close", |s| ordered(s, Command::Close { leg: ALICE })),
        ("check", |s| {
            let check = stun(s, None, false);
            arrives(s, check);
        }),
        ("check that nominates", |s| {
            let check = stun(s, None, true);
            arrives(s, check);
        }),
        ("check with a wrong password", |s| {
            let check = stun(s, Some("a-password-that-is-wrong"), true);
            arrives(s, check);
        }),
        ("malformed DTLS", |s| arrives(s, vec![22, 254, 253, 0, 0, 0, 0])),
        ("RTP", |s| {
            let packet = rtp(s);
            arrives(s, packet);
        }),
        ("RTP twice", |s| {
            let packet = rtp(s);
            arrives(s, packet.clone());
            arrives(s, packet);
        }),
        ("RTP, forged", |s| {
            let mut packet = rtp(s);
            *packet.last_mut().unwrap() ^= 1;
            arrives(s, packet);
        }),
        ("RTCP", |s| {
            let packet = rtcp(s);
            arrives(s, packet);
        }),
        ("RTCP, forged", |s| {
            let mut packet = rtcp(s);
            *packet.last_mut().unwrap() ^= 1;
            arrives(s, packet);
        }),
        ("neither of these", |s| arrives(s, b"GET / HTTP/1.1".to_vec())),
        ("15 s pass", |s| pass(s, Duration::from_secs(15))),
        ("31 s pass", |s| pass(s, Duration::from_secs(31))),
    ]
}

/// Plays a tone of 100 ms.
pub(super) fn play(leg: LegKey) -> Command {
    let source = PlaybackSource::Tone { frequency: 440, duration: Duration::from_millis(100) };
    let (repeat, mode) = (Repeat::Once, PlaybackMode::Replace);
    Command::Play { leg, playback: PlaybackId(1), source, repeat, mode }
}

pub(super) fn record(scene: &Scene, leg: LegKey, recording: RecordingId) -> Command {
    let to = RecordedLeg { recording, channel: RecordingChannel::Left, origin: scene.now };
    Command::Record { leg, to }
}

pub(super) fn pass(scene: &mut Scene, duration: Duration) {
    let end = scene.now + duration;
    while let Some(next) = scene.worker.poll_timeout().filter(|next| *next <= end) {
        scene.now = scene.now.max(next);
        scene.worker.handle_timeout(scene.now);
    }
    scene.now = end;
}

fn drops(before: Dropped, after: Dropped) -> Vec<String> {
    let words = |dropped| format!("{dropped:?}").replace(['{', '}', ','], " ");
    let (before, after) = (words(before), words(after));
    let fields = |text: &str| text.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>();
    let pairs = fields(&before).into_iter().zip(fields(&after)).collect::<Vec<_>>();
    let (names, values): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(name, _)| name.ends_with(':'));
    let changed = names.into_iter().zip(values).filter(|(_, (before, after))| before != after);
    changed.map(|((name, _), _)| format!("dropped {}", name.trim_end_matches(':'))).collect()
}

/// The outputs of the worker in one line, without repetitions.
pub(super) fn done(scene: &mut Scene, before: Dropped, leg: LegKey) -> String {
    let mut words: Vec<String> = Vec::new();
    while let Some(output) = scene.worker.poll_output() {
        let word = match output {
            // Every leg has one when it is closed (`quality.rs`).
            Output::Event(Event::LegReports(_)) => continue,
            Output::Event(Event::LegFailed { leg, failure }) => format!("leg {} failed: {failure:?}", leg.0),
            Output::Event(Event::LegDead { leg }) => format!("leg {} dead", leg.0),
            Output::Event(Event::LegConnected { leg }) => format!("leg {} connected", leg.0),
            Output::Event(Event::KeyFrameWanted { leg }) => format!("leg {} must send a key frame", leg.0),
            Output::Event(Event::DtmfReceived { leg, digit }) => format!("leg {} dialled {digit}", leg.0),
            Output::Event(Event::PlaybackEnded { leg, playback, end }) => {
                format!("playback {} of leg {} ended: {end:?}", playback.0, leg.0)
            }
            Output::Event(Event::RecordingEnded { leg, recording, end, .. }) => {
                format!("recording {} of leg {} ended: {end:?}", recording.0, leg.0)
            }
            Output::Event(event @ Event::PortsReserved { .. }) => format!("{event:?}"),
            Output::Cross(crossing) => format!("{crossing:?}"),
            Output::Bind { port, local } => {
                scene.sockets.insert(port, local);
                format!("bind {}", local.port())
            }
            Output::Unbind { local, .. } => format!("unbind {}", local.port()),
            Output::Transmit { local, remote, payload } => {
                let local = match local {
                    Local::Shared(address) => address,
                    Local::Port(port) => scene.sockets[&port],
                };
                let to = match remote {
                    to if to == scene.alice.address => "A".to_owned(),
                    to if to == scene.bob.address => "B".to_owned(),
                    to => format!("{to} from {}", local.port()),
                };
                let what = match classify(&payload) {
                    Some(Protocol::Stun) if payload[1] == 1 => "success",
                    Some(Protocol::Stun) => "refusal",
                    Some(Protocol::Dtls) => "DTLS",
                    Some(Protocol::Rtp) => "RTP",
                    Some(Protocol::Rtcp) => "RTCP",
                    None => "?",
                };
                format!("{what} to {to}")
            }
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.extend(drops(before, scene.worker.counters().dropped));
    let phase = scene.worker.legs.get(leg).map_or("gone", crate::leg::Leg::phase_name);
    let line = words.join(", ");
    format!("{} | {phase}", if line.is_empty() { "-" } else { &line })
}

#[test]
fn every_phase_and_input_matches_table() {
    let phases: [(&str, Reach); 9] = [
        ("open", Scene::new),
        ("open, checked", checked),
        ("waiting for a pair", waiting),
        ("handshake", handshake),
        ("keys without a nominated pair", unnominated),
        ("connected", connected),
        ("bridged", Scene::bridged_call),
        ("restored", restored),
        ("closed", closed),
    ];
    let mut table = String::new();
    for (name, reach) in phases {
        for (what, happens) in inputs() {
            let mut scene = reach();
            while scene.worker.poll_output().is_some() {}
            let before = scene.worker.counters().dropped;
            happens(&mut scene);
            table.push_str(&format!("{name} | {what} | {}\n", done(&mut scene, before, ALICE)));
        }
    }
    let committed = include_str!("table.txt");
    if table != committed {
        println!("{table}");
    }
    assert!(table == committed, "the results differ from worker/tests/table.txt; see the output for the new table");
}
