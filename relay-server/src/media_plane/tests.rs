use super::{Engine, bind, spawn};
use crate::clock::Clock;
use core::time::Duration;
use offhook_clock::Time;
use offhook_media::command::{Command, Event, LegKey};
use offhook_media::worker::Output;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::channel;

/// Sends every datagram back; reports a leg dead when its order arrives, and leg 99 when its timer fires.
#[derive(Default)]
struct Echo {
    outputs: VecDeque<Output>,
    deadline: Option<Time>,
}

impl Engine for Echo {
    fn handle_command(&mut self, command: Command, now: Time) {
        if let Command::CloseLeg { leg } = command {
            self.outputs.push_back(Output::Event(Event::LegDead { leg }));
            self.deadline = Some(now + Duration::from_millis(5));
        }
    }
    fn handle_datagram(&mut self, local: SocketAddr, remote: SocketAddr, packet: &mut [u8], _: Time) {
        self.outputs.push_back(Output::Transmit { local, remote, payload: packet.to_vec() });
    }
    fn handle_timeout(&mut self, now: Time) {
        assert!(self.deadline.take().expect("a deadline") <= now, "never before the deadline");
        self.outputs.push_back(Output::Event(Event::LegConnected { leg: LegKey(99) }));
    }
    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }
    fn poll_timeout(&self) -> Option<Time> {
        self.deadline
    }
    fn recycle(&mut self, _: Vec<u8>) {}
}

#[test]
fn replies_leave_from_the_address_that_was_asked() {
    let addresses = [IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1)), IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2))];
    let sockets = bind(&addresses, 0).unwrap();
    let bound = sockets.addresses();
    assert_eq!(bound[0].port(), bound[1].port());
    let worker = spawn("echo".to_owned(), sockets, Echo::default(), Clock::start(), |_| {}, || {}).unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    for address in bound {
        for number in 0..100_u8 {
            peer.send_to(&[number], address).unwrap();
        }
        for number in 0..100_u8 {
            let mut packet = [0; 16];
            let (length, from) = peer.recv_from(&mut packet).unwrap();
            assert_eq!((&packet[..length], from), (&[number][..], address));
        }
    }
    drop(worker);
}

#[test]
fn orders_go_down_events_and_deadlines_come_up() {
    let sockets = bind(&[IpAddr::V4(Ipv4Addr::LOCALHOST)], 0).unwrap();
    let (report, events) = channel();
    let ended = || panic!("it was told to end");
    let report = move |event| report.send(event).unwrap();
    let worker = spawn("echo".to_owned(), sockets, Echo::default(), Clock::start(), report, ended).unwrap();
    assert!(worker.order(Command::CloseLeg { leg: LegKey(7) }));
    let wait = Duration::from_secs(5);
    assert_eq!(events.recv_timeout(wait).unwrap(), Event::LegDead { leg: LegKey(7) });
    assert_eq!(events.recv_timeout(wait).unwrap(), Event::LegConnected { leg: LegKey(99) });
    drop(worker);
    assert!(events.recv().is_err(), "the thread has ended");
}

#[test]
fn a_thread_that_panics_is_noticed_at_once() {
    let sockets = bind(&[IpAddr::V4(Ipv4Addr::LOCALHOST)], 0).unwrap();
    let (ended, notice) = channel();
    // A report that cannot be made stands for whatever may panic in the thread.
    let report = |_| panic!("expected in this test");
    let worker = spawn("doomed".to_owned(), sockets, Echo::default(), Clock::start(), report, move || {
        ended.send(()).unwrap();
    });
    let worker = worker.unwrap();
    assert!(worker.order(Command::CloseLeg { leg: LegKey(7) }));
    notice.recv_timeout(Duration::from_secs(5)).expect("the end is told");
}
