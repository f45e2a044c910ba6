//! Redirects by phones of this relay (RFC 3261 §21.3). The relay is their server, and follows redirects among its own
//! users.

use super::participant::{Alerting, End, Participant};
use super::{Call, Output, State};
use crate::address::address_of_record;
use crate::config::LoginName;
use offhook_clock::Time;
use offhook_media::command::LegKey;
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::Cause;

/// The maximum number of redirects in one call.
const MOST: u8 = 5;

impl Call {
    /// Returns the caller, and the callee at a fork.
    #[must_use]
    pub fn ringing(&self, leg: LegKey) -> Option<(&Participant, &Participant)> {
        let State::Ringing { caller, forking } = &self.state else { return None };
        let fork = forking.forks.iter().find(|fork| fork.participant.leg == leg)?;
        Some((&caller.participant, &fork.participant))
    }

    /// Returns whether a callee is alerted under this name.
    #[must_use]
    pub fn is_alerting_login(&self, login: &LoginName) -> bool {
        let State::Ringing { forking, .. } = &self.state else { return false };
        forking.forks.iter().any(|fork| address_of_record(&fork.participant.callee) == *login)
    }

    /// Requests the targets of a redirect. Returns false if the relay does not follow it.
    pub(super) fn request_redirect_targets(&mut self, leg: LegKey, cause: &Cause) -> bool {
        let Cause::Refused { status: 300..=302, contacts, .. } = cause else { return false };
        // A callee of a looped INVITE is rejected to the server, which may have another target.
        let is_of_server = self.looped_invite_of(leg).is_some();
        let State::Ringing { forking, .. } = &mut self.state else { return false };
        let is_here = forking.forks.iter().any(|fork| {
            fork.participant.leg == leg && fork.participant.peer().is_some_and(|peer| peer.account.is_none())
        });
        if !is_here || is_of_server || contacts.is_empty() || forking.redirections >= MOST {
            return false;
        }
        forking.redirections += 1;
        self.outputs.push_back(Output::Redirected { leg, contacts: contacts.clone() });
        true
    }

    /// Alerts the targets of a redirect in place of the phone.
    pub(super) fn redirect(&mut self, leg: LegKey, targets: Result<Vec<Participant>, EndReason>, now: Time) {
        let State::Ringing { caller, forking } = &self.state else { return self.discard(&targets.unwrap_or_default()) };
        if forking.forks.iter().all(|fork| fork.participant.leg != leg) {
            return self.discard(&targets.unwrap_or_default());
        }
        let targets = match targets {
            Ok(targets) => targets,
            Err(reason) => return self.ringing_leg_ended(leg, reason),
        };
        let (side, offer, participant, rang) = (
            caller.participant.side.clone(),
            caller.offer.clone(),
            caller.participant.clone(),
            caller.alerting != Alerting::None,
        );
        let forks = self.alert(targets, &side, offer.as_deref(), now).forks;
        if forks.is_empty() {
            return self.ringing_leg_ended(leg, EndReason::NoCommonCodecs);
        }
        let alerts = !rang && forks.iter().any(|fork| fork.participant.browser().is_some());
        let State::Ringing { caller, forking } = &mut self.state else { return };
        match &mut caller.alerting {
            Alerting::None if alerts => caller.alerting = Alerting::Reported,
            Alerting::None | Alerting::Reported => {}
            Alerting::EarlyMedia(early) => early.is_bridged = false,
        }
        forking.forks.extend(forks);
        if let Some(position) = forking.forks.iter().position(|fork| fork.participant.leg == leg) {
            let removed = forking.forks.remove(position);
            self.end_forks(vec![removed], &End::from(EndReason::Redirected), None);
        }
        if alerts {
            self.report_ringing(&participant);
        }
    }
}
