//! The vocabulary of the user agent: what goes in, what comes out.

pub use super::settings::{PhoneUser, Settings};
pub use crate::transport::{Hop, LocalAddress, QueryId, TransmissionId};

use crate::auth::Login;
use crate::subnet::Subnet;
use crate::transport::{FlowId, Source, Target, Transport};
use core::time::Duration;
use offhook_clock::Time;
use offhook_limits::offense::Kind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// One identity at one SIP server: a browser's SIP account, or a trunk that many share. Numbered by the call model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountId(pub u64);

/// The SIP side of one call leg: an INVITE with all the dialogs it makes, numbered by whoever begins it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum InviteId {
    /// The relay calls; numbered by the call model.
    Outbound(u64),
    /// The relay is called; numbered by the user agent.
    Inbound(u64),
}

/// One phone that registered at the relay itself: a binding (RFC 3261 §10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BindingId(pub u64);

/// One dialog among those that a forked INVITE makes (RFC 3261 §13.2.2.4), in the order of their first response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Branch(pub u32);

/// A message body; the user agent does not look inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// The `Content-Type`, `application/sdp` say.
    pub content_type: String,
    /// The octets.
    pub octets: Vec<u8>,
}

/// A name and an address, as in `From` (RFC 3261 §20.10).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The display name, unquoted.
    pub name: Option<String>,
    /// The URI, `sip:bob@example.org` say.
    pub uri: String,
}

/// What the relay needs to act for somebody at a SIP server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The address of record: what stands in `From` and, for REGISTER, in `To`.
    pub identity: Identity,
    /// User name and password for digest.
    pub login: Option<Login>,
    /// The registrar's domain, `sip:example.org` say; none: this account does not register.
    pub registrar: Option<String>,
    /// URIs of proxies that every request outside a dialog goes through, the nearest first (RFC 3261 §8.1.2); often empty.
    pub route: Vec<String>,
    /// The transport where URI and DNS leave the choice.
    pub transport: Option<Transport>,
    /// How long a registration is asked for.
    pub expires: Duration,
    /// How often its server is sent OPTIONS where it does not register; zero: never.
    pub options_interval: Duration,
    /// Addresses of the account's servers, beside the one that is registered at: an INVITE from them is a call at this account.
    pub sources: Vec<Subnet>,
    /// Calls from its servers are for this account too where they name no account: it stands for many called numbers.
    pub is_trunk: bool,
    /// The operator's account. Where it has no `sources`, the addresses of its proxies, registrar and domain are these. A
    /// registration that its server refuses is tried again after minutes: the operator's accounts, whose passwords are right.
    pub persists: bool,
    /// The user part of the `Contact`, unique among accounts: requests to it are for this account.
    pub contact_user: String,
}

/// What a call goes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Destination {
    /// A URI, through the account's proxies.
    Uri(String),
    /// A phone that registered here.
    Binding(BindingId),
}

/// A call to be placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboundInvite {
    /// Who calls; none for a call to a phone that registered here, which needs no server.
    pub account: Option<AccountId>,
    /// What stands in `From` in the place of the account's identity: the caller's display name, a user of a trunk.
    pub from: Option<Identity>,
    /// Whom.
    pub to: Destination,
    /// The offer; none asks the callee for one (RFC 3261 §13.2.1).
    pub offer: Option<Body>,
    /// More headers, checked: the page's `sipHeaders`, the mark by which the relay knows its own calls.
    pub headers: Vec<(String, String)>,
    /// Withhold the caller's identity (RFC 3323, 3325).
    pub anonymous: bool,
    /// `P-Asserted-Identity` (RFC 3325), towards a trusted server.
    pub asserted: Option<Identity>,
    /// Who sent the caller here (RFC 3892).
    pub referred_by: Option<String>,
    /// Who was called before and sent the call on (RFC 5806).
    pub diverted_by: Option<String>,
    /// The call whose place this one takes (RFC 3891), as a `Replaces` value.
    pub replaces: Option<String>,
}

/// Which redirections of a server, or of a callee behind it, are followed (RFC 3261 §8.1.3.4). Whoever is called decides then
/// where the call goes, and the account pays for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Redirects {
    /// None: they are told.
    Off,
    /// Those to the host that was called, or to the account's server.
    Domain,
    /// All.
    All,
}

/// What happens to the user agent.
#[derive(Clone, Debug)]
pub enum Input {
    /// A datagram, or one message of a stream, framed by [`crate::message`].
    Received {
        /// Where it came from.
        source: Source,
        /// The message.
        octets: Vec<u8>,
    },
    /// The resolver's answer, best first; empty: there is no such host.
    Resolved {
        /// The question.
        query: QueryId,
        /// Where to send.
        targets: Vec<Target>,
    },
    /// A message could not be handed to the network, or its connection broke before it was written.
    SendFailed {
        /// Which.
        transmission: TransmissionId,
    },
    /// A connection is gone.
    FlowClosed {
        /// Which.
        flow: FlowId,
    },
    /// The addresses of this machine have changed: what was registered from an address that is gone registers again, and what
    /// is not registered tries again.
    NetworkChanged {
        /// The addresses there are now.
        addresses: BTreeSet<IpAddr>,
    },
    /// The call model wants something.
    Command(Command),
}

/// What the call model wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Acts for this account from now on; registers it if it names a registrar. An account of that number is replaced.
    AddAccount {
        /// Its number.
        account: AccountId,
        /// What is known of it.
        settings: Box<Account>,
    },
    /// Unregisters, forgets. Calls go on.
    RemoveAccount {
        /// Which.
        account: AccountId,
    },
    /// Places a call.
    Invite {
        /// Its number, [`InviteId::Outbound`].
        invite: InviteId,
        /// The call.
        request: Box<OutboundInvite>,
    },
    /// 180 or 183 to a caller, with an answer for early media or without; reliably if the caller asks for it (RFC 3262).
    Ring {
        /// The call, inbound, unanswered.
        invite: InviteId,
        /// 180, 181, 182 or 183.
        status: u16,
        /// The answer (or the offer, to an INVITE without one).
        body: Option<Body>,
    },
    /// 200 to a caller.
    Accept {
        /// The call, inbound, unanswered.
        invite: InviteId,
        /// The answer; the offer, if the INVITE had none; none if it went out with [`Command::Ring`] reliably.
        body: Option<Body>,
    },
    /// A final refusal.
    Reject {
        /// The call, inbound, unanswered.
        invite: InviteId,
        /// 300 to 699.
        status: u16,
        /// The reason phrase; none: the standard's.
        reason: Option<String>,
        /// `Contact` of a redirection.
        contacts: Vec<String>,
    },
    /// CANCEL, BYE or 480, as the call's state demands; all its dialogs end.
    HangUp {
        /// The call.
        invite: InviteId,
        /// What the `Reason` header says (RFC 3326): a SIP status and its text.
        reason: Option<(u16, String)>,
    },
    /// A new offer in the call: re-INVITE, or UPDATE before it is answered (RFC 3311). One at a time; glare is
    /// handled here (RFC 3261 §14.1). One that cannot be made yet waits, and gives way to the next with
    /// [`Event::OfferRefused`] (491). The answer comes with [`Event::OfferAnswered`].
    Offer {
        /// The call.
        invite: InviteId,
        /// The offer.
        body: Body,
    },
    /// Answers [`Event::Offer`], or the offer in [`Event::Progress`] or [`Event::Answered`] of a call that was placed
    /// without one: the answer, or the offer that was asked for.
    AnswerOffer {
        /// The call.
        invite: InviteId,
        /// Whose offer it is.
        branch: Branch,
        /// The description.
        body: Body,
    },
    /// Refuses [`Event::Offer`]; the session stays as it was (RFC 3261 §14.2).
    RefuseOffer {
        /// The call.
        invite: InviteId,
        /// The dialog of the offer.
        branch: Branch,
        /// 488 in most cases.
        status: u16,
        /// The reason phrase, which a 488 repeats as the text of `Warning`. None: the standard's.
        reason: Option<String>,
    },
    /// REFER: the peer shall call somebody else (RFC 3515). One at a time; another is told as refused with 491, as it is
    /// in a call that is not established.
    Refer {
        /// The call, established.
        invite: InviteId,
        /// The URI to call.
        target: String,
        /// Another established call with that target, which the new one shall replace (RFC 3891).
        replaces: Option<InviteId>,
    },
    /// Answers [`Event::Refer`].
    AnswerRefer {
        /// The call.
        invite: InviteId,
        /// 202, or why not.
        status: u16,
    },
    /// Progress of a REFER that was accepted: a `message/sipfrag` NOTIFY. A final status ends the subscription.
    NotifyRefer {
        /// The call.
        invite: InviteId,
        /// The status of the new call.
        status: u16,
        /// Its reason phrase.
        reason: String,
    },
    /// INFO (RFC 6086).
    Info {
        /// The call, established.
        invite: InviteId,
        /// `application/dtmf-relay`, say.
        body: Body,
    },
    /// Ends everything: BYE, CANCEL, unregister.
    Shutdown,
}

/// What the user agent wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a message.
    Send {
        /// To be named if it fails.
        transmission: TransmissionId,
        /// How and where to.
        hop: Hop,
        /// The message (or a keep-alive, RFC 5626 §3.5.1).
        octets: Vec<u8>,
    },
    /// Find out where a URI leads (RFC 3263). The transport is given when the URI, or the account, names it.
    Resolve {
        /// To be named in the answer.
        query: QueryId,
        /// The host: a name or an address, IPv6 without brackets.
        host: String,
        /// The port, if given.
        port: Option<u16>,
        /// The transport, if given.
        transport: Option<Transport>,
        /// `sips:`: TLS only.
        secure: bool,
    },
    /// Close a connection: its peer does not answer. [`Input::FlowClosed`] tells when it is gone.
    Close {
        /// Which.
        flow: FlowId,
    },
    /// A registered phone or a call depends on this flow of datagrams: it is not to be forgotten, however many new peers
    /// send. Each is followed by one [`Self::ReleaseFlow`].
    KeepFlow {
        /// Which.
        flow: FlowId,
    },
    /// One registered phone or call less depends on the flow.
    ReleaseFlow {
        /// Which.
        flow: FlowId,
    },
    /// Tell the call model.
    Event(Event),
}

/// Why a request to a server failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// It was answered with a final status of 300 or more.
    Refused {
        /// The status.
        status: u16,
        /// Its reason phrase.
        reason: String,
    },
    /// The credentials are not accepted.
    WrongPassword {
        /// By which realm.
        realm: String,
    },
    /// Nothing answers.
    Timeout,
    /// No connection.
    Unreachable,
    /// The name does not resolve.
    NoSuchHost,
}

/// Who ended a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// The peer said BYE, or CANCEL before it was answered; with the status of its `Reason` header, if it had one.
    Remote {
        /// RFC 3326: a SIP status, with its text.
        reason: Option<(u16, String)>,
    },
    /// The callee refused: the best of the final responses (RFC 3261 §16.7).
    Refused {
        /// 300 to 699.
        status: u16,
        /// Its reason phrase.
        reason: String,
        /// `Contact` of a redirection, best first.
        contacts: Vec<String>,
    },
    /// The request could not be delivered, or the password was wrong.
    Failed(Failure),
    /// The call model hung up or refused.
    Local,
    /// The other end is gone: no ACK, no PRACK, no refresh (RFC 4028 §10), 408 or 481 in the dialog (RFC 3261 §12.2.1.2).
    Lost,
}

/// Where a call came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// For this account: the request went to its contact, or came from its server and names it.
    /// Without `accept_unknown`, whatever comes from the server of a single account is for that.
    Account(AccountId),
    /// From a phone that registered here, whose password was checked: its user name.
    Phone(String),
    /// From somewhere else, to this user of the relay's domain; the configuration decides whether that may be.
    Unknown,
}

/// A call that came in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboundInvite {
    /// Whose it is.
    pub origin: Origin,
    /// The source address of the INVITE.
    pub source: IpAddr,
    /// The Request-URI.
    pub request_uri: String,
    /// Who calls, by `From`.
    pub from: Identity,
    /// Who was called at first, by `To`.
    pub to: Identity,
    /// The number that was called, by `P-Called-Party-ID` (RFC 7315 §4.2): a URI.
    pub called_party: Option<String>,
    /// Who calls, by `P-Asserted-Identity` (RFC 3325), if the source is trusted.
    pub asserted: Option<Identity>,
    /// The caller wants to stay unknown (RFC 3323).
    pub anonymous: bool,
    /// Who was called before, the latest first: `History-Info` (RFC 7044), `Diversion` (RFC 5806).
    pub diverted_by: Vec<Identity>,
    /// The offer; none: the callee makes one.
    pub offer: Option<Body>,
    /// Headers the user agent has no use for: what the application may read.
    pub headers: Vec<(String, String)>,
    /// The call it takes the place of (RFC 3891), found among this relay's.
    pub replaces: Option<InviteId>,
}

/// What the call model is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The registrar has accepted an account, for this long; told once, and again after a failure.
    Registered {
        /// Which.
        account: AccountId,
        /// Until the registrar would forget it.
        expires: Duration,
    },
    /// A registration failed. Without `retry_at` it is not tried again.
    RegistrationFailed {
        /// Which.
        account: AccountId,
        /// Why.
        failure: Failure,
        /// When it is tried again.
        retry_at: Option<Time>,
    },
    /// The account is unregistered, as it was wished.
    Unregistered {
        /// Which.
        account: AccountId,
    },
    /// A phone registered here, or its registration ended.
    PhoneBound {
        /// Its user name.
        user: String,
        /// To be called by.
        binding: BindingId,
    },
    /// See `PhoneBound`.
    PhoneGone {
        /// Its user name.
        user: String,
        /// Not to be called any more.
        binding: BindingId,
    },
    /// A remote address did what an attacker does; see [`offhook_limits::offense`].
    Offense {
        /// What.
        kind: Kind,
        /// The address.
        address: IpAddr,
        /// The address is proved to be the sender's.
        is_verified: bool,
    },
    /// A call came in; 100 was sent.
    Incoming {
        /// Its number, [`InviteId::Inbound`].
        invite: InviteId,
        /// The call.
        request: Box<InboundInvite>,
    },
    /// The peer's messages come from this address from now on; reported before the event that brought it.
    SourceChanged {
        /// The call.
        invite: InviteId,
        /// The address.
        source: IpAddr,
    },
    /// A provisional response other than 100, or one that was repeated with something new.
    Progress {
        /// The call.
        invite: InviteId,
        /// Which callee.
        branch: Branch,
        /// 101 to 199.
        status: u16,
        /// Its reason phrase.
        reason: String,
        /// The answer, or early description; to an INVITE without offer the offer, which [`Command::AnswerOffer`] is to answer.
        body: Option<Body>,
    },
    /// The callee answered; the ACK is sent, but after an INVITE without offer it waits for [`Command::AnswerOffer`].
    /// Other dialogs of the call are ended here.
    Answered {
        /// The call.
        invite: InviteId,
        /// Which callee.
        branch: Branch,
        /// The answer (or offer); none if it came with a provisional response already.
        body: Option<Body>,
    },
    /// The answer to an offer of this end's is there: to that of [`Command::Offer`], or to the one that went out with
    /// [`Command::Accept`] or [`Command::Ring`], by ACK or PRACK. Unasked for where a refresh of the session brought a
    /// description that is not the one in force.
    OfferAnswered {
        /// The call.
        invite: InviteId,
        /// The answer.
        body: Body,
    },
    /// The offer of [`Command::Offer`] was refused, or could not be made.
    OfferRefused {
        /// The call.
        invite: InviteId,
        /// The status; 408 when nothing answered.
        status: u16,
    },
    /// The peer makes a new offer, or, without a body, asks for one (RFC 3261 §14.2): [`Command::AnswerOffer`] or
    /// [`Command::RefuseOffer`] is due. Mere refreshes (RFC 4028) never come here.
    Offer {
        /// The call.
        invite: InviteId,
        /// Which callee; of a call that came in there is but one dialog, the first.
        branch: Branch,
        /// The offer.
        body: Option<Body>,
    },
    /// The call is over: told exactly once for each call, whoever ended it. Nothing follows.
    Ended {
        /// The call.
        invite: InviteId,
        /// How.
        cause: Cause,
    },
    /// The peer wants the relay to call somebody else: [`Command::AnswerRefer`] is due.
    Refer {
        /// The call.
        invite: InviteId,
        /// The URI to call.
        target: String,
        /// A `Replaces` value for the new call (RFC 3891).
        replaces: Option<String>,
        /// The call of this relay that it names, if it is one of its own.
        replaced: Option<InviteId>,
        /// Who says so (RFC 3892).
        referred_by: Option<String>,
    },
    /// Progress of [`Command::Refer`]: the status of the peer's new call; 100 for a plain 202. A final status ends it,
    /// as does a refusal of the REFER itself.
    ReferProgress {
        /// The call.
        invite: InviteId,
        /// The status.
        status: u16,
        /// No more will come.
        is_final: bool,
        /// The peer refused the REFER itself (it may not know the method): the relay may do the transfer on its own.
        is_refused: bool,
    },
    /// INFO arrived; it was answered with 200.
    Info {
        /// The call.
        invite: InviteId,
        /// Its body.
        body: Body,
    },
}
