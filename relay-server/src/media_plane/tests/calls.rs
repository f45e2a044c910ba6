//! Calls between phones through real media threads: bursts, floods, and legs on two threads.

use super::super::{MediaThread, ThreadSetup, bind, spawn, worker_queues};
use super::{Phone, connect, free, worker};
use crate::clock::Clock;
use core::time::Duration;
use offhook_media::command::{BridgeId, Command, LegKey, LocalRtp, LocalTransport, WorkerId};
use offhook_media::worker::{Worker, WorkerConfig};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};

/// Opens a leg and connects it to a phone.
fn open(thread: &MediaThread, leg: LegKey, phone: &Phone) -> LocalRtp {
    let local = free("127.0.0.1");
    assert!(thread.send_command(Command::Open {
        leg,
        transport: LocalTransport::Rtp { sections: vec![local], cname: "c".to_owned() }
    }));
    assert!(thread.send_command(connect(leg, phone.remote())));
    local
}

/// A call of two phones on one thread.
fn call(thread: &MediaThread, first: u64) -> ([Phone; 2], [LocalRtp; 2]) {
    let phones = [Phone::new("127.0.0.1"), Phone::new("127.0.0.1")];
    let (a, b) = (LegKey(first), LegKey(first + 1));
    let locals = [open(thread, a, &phones[0]), open(thread, b, &phones[1])];
    assert!(thread.send_command(Command::Bridge { a, b }));
    // The first packet to arrive shows that the orders are done.
    phones[0].rtp.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    phones[1].rtp.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut packet = [0; 1500];
    while phones[1].rtp.recv(&mut packet).is_err() {
        phones[0].send(locals[0].rtp, 0);
    }
    for phone in &phones {
        phone.rtp.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    }
    (phones, locals)
}

#[test]
fn burst_on_one_port_is_read_to_its_end() {
    let (thread, _events) = worker();
    let (phones, locals) = call(&thread, 1);
    for round in 0..20 {
        for sequence in 1..=200 {
            phones[0].send(locals[0].rtp, sequence);
        }
        for sequence in 1..=200 {
            // A call's first packet may have been repeated.
            let received = core::iter::repeat_with(|| phones[1].receive().0).find(|number| *number != 0);
            assert_eq!(received, Some(sequence), "round {round}");
        }
    }
}

#[test]
fn flooded_port_leaves_other_calls_their_turns() {
    let (thread, _events) = worker();
    let (flooding, flooded) = call(&thread, 1);
    let (phones, locals) = call(&thread, 3);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                flooding[0].send(flooded[0].rtp, 1);
            }
        });
        for sequence in 1..=100 {
            phones[0].send(locals[0].rtp, sequence);
            let received = core::iter::repeat_with(|| phones[1].receive().0).find(|number| *number != 0);
            assert_eq!(received, Some(sequence));
        }
        is_over.store(true, Ordering::Relaxed);
    });
    // Nothing of the flooded port stays unread: after the last of it, the next packet is the one that is sent next.
    let mut packet = [0; 1500];
    flooding[1].rtp.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    while flooding[1].rtp.recv(&mut packet).is_ok() {}
    flooding[1].rtp.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    flooding[0].send(flooded[0].rtp, 7);
    assert_eq!(flooding[1].receive().0, 7);
}

#[test]
fn port_numbers_are_used_again_by_other_calls() {
    let (thread, _events) = worker();
    for round in 0..20 {
        let (phones, locals) = call(&thread, 2 * round);
        phones[1].send(locals[1].rtp, 9);
        assert_eq!(phones[0].receive(), (9, locals[0].rtp));
        for leg in [2 * round, 2 * round + 1] {
            assert!(thread.send_command(Command::Close { leg: LegKey(leg) }));
        }
    }
}

#[test]
fn legs_on_two_threads_are_bridged() {
    let clock = Clock::start();
    let now = clock.now();
    let identity = crate::tls::dtls_identity().unwrap();
    let threads = worker_queues(2).unwrap().into_iter().zip(0..).map(|(queues, number)| {
        let mut config = WorkerConfig::new(identity.clone(), clock.instant(now));
        config.id = WorkerId(number);
        let sockets = bind(&[IpAddr::V4(Ipv4Addr::LOCALHOST)], 0).unwrap();
        let name = format!("media-{number}");
        let setup = ThreadSetup { name, sockets, queues, clock, wake_interval: Duration::ZERO };
        spawn(setup, Worker::new(config, [7; 32], now), |_| Ok(()), || panic!("it was requested to end")).unwrap()
    });
    let threads: Vec<MediaThread> = threads.collect();
    let phones = [Phone::new("127.0.0.1"), Phone::new("127.0.0.1")];
    let legs = [LegKey(1), LegKey(2)];
    let locals = [0, 1].map(|side| open(&threads[side], legs[side], &phones[side]));
    for round in 0..20_u64 {
        for side in [0, 1] {
            let (leg, partner) = (legs[side], legs[1 - side]);
            let worker = WorkerId(u16::try_from(1 - side).unwrap());
            assert!(threads[side].send_command(Command::BridgeAcross {
                leg,
                partner,
                worker,
                bridge: BridgeId(round)
            }));
        }
        for side in [0, 1] {
            let (from, to) = (&phones[side], &phones[1 - side]);
            to.rtp.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            let mut packet = [0; 1500];
            while to.rtp.recv(&mut packet).is_err() {
                from.send(locals[side].rtp, u8::try_from(round).unwrap());
            }
            to.rtp.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            for sequence in 100..=200 {
                from.send(locals[side].rtp, sequence);
                let received = core::iter::repeat_with(|| to.receive()).find(|datagram| datagram.0 >= 100);
                assert_eq!(received, Some((sequence, locals[1 - side].rtp)));
            }
        }
        assert!(
            threads[usize::from(round % 2 == 0)]
                .send_command(Command::Unbridge { leg: legs[usize::from(round % 2 == 0)] })
        );
    }
}
