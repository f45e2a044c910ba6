//! The result of every input in every phase of a SIP leg, compared with `rtp_table.txt`.

use super::audio::TAPE;
use super::phone::{
    OTHER, PHONE, PhoneStream, connect, contexts, keys, local, nat, remote, rtcp_of, rtp_packet, stream, telephone,
};
use super::table::{done, pass, play, record};
use super::{ALICE, Scene, address, credentials};
use crate::command::{Command, LocalTransport, MuteDirection, Silence};
use crate::rtcp::write;
use crate::rtp::packet::Header;
use crate::transport::srtp::Profile;
use core::time::Duration;
use offhook_sdp::direction::Direction;
use std::net::SocketAddr;

fn secure() -> PhoneStream {
    PhoneStream { srtp: Some(keys(Profile::AesCm128HmacSha1, 3)), ..stream(PHONE, 0, telephone()) }
}

fn open() -> Scene {
    let mut scene = Scene::new();
    scene.phone(OTHER, vec![telephone()]);
    scene.open_phone(PHONE, 1);
    scene
}

fn ringing() -> Scene {
    let mut scene = open();
    let streams = vec![stream(PHONE, 0, telephone())];
    scene.order(connect(PHONE, streams, Some(nat().ip()), Silence::Tolerated));
    scene
}

fn connected() -> Scene {
    let mut scene = open();
    scene.connect_phone(PHONE, vec![stream(PHONE, 0, telephone())]);
    scene
}

fn bridged() -> Scene {
    let mut scene = connected();
    scene.order(Command::Bridge { a: PHONE, b: OTHER });
    scene
}

fn held() -> Scene {
    let mut scene = bridged();
    let mut held = stream(PHONE, 0, telephone());
    held.stream.remote.direction = Direction::Inactive;
    scene.connect_phone(PHONE, vec![held]);
    scene
}

fn with_keys() -> Scene {
    let mut scene = bridged();
    scene.connect_phone(PHONE, vec![secure()]);
    scene
}

fn restored() -> Scene {
    let mut scene = with_keys();
    scene.move_on(Duration::from_millis(1));
    scene
}

fn closed() -> Scene {
    let mut scene = bridged();
    scene.order(Command::Close { leg: PHONE });
    scene
}

fn send(scene: &mut Scene, from: SocketAddr, to: SocketAddr, mut datagram: Vec<u8>) {
    let to = scene.worker.local(to);
    scene.worker.handle_datagram(to, from, &mut datagram, scene.now);
}

fn sends(scene: &mut Scene, from: SocketAddr, payload_type: u8, sequence: u16) {
    let packet = rtp_packet((payload_type, sequence, u32::from(sequence) * 160, 5), &[0; 160]);
    send(scene, from, local(PHONE, 0).rtp, packet);
}

fn protected(sequence: u16) -> Vec<u8> {
    let mut packet = rtp_packet((0, sequence, 0, 5), &[0; 160]);
    let header = Header::parse(&packet).unwrap();
    contexts(&keys(Profile::AesCm128HmacSha1, 3)).1.protect_rtp(&mut packet, &header).unwrap();
    packet
}

fn report() -> Vec<u8> {
    let mut report = Vec::new();
    write::receiver_report(5, &[], &mut report);
    report
}

type Reach = fn() -> Scene;
type Happens = fn(&mut Scene);

fn ordered(scene: &mut Scene, command: Command) {
    scene.worker.handle_command(command, scene.now);
}

fn commands() -> Vec<(&'static str, Happens)> {
    vec![
        ("Open WebRTC", |s| {
            ordered(s, Command::Open { leg: PHONE, transport: LocalTransport::WebRtc { ice: credentials("rp") } });
        }),
        ("Open RTP", |s| {
            let (sections, cname) = (vec![local(PHONE, 0)], String::new());
            ordered(s, Command::Open { leg: PHONE, transport: LocalTransport::Rtp { sections, cname } });
        }),
        ("Connect WebRTC", |s| s.connect(PHONE, vec![telephone()])),
        ("Connect RTP", |s| {
            let streams = vec![stream(PHONE, 0, telephone())];
            ordered(s, connect(PHONE, streams, Some(nat().ip()), Silence::EndsLeg));
        }),
        ("Connect RTP with keys", |s| {
            ordered(s, connect(PHONE, vec![secure()], Some(nat().ip()), Silence::EndsLeg));
        }),
        ("Connect RTP with broken keys", |s| {
            let mut streams = vec![secure()];
            streams[0].srtp.as_mut().unwrap().local.0.clear();
            ordered(s, connect(PHONE, streams, Some(nat().ip()), Silence::EndsLeg));
        }),
        ("Bridge", |s| ordered(s, Command::Bridge { a: PHONE, b: OTHER })),
        ("Bridge with a browser", |s| ordered(s, Command::Bridge { a: ALICE, b: PHONE })),
        ("Unbridge", |s| ordered(s, Command::Unbridge { leg: PHONE })),
        ("Play", |s| {
            ordered(s, play(PHONE));
            pass(s, Duration::from_millis(10));
        }),
        ("Play to the end", |s| {
            ordered(s, play(PHONE));
            pass(s, Duration::from_secs(1));
        }),
        ("Mute, RTP", |s| {
            ordered(s, Command::Mute { leg: PHONE, direction: MuteDirection::Sent });
            sends(s, remote(PHONE, 0).rtp, 0, 1);
        }),
        ("Record", |s| ordered(s, record(s, PHONE, TAPE))),
        ("Record, StopRecording", |s| {
            ordered(s, record(s, PHONE, TAPE));
            ordered(s, Command::StopRecording { leg: PHONE, recording: TAPE });
        }),
        ("Record, Close", |s| {
            ordered(s, record(s, PHONE, TAPE));
            ordered(s, Command::Close { leg: PHONE });
        }),
        ("RequestKeyFrame", |s| ordered(s, Command::RequestKeyFrame { leg: PHONE })),
        ("SendDtmf", |s| {
            ordered(s, Command::SendDtmf { leg: PHONE, digits: "5".to_owned() });
            pass(s, Duration::ZERO);
        }),
        ("Close", |s| ordered(s, Command::Close { leg: PHONE })),
        ("port refused", |s| s.worker.handle_bind_failure(local(PHONE, 0).rtcp, s.now)),
    ]
}

fn datagrams() -> Vec<(&'static str, Happens)> {
    vec![
        ("RTP", |s| sends(s, remote(PHONE, 0).rtp, 0, 7)),
        ("RTP of an unknown type", |s| sends(s, remote(PHONE, 0).rtp, 77, 7)),
        ("RTP from the host of the SIP messages", |s| sends(s, nat(), 0, 7)),
        ("RTP from the host of the SIP messages, twice", |s| (0..2).for_each(|n| sends(s, nat(), 0, n))),
        ("RTP from an unknown source, twenty times", |s| {
            (0..20).for_each(|n| sends(s, address("192.0.2.66:5555"), 0, n));
        }),
        ("SRTP", |s| send(s, remote(PHONE, 0).rtp, local(PHONE, 0).rtp, protected(7))),
        ("SRTP twice", |s| {
            (0..2).for_each(|_| send(s, remote(PHONE, 0).rtp, local(PHONE, 0).rtp, protected(7)));
        }),
        ("SRTP from the host of the SIP messages", |s| send(s, nat(), local(PHONE, 0).rtp, protected(7))),
        ("SRTP, forged", |s| {
            let mut packet = protected(7);
            *packet.last_mut().unwrap() ^= 1;
            send(s, remote(PHONE, 0).rtp, local(PHONE, 0).rtp, packet);
        }),
        ("RTP on the port of RTCP", |s| {
            send(s, remote(PHONE, 0).rtp, local(PHONE, 0).rtcp, rtp_packet((0, 1, 1, 5), &[0; 160]));
        }),
        ("RTP cut short", |s| send(s, remote(PHONE, 0).rtp, local(PHONE, 0).rtp, vec![0x80, 0, 1])),
        ("RTCP", |s| send(s, rtcp_of(remote(PHONE, 0)), local(PHONE, 0).rtcp, report())),
        ("RTCP on the port of RTP", |s| send(s, remote(PHONE, 0).rtp, local(PHONE, 0).rtp, report())),
        ("RTCP from an unknown source", |s| send(s, address("192.0.2.66:5555"), local(PHONE, 0).rtcp, report())),
        ("RTCP from the host of the SIP messages", |s| send(s, nat(), local(PHONE, 0).rtcp, report())),
        ("STUN", |s| {
            s.alice.check(true);
            let check = s.alice.outgoing.pop_back().unwrap();
            send(s, remote(PHONE, 0).rtp, local(PHONE, 0).rtp, check);
        }),
        ("DTLS", |s| send(s, remote(PHONE, 0).rtp, local(PHONE, 0).rtp, vec![22, 254, 253, 0, 0, 0, 0])),
        ("neither of these", |s| send(s, remote(PHONE, 0).rtp, local(PHONE, 0).rtp, vec![0x0d, 0x0a])),
        ("6 s pass", |s| pass(s, Duration::from_secs(6))),
        ("31 s pass", |s| pass(s, Duration::from_secs(31))),
    ]
}

#[test]
fn every_rtp_phase_and_input_matches_table() {
    let phases: [(&str, Reach); 8] = [
        ("open", open),
        ("ringing", ringing),
        ("connected", connected),
        ("bridged", bridged),
        ("held", held),
        ("bridged, with keys", with_keys),
        ("restored, with keys", restored),
        ("closed", closed),
    ];
    let mut table = String::new();
    for (name, reach) in phases {
        for (what, happens) in commands().into_iter().chain(datagrams()) {
            let mut scene = reach();
            while scene.worker.poll_output().is_some() {}
            let before = scene.worker.counters().dropped;
            happens(&mut scene);
            table.push_str(&format!("{name} | {what} | {}\n", done(&mut scene, before, PHONE)));
        }
    }
    let committed = include_str!("rtp_table.txt");
    if table != committed {
        println!("{table}");
    }
    assert!(table == committed, "the results differ from worker/tests/rtp_table.txt; see the output");
}
