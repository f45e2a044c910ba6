//! A leg of a SIP endpoint: its INVITE dialog, the session descriptions in force, the pending offers, and the transport
//! of its media.

mod descriptions;
mod dialog;
mod early;
mod negotiation;
mod offer_answer;
mod transport;
mod webrtc;

pub use descriptions::{NAME_WITHOUT_ADDRESS, sdp_body, sdp_text};
pub use dialog::PeerDialog;
pub use negotiation::RemoteOffer;
pub(in crate::call) use negotiation::{Pending, Purpose, RemoteAnswer};
pub use transport::{MAX_SECTIONS, Path};
pub use webrtc::WebRtcPath;

use crate::config::{RtpAddress, Srtp};
use descriptions::Descriptions;
use dialog::InviteDialog;
use early::EarlyDescriptions;
use negotiation::PendingOffers;
use offhook_media::command::{Command, LegKey};
use offhook_media::ports::PortPair;
use offhook_sdp::codec::MediaKind;
use offhook_sdp::direction::Direction;
use offhook_sdp::section::Section;
use offhook_sdp::sip::{ExtraLine, LocalDescriptions, SipDescription};
use offhook_sip::message::Uri;
use offhook_sip::user_agent::io::{AccountId, Branch, InviteId, OutboundInvite};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use transport::MediaTransport;

/// The state of a SIP endpoint's leg.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    dialog: InviteDialog,
    descriptions: Descriptions,
    offers: PendingOffers,
    transport: MediaTransport,
}

/// The parameters of a new [`Peer`].
#[derive(Clone, Debug)]
pub struct PeerSetup {
    /// The INVITE session of the user agent.
    pub invite: InviteId,
    /// The account of the call, outbound or inbound.
    pub account: Option<AccountId>,
    /// The URI of the peer.
    pub uri: Uri,
    /// The initial state of the dialog.
    pub dialog: PeerDialog,
    /// The relay's RTP ports for the leg.
    pub ports: Vec<PortPair>,
    /// The mark in the INVITE, by which a looped call is recognized.
    pub mark: Option<String>,
    /// The transport of the media.
    pub path: Path,
    /// The relay's address of those ports.
    pub address: RtpAddress,
    /// The source address of the peer's SIP messages, if a message has been received.
    pub source: Option<IpAddr>,
    /// The encryption policy for the media.
    pub srtp: Srtp,
    /// Additional SDP lines, provided by a browser's page, for the relay's descriptions.
    pub extra: Vec<ExtraLine>,
    /// The session id in `o=` of the relay's descriptions.
    pub session_id: u64,
    /// The relay's CNAME in RTCP.
    pub cname: String,
    /// The first of the relay's consecutive SSRCs on the leg.
    pub first_ssrc: u32,
}

impl Peer {
    /// Creates a peer without any description.
    #[must_use]
    pub fn new(setup: PeerSetup) -> Self {
        let PeerSetup { invite, account, uri, dialog: state, mark, source, .. } = setup;
        let PeerSetup { ports, path, address, srtp, extra, session_id, cname, first_ssrc, .. } = setup;
        Self {
            dialog: InviteDialog { invite, account, uri, state, mark, source },
            descriptions: Descriptions {
                local: LocalDescriptions::new(session_id, address.advertised),
                extra,
                remote: None,
                srtp,
                security: Vec::new(),
                early: EarlyDescriptions::default(),
            },
            offers: PendingOffers::default(),
            transport: MediaTransport { path, ports, address, cname, first_ssrc },
        }
    }

    /// Returns the INVITE session of the user agent.
    #[must_use]
    pub const fn invite(&self) -> InviteId {
        self.dialog.invite
    }

    /// Returns the account of the call, outbound or inbound.
    #[must_use]
    pub const fn account(&self) -> Option<AccountId> {
        self.dialog.account
    }

    /// Returns the URI of the peer.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.dialog.uri
    }

    /// Returns the mark in the INVITE, by which a looped call is recognized.
    #[must_use]
    pub const fn mark(&self) -> Option<&String> {
        self.dialog.mark.as_ref()
    }

    /// Returns the state of the dialog.
    pub(super) const fn dialog(&self) -> &PeerDialog {
        &self.dialog.state
    }

    /// Returns whether the INVITE is outbound and has no final response.
    pub(super) const fn is_unanswered(&self) -> bool {
        matches!(self.dialog.state, PeerDialog::Outbound)
    }

    /// Returns the prepared INVITE, which must be sent now; `None` if no INVITE is prepared.
    pub(super) fn begin_dialog(&mut self) -> Option<Box<OutboundInvite>> {
        self.dialog.begin()
    }

    /// Stores that the relay has accepted the inbound INVITE.
    pub(super) fn accept(&mut self) {
        self.dialog.state = PeerDialog::Confirmed;
    }

    /// Stores that the peer has accepted the INVITE in the dialog `branch`. Returns the answer in the 2xx (`text`) or,
    /// if it has none, that in a provisional response of the same dialog.
    pub(super) fn confirm(&mut self, branch: Branch, text: Option<String>) -> Option<String> {
        self.dialog.state = PeerDialog::Confirmed;
        let early = self.descriptions.early.take(branch);
        text.or(early)
    }

    /// Stores that the dialog is over.
    pub(super) fn end_dialog(&mut self) {
        self.dialog.state = PeerDialog::Over;
    }

    /// Returns the source address of the peer's SIP messages, if a message has been received.
    #[must_use]
    pub const fn source(&self) -> Option<IpAddr> {
        self.dialog.source
    }

    /// Stores the source address of the peer's SIP messages. The next command that connects the leg contains it.
    pub(super) const fn set_source(&mut self, source: IpAddr) {
        self.dialog.source = Some(source);
    }

    /// Stores the offer in the peer's INVITE.
    pub fn set_offer(&mut self, offer: RemoteOffer) {
        self.offers.received = Some(Box::new(offer));
    }

    /// Removes and returns the offer in the peer's INVITE, which is answered now.
    pub(super) const fn take_offer(&mut self) -> Option<Box<RemoteOffer>> {
        self.offers.received.take()
    }

    /// Returns the relay's pending offer.
    pub(super) const fn pending(&self) -> Option<&Pending> {
        self.offers.sent.as_ref()
    }

    /// Defers another offer until the pending one is answered. Returns false if no offer is pending.
    pub(super) const fn defer_offer(&mut self) -> bool {
        match &mut self.offers.sent {
            Some(pending) => {
                pending.is_next_due = true;
                true
            }
            None => false,
        }
    }

    /// Removes and returns the relay's pending offer, after it was answered or refused.
    pub(super) const fn take_pending(&mut self) -> Option<Pending> {
        self.offers.sent.take()
    }

    /// Sets the additional SDP lines for the relay's descriptions.
    pub(super) fn set_extra(&mut self, lines: Vec<ExtraLine>) {
        self.descriptions.extra = lines;
    }

    /// Returns the relay's latest description.
    pub(super) fn last(&self) -> Option<String> {
        self.descriptions.local.last().map(SipDescription::to_string)
    }

    /// Returns the media of the relay's latest description, in the same order.
    pub(super) fn current(&self) -> Vec<Section> {
        self.descriptions.local_media()
    }

    /// Returns the direction of the audio in the peer's latest description.
    pub(super) fn described_audio(&self) -> Option<Direction> {
        let media = self.descriptions.remote.as_ref()?.media();
        let audio = media.into_iter().find(|section| section.kind == MediaKind::Audio && !section.rejected)?;
        Some(audio.direction)
    }

    /// Returns the `o=` session id of the relay's descriptions.
    pub(super) fn session_id(&self) -> Option<u64> {
        self.descriptions.local.last().map(|description| description.origin.session_id)
    }

    /// Returns whether a description contains the relay's ICE credentials for this leg.
    pub(super) fn has_ice_of(&self, description: &SipDescription) -> bool {
        matches!(&self.transport.path, Path::WebRtc(path) if path.has_credentials_of(description))
    }

    /// Returns whether a description has the same media address as the relay's latest one.
    pub(super) fn has_address_of(&self, description: &SipDescription) -> bool {
        self.descriptions.has_address_of(description)
    }

    /// Stores the description of an early dialog.
    pub(super) fn store_early(&mut self, branch: Branch, text: &str) {
        self.descriptions.early.store(branch, text);
    }

    /// Stores an offer that the peer sent in an early dialog and that the relay has answered.
    pub(super) fn change_early(&mut self, branch: Branch, text: &str) {
        self.descriptions.early.change(branch, text);
    }

    /// Returns whether more than one early dialog has a description.
    pub(super) fn is_forked(&self) -> bool {
        self.descriptions.early.is_forked()
    }

    /// Returns the description of the newest early dialog that has one.
    pub(super) fn latest_early(&self) -> Option<&str> {
        self.descriptions.early.latest()
    }

    /// Returns the relay's RTP ports, one pair for each media section; empty if the media use WebRTC.
    #[must_use]
    pub fn ports(&self) -> &[PortPair] {
        &self.transport.ports
    }

    /// Removes and returns the RTP ports, which the leg no longer uses.
    pub(super) fn take_ports(&mut self) -> Vec<PortPair> {
        core::mem::take(&mut self.transport.ports)
    }

    /// Returns the worker's command that opens the RTP ports of the leg or, for WebRTC, permits ICE checks.
    pub(super) fn open(&self, leg: LegKey) -> Command {
        self.transport.open(leg)
    }

    /// Returns the relay's SSRCs, one for each media section.
    pub(super) fn ssrcs(&self) -> Vec<u32> {
        self.transport.ssrcs()
    }
}
