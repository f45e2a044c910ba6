//! The users of the simulated world with media, and what must be true when they pause.

use crate::sip_server::FORKED;
use crate::sip_world::{Endpoint, Figures, RECENT, World};
use core::time::Duration;
use offhook_b2bua::call::{CallPhase, CallSnapshot, LegProgress, ParticipantSnapshot};
use offhook_b2bua::io::{ConnectionId, Input};
use offhook_signaling::client::{Status, call};
use offhook_signaling::message::CallId;

/// The path of media from the relay to an endpoint.
#[derive(Clone, Copy, Debug, Default)]
struct Path {
    /// The number of the endpoint, if there is one.
    end: Option<u32>,
    /// A participant on the path has the other one on hold.
    is_held: bool,
}

impl World {
    /// A random user does something.
    fn act(&mut self) {
        match self.pick(5) {
            0..=2 => self.browser_acts(),
            _ => self.phone_acts(),
        }
        let pause = self.millis(2000);
        self.pass(pause);
    }

    fn browser_acts(&mut self) {
        let (now, at) = (self.now, self.pick(self.browsers.len()));
        let Some((connection, browser)) = self.browsers.iter().nth(at) else { return };
        let connection = *connection;
        let ids: Vec<CallId> = browser.calls.keys().filter(|id| !browser.ended.contains_key(*id)).cloned().collect();
        let chosen = self.pick(ids.len());
        let callee = ["1002", FORKED, "alice", "bob", "carol"][self.pick(5)];
        match (self.pick(20), ids.get(chosen)) {
            (0..=3, _) | (_, None) => {
                let id = CallId(format!("{}-{}", connection.0, self.fresh()));
                self.at(connection, |browser| browser.dial(&id, callee, now));
            }
            (action, Some(id)) => {
                let input = match action {
                    4..=11 => call::Input::Answer,
                    12 => call::Input::HangUp,
                    13..=15 => call::Input::Hold { for_transfer: false },
                    16..=18 => call::Input::Unhold,
                    _ => call::Input::TransferTo(callee.to_owned()),
                };
                self.at(connection, |browser| browser.press(id, input, now));
            }
        }
    }

    fn phone_acts(&mut self) {
        let (now, action) = (self.now, self.pick(10));
        if action < 2 {
            let at = self.pick(self.server.bindings.len());
            if let Some((_, binding)) = self.server.bindings.get(at).cloned() {
                self.server.call(binding, now);
            }
            return;
        }
        let invites = self.server.phone_ids();
        let at = self.pick(invites.len());
        let Some(invite) = invites.get(at).copied() else { return };
        match action {
            2 => {
                let other = self.pick(invites.len());
                self.server.transfer(invite, other, now);
            }
            3..=6 => {
                // Both phones of a forked call answer at the same time now and then.
                let forks = self.server.ringing_forks();
                let answers_twice = forks.contains(&invite) && self.pick(2) == 0;
                let answering = if answers_twice { forks } else { vec![invite] };
                answering.into_iter().for_each(|invite| self.server.answer(invite, now));
            }
            7 | 8 => self.server.toggle_hold(invite, now),
            _ => self.server.end_call(invite, now),
        }
    }

    /// Runs rounds of actions on a lossy network, each followed by a pause in which the state is checked, and ends all calls.
    pub(crate) fn run(mut self, rounds: usize) -> Figures {
        for _ in 0..rounds {
            for _ in 0..20 {
                self.act();
            }
            // Longer than the timers of SIP transactions and of ringing.
            self.pass(Duration::from_secs(50));
            self.is_lossy = false;
            self.pass(Duration::from_secs(10));
            self.check();
            self.is_lossy = true;
        }
        self.end();
        self.figures.forwarded = self.server.forwarded;
        self.figures.answered_twice = self.server.answered_twice();
        self.figures
    }

    /// Checks the state and the media of all established calls.
    fn check(&mut self) {
        let keys: Vec<_> = self.calls.iter().copied().collect();
        for key in keys {
            let Some(snapshot) = self.relay.call(key) else {
                self.calls.remove(&key);
                continue;
            };
            if snapshot.phase == CallPhase::Established {
                self.check_call(&snapshot);
            }
        }
    }

    fn check_call(&mut self, call: &CallSnapshot) {
        let connected = call.participants.iter().filter(|one| one.progress == LegProgress::Connected);
        let connected: Vec<&ParticipantSnapshot> = connected.collect();
        assert_eq!(connected.len(), 2, "seed {}: an established call of {call:?}", self.seed);
        let [a, b] = connected[..] else { return };
        for participant in [a, b] {
            self.check_status(participant);
        }
        let (mut path_a, mut path_b) = (Path::default(), Path::default());
        self.follow(a, &mut path_a);
        self.follow(b, &mut path_b);
        let (Some(of_a), Some(of_b)) = (path_a.end, path_b.end) else {
            // The SIP server has not connected the other leg, or it has ended it.
            return;
        };
        let is_held = path_a.is_held || path_b.is_held;
        for (from, to) in [(of_a, of_b), (of_b, of_a)] {
            assert_eq!(
                self.has_received(to, from),
                Some(!is_held),
                "seed {}: {to} receives from {from}; held: {is_held}; {call:?}",
                self.seed
            );
        }
        self.figures.held += u32::from(is_held);
        self.figures.flowing += u32::from(!is_held);
        let is_across = self.placed.get(&a.leg) != self.placed.get(&b.leg);
        self.figures.across += u32::from(!is_held && is_across);
    }

    /// Checks that the client half of a browser has the state that the relay has.
    fn check_status(&self, participant: &ParticipantSnapshot) {
        let Some((_, id)) = &participant.browser else { return };
        let call = self.browsers.values().find_map(|browser| browser.calls.get(id));
        let expected = if participant.is_holding { Status::Hold } else { Status::Established };
        assert_eq!(call.map(call::ClientCall::status), Some(&expected), "seed {}: {participant:?}", self.seed);
    }

    /// Follows the media from a participant to its endpoint, through the calls of the relay that the SIP server connects.
    fn follow(&self, participant: &ParticipantSnapshot, path: &mut Path) {
        path.is_held |= participant.is_holding;
        let address = match self.endpoints.get(&participant.leg) {
            Some(Endpoint::Browser(number)) => return path.end = Some(*number),
            Some(Endpoint::Rtp(address)) => address,
            None => return,
        };
        if let Some(phone) = self.server.calls().find(|phone| phone.media.address == *address) {
            path.is_held |= phone.media.is_held;
            path.end = Some(phone.media.number);
        } else if let Some(leg) = self.ports.get(address) {
            let calls = self.calls.iter().filter_map(|key| self.relay.call(*key));
            let call = calls.filter(|call| call.phase == CallPhase::Established);
            let Some(call) = call.into_iter().find(|call| call.participants.iter().any(|one| one.leg == *leg)) else {
                return;
            };
            path.is_held |= call.participants.iter().any(|one| one.leg == *leg && one.is_holding);
            if let Some(other) = call.participants.iter().find(|one| one.leg != *leg) {
                self.follow(other, path);
            }
        }
    }

    /// Returns whether packets from an endpoint arrived at another one recently; none if the latter has ended.
    fn has_received(&self, at: u32, from: u32) -> Option<bool> {
        let phones = self.server.calls().map(|phone| &phone.media.stream);
        let browsers = self.browsers.values().flat_map(|browser| browser.media.open.values());
        let mut streams = phones.chain(browsers.map(|connection| &connection.stream));
        let stream = streams.find(|stream| stream.number() == at)?;
        Some(stream.has_received(from, RECENT, self.now))
    }

    /// Ends all calls and sessions, and checks that nothing is left.
    fn end(&mut self) {
        self.is_lossy = false;
        let now = self.now;
        for invite in self.server.phone_ids() {
            self.server.end_call(invite, now);
        }
        self.pass(Duration::from_secs(5));
        for connection in self.browsers.keys().copied().collect::<Vec<ConnectionId>>() {
            self.at(connection, |browser| {
                let ids: Vec<CallId> =
                    browser.calls.keys().filter(|id| !browser.ended.contains_key(*id)).cloned().collect();
                ids.iter().for_each(|id| browser.press(id, call::Input::HangUp, now));
            });
        }
        self.pass(Duration::from_secs(60));
        let seed = self.seed;
        assert!(self.closed.is_empty(), "seed {seed}: the relay closed sockets: {:?}", self.closed);
        for browser in self.browsers.values() {
            let open: Vec<_> = browser.calls.keys().filter(|id| !browser.ended.contains_key(*id)).collect();
            assert!(open.is_empty(), "seed {seed}: calls of a browser are left: {open:?}");
            assert!(browser.ended.values().all(|times| *times == 1), "seed {seed}: {:?}", browser.ended);
        }
        for connection in self.browsers.keys().copied().collect::<Vec<ConnectionId>>() {
            self.relay.handle_input(Input::Disconnected { connection }, self.now);
        }
        self.browsers.clear();
        self.pass(Duration::from_secs(400));
        assert!(self.relay.is_idle(), "seed {seed}: {:?}", self.relay.counts());
        assert!(self.relay.is_sip_quiet(), "seed {seed}: requests of the relay are pending");
        let legs: usize = self.workers.iter().map(offhook_media::worker::Worker::leg_count).sum();
        assert_eq!((legs, self.sockets.len()), (0, 0), "seed {seed}: legs and sockets of the workers");
        assert!(self.server.is_quiet(), "seed {seed}: the SIP server");
        assert!(self.server.phone_ids().is_empty(), "seed {seed}: calls of phones are left");
    }
}
