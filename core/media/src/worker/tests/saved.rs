//! Saving and restoring workers during calls.

use super::phone::{PHONE, contexts, keys, local, rtp_packet, stream, telephone};
use super::{ALICE, BOB, SavedWorker, Scene, SealingKey, address, clock_base, credentials, identity};
use crate::command::{Command, Event, LegKey, LocalTransport, MasterKey, SdesKeys};
use crate::rtp::packet::{Header, payload};
use crate::seal::Unsealable;
use crate::socket::Local;
use crate::transport::srtp::Profile;
use crate::worker::{Worker, WorkerConfig};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use core::time::Duration;
use std::sync::Arc;

fn key() -> SealingKey {
    SealingKey::new([42; 32])
}

impl Scene {
    /// Saves the worker and restores it in another process after `away`.
    pub(super) fn move_on(&mut self, away: Duration) {
        self.exchange();
        // The new process has another certificate, which the saved one must replace.
        let (rtp_timeout, audio) = (self.worker.config.rtp_timeout, &self.worker.config.audio);
        let audio = Arc::clone(audio);
        let own = |identity| WorkerConfig {
            rtp_timeout,
            audio: Arc::clone(&audio),
            ..WorkerConfig::new(identity, clock_base())
        };
        let spare = Worker::new(own(identity()), [1; 32], self.now);
        let saved = core::mem::replace(&mut self.worker, spare).save(&key());
        let text = serde_json::to_string(&saved).unwrap();
        self.now = self.now + away;
        let saved: SavedWorker = serde_json::from_str(&text).unwrap();
        self.worker = Worker::restore(saved, &own(identity()), &key(), [8; 32], self.now).unwrap();
        // The sockets of the previous process are closed.
        self.sockets.clear();
        self.exchange();
    }
}

#[test]
fn call_continues_after_restore() {
    let mut scene = Scene::bridged_call();
    for sequence in [65_534, 65_535, 0] {
        scene.alice.send_rtp((111, sequence, 960, 77), &[], b"before");
        scene.bob.send_rtp((109, sequence, 960, 88), &[], b"before");
    }
    let copy = scene.alice.outgoing.back().unwrap().clone();
    scene.exchange();
    scene.alice.take_rtp();
    let before = scene.bob.take_rtp();
    scene.move_on(Duration::from_secs(2));
    scene.alice.outgoing.push_back(copy);
    scene.alice.send_rtp((111, 1, 1920, 77), &[], b"after");
    scene.bob.send_rtp((109, 1, 1920, 88), &[], b"after");
    scene.exchange();
    assert_eq!(scene.worker.counters().dropped.replayed, 1, "the replay window is restored");
    let after = scene.bob.take_rtp();
    // The browser's replay protection would drop an index that was used before.
    assert_eq!(after.len(), 1);
    assert_eq!(payload(&after[0].1, &after[0].0).unwrap(), b"after");
    assert_eq!(after[0].0.sequence, before[2].0.sequence.wrapping_add(1));
    assert_eq!(after[0].0.timestamp, before[2].0.timestamp.wrapping_add(960), "the source is unchanged");
    assert!(!after[0].0.marker);
    assert_eq!(scene.alice.take_rtp().len(), 1);
}

#[test]
fn reports_digits_and_hold_continue_after_restore() {
    let mut scene = Scene::bridged_call();
    scene.alice.send_rtp((111, 1, 960, 77), &[], b"a");
    scene.run(Duration::from_secs(3));
    let before = scene.alice.take_report_blocks().len();
    scene.worker.handle_command(Command::SendDtmf { leg: BOB, digits: "12".to_owned() }, scene.now);
    scene.run(Duration::from_millis(30));
    let played = scene.bob.take_rtp().iter().filter(|(header, _)| header.payload_type == 101).count();
    scene.move_on(Duration::from_millis(10));
    scene.run(Duration::from_secs(3));
    let after = scene.alice.take_report_blocks().len();
    assert!(before > 0 && after > before, "no SRTCP index is used twice");
    let rest = scene.bob.take_rtp().iter().filter(|(header, _)| header.payload_type == 101).count();
    assert_eq!((played, played + rest), (2, 14));
    scene.worker.handle_command(Command::Unbridge { leg: ALICE }, scene.now);
    scene.move_on(Duration::from_millis(10));
    scene.alice.send_rtp((111, 2, 1920, 77), &[], b"held");
    scene.exchange();
    assert_eq!(scene.bob.take_rtp().len(), 0);
    scene.bridge();
    scene.alice.send_rtp((111, 3, 2880, 77), &[], b"back");
    scene.exchange();
    assert_eq!(scene.bob.take_rtp().len(), 1);
}

#[test]
fn restored_leg_follows_browser_and_times_out() {
    let mut scene = Scene::bridged_call();
    scene.move_on(Duration::from_secs(3600));
    scene.alice.address.set_port(3333);
    scene.alice.check(true);
    scene.exchange();
    scene.bob.send_rtp((109, 1, 960, 88), &[], b"b");
    scene.exchange();
    assert_eq!(scene.alice.take_rtp().len(), 1);
    scene.events.clear();
    scene.run(Duration::from_secs(31));
    assert_eq!(scene.events, [Event::LegDead { leg: ALICE }, Event::LegDead { leg: BOB }]);
    assert_eq!((scene.worker.leg_count(), scene.worker.poll_timeout()), (0, None));
}

#[test]
fn interrupted_handshake_starts_again() {
    let mut scene = Scene::new();
    let (of_alice, of_bob) = Scene::sections();
    scene.connect(ALICE, of_alice);
    scene.alice.check(true);
    // The ClientHello of the browser arrives, but the relay's flight is lost.
    let mut check = scene.alice.outgoing.pop_front().unwrap();
    scene.worker.handle_datagram(Local::Shared(scene.alice.relay), scene.alice.address, &mut check, scene.now);
    while scene.worker.poll_output().is_some() {}
    scene.alice.handle_timeout(scene.now);
    let mut hello = scene.alice.outgoing.pop_front().unwrap();
    scene.worker.handle_datagram(Local::Shared(scene.alice.relay), scene.alice.address, &mut hello, scene.now);
    while scene.worker.poll_output().is_some() {}
    assert_eq!(scene.worker.legs[&ALICE].phase_name(), "handshake");
    scene.move_on(Duration::from_millis(50));
    scene.run(Duration::from_secs(2));
    assert_eq!(scene.events, [Event::LegConnected { leg: ALICE }]);
    scene.connect(BOB, of_bob);
    scene.move_on(Duration::from_millis(50));
    scene.bob.check(true);
    scene.run(Duration::from_secs(5));
    assert_eq!(scene.events.last(), Some(&Event::LegConnected { leg: BOB }), "with the certificate in the description");
}

#[test]
fn sip_leg_continues_after_restore() {
    let keys = keys(Profile::AeadAes128Gcm, 7);
    let (mut inbound, mut outbound) = contexts(&keys);
    let mut scene = Scene::phone_call(Scene::sections().0, vec![telephone()]);
    let mut secure = stream(PHONE, 0, telephone());
    secure.srtp = Some(keys);
    scene.connect_phone(PHONE, vec![secure.clone()]);
    let nat = address("203.0.113.5:61234");
    let mut answer = |sequence: u16| {
        let mut packet = rtp_packet((0, sequence, 160 * u32::from(sequence), 5), b"answer");
        let header = Header::parse(&packet).unwrap();
        outbound.protect_rtp(&mut packet, &header).unwrap();
        packet
    };
    let first = answer(1);
    scene.arrives(nat, local(PHONE, 0).rtp, first.clone());
    scene.alice.send_rtp((0, 1, 160, 77), &[], b"voice");
    scene.exchange();
    scene.move_on(Duration::from_millis(20));
    assert_eq!(scene.sockets.len(), 2, "the sockets are requested again");
    // The restored signaling plane may repeat the description.
    scene.connect_phone(PHONE, vec![secure]);
    scene.arrives(nat, local(PHONE, 0).rtp, first);
    assert_eq!(scene.worker.counters().dropped.replayed, 1);
    scene.arrives(nat, local(PHONE, 0).rtp, answer(2));
    scene.alice.send_rtp((0, 2, 320, 77), &[], b"voice");
    scene.exchange();
    let received: Vec<u16> = scene.alice.take_rtp().iter().map(|(header, _)| header.sequence).collect();
    assert_eq!(received, [received[0], received[0].wrapping_add(1)]);
    let sent = scene.take_rtp_of(PHONE, 0);
    let numbers: Vec<u16> = sent.iter().map(|(header, ..)| header.sequence).collect();
    assert_eq!(numbers, [numbers[0], numbers[0].wrapping_add(1)]);
    for (header, mut packet, to) in sent {
        assert_eq!(to, nat, "the learned address is restored");
        inbound.unprotect_rtp(&mut packet, &header).unwrap();
    }
    scene.run(Duration::from_secs(31));
    assert!(scene.events.contains(&Event::LegDead { leg: PHONE }));
}

#[test]
fn sip_leg_keys_are_saved_only_sealed() {
    let mut scene = Scene::new();
    let mut secure = stream(PHONE, 0, telephone());
    // Octets whose JSON text occurs nowhere else.
    let secret = MasterKey((201..=230).collect());
    secure.srtp = Some(SdesKeys { local: secret.clone(), remote: secret, ..keys(Profile::AesCm128HmacSha1, 0) });
    scene.open_phone(PHONE, 1);
    scene.connect_phone(PHONE, vec![secure]);
    assert!(!format!("{:?}", scene.worker).contains("203, 204, 205, 206"));
    let spare = Worker::new(WorkerConfig::new(identity(), clock_base()), [1; 32], scene.now);
    let saved = core::mem::replace(&mut scene.worker, spare).save(&key());
    let text = serde_json::to_string(&saved).unwrap();
    assert!(text.contains("AesCm128HmacSha1") && !text.contains("203,204,205,206"), "{text}");
    let other = SealingKey::new([43; 32]);
    let config = WorkerConfig::new(identity(), clock_base());
    assert_eq!(Worker::restore(saved, &config, &other, [8; 32], scene.now).err(), Some(Unsealable));
}

/// A secret as text, in hexadecimal digits, in base64, and as a JSON array of octets.
fn encodings(secret: &[u8]) -> [String; 4] {
    let octets: Vec<String> = secret.iter().map(u8::to_string).collect();
    let hex = secret.iter().map(|octet| format!("{octet:02x}")).collect();
    [String::from_utf8_lossy(secret).into_owned(), hex, BASE64.encode(secret), octets.join(",")]
}

#[test]
fn saved_worker_contains_no_secret() {
    let mut scene = Scene::bridged_call();
    scene.exchange();
    // A leg whose handshake has not started, and one with keys from its description.
    let carol = LegKey(77);
    let transport = LocalTransport::WebRtc { ice: credentials("rc") };
    scene.order(Command::Open { leg: carol, transport });
    let mut secure = stream(PHONE, 0, telephone());
    let keys = keys(Profile::AesCm128HmacSha1, 150);
    secure.srtp = Some(keys.clone());
    scene.open_phone(PHONE, 1);
    scene.connect_phone(PHONE, vec![secure]);
    let spare = Worker::new(WorkerConfig::new(identity(), clock_base()), [1; 32], scene.now);
    let text = serde_json::to_string(&core::mem::replace(&mut scene.worker, spare).save(&key())).unwrap();
    assert!(["\"ra\"", "\"rb\"", "\"rc\"", "\"browser\""].iter().all(|ufrag| text.contains(ufrag)), "{text}");
    let passwords = ["ra", "rb", "rc", "browser"].map(|name| credentials(name).pwd.into_bytes());
    for secret in passwords.into_iter().chain([keys.local.0, keys.remote.0]) {
        for encoding in encodings(&secret) {
            assert!(!text.contains(&encoding), "{encoding}");
        }
    }
}

#[test]
fn saved_worker_opens_only_with_its_key() {
    let mut scene = Scene::bridged_call();
    scene.exchange();
    let spare = Worker::new(WorkerConfig::new(identity(), clock_base()), [1; 32], scene.now);
    let saved = core::mem::replace(&mut scene.worker, spare).save(&key());
    let config = || WorkerConfig::new(identity(), clock_base());
    let other = SealingKey::new([43; 32]);
    assert_eq!(saved.identity(&other).err(), Some(Unsealable));
    let text = serde_json::to_string(&saved).unwrap();
    let copy = serde_json::from_str(&text).unwrap();
    let refused = Worker::restore(copy, &config(), &other, [8; 32], scene.now).err();
    assert!(refused.unwrap().to_string().contains("start with the key it was saved under"));
    // The keys of two legs are exchanged: each one opens only under the name of its leg.
    let swapped = text
        .replace("\"key\":1,", "\"key\":9,")
        .replace("\"key\":2,", "\"key\":1,")
        .replace("\"key\":9,", "\"key\":2,");
    assert_ne!(swapped, text);
    let swapped: SavedWorker = serde_json::from_str(&swapped).unwrap();
    assert_eq!(Worker::restore(swapped, &config(), &key(), [8; 32], scene.now).err(), Some(Unsealable));
}
