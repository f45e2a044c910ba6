//! Redirects (3xx) by phones that are registered at this relay (RFC 3261 §21.3). The relay, as their server, calls the
//! contacts instead of forwarding the response to the caller.

use super::context::Context;
use super::forking::{Forking, end_forks};
use super::participant::{Alerting, Caller, End, Participant};
use super::ringing::Ringing;
use super::{Output, State};
use crate::config::LoginName;
use offhook_clock::Time;
use offhook_media::command::LegKey;
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::Cause;

/// The maximum number of redirects in one call.
const MAX_REDIRECTS: u8 = 5;

impl Ringing {
    /// Returns whether a callee with this login is being alerted.
    pub(super) fn is_alerting_login(&self, login: &LoginName) -> bool {
        self.forking.forks.iter().any(|fork| fork.participant.callee.login() == login)
    }

    /// Requests the targets of a redirect. Returns false if the relay does not follow it.
    pub(super) fn request_redirect_targets(&mut self, leg: LegKey, cause: &Cause, cx: &mut Context) -> bool {
        let Cause::Refused { status: 300..=302, contacts, .. } = cause else { return false };
        // For a callee of a looped INVITE, the INVITE is rejected instead, because the server may have another target.
        let is_of_server = self.looped_invite_of(leg).is_some();
        let peer = self.forking.get(leg).and_then(|fork| fork.participant.peer());
        let is_here = peer.is_some_and(|peer| peer.account().is_none());
        if !is_here || is_of_server || contacts.is_empty() || self.redirections >= MAX_REDIRECTS {
            return false;
        }
        self.redirections += 1;
        cx.push(Output::Redirected { leg, contacts: contacts.clone() });
        true
    }

    /// Alerts the targets of a redirect instead of the phone that sent it.
    pub(super) fn redirect(
        mut self: Box<Self>,
        leg: LegKey,
        targets: Result<Vec<Participant>, EndReason>,
        now: Time,
        cx: &mut Context,
    ) -> State {
        if !self.forking.contains(leg) {
            return self.with(|_| cx.discard(&targets.unwrap_or_default()));
        }
        let targets = match targets {
            Ok(targets) => targets,
            Err(reason) => return self.hang_up(leg, reason, cx),
        };
        let Caller { participant: caller, offer, alerting } = &mut self.caller;
        let Some(Forking { forks, .. }) = Forking::alert(targets, &caller.side, offer.as_deref(), now, cx) else {
            return self.hang_up(leg, EndReason::NoCommonCodecs, cx);
        };
        let has_browser = forks.iter().any(|fork| fork.participant.browser().is_some());
        let alerts = has_browser && *alerting == Alerting::None;
        match alerting {
            Alerting::None if alerts => *alerting = Alerting::Reported,
            Alerting::None | Alerting::Reported => {}
            Alerting::EarlyMedia(early) => early.is_bridged = false,
        }
        self.forking.forks.extend(forks);
        let redirected = self.forking.remove(leg);
        end_forks(redirected.into_iter().collect(), &End::from(EndReason::Redirected), cx);
        if alerts {
            cx.report_ringing(&self.caller.participant);
        }
        State::Ringing(self)
    }
}
