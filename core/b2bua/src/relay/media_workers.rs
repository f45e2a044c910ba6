//! The media workers of legs. A leg is opened on the worker of its call and stays there; an attended transfer between
//! calls on two workers results in a call with legs on both.

use super::Relay;
use crate::io::Output;
use offhook_media::command::{BridgeId, Command, LegKey, WorkerId};

impl Relay {
    /// Returns the worker of a leg, in a call of that worker.
    pub(super) fn worker_of(&self, leg: LegKey, of_call: WorkerId) -> WorkerId {
        self.away.get(&leg).copied().unwrap_or(of_call)
    }

    /// Records that a leg moves from one call to another.
    pub(super) fn note_worker(&mut self, leg: LegKey, before: WorkerId, after: WorkerId) {
        let worker = self.worker_of(leg, before);
        if worker == after {
            self.away.remove(&leg);
        } else {
            self.away.insert(leg, worker);
        }
    }

    /// Passes a command of a call to the worker of its leg. A bridge between legs of two workers is sent to both.
    pub(super) fn order_media(&mut self, command: Command, of_call: WorkerId) {
        if let Command::Bridge { a, b } = command {
            let workers = [a, b].map(|leg| self.worker_of(leg, of_call));
            if workers[0] != workers[1] {
                let bridge = BridgeId(self.fresh_id());
                for (leg, worker, partner, other) in [(a, workers[0], b, workers[1]), (b, workers[1], a, workers[0])] {
                    let command = Command::BridgeAcross { leg, partner, worker: other, bridge };
                    self.outputs.push_back(Output::Media { worker, command });
                }
                return;
            }
        }
        let worker = command.leg().map_or(of_call, |leg| self.worker_of(leg, of_call));
        self.outputs.push_back(Output::Media { worker, command });
    }
}
