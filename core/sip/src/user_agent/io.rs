//! Commands, inputs, outputs and events of the user agent.

pub use super::called_number::CalledNumberSource;
pub use super::settings::{PhoneUser, UserAgentSettings};
pub use crate::transport::{Hop, LocalAddress, QueryId, TransmissionId};

use crate::auth::Login;
use crate::message::{SipUri, Uri};
use crate::subnet::Subnet;
use crate::transport::{self, Transport};
use core::time::Duration;
use offhook_clock::Time;
use offhook_limits::offense::Kind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// An identity at a SIP server: the SIP account of a browser, or a trunk that many users share. The call model assigns
/// the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountId(pub u64);

/// The SIP side of one call leg: an INVITE with all its dialogs. The side that creates it assigns the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum InviteId {
    /// A call from the relay; numbered by the call model.
    Outbound(u64),
    /// A call to the relay; numbered by the user agent.
    Inbound(u64),
}

/// A binding of a phone at the relay's registrar (RFC 3261 §10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BindingId(pub u64);

/// One dialog of a forked INVITE (RFC 3261 §13.2.2.4), numbered in the order of the first responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Branch(pub u32);

/// A message body, which is opaque to the user agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// The `Content-Type`, such as `application/sdp`.
    pub content_type: String,
    /// The octets.
    pub octets: Vec<u8>,
}

/// A name and an address, as in `From` (RFC 3261 §20.10).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The display name, without quotation marks.
    pub name: Option<String>,
    /// The URI, such as `sip:bob@example.org`.
    pub uri: Uri,
}

/// The configuration of an identity at a SIP server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The address of record, in `From` and, for REGISTER, in `To`.
    pub identity: Identity,
    /// The login for digest authentication.
    pub login: Option<Login>,
    /// The registrar's domain, such as `sip:example.org`. `None` if the account does not register.
    pub registrar: Option<SipUri>,
    /// URIs of outbound proxies for out-of-dialog requests, nearest first (RFC 3261 §8.1.2). Often empty.
    pub route: Vec<SipUri>,
    /// The transport if neither URI nor DNS determines it.
    pub transport: Option<Transport>,
    /// The requested lifetime of the registration.
    pub expires: Duration,
    /// The interval of OPTIONS to the account's server if the account does not register. Zero disables them.
    pub options_interval: Duration,
    /// Addresses of the account's servers, in addition to the registrar's: an INVITE from one of them is a call to this
    /// account.
    pub sources: Vec<Subnet>,
    /// The parts of an INVITE that may contain the called number, most preferred first.
    pub called_number: Vec<CalledNumberSource>,
    /// Whether the account is a trunk: a call from its servers that names no account is for it.
    pub is_trunk: bool,
    /// Whether the operator configured the account. Without `sources`, the addresses of its proxies, registrar and
    /// domain are used as sources. A rejected registration is repeated.
    pub persists: bool,
    /// The wait after the first rejection. It doubles with each further one.
    pub retry_interval: Duration,
    /// The user part of the `Contact`, unique among accounts. Requests to it are for this account.
    pub contact_user: String,
}

impl Account {
    /// Returns the URIs of its servers: proxies, registrar and domain.
    pub fn server_uris(&self) -> impl Iterator<Item = &SipUri> {
        self.route.iter().chain(&self.registrar).chain(self.identity.uri.as_sip())
    }
}

/// The destination of an outbound call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Destination {
    /// A URI, through the proxies of the account.
    Uri(Uri),
    /// A phone that is registered at the relay.
    Binding(BindingId),
}

/// An outbound call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboundInvite {
    /// The account of the caller. `None` for a call to a registered phone, which needs no server.
    pub account: Option<AccountId>,
    /// The identity in `From` that replaces that of the account: the caller's display name, or a user of a trunk.
    pub from: Option<Identity>,
    /// The callee.
    pub to: Destination,
    /// The offer. `None` requests an offer from the callee (RFC 3261 §13.2.1).
    pub offer: Option<Body>,
    /// Further headers, already validated: the `sipHeaders` of the page, and the mark by which the relay recognizes
    /// looped calls.
    pub headers: Vec<(String, String)>,
    /// Whether the caller's identity is withheld (RFC 3323, RFC 3325).
    pub anonymous: bool,
    /// The `P-Asserted-Identity` for a trusted server (RFC 3325).
    pub asserted: Option<Identity>,
    /// The `Referred-By` URI of a transfer (RFC 3892).
    pub referred_by: Option<Uri>,
    /// The URI of the party that diverted the call (RFC 5806).
    pub diverted_by: Option<Uri>,
    /// The `Replaces` value of the dialog that this call replaces (RFC 3891).
    pub replaces: Option<String>,
}

/// The redirects that are followed, from a server or from a callee behind it (RFC 3261 §8.1.3.4). A redirect lets the
/// callee select the destination, at the expense of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Redirects {
    /// None. Redirects are reported.
    Off,
    /// Redirects to the host of the original URI or to the server of the account.
    Domain,
    /// All redirects.
    All,
}

/// An input of the user agent.
#[derive(Clone, Debug)]
pub enum Input {
    /// From the transport.
    Transport(transport::io::Input),
    /// The addresses of this machine have changed. Registrations from an address that no longer exists are repeated, as
    /// are those that have failed.
    NetworkChanged {
        /// The current addresses.
        addresses: BTreeSet<IpAddr>,
    },
    /// A command of the call model.
    Command(Command),
}

/// A command of the call model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Adds an account, and registers it if it has a registrar. An account with the same number is replaced.
    AddAccount {
        /// The number of the account.
        account: AccountId,
        /// The configuration.
        settings: Box<Account>,
    },
    /// Unregisters and removes an account. Its calls continue.
    RemoveAccount {
        /// The account.
        account: AccountId,
    },
    /// Places a call.
    Invite {
        /// The number of the call, an [`InviteId::Outbound`].
        invite: InviteId,
        /// The call.
        request: Box<OutboundInvite>,
    },
    /// Sends 180 or 183 to the caller, with or without an answer for early media; reliably if the caller requires it
    /// (RFC 3262).
    Ring {
        /// The inbound call, which has no final response yet.
        invite: InviteId,
        /// The status code: 180, 181, 182 or 183.
        status: u16,
        /// The answer, or the offer if the INVITE had none.
        body: Option<Body>,
    },
    /// Sends 200 to the caller.
    Accept {
        /// The inbound call, which has no final response yet.
        invite: InviteId,
        /// The answer, or the offer if the INVITE had none. `None` if it was sent reliably with [`Command::Ring`].
        body: Option<Body>,
    },
    /// Rejects a call.
    Reject {
        /// The inbound call, which has no final response yet.
        invite: InviteId,
        /// The status code, 300 to 699.
        status: u16,
        /// The reason phrase. `None` for the default.
        reason: Option<String>,
        /// The `Contact` URIs of a redirect.
        contacts: Vec<Uri>,
    },
    /// Ends a call with CANCEL, BYE or 480, depending on its state. All its dialogs end.
    HangUp {
        /// The call.
        invite: InviteId,
        /// The `Reason` header (RFC 3326): a SIP status code and its text.
        reason: Option<(u16, String)>,
    },
    /// Sends a new offer in the call with re-INVITE, or with UPDATE before the call is answered (RFC 3311). Only one
    /// offer can be pending; glare is handled by the user agent (RFC 3261 §14.1). An offer that cannot be sent yet is
    /// deferred, and is replaced by the next one with [`Event::OfferRefused`] (491). The answer is reported with
    /// [`Event::OfferAnswered`].
    Offer {
        /// The call.
        invite: InviteId,
        /// The offer.
        body: Body,
    },
    /// Answers [`Event::Offer`], or the offer in [`Event::Progress`] or [`Event::Answered`] of a call that was placed
    /// without offer.
    AnswerOffer {
        /// The call.
        invite: InviteId,
        /// The dialog of the offer.
        branch: Branch,
        /// The answer, or the offer if the peer requested one.
        body: Body,
    },
    /// Rejects [`Event::Offer`]. The session is unchanged (RFC 3261 §14.2).
    RefuseOffer {
        /// The call.
        invite: InviteId,
        /// The dialog of the offer.
        branch: Branch,
        /// The status code, usually 488.
        status: u16,
        /// The reason phrase, which is also the text of `Warning` in a 488. `None` for the default.
        reason: Option<String>,
    },
    /// Sends REFER, which requests the peer to call `target` (RFC 3515). Only one can be pending; another one, or one
    /// in a call that is not established, is reported as rejected with 491.
    Refer {
        /// The established call.
        invite: InviteId,
        /// The URI to call.
        target: Box<Uri>,
        /// Another established call with that target, which the new call is to replace (RFC 3891).
        replaces: Option<InviteId>,
    },
    /// Answers [`Event::Refer`].
    AnswerRefer {
        /// The call.
        invite: InviteId,
        /// 202, or the status code of a rejection.
        status: u16,
    },
    /// Reports the progress of an accepted REFER in a `message/sipfrag` NOTIFY. A final status ends the subscription.
    NotifyRefer {
        /// The call.
        invite: InviteId,
        /// The status code of the new call.
        status: u16,
        /// The reason phrase of the new call.
        reason: String,
    },
    /// Sends INFO (RFC 6086).
    Info {
        /// The established call.
        invite: InviteId,
        /// The body, such as `application/dtmf-relay`.
        body: Body,
    },
    /// Ends all calls and registrations.
    Shutdown,
}

/// An output of the user agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// For the transport.
    Transport(transport::io::Output),
    /// For the call model.
    Event(Event),
}

/// The reason that a request to a server failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// The final response has a status code of 300 or more.
    Refused {
        /// The status code.
        status: u16,
        /// The reason phrase.
        reason: String,
    },
    /// The credentials were rejected.
    WrongPassword {
        /// The realm.
        realm: String,
    },
    /// No response arrived.
    Timeout,
    /// No connection could be opened, or the message could not be sent.
    Unreachable,
    /// The name does not resolve.
    NoSuchHost,
}

/// The cause of the end of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// The peer sent BYE, or CANCEL before the call was answered.
    Remote {
        /// The SIP status code and text of its `Reason` header (RFC 3326).
        reason: Option<(u16, String)>,
    },
    /// The callee rejected the call. The values are those of the best final response (RFC 3261 §16.7).
    Refused {
        /// The status code, 300 to 699.
        status: u16,
        /// The reason phrase.
        reason: String,
        /// The `Contact` URIs of a redirect, in order of preference.
        contacts: Vec<Uri>,
    },
    /// The request could not be delivered, or the credentials were rejected.
    Failed(Failure),
    /// The call model ended or rejected the call.
    Local,
    /// The peer is unreachable: no ACK, PRACK or session refresh (RFC 4028 §10) arrived, or an in-dialog request
    /// received 408 or 481 (RFC 3261 §12.2.1.2).
    Lost,
}

/// The origin of an inbound call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// A call to this account: the Request-URI is the account's contact, or the request came from the account's server
    /// and names the account. Without `accept_unknown`, every call from a server with a single account is for that
    /// account.
    Account(AccountId),
    /// A call from an authenticated phone that is registered here, with its user name.
    Phone(String),
    /// A call from an unknown source to a user of the relay's domain. The configuration decides whether it is accepted.
    Unknown,
}

/// An inbound call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboundInvite {
    /// The origin.
    pub origin: Origin,
    /// The source address of the INVITE.
    pub source: IpAddr,
    /// The Request-URI.
    pub request_uri: Uri,
    /// The caller, from `From`.
    pub from: Identity,
    /// The original callee, from `To`.
    pub to: Identity,
    /// The URI of the called number, from `P-Called-Party-ID` (RFC 7315 §4.2).
    pub called_party: Option<Uri>,
    /// The caller, from `P-Asserted-Identity` (RFC 3325), if the source is trusted.
    pub asserted: Option<Identity>,
    /// Whether the caller requests anonymity (RFC 3323).
    pub anonymous: bool,
    /// The parties that diverted the call, most recent first, from `History-Info` (RFC 7044) or `Diversion` (RFC 5806).
    pub diverted_by: Vec<Identity>,
    /// The offer. `None` if the callee has to make one.
    pub offer: Option<Body>,
    /// The headers that an application may read.
    pub headers: Vec<(String, String)>,
    /// The call of this relay that it replaces (RFC 3891).
    pub replaces: Option<InviteId>,
}

/// An event for the call model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// An account was registered. Reported once, and again after a failure.
    Registered {
        /// The account.
        account: AccountId,
        /// The lifetime of the registration.
        expires: Duration,
    },
    /// A registration failed. Without `retry_at` it is not repeated.
    RegistrationFailed {
        /// The account.
        account: AccountId,
        /// The reason.
        failure: Failure,
        /// The time of the next attempt.
        retry_at: Option<Time>,
    },
    /// The account was unregistered on request.
    Unregistered {
        /// The account.
        account: AccountId,
    },
    /// A phone registered.
    PhoneBound {
        /// The user name.
        user: String,
        /// The binding, which can be called.
        binding: BindingId,
    },
    /// The registration of a phone ended.
    PhoneUnbound {
        /// The user name.
        user: String,
        /// The binding, which can no longer be called.
        binding: BindingId,
    },
    /// A remote address shows the behavior of an attacker; see [`offhook_limits::offense`].
    Offense {
        /// The kind of offense.
        kind: Kind,
        /// The remote address.
        address: IpAddr,
        /// Whether the address is verified, as opposed to possibly forged.
        is_verified: bool,
    },
    /// An INVITE was received and answered with 100.
    Incoming {
        /// The number of the call, an [`InviteId::Inbound`].
        invite: InviteId,
        /// The call.
        request: Box<InboundInvite>,
    },
    /// The source address of the peer's messages has changed. Reported before the event of the message that shows it.
    SourceChanged {
        /// The call.
        invite: InviteId,
        /// The address.
        source: IpAddr,
    },
    /// A provisional response other than 100, or a retransmission of one with new content.
    Progress {
        /// The call.
        invite: InviteId,
        /// The dialog.
        branch: Branch,
        /// The status code, 101 to 199.
        status: u16,
        /// The reason phrase.
        reason: String,
        /// The answer or early description. For an INVITE without offer, the offer, to be answered with
        /// [`Command::AnswerOffer`].
        body: Option<Body>,
    },
    /// The callee answered. The ACK was sent, except after an INVITE without offer, where it is deferred until
    /// [`Command::AnswerOffer`]. The user agent ends the other dialogs of the call.
    Answered {
        /// The call.
        invite: InviteId,
        /// The dialog.
        branch: Branch,
        /// The answer, or the offer if the INVITE had none. `None` if it arrived in a provisional response.
        body: Option<Body>,
    },
    /// An answer arrived: to the offer of [`Command::Offer`], or in an ACK or PRACK to the offer of [`Command::Accept`]
    /// or [`Command::Ring`]. Also reported if a session refresh brings a description that differs from the current one.
    OfferAnswered {
        /// The call.
        invite: InviteId,
        /// The answer.
        body: Body,
    },
    /// The offer of [`Command::Offer`] was rejected or could not be sent.
    OfferRefused {
        /// The call.
        invite: InviteId,
        /// The status code. 408 if no response arrived.
        status: u16,
    },
    /// The peer sent a new offer or, without a body, requests one (RFC 3261 §14.2). [`Command::AnswerOffer`] or
    /// [`Command::RefuseOffer`] must follow. Session refreshes without a new description (RFC 4028) are not reported.
    Offer {
        /// The call.
        invite: InviteId,
        /// The dialog. An inbound call has only one, the first.
        branch: Branch,
        /// The offer.
        body: Option<Body>,
    },
    /// The call has ended. Reported exactly once for each call; nothing follows.
    Ended {
        /// The call.
        invite: InviteId,
        /// The cause.
        cause: Cause,
    },
    /// The peer requests a transfer with REFER. [`Command::AnswerRefer`] must follow.
    Refer {
        /// The call.
        invite: InviteId,
        /// The URI to call.
        target: Box<Uri>,
        /// A `Replaces` value for the new call (RFC 3891).
        replaces: Option<String>,
        /// The call of this relay that `replaces` identifies, if there is one.
        replaced: Option<InviteId>,
        /// The `Referred-By` URI (RFC 3892).
        referred_by: Option<Box<Uri>>,
    },
    /// Progress of [`Command::Refer`]: the status of the peer's new call, or 100 after a 202. A final status or the
    /// rejection of the REFER ends it.
    ReferProgress {
        /// The call.
        invite: InviteId,
        /// The status code.
        status: u16,
        /// Whether no further report follows.
        is_final: bool,
        /// Whether the peer rejected the REFER itself, possibly because it does not support the method. The relay may
        /// then perform the transfer itself.
        is_refused: bool,
    },
    /// An INFO was received and answered with 200.
    Info {
        /// The call.
        invite: InviteId,
        /// The body.
        body: Body,
    },
}
