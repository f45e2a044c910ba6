//! Creation and removal of the participants of calls, with the index entries of their legs.

use super::call_table::{LegEndpoint, LegEntry, SipLeg};
use super::clients::Session;
use super::routing::Target;
use super::{Relay, headers};
use crate::address::Address;
use crate::call::{
    Browser, CallKey, JsonText, MAX_SECTIONS, Participant, Path, Peer, PeerDialog, PeerSetup, SessionId, Side,
    SipResources, WebRtcPath, ice_credentials,
};
use crate::config::{LoginName, MediaProfile, RtpAddress, Sip};
use crate::presenter::CallView;
use offhook_clock::Time;
use offhook_media::command::{LegKey, WorkerId};
use offhook_media::ports::PortPair;
use offhook_sdp::sip::ExtraLine;
use offhook_sdp::webrtc::IceCredentials;
use offhook_signaling::message::CallId;
use offhook_signaling::reason::EndReason;
use offhook_signaling::version::{Extension, feature};
use offhook_sip::message::{Host, SipUri, Uri};
use offhook_sip::user_agent::io::{AccountId, BindingId, Destination, Identity, InviteId, OutboundInvite};
use rand_core::Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// The maximum number of lines that a page may add to the session descriptions of a SIP leg.
const MAX_LINES: usize = 32;

/// The properties of a call that are presented to its callees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Alert {
    pub(super) caller: Address,
    pub(super) callee: Address,
    pub(super) visible_name: String,
    /// The display name was set by the caller's page.
    pub(super) is_named: bool,
    pub(super) custom: Option<JsonText>,
    /// Header fields that the caller's page adds to the INVITE.
    pub(super) headers: Vec<(String, String)>,
    /// Lines that the caller's page adds to the session description.
    pub(super) lines: Vec<ExtraLine>,
    /// The caller is an unknown source.
    pub(super) is_unknown: bool,
    /// The caller's name is withheld.
    pub(super) anonymous: bool,
    /// The user who transferred the caller (`Referred-By`, RFC 3892).
    pub(super) referred_by: Option<Uri>,
    /// The user whose phone redirected the call (`Diversion`, RFC 5806).
    pub(super) diverted_by: Option<Uri>,
    /// The dialog that the call replaces (`Replaces`, RFC 3891).
    pub(super) replaces: Option<String>,
}

/// The call, new or existing, in which a leg is created: its worker, and the number of media sections of a SIP leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CallPlan {
    pub(super) call: CallKey,
    pub(super) worker: WorkerId,
    pub(super) sections: usize,
}

/// The properties of a SIP leg that is to be created.
pub(super) struct PeerPlan {
    pub(super) invite: InviteId,
    pub(super) account: Option<AccountId>,
    pub(super) uri: Uri,
    pub(super) dialog: PeerDialog,
    /// The source address of its SIP messages, if one has been received.
    pub(super) source: Option<IpAddr>,
    /// Its media: RTP or WebRTC.
    pub(super) media: PeerMedia,
    /// Its INVITE was received from an unknown source.
    pub(super) is_unknown: bool,
    /// The user names of the users who diverted its INVITE (`Diversion`, RFC 5806).
    pub(super) diverted_by: BTreeSet<String>,
    /// The registered phone that is called.
    pub(super) phone: Option<BindingId>,
}

/// The media of a new SIP leg. For RTP, `is_ipv6` states the address family if it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PeerMedia {
    Rtp { is_ipv6: Option<bool> },
    WebRtc,
}

impl Alert {
    /// Creates the properties of a call without optional ones.
    pub(super) fn new(caller: Address, callee: Address) -> Self {
        Self {
            caller,
            callee,
            visible_name: String::new(),
            is_named: false,
            custom: None,
            headers: Vec::new(),
            lines: Vec::new(),
            is_unknown: false,
            anonymous: false,
            referred_by: None,
            diverted_by: None,
            replaces: None,
        }
    }

    /// Returns those lines of a page that the relay may add to a session description.
    pub(super) fn lines_of_page(lines: &[String]) -> Vec<ExtraLine> {
        lines.iter().take(MAX_LINES).filter_map(|line| ExtraLine::parse(line)).collect()
    }

    pub(super) fn view(&self, session: SessionId, call_id: CallId, features: Extension, incoming: bool) -> CallView {
        let Self { visible_name, custom, .. } = self.clone();
        let (caller, callee) = (self.caller.to_string(), self.callee.to_string());
        CallView { session, call_id, features, incoming, caller, callee, visible_name, custom }
    }

    pub(super) fn participant(&self, leg: LegKey, address: String, incoming: bool, side: Side) -> Participant {
        let Self { caller, callee, visible_name, custom, anonymous, .. } = self.clone();
        Participant { leg, address, incoming, caller, callee, visible_name, custom, anonymous, side }
    }
}

impl Relay {
    /// Creates a participant that is a browser.
    pub(super) fn browser_participant(
        &mut self,
        session: SessionId,
        plan: CallPlan,
        call_id: CallId,
        alert: &Alert,
        incoming: bool,
    ) -> Participant {
        let leg = LegKey(self.fresh_id());
        let endpoint = LegEndpoint::Browser { session, call_id: call_id.clone() };
        self.calls.insert_leg(leg, LegEntry { call: plan.call, worker: plan.worker, endpoint });
        self.identify_leg(leg);
        let features = self.clients.get(session).map(Session::features).unwrap_or_default();
        let browser = Browser { session, has_direct_media: features.has(feature::DIRECT_MEDIA), offer: None };
        self.presenter.open(leg, alert.view(session, call_id, features, incoming));
        let login = self.clients.get(session).map(|session| session.caller().to_owned());
        alert.participant(leg, login.unwrap_or_default(), incoming, Side::Browser(browser))
    }

    /// Creates a participant that is a SIP endpoint. Unless its media are WebRTC, its leg has RTP ports of its own.
    pub(super) fn sip_participant(
        &mut self,
        plan: PeerPlan,
        call: CallPlan,
        alert: &Alert,
        now: Time,
    ) -> Result<Participant, EndReason> {
        let number = usize::from(call.worker.0);
        let config = self.config.sip.as_deref().ok_or(EndReason::InternalError)?;
        let is_ipv6 = match plan.media {
            PeerMedia::Rtp { is_ipv6 } => is_ipv6,
            PeerMedia::WebRtc => None,
        };
        let peer = plan.source.or_else(|| match &plan.dialog {
            PeerDialog::Planned(request) => self.agent.as_ref()?.peer_address(request.account, &request.to),
            _ => None,
        });
        let mut address = match is_ipv6 {
            Some(_) => rtp_address(config, number, is_ipv6),
            None => rtp_address_toward(config, number, peer),
        }
        .ok_or(EndReason::NoCommonCodecs)?;
        if peer.is_some_and(|peer| config.user_agent.inside.has(peer)) {
            address.advertised = address.local;
        }
        let srtp = config.srtp;
        let leg = LegKey(self.fresh_id());
        let incoming = matches!(plan.dialog, PeerDialog::Planned(_));
        let (path, fragment, ports) = match plan.media {
            PeerMedia::Rtp { .. } => {
                (Path::Rtp, None, self.take_ports(call.call, call.worker, call.sections.min(MAX_SECTIONS), now)?)
            }
            PeerMedia::WebRtc => {
                let ice = ice_credentials(&mut self.random);
                (self.webrtc_path(number, ice.clone()), Some(ice.ufrag), Vec::new())
            }
        };
        let (mut dialog, mut own_mark) = (plan.dialog, None);
        if let PeerDialog::Planned(request) = &mut dialog
            && request.account.is_some()
        {
            let mark = self.token();
            request.headers.push((headers::MARK.to_owned(), mark.clone()));
            own_mark = Some(mark);
        }
        let shown = plan.uri.to_string();
        let sip = SipLeg {
            invite: plan.invite,
            is_unknown: plan.is_unknown,
            diverted_by: plan.diverted_by,
            phone: plan.phone,
            mark: own_mark.clone(),
            fragment,
            rtp: ports.iter().map(|pair| SocketAddr::new(address.advertised, pair.rtp())).collect(),
        };
        let endpoint = LegEndpoint::Sip(Box::new(sip));
        self.calls.insert_leg(leg, LegEntry { call: call.call, worker: call.worker, endpoint });
        self.identify_leg(leg);
        let setup = PeerSetup {
            invite: plan.invite,
            account: plan.account,
            uri: plan.uri,
            dialog,
            ports,
            mark: own_mark,
            path,
            address,
            source: plan.source,
            srtp,
            extra: alert.lines.clone(),
            // Random, so that it identifies a looped call. Below 2^62, because some parsers use signed numbers.
            session_id: self.random.next_u64() >> 2,
            cname: self.token(),
            first_ssrc: (self.random.next_u32() & 0x7fff_ff00) | 1,
        };
        Ok(alert.participant(leg, shown, incoming, Side::Sip(Box::new(Peer::new(setup)))))
    }

    fn webrtc_path(&self, worker: usize, ice: IceCredentials) -> Path {
        let candidates = self.config.workers.get(worker).cloned().unwrap_or_default();
        Path::WebRtc(Box::new(WebRtcPath::new(ice, self.config.fingerprint, candidates)))
    }

    /// Creates the participants to be alerted, or returns the reason why there is none.
    pub(super) fn ring_targets(
        &mut self,
        targets: Vec<Target>,
        call: CallPlan,
        alert: &Alert,
        now: Time,
    ) -> Result<Vec<Participant>, EndReason> {
        let mut participants = Vec::with_capacity(targets.len());
        let mut fault = EndReason::Unavailable;
        for target in targets {
            let participant = match target {
                Target::Session(session) => {
                    let call_id = CallId(self.token());
                    Ok(self.browser_participant(session, call, call_id, alert, true))
                }
                Target::Phone(binding) => {
                    let uri = self.local_uri(alert.callee.login());
                    let plan = self.outbound(None, uri, Destination::Binding(binding), alert);
                    self.sip_participant(plan, call, alert, now)
                }
                Target::Uri { account, uri } => {
                    let uri = Uri::Sip(uri);
                    let plan = self.outbound(Some(account), uri.clone(), Destination::Uri(uri), alert);
                    self.sip_participant(plan, call, alert, now)
                }
            };
            match participant {
                Ok(participant) => participants.push(participant),
                Err(reason) => fault = reason,
            }
        }
        if participants.is_empty() { Err(fault) } else { Ok(participants) }
    }

    fn outbound(&mut self, account: Option<AccountId>, uri: Uri, to: Destination, alert: &Alert) -> PeerPlan {
        let phone = match to {
            Destination::Binding(binding) => Some(binding),
            Destination::Uri(_) => None,
        };
        let request = self.invite(account, to, alert);
        let invite = InviteId::Outbound(self.fresh_id());
        PeerPlan {
            invite,
            account,
            uri,
            dialog: PeerDialog::Planned(Box::new(request)),
            source: None,
            media: self.offered_media(account),
            is_unknown: false,
            diverted_by: BTreeSet::new(),
            phone,
        }
    }

    /// Returns the media to offer: RTP for registered phones, the configured profile for servers.
    pub(super) fn offered_media(&self, account: Option<AccountId>) -> PeerMedia {
        let profile = self.config.sip.as_ref().map(|config| config.profile);
        match profile.filter(|_| account.is_some()) {
            Some(MediaProfile::WebRtc) => PeerMedia::WebRtc,
            Some(MediaProfile::Rtp) | None => PeerMedia::Rtp { is_ipv6: None },
        }
    }

    /// Returns the address of record of a user of this relay.
    pub(super) fn local_uri(&self, login: &LoginName) -> Uri {
        let domain = self.config.sip.as_ref().map_or("localhost", |config| &config.user_agent.domain);
        SipUri::new(Host::of_setting(domain)).with_subscriber(&login.0).into()
    }

    /// Returns the INVITE of a call through an account, or to a registered phone.
    fn invite(&self, account: Option<AccountId>, to: Destination, alert: &Alert) -> OutboundInvite {
        let headers = alert.headers.iter().cloned().chain(headers::custom(alert.custom.as_ref())).collect();
        let known = account.and_then(|account| self.accounts.get(account));
        let config = self.config.sip.as_deref();
        let trunk = config.and_then(|config| config.trunk.as_ref()).filter(|_| account == self.accounts.trunk());
        let uri = match (known, trunk) {
            (Some(known), Some(trunk)) => {
                let login = alert.caller.login();
                let number = trunk.numbers.get(login).unwrap_or(&login.0);
                let host = known.settings().identity.uri.host().cloned();
                host.map_or_else(|| self.local_uri(login), |host| SipUri::new(host).with_subscriber(number).into())
            }
            (Some(known), None) => known.settings().identity.uri.clone(),
            (None, _) => {
                // The address of an unknown source contains its own host.
                let host = alert.caller.sip_uri().map(|uri| uri.host().clone());
                let login = alert.caller.login();
                host.map_or_else(|| self.local_uri(login), |host| SipUri::new(host).with_subscriber(&login.0).into())
            }
        };
        // A trunk may replace the login by a number. A name that equals the login is then omitted, because it would
        // reveal the login.
        let is_given = alert.is_named && trunk.is_none();
        let name = Some(alert.visible_name.clone());
        let name = name.filter(|name| !name.is_empty() && (is_given || *name != alert.caller.to_string()));
        let from = Identity { name, uri };
        OutboundInvite {
            account,
            asserted: trunk.filter(|trunk| trunk.asserts_identity).map(|_| from.clone()),
            from: Some(from),
            to,
            offer: None,
            headers,
            anonymous: alert.anonymous,
            referred_by: alert.referred_by.clone(),
            diverted_by: alert.diverted_by.clone(),
            replaces: alert.replaces.clone(),
        }
    }

    /// Releases the leg of a participant that has left its call. Returns the account that the application has used.
    pub(super) fn release_leg(
        &mut self,
        leg: LegKey,
        sip: Option<SipResources>,
        worker: WorkerId,
        now: Time,
    ) -> Option<AccountId> {
        let account = self.calls.remove_leg(leg);
        self.presenter.close(leg);
        if let Some(SipResources { ports, .. }) = sip {
            self.free_ports(&ports, worker, now);
        }
        account
    }

    /// Returns RTP ports of a call to the pool of the worker, where they stay unused for the configured time.
    pub(super) fn free_ports(&mut self, ports: &[PortPair], worker: WorkerId, now: Time) {
        let addresses = self.config.sip.as_ref().and_then(|config| config.workers.get(usize::from(worker.0)));
        let addresses = addresses.into_iter().flat_map(|worker| &worker.addresses);
        let hosts = addresses.flat_map(|address| [address.advertised, address.local]);
        self.calls.release_rtp(hosts.flat_map(|host| ports.iter().map(move |pair| SocketAddr::new(host, pair.rtp()))));
        self.give_back_ports(ports, worker, now);
    }
}

/// Returns a worker's address for RTP, of the peer's family if it is known.
fn rtp_address(config: &Sip, worker: usize, is_ipv6: Option<bool>) -> Option<RtpAddress> {
    let addresses = &config.workers.get(worker)?.addresses;
    let fits = |address: &&RtpAddress| is_ipv6.is_none_or(|ipv6| address.advertised.is_ipv6() == ipv6);
    addresses.iter().find(fits).copied()
}

/// Returns a worker's address for an offer, of the family of the source address of the peer's SIP messages if possible.
fn rtp_address_toward(config: &Sip, worker: usize, peer: Option<IpAddr>) -> Option<RtpAddress> {
    let family = peer.map(|peer| peer.to_canonical().is_ipv6());
    rtp_address(config, worker, family).or_else(|| rtp_address(config, worker, None))
}
