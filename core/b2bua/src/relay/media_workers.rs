//! The media workers of legs. A leg is opened on the worker of its call and stays there; an attended transfer between
//! calls on two workers results in a call with legs on both.

use super::Relay;
use crate::io::Output;
use offhook_media::command::{BridgeId, Command, WorkerId};

impl Relay {
    /// Passes a command of a call to the worker of its leg. A bridge between legs of two workers is sent to both.
    pub(super) fn order_media(&mut self, command: Command, of_call: WorkerId) {
        let worker_of = |leg| self.calls.worker_of(leg).unwrap_or(of_call);
        if let Command::Bridge { a, b } = command {
            let workers = [a, b].map(worker_of);
            if workers[0] != workers[1] {
                let bridge = BridgeId(self.fresh_id());
                for (leg, worker, partner, other) in [(a, workers[0], b, workers[1]), (b, workers[1], a, workers[0])] {
                    let command = Command::BridgeAcross { leg, partner, worker: other, bridge };
                    self.outputs.push_back(Output::Media { worker, command });
                }
                return;
            }
        }
        let worker = command.leg().map_or(of_call, worker_of);
        self.outputs.push_back(Output::Media { worker, command });
    }
}
