//! From `call` to the first answer.

use super::negotiation::Answered;
use super::party::{Caller, Fork, Leg, Party, PerLeg};
use super::{Call, Output, Ring, State, terminal_status};
use offhook_clock::Time;
use offhook_media::command::{Command, LegKey};
use offhook_sdp::webrtc::Description;
use offhook_signaling::message::{CallStatus, ServerMessage};
use offhook_signaling::reason::EndReason;

impl Call {
    pub(super) fn begin(&mut self, caller: Party, offer: &str, targets: Result<Vec<Party>, EndReason>, now: Time) {
        // At once: until its first status a page that hangs up sends nothing (contract §5).
        self.tell_status(&caller, CallStatus::Trying);
        let targets = match targets {
            Ok(targets) => targets,
            Err(reason) => return self.refuse(&caller, reason),
        };
        let offer = match Description::parse(offer) {
            Ok(offer) if self.maker.can_offer(&offer) => offer,
            fault => {
                let bad = fault.is_err();
                self.discard(&targets);
                let reason = if bad { EndReason::BadSessionDescription } else { EndReason::NoCommonCodecs };
                return self.refuse(&caller, reason);
            }
        };
        let ring = self.ring(targets, &offer, now);
        self.tell_status(&caller, CallStatus::Ring);
        self.state = State::Ringing { caller: Box::new(Caller { party: caller, offer }), ring };
    }

    fn refuse(&mut self, caller: &Party, reason: EndReason) {
        self.state = State::Ended(reason);
        self.leave_caller(caller, reason);
        self.outputs.push_back(Output::Ended(reason));
    }

    /// Takes those who were to ring, and never will, out of the books.
    pub(super) fn discard(&mut self, targets: &[Party]) {
        for party in targets {
            self.left(party);
        }
    }

    /// Rings everybody in `targets` with what `offer` can do.
    pub(super) fn ring(&mut self, targets: Vec<Party>, offer: &Description, now: Time) -> Ring {
        let has_video = offer
            .sections
            .iter()
            .any(|section| section.kind == offhook_sdp::codec::MediaKind::Video && !section.rejected);
        let mut forks = Vec::with_capacity(targets.len());
        for party in targets {
            let (fork, open, sdp) = self.maker.ring(party, offer);
            let party = &fork.party;
            self.outputs.push_back(Output::Media(open));
            // This order is mandatory: otherwise the stock SDK cannot answer (contract §6.4).
            self.tell(party, ServerMessage::RemoteSdp { call_id: party.call_id.clone(), sdp });
            let object = party.object(CallStatus::Ring, has_video);
            self.tell(party, ServerMessage::IncomingCall(Box::new(object.clone())));
            self.tell(party, ServerMessage::CallStatus(Box::new(object)));
            forks.push(fork);
        }
        Ring { forks, give_up_at: now + self.rings_for }
    }

    pub(super) fn answer(&mut self, leg: LegKey, sdp: &str) {
        let State::Ringing { caller, ring } = &self.state else { return };
        let Some(fork) = ring.forks.iter().find(|fork| fork.party.leg == leg).cloned() else { return };
        let caller = caller.clone();
        let answered = Description::parse(sdp).map_err(|_| EndReason::BadSessionDescription).and_then(|description| {
            let answered = self.maker.answer(&caller.party, &caller.offer, &fork, &description)?;
            Ok((description, answered))
        });
        match answered {
            Ok((description, answered)) => self.establish(*caller, fork, description, answered),
            Err(reason) => self.hang_up_ringing(leg, reason),
        }
    }

    fn establish(&mut self, caller: Caller, fork: Fork, description: Description, answered: Answered) {
        let State::Ringing { ring, .. } = core::mem::replace(&mut self.state, State::Ended(EndReason::InternalError))
        else {
            return;
        };
        let Answered { answer, caller: caller_streams, callee: callee_streams, commands } = answered;
        self.stop_ringing(ring.forks, EndReason::AnsweredElsewhere, Some(fork.party.leg));
        let a = Leg { party: caller.party, description: caller.offer, streams: caller_streams };
        let b = Leg { party: fork.party, description, streams: callee_streams };
        let (caller, callee) = (a.party.clone(), b.party.clone());
        self.state = State::Established {
            legs: Box::new(PerLeg { a, b }),
            held_by: PerLeg { a: false, b: false },
            transfer: None,
        };
        self.outputs.extend(commands.into_iter().map(Output::Media));
        self.tell(&caller, ServerMessage::RemoteSdp { call_id: caller.call_id.clone(), sdp: answer });
        self.tell_status(&caller, CallStatus::Established);
        self.tell_status(&callee, CallStatus::Established);
    }

    /// The caller cancels, or one that rings drops out.
    pub(super) fn hang_up_ringing(&mut self, leg: LegKey, reason: EndReason) {
        let State::Ringing { caller, ring } = &mut self.state else { return };
        if caller.party.leg == leg {
            return self.end(EndReason::Canceled);
        }
        let Some(position) = ring.forks.iter().position(|fork| fork.party.leg == leg) else { return };
        // A person who rejects the call rejects it on all devices (603, RFC 3261 §21.6.2); a device that fails is one less.
        if reason == EndReason::Rejected || ring.forks.len() == 1 {
            return self.end(reason);
        }
        let fork = ring.forks.remove(position);
        self.stop_ringing(vec![fork], reason, None);
    }

    /// Tells those that ring, but for `except`, that it is over for them.
    pub(super) fn stop_ringing(&mut self, forks: Vec<Fork>, reason: EndReason, except: Option<LegKey>) {
        for fork in forks.into_iter().filter(|fork| Some(fork.party.leg) != except) {
            self.leave(&fork.party, terminal_status(reason), reason);
            self.outputs.push_back(Output::Media(Command::CloseLeg { leg: fork.party.leg }));
        }
    }
}
