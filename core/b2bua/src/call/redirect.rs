//! Phones of this relay that send their callers elsewhere (RFC 3261 §21.3): it is their server, and follows within its own users.

use super::party::{Alerting, End, Party};
use super::{Call, Output, State};
use crate::address::address_of_record;
use crate::config::LoginName;
use offhook_clock::Time;
use offhook_media::command::LegKey;
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::Cause;

/// How often a call is sent on.
const MOST: u8 = 5;

impl Call {
    /// Who calls, and whom at a fork.
    #[must_use]
    pub fn ringing(&self, leg: LegKey) -> Option<(&Party, &Party)> {
        let State::Ringing { caller, ring } = &self.state else { return None };
        let fork = ring.forks.iter().find(|fork| fork.party.leg == leg)?;
        Some((&caller.party, &fork.party))
    }

    /// Somebody rings under this name.
    #[must_use]
    pub fn rings_for(&self, login: &LoginName) -> bool {
        let State::Ringing { ring, .. } = &self.state else { return false };
        ring.forks.iter().any(|fork| address_of_record(&fork.party.callee) == *login)
    }

    /// Asks where a redirection leads. False: it is none that the relay follows.
    pub(super) fn redirected(&mut self, leg: LegKey, cause: &Cause) -> bool {
        let Cause::Refused { status: 300..=302, contacts, .. } = cause else { return false };
        // Who rings for an INVITE that came back is refused to the server, which may know better.
        let is_of_server = self.rings_for_hairpin(leg).is_some();
        let State::Ringing { ring, .. } = &mut self.state else { return false };
        let is_here = ring
            .forks
            .iter()
            .any(|fork| fork.party.leg == leg && fork.party.peer().is_some_and(|peer| peer.account.is_none()));
        if !is_here || is_of_server || contacts.is_empty() || ring.redirections >= MOST {
            return false;
        }
        ring.redirections += 1;
        self.outputs.push_back(Output::Redirected { leg, contacts: contacts.clone() });
        true
    }

    /// Somebody else rings in the place of a phone.
    pub(super) fn redirect(&mut self, leg: LegKey, targets: Result<Vec<Party>, EndReason>, now: Time) {
        let State::Ringing { caller, ring } = &self.state else { return self.discard(&targets.unwrap_or_default()) };
        if ring.forks.iter().all(|fork| fork.party.leg != leg) {
            return self.discard(&targets.unwrap_or_default());
        }
        let targets = match targets {
            Ok(targets) => targets,
            Err(reason) => return self.drop_out(leg, reason),
        };
        let (side, offer, party, rang) =
            (caller.party.side.clone(), caller.offer.clone(), caller.party.clone(), caller.alerting != Alerting::None);
        let forks = self.ring(targets, &side, offer.as_deref(), now).forks;
        if forks.is_empty() {
            return self.drop_out(leg, EndReason::NoCommonCodecs);
        }
        let alerts = !rang && forks.iter().any(|fork| fork.party.browser().is_some());
        let State::Ringing { caller, ring } = &mut self.state else { return };
        match &mut caller.alerting {
            Alerting::None if alerts => caller.alerting = Alerting::Reported,
            Alerting::None | Alerting::Reported => {}
            Alerting::EarlyMedia(early) => early.is_bridged = false,
        }
        ring.forks.extend(forks);
        if let Some(position) = ring.forks.iter().position(|fork| fork.party.leg == leg) {
            let gone = ring.forks.remove(position);
            self.stop_ringing(vec![gone], &End::from(EndReason::Redirected), None);
        }
        if alerts {
            self.ring_caller(&party);
        }
    }
}
