//! Random actions of users, seeded: in any order of events, no call, leg or id remains.

use super::{Bench, call_message, config};
use crate::io::{ConnectionId, Input};
use core::time::Duration;
use offhook_media::command::{Command, Event, LegKey, TransportFailure};
use offhook_signaling::message::{CallId, ClientMessage, ServerMessage};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};

const LOGINS: [&str; 4] = ["alice", "bob", "carol", "dave"];

struct World {
    bench: Bench,
    random: ChaCha20Rng,
    online: BTreeMap<ConnectionId, BTreeSet<CallId>>,
    gone: Vec<LegKey>,
    step: u32,
}

impl World {
    fn pick(&mut self, below: usize) -> usize {
        usize::try_from(self.random.next_u32()).unwrap() % below.max(1)
    }

    fn random_participant(&mut self) -> Option<(ConnectionId, Option<CallId>)> {
        let at = self.pick(self.online.len());
        let (connection, calls) = self.online.iter().nth(at).map(|(c, calls)| (*c, calls.clone()))?;
        let call = self.pick(calls.len());
        Some((connection, calls.into_iter().nth(call)))
    }

    fn step(&mut self) {
        self.step += 1;
        let action = self.pick(16);
        let login = LOGINS[self.pick(LOGINS.len())];
        match (action, self.random_participant()) {
            (0, _) | (_, None) => {
                let connection = self.bench.connect(super::hello(login));
                self.online.insert(connection, BTreeSet::new());
            }
            (1, Some((connection, _))) => {
                self.online.remove(&connection);
                self.bench.input(Input::Disconnected { connection });
            }
            (2..=4, Some((connection, _))) => {
                let id = format!("call-{}", self.step);
                self.online.get_mut(&connection).unwrap().insert(CallId(id.clone()));
                self.bench.send(connection, &call_message(&id, login));
            }
            (5..=8, Some((connection, Some(call)))) => self.bench.answer(connection, &call),
            (9, Some((connection, Some(call)))) => self.bench.hang_up(connection, call.as_str()),
            (10, Some((connection, Some(call_id)))) => {
                self.bench.send(connection, &ClientMessage::Hold { call_id, for_transfer: false });
            }
            (11, Some((connection, Some(call)))) => self.bench.send(connection, &ClientMessage::Unhold(call)),
            (12 | 13, Some((connection, Some(call_id)))) => {
                let target = login.to_owned();
                self.bench.send(connection, &ClientMessage::Transfer { call_id, target });
            }
            (14, _) => self.lose_a_leg(),
            _ => self.bench.wait(Duration::from_secs(20)),
        }
        self.learn();
    }

    fn lose_a_leg(&mut self) {
        let legs = self.bench.relay.calls.legs();
        let at = self.pick(legs.len());
        if let Some(leg) = legs.get(at).copied() {
            self.gone.push(leg);
            let event = if self.pick(2) == 0 {
                Event::LegDead { leg }
            } else {
                Event::LegFailed { leg, failure: TransportFailure::IceTimeout }
            };
            self.bench.media_event(event);
        }
    }

    /// Records the incoming calls of every browser, and checks that each call ends once.
    fn learn(&mut self) {
        for (connection, calls) in &mut self.online {
            for message in self.bench.inbox.remove(connection).unwrap_or_default() {
                match message {
                    ServerMessage::IncomingCall(call) => assert!(calls.insert(call.call_id.clone())),
                    ServerMessage::CallStatus(call) if call.status.is_terminal() => {
                        assert!(calls.remove(&call.call_id), "{} ended twice", call.call_id);
                    }
                    ServerMessage::CallStatus(call) => {
                        assert!(calls.contains(&call.call_id), "status of a call that is over");
                    }
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn random_actions_leave_no_state() {
    let mut talked = 0;
    for seed in 0..300_u64 {
        let random = ChaCha20Rng::seed_from_u64(seed);
        let bench = Bench::new(config());
        let mut world = World { bench, random, online: BTreeMap::new(), gone: Vec::new(), step: 0 };
        for _ in 0..200 {
            world.step();
        }
        for connection in world.online.keys().copied().collect::<Vec<_>>() {
            world.bench.input(Input::Disconnected { connection });
        }
        let bridged = world.bench.media.iter().any(|command| matches!(command, Command::Bridge { .. }));
        talked += u32::from(bridged);
        world.bench.assert_no_leak(&world.gone);
        assert_eq!(world.bench.relay.counts().sessions, 0, "seed {seed}");
    }
    assert!(talked > 250, "only {talked} of 300 runs ever got a call through");
}
