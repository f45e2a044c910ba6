//! The queues between workers, with messages of real workers.

use super::super::exchange::{MAX_CONTROL, MAX_QUEUED, TURN, WorkerQueues};
use super::super::worker_queues;
use super::connect;
use crate::clock::Clock;
use offhook_media::command::{BridgeId, Command, LegKey, LocalRtp, LocalTransport, RemoteRtp, RtcpPath, WorkerId};
use offhook_media::crossing::Crossing;
use offhook_media::socket::Local;
use offhook_media::worker::{Output, Worker, WorkerConfig};
use std::net::{Ipv4Addr, SocketAddr};

/// The messages from worker 0 to worker 1 that set up a bridge, and one packet.
fn crossings() -> (Vec<Crossing>, Crossing) {
    let clock = Clock::start();
    let now = clock.now();
    let identity = crate::tls::dtls_identity().unwrap();
    let mut workers = [0, 1].map(|number| {
        let mut config = WorkerConfig::new(identity.clone(), clock.instant(now));
        config.id = WorkerId(number);
        Worker::new(config, [7; 32], now)
    });
    let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let remote = RemoteRtp { rtp: address(6_000), rtcp: RtcpPath::Separate(address(6_001)) };
    let legs = [LegKey(1), LegKey(2)];
    for (side, worker) in workers.iter_mut().enumerate() {
        let (leg, partner) = (legs[side], legs[1 - side]);
        let sections = vec![LocalRtp { rtp: address(5_000), rtcp: address(5_001) }];
        worker.handle_command(
            Command::Open { leg, transport: LocalTransport::Rtp { sections, cname: "c".to_owned() } },
            now,
        );
        worker.handle_command(connect(leg, remote), now);
        let other = WorkerId(u16::try_from(1 - side).unwrap());
        let bridge = BridgeId(1);
        worker.handle_command(Command::BridgeAcross { leg, partner, worker: other, bridge }, now);
    }
    let mut port = None;
    let mut set_up = Vec::new();
    let mut exchange = |workers: &mut [Worker; 2], set_up: &mut Vec<Crossing>| {
        for side in [0, 1, 0, 1] {
            while let Some(output) = workers[side].poll_output() {
                match output {
                    Output::Cross(crossing) => {
                        set_up.extend((side == 0).then(|| crossing.clone()));
                        workers[1 - side].handle_crossing(crossing, now);
                    }
                    Output::Bind { port: bound, local } if side == 0 && local == address(5_000) => port = Some(bound),
                    _ => {}
                }
            }
        }
    };
    exchange(&mut workers, &mut set_up);
    let [sender, _] = &mut workers;
    let mut packet = [0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5].to_vec();
    packet.resize(172, 0);
    sender.handle_datagram(Local::Port(port.expect("a port")), remote.rtp, &mut packet, now);
    let media = core::iter::from_fn(|| sender.poll_output())
        .find_map(|output| match output {
            Output::Cross(crossing) if crossing.is_media() => Some(crossing),
            _ => None,
        })
        .expect("a packet for the other worker");
    (set_up, media)
}

/// The ends of the queue from worker 0 to worker 1.
fn ends() -> (WorkerQueues, WorkerQueues) {
    let mut ends = worker_queues(2).unwrap().into_iter();
    (ends.next().unwrap(), ends.next().unwrap())
}

/// Everything that waits for a worker.
fn receive_all(queues: &mut WorkerQueues) -> usize {
    core::iter::from_fn(|| Some(queues.receive().count()).filter(|count| *count > 0)).sum()
}

#[test]
fn packets_of_one_turn_arrive_while_the_queue_has_room() {
    let (_, media) = crossings();
    let (mut sender, mut receiver) = ends();
    for _ in 0..MAX_QUEUED {
        sender.push(media.clone());
    }
    sender.flush();
    assert_eq!((receive_all(&mut receiver), sender.lost()), (MAX_QUEUED, 0));
}

#[test]
fn full_queue_loses_and_counts_packets_but_no_other_message() {
    let (set_up, media) = crossings();
    let (mut sender, mut receiver) = ends();
    assert!(!set_up.is_empty() && set_up.iter().all(|crossing| !crossing.is_media()));
    // One message in each batch, as at a low load.
    for _ in 0..MAX_QUEUED + 100 {
        sender.push(media.clone());
        sender.flush();
    }
    assert_eq!(sender.lost(), 100);
    for crossing in &set_up {
        sender.push(crossing.clone());
    }
    sender.flush();
    assert_eq!(receiver.receive().count(), TURN, "sockets have their turn before the rest");
    assert_eq!(receive_all(&mut receiver), MAX_QUEUED - TURN + set_up.len());
    // The queue has room again.
    sender.push(media);
    sender.flush();
    assert_eq!((receive_all(&mut receiver), sender.lost()), (1, 100));
}

#[test]
fn messages_other_than_packets_are_bounded_and_counted() {
    let (set_up, media) = crossings();
    let (mut sender, mut receiver) = ends();
    for _ in 0..MAX_CONTROL + 10 {
        sender.push(set_up[0].clone());
    }
    // Packets have their own limit.
    sender.push(media);
    sender.flush();
    assert_eq!((receive_all(&mut receiver), sender.lost()), (MAX_CONTROL + 1, 10));
    sender.push(set_up[0].clone());
    sender.flush();
    assert_eq!((receive_all(&mut receiver), sender.lost()), (1, 10));
}
