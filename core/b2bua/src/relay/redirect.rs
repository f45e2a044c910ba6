//! SIP redirects (3xx responses) by phones that are registered at this relay: selection of the new targets.

use super::Relay;
use super::participants::{Alert, CallPlan};
use super::routing::{Source, Target};
use crate::address::{Address, login_of};
use crate::call::{self, CallKey, Participant, Side};
use offhook_clock::Time;
use offhook_media::command::LegKey;
use offhook_signaling::reason::EndReason;
use offhook_sip::message::{Host, Uri};

/// The maximum number of contacts of a redirect that are considered.
const MAX_CONTACTS: usize = 5;

impl Relay {
    /// Alerts the targets of a phone's redirect. If the caller may not call any of them, the call continues without
    /// them.
    pub(super) fn redirect(&mut self, call: CallKey, leg: LegKey, contacts: &[Uri], now: Time) {
        let targets = match self.followed(call, leg, contacts) {
            Some((targets, plan, alert)) => {
                let targets = self.admit_redirect(call, now).and_then(|()| self.admit_ringing(targets, &alert, now));
                targets.and_then(|targets| self.ring_targets(targets, plan, &alert, now))
            }
            None => Err(EndReason::Redirected),
        };
        self.call_input(call, call::Input::Redirect { leg, targets }, now);
    }

    fn followed(&self, key: CallKey, leg: LegKey, contacts: &[Uri]) -> Option<(Vec<Target>, CallPlan, Alert)> {
        let call = self.calls.get(key)?;
        let (caller, phone) = call.ringing(leg)?;
        let source = self.source_of_caller(caller)?;
        let diverter = phone.callee.login();
        // A loop: this phone has redirected the call before (RFC 5806 §4.1).
        if caller.peer().is_some_and(|peer| self.calls.was_diverted_by(peer.invite(), &diverter.0)) {
            return None;
        }
        let mut contacts = contacts.iter().take(MAX_CONTACTS);
        let (contact, targets) = contacts.find_map(|contact| {
            // A user that is being alerted already, such as the redirecting phone's own, is not alerted again.
            let is_new = !call.is_alerting_login(&login_of(contact));
            let targets = self.followed_to(&source, contact).filter(|_| is_new)?;
            if !self.may_redirect(&source, &Address::from(contact.clone()), &targets) {
                return None;
            }
            Some((contact, targets))
        })?;
        let alert = Alert {
            visible_name: phone.visible_name.clone(),
            custom: phone.custom.clone(),
            anonymous: phone.anonymous,
            diverted_by: Some(self.local_uri(diverter)),
            ..Alert::new(phone.caller.clone(), Address::of_login(login_of(contact)))
        };
        let sections = phone.peer().map_or(1, |peer| peer.ports().len());
        Some((targets, CallPlan { call: key, worker: call.worker(), sections }, alert))
    }

    /// Returns the originator whose rights apply to the targets of a redirect. Returns `None` if the redirect is not
    /// followed, because the caller's own account would be charged.
    fn source_of_caller(&self, caller: &Participant) -> Option<Source> {
        match &caller.side {
            Side::Browser(browser) => {
                let account = self.clients.get(browser.session)?.account();
                account.is_none().then(|| self.source_of_session(browser.session))
            }
            Side::Application(application) => application.account.is_none().then_some(Source::Application(None)),
            Side::Sip(peer) if self.calls.is_unknown(peer.invite()) => Some(Source::Unknown),
            Side::Sip(peer) => match peer.account() {
                Some(account) => self.accounts.is_trunk(account).then_some(Source::Account(account)),
                None => Some(Source::Phone(caller.caller.login().clone())),
            },
        }
    }

    /// Returns the targets of a contact: users of this relay, or an address at the trunk that the caller may call.
    fn followed_to(&self, source: &Source, contact: &Uri) -> Option<Vec<Target>> {
        let is_here = contact.host().is_none_or(|host| self.is_own_host(host));
        if is_here {
            // A name that is not a user of this relay is routed to the trunk.
            self.route(source, &Address::of_login(login_of(contact))).ok()
        } else {
            let trunk = self.accounts.trunk().filter(|_| *source != Source::Unknown)?;
            self.route_out(trunk, &self.dialed(source, &Address::from(contact.clone()))).ok()
        }
    }

    fn is_own_host(&self, host: &Host) -> bool {
        let Some(agent) = self.config.sip.as_ref().map(|config| &config.user_agent) else { return false };
        let is_local = agent.local.iter().any(|local| Host::of_setting(&local.host) == *host);
        is_local || Host::of_setting(&agent.domain) == *host
    }
}
