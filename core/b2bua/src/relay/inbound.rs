//! Inbound SIP calls: handling of INVITEs outside a dialog, including looped calls and Replaces (RFC 3891).

use super::Relay;
use super::calls::involved_sessions;
use super::guards::GuardedCaller;
use super::headers::{self, custom_of};
use super::participants::{Alert, CallPlan, PeerMedia, PeerPlan};
use super::port_shares::Payer;
use super::routing::{Source, Target};
use super::routing_questions::RoutedCall;
use crate::address::{Address, login_of, shortened};
use crate::call::{self, CallKey, End, MAX_SECTIONS, NAME_WITHOUT_ADDRESS, PeerDialog, Side, sdp_text};
use crate::config::LoginName;
use offhook_clock::Time;
use offhook_media::command::LegKey;
use offhook_sdp::sip::{ConnectionAddress, SipDescription, SipSection, Unfit};
use offhook_signaling::reason::EndReason;
use offhook_sip::user_agent::io::{
    AccountId, Body, CalledNumberSource, Command, Identity, InboundInvite, InviteId, Origin,
};
use std::net::SocketAddr;

impl Relay {
    pub(super) fn incoming(&mut self, invite: InviteId, request: &InboundInvite, now: Time) {
        let offer = match request.offer.as_ref().map(description) {
            None => None,
            Some(Ok(offer)) => Some(offer),
            Some(Err((status, reason))) => return self.reject_because(invite, status, reason),
        };
        let unfit = offer.as_ref().and_then(|offer| offer.shared_transport().err());
        if let Some(replaced) = request.replaces.filter(|_| unfit.is_none()) {
            return self.replace(invite, request, replaced, offer, now);
        }
        let (account, callee, targets) = self.called(request);
        let alert = self.inbound_alert(request, callee);
        let own = offer.as_ref().and_then(|offer| self.own_call(request, offer));
        if let (Some((call, leg)), Some(offer), Ok(targets)) = (own, &offer, &targets) {
            return self.ring_for_own(&Returned { invite, account, request, offer, call, leg }, targets, &alert, now);
        }
        // Looped calls belong to a call that exists.
        if let Err(reason) = self.admission.check() {
            return self.reject(invite, reason.sip_status());
        }
        // Checked after looped calls: their offers are the relay's own, which are ICE-lite and must not be rejected.
        if let Some(unfit) = unfit {
            return self.reject_because(invite, 488, Some(unfit.reason()));
        }
        let call = CallKey(self.fresh_id());
        if self.routes_externally() {
            let (source, to) = match &request.origin {
                Origin::Account(account) => (Source::Account(*account), alert.callee),
                Origin::Phone(user) => {
                    (Source::Phone(LoginName(user.clone())), Address::from(request.request_uri.clone()))
                }
                Origin::Unknown => (Source::Unknown, Address::from(request.request_uri.clone())),
            };
            let subject =
                self.subject_of_inbound(call, &self.inbound_alert(request, to.clone()), &targets, offer.as_ref());
            let routed = RoutedCall::Inbound { invite, request: Box::new(request.clone()), call };
            return self.request_route(source, to, subject, routed, now);
        }
        self.ring_inbound(InboundCall { invite, request, account, offer, call }, targets, &alert, now);
    }

    /// Alerts the targets of an inbound call after the shell has routed it.
    pub(super) fn begin_inbound(
        &mut self,
        invite: InviteId,
        request: &InboundInvite,
        call: CallKey,
        (changed, targets): (Option<Address>, Result<Vec<Target>, End>),
        now: Time,
    ) {
        let targets = match targets {
            Ok(targets) => Ok(targets),
            Err(End { reason, status_line: None }) => Err(reason),
            Err(End { status_line: Some((status, info)), .. }) => {
                return self.reject_because(
                    invite,
                    status,
                    Some(&info).filter(|info| !info.is_empty()).map(String::as_str),
                );
            }
        };
        let offer = request.offer.as_ref().and_then(|body| description(body).ok());
        let (account, callee, _) = self.called(request);
        let alert = self.inbound_alert(request, changed.unwrap_or(callee));
        self.ring_inbound(InboundCall { invite, request, account, offer, call }, targets, &alert, now);
    }

    /// Alerts the targets of an inbound call, or rejects it.
    fn ring_inbound(
        &mut self,
        inbound: InboundCall<'_>,
        targets: Result<Vec<Target>, EndReason>,
        alert: &Alert,
        now: Time,
    ) {
        let InboundCall { invite, request, account, offer, call } = inbound;
        self.note_denied_invite(targets.as_ref().err().copied(), request, now);
        // Checked before RTP ports are allocated, so that a call without a target uses none.
        let admitted = targets.and_then(|targets| {
            self.admit_caller(call, GuardedCaller::of_invite(request), now)?;
            self.admit_ringing(targets, alert, now)
        });
        let targets = match admitted {
            Ok(targets) => targets,
            Err(reason) => {
                self.end_guarded(call);
                return self.reject(invite, reason.sip_status());
            }
        };
        let sections = offer.as_ref().map_or(1, |offer| offer.sections.len());
        let worker = self.choose_worker(&involved_sessions(None, &targets));
        let call = CallPlan { call, worker, sections };
        let plan = self.plan(invite, account, request, offer.as_ref());
        self.workers.begin_call(call.call, Payer::of_invite(request));
        let mut caller = match self.sip_participant(plan, call, alert, now) {
            Ok(caller) => caller,
            Err(reason) => {
                self.workers.end_call(call.call);
                self.end_guarded(call.call);
                return self.reject(invite, reason.sip_status());
            }
        };
        let sections = self.check_caller_offer(&mut caller, offer);
        let targets = match &sections {
            Ok(_) => self.ring_targets(targets, call, alert, now),
            Err(reason) => Err(*reason),
        };
        self.begin_call(call, caller, sections, targets, now);
    }

    pub(super) fn inbound_alert(&self, request: &InboundInvite, callee: Address) -> Alert {
        let mut alert = alert(request, callee);
        if request.origin == Origin::Unknown {
            alert.is_unknown = true;
            self.present_unknown_source(&mut alert, request);
        }
        alert
    }

    /// Presents an unknown source with its own host, so that it is not mistaken for a user of this relay.
    fn present_unknown_source(&self, alert: &mut Alert, request: &InboundInvite) {
        if request.anonymous {
            return;
        }
        let Identity { uri, .. } = request.asserted.as_ref().unwrap_or(&request.from);
        let full = match uri.host() {
            Some(host) => Address::of_foreign(alert.caller.login().clone(), host),
            None => Address::from(uri.clone()),
        };
        if alert.visible_name == alert.caller.to_string() || self.is_user(&LoginName(alert.visible_name.clone())) {
            alert.visible_name = full.to_string();
        }
        alert.caller = full;
    }

    /// Returns the call of this relay that an INVITE from a SIP server belongs to (a looped call). The INVITE proves it
    /// by a value that only the recipients of the outgoing INVITE have: the mark, the ICE password, or the session id.
    /// An RTP address proves nothing, because it can be guessed. If the server replaced both session id and address,
    /// the media pass through the server, and the call is not treated as looped.
    fn own_call(&self, request: &InboundInvite, offer: &SipDescription) -> Option<(CallKey, LegKey)> {
        let mut marks = request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(headers::MARK));
        let marked = marks.find_map(|(_, mark)| self.calls.by_mark(mark.trim()));
        let addressed = || {
            let mut addresses = offer.sections.iter().filter_map(|section| section.connection.address());
            addresses
                .find_map(|address| self.calls.by_rtp(SocketAddr::new(address.ip().to_canonical(), address.port())))
        };
        if !matches!(request.origin, Origin::Account(_)) {
            return None;
        }
        let is_lite = offer.shared_transport() == Err(Unfit::BothLite);
        let by_ice = if is_lite { self.leg_with_ice_of(offer) } else { None };
        let addressed = by_ice.or_else(addressed);
        let leg = marked.or(addressed)?;
        let key = self.calls.call_of(leg)?;
        let call = self.calls.get(key)?;
        let has_session = call.session_id_of_fork(leg) == Some(offer.origin.session_id);
        let is_proven = marked.is_some() || by_ice.is_some() || has_session;
        let is_as_sent = addressed == Some(leg) || has_session;
        (is_proven && is_as_sent && call.accepts_looped_invite(leg)).then_some((key, leg))
    }

    /// Returns the leg whose ICE credentials an offer contains.
    fn leg_with_ice_of(&self, offer: &SipDescription) -> Option<LegKey> {
        let leg = offer
            .sections
            .iter()
            .find_map(|section| self.calls.by_fragment(&section.ice.as_ref()?.credentials.ufrag))?;
        self.calls.get(self.calls.call_of(leg)?)?.fork_with_ice_of(offer)
    }

    /// Alerts the callees of a looped call. They become callees of the browser's call that the INVITE was sent for.
    fn ring_for_own(&mut self, returned: &Returned<'_>, targets: &[Target], alert: &Alert, now: Time) {
        let Returned { invite, account, request, offer, call, leg } = *returned;
        let Some(known) = self.calls.get(call) else { return };
        let worker = known.worker();
        let caller = known.caller().and_then(|participant| participant.browser()).map(|browser| browser.session);
        let is_caller = |target: &Target| matches!(target, Target::Session(session) if Some(*session) == caller);
        let targets: Vec<Target> = targets.iter().filter(|target| !is_caller(target)).cloned().collect();
        let targets = match self.admit_ringing(targets, alert, now) {
            Ok(targets) => targets,
            Err(reason) => return self.reject(invite, reason.sip_status()),
        };
        let plan = self.plan(invite, account, request, Some(offer));
        let participant = self.sip_participant(plan, CallPlan { call, worker, sections: 0 }, alert, now);
        let mut participant = match participant {
            Ok(participant) => participant,
            Err(reason) => return self.reject(invite, reason.sip_status()),
        };
        if let Side::Sip(peer) = &mut participant.side {
            peer.accept_at_discard_port(offer.clone(), &mut self.random);
        }
        let sections = offer.sections.len();
        let targets = self.ring_targets(targets, CallPlan { call, worker, sections }, alert, now).unwrap_or_default();
        self.call_input(call, call::Input::LoopedInvite { leg, participant: Box::new(participant), targets }, now);
    }

    fn reject(&mut self, invite: InviteId, status: u16) {
        self.reject_because(invite, status, None);
    }

    fn reject_because(&mut self, invite: InviteId, status: u16, reason: Option<&str>) {
        let reason = reason.map(str::to_owned);
        self.command(Command::Reject { invite, status, reason, contacts: Vec::new() });
    }

    fn plan(
        &self,
        invite: InviteId,
        account: Option<AccountId>,
        request: &InboundInvite,
        offer: Option<&SipDescription>,
    ) -> PeerPlan {
        let media = match offer {
            None => self.offered_media(account),
            Some(offer) if matches!(offer.shared_transport(), Ok(Some(_))) => PeerMedia::WebRtc,
            Some(offer) => {
                let address = offer.sections.iter().find_map(|section| section.connection.address());
                PeerMedia::Rtp { is_ipv6: address.map(|address| address.is_ipv6()) }
            }
        };
        let (uri, source) = (request.from.uri.clone(), Some(request.source));
        let is_unknown = request.origin == Origin::Unknown;
        let diverted_by = request.diverted_by.iter().map(|by| login_of(&by.uri).0).collect();
        let dialog = PeerDialog::Inbound;
        PeerPlan { invite, account, uri, dialog, source, media, is_unknown, diverted_by, phone: None }
    }

    /// Returns the account through which the call was received, if any, the callee's address, and the targets.
    pub(super) fn called(
        &self,
        request: &InboundInvite,
    ) -> (Option<AccountId>, Address, Result<Vec<Target>, EndReason>) {
        let requested = || Address::from(request.request_uri.clone());
        match &request.origin {
            Origin::Account(account) if self.accounts.is_trunk(*account) => {
                let login = self.called_login(request);
                let targets = self.route_here(&Source::Account(*account), &login);
                (Some(*account), Address::of_login(login), targets)
            }
            Origin::Account(account) => {
                let callee = Address::of_login(login_of(&request.to.uri));
                (Some(*account), callee, self.route_in(*account))
            }
            Origin::Phone(user) => {
                let targets = self.route(&Source::Phone(LoginName(user.clone())), &requested());
                (None, Address::of_login(login_of(&request.request_uri)), targets)
            }
            Origin::Unknown => {
                let targets = self.route(&Source::Unknown, &requested());
                (None, Address::of_login(login_of(&request.request_uri)), targets)
            }
        }
    }

    /// Returns the login that an inbound call of the trunk is for. The parts of the INVITE are searched in the order
    /// configured for the trunk; the first one that contains a user of this relay, or the number of one, determines the
    /// login. If none does, the user part of the last one that is present is returned.
    fn called_login(&self, request: &InboundInvite) -> LoginName {
        let trunk = self.config.sip.as_ref().and_then(|config| config.trunk.as_ref());
        let order = trunk.map_or(&[][..], |trunk| &trunk.account.called_number);
        let named = order.iter().filter_map(|source| match source {
            CalledNumberSource::RequestUri => Some(&request.request_uri),
            CalledNumberSource::CalledPartyId => request.called_party.as_ref(),
            CalledNumberSource::To => Some(&request.to.uri),
        });
        let users: Vec<LoginName> = named.map(login_of).collect();
        let by_number = |user: &LoginName| self.users.with_number(&user.0).cloned();
        let mut logins =
            users.iter().filter_map(|user| by_number(user).or_else(|| self.is_user(user).then(|| user.clone())));
        logins.next().or_else(|| users.last().cloned()).unwrap_or_else(|| LoginName(String::new()))
    }

    /// Checks the caller's offer against the SRTP policy and stores it in the caller. Returns the media in it.
    fn check_caller_offer(
        &mut self,
        caller: &mut call::Participant,
        offer: Option<SipDescription>,
    ) -> Result<Option<Vec<offhook_sdp::section::Section>>, EndReason> {
        let (Side::Sip(peer), Some(offer)) = (&mut caller.side, offer) else { return Ok(None) };
        let offer = peer.check_offer(offer, &mut self.random);
        let media = offer.media();
        peer.set_offer(offer);
        if media.iter().all(|section| section.rejected) { Err(EndReason::NoCommonCodecs) } else { Ok(Some(media)) }
    }

    /// Handles an INVITE with Replaces (RFC 3891), which replaces one of this relay's SIP legs. The user agent has
    /// verified the dialog tags, which only the endpoints of that dialog have. Legs of another account cannot be
    /// replaced.
    fn replace(
        &mut self,
        invite: InviteId,
        request: &InboundInvite,
        replaced: InviteId,
        offer: Option<SipDescription>,
        now: Time,
    ) {
        let account = match request.origin {
            Origin::Account(account) => Some(account),
            Origin::Phone(_) | Origin::Unknown => None,
        };
        // Unknown sources can only replace legs of unknown sources, and others cannot replace these.
        let fits = (request.origin == Origin::Unknown) == self.calls.is_unknown(replaced);
        let known = self.leg_of(replaced).filter(|(.., owner)| *owner == account && fits);
        let Some((key, leg, worker)) = known.map(|(key, leg, call, _)| (key, leg, call.worker())) else {
            return self.reject(invite, 481);
        };
        let sections = offer.as_ref().map_or(1, |offer| offer.sections.len());
        let callee = Address::of_login(login_of(&request.to.uri));
        let plan = self.plan(invite, account, request, offer.as_ref());
        let participant =
            self.sip_participant(plan, CallPlan { call: key, worker, sections }, &alert(request, callee), now);
        let mut participant = match participant {
            Ok(participant) => participant,
            Err(reason) => return self.reject(invite, reason.sip_status()),
        };
        let offer = match (&mut participant.side, offer) {
            (Side::Sip(peer), Some(offer)) => Some(Box::new(peer.check_offer(offer, &mut self.random))),
            _ => None,
        };
        self.call_input(key, call::Input::Replace { leg, participant: Box::new(participant), offer }, now);
    }
}

/// An inbound call whose targets are to be alerted.
struct InboundCall<'a> {
    invite: InviteId,
    request: &'a InboundInvite,
    account: Option<AccountId>,
    offer: Option<SipDescription>,
    call: CallKey,
}

/// A looped INVITE, and the fork for which the relay had sent it.
struct Returned<'a> {
    invite: InviteId,
    account: Option<AccountId>,
    request: &'a InboundInvite,
    offer: &'a SipDescription,
    call: CallKey,
    leg: LegKey,
}

/// Returns the session description in a body, or the status, with its reason phrase, of the rejection.
fn description(body: &Body) -> Result<SipDescription, (u16, Option<&'static str>)> {
    let text = sdp_text(body).ok_or((415, None))?;
    let description = SipDescription::parse(&text).map_err(|_| (488, None))?;
    let sections = || description.sections.iter().take(MAX_SECTIONS);
    if sections().any(SipSection::is_usable) {
        return Ok(description);
    }
    let is_named = sections().any(|section| matches!(section.connection, ConnectionAddress::Named { .. }));
    Err((488, is_named.then_some(NAME_WITHOUT_ADDRESS)))
}

fn alert(request: &InboundInvite, callee: Address) -> Alert {
    let Identity { name, uri } = request.asserted.as_ref().unwrap_or(&request.from);
    let caller = if request.anonymous { LoginName("anonymous".to_owned()) } else { login_of(uri) };
    let name = name.clone().filter(|name| !name.trim().is_empty() && !request.anonymous);
    Alert {
        visible_name: shortened(name.as_deref().unwrap_or(&caller.0)).to_owned(),
        custom: custom_of(&request.headers),
        anonymous: request.anonymous,
        ..Alert::new(Address::of_login(caller), callee)
    }
}
