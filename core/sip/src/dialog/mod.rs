//! Dialogs (RFC 3261 §12): what two user agents remember of each other between requests.
//!
//! ```text
//!            101–199 with tag        2xx
//!  (INVITE) ──────────────────> Early ────> Confirmed ──> gone: BYE, 481, 408
//!      └─────────────── 2xx ─────────────────^
//! ```
//!
//! A dialog is data: its owner decides what is sent in it and when it ends.

mod reference;

pub use reference::{Referral, refer_to};

use crate::message::{CSeq, HeaderName, Malformed, Method, NameAddr, Replaces, Request, Response, Uri};
use serde::{Deserialize, Serialize};

/// Requests go through no more hops than these (RFC 3261 §8.1.1.6).
pub const MAX_FORWARDS: u8 = 70;

/// Hops that a route set may have.
const MOST_ROUTES: usize = 32;

/// What identifies a dialog, as this end sees it (RFC 3261 §12).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DialogId {
    /// `Call-ID`.
    pub call_id: String,
    /// This end's tag.
    pub local_tag: String,
    /// The peer's tag; empty where it has none (RFC 3261 §12.1.1).
    pub remote_tag: String,
}

impl DialogId {
    /// The dialog that a request inside it names; none where its `To` has no tag.
    ///
    /// # Errors
    /// When a header that is needed is malformed.
    pub fn of_request(request: &Request) -> Result<Option<Self>, Malformed> {
        let headers = &request.headers;
        let to = headers.to()?;
        let Some(local_tag) = to.tag() else { return Ok(None) };
        let from = headers.from()?;
        let remote_tag = from.tag().unwrap_or_default().to_owned();
        Ok(Some(Self { call_id: headers.call_id()?.to_owned(), local_tag: local_tag.to_owned(), remote_tag }))
    }

    /// The dialog that a response makes or belongs to.
    ///
    /// # Errors
    /// When a header that is needed is malformed.
    pub fn of_response(response: &Response) -> Result<Self, Malformed> {
        let headers = &response.headers;
        let (from, to) = (headers.from()?, headers.to()?);
        let tag = |address: &NameAddr| address.tag().unwrap_or_default().to_owned();
        Ok(Self { call_id: headers.call_id()?.to_owned(), local_tag: tag(&from), remote_tag: tag(&to) })
    }

    /// The dialog that `Replaces` names to this end (RFC 3891 §3).
    #[must_use]
    pub fn of_replaces(replaces: &Replaces) -> Self {
        Self {
            call_id: replaces.call_id.clone(),
            local_tag: replaces.to_tag.clone(),
            remote_tag: replaces.from_tag.clone(),
        }
    }

    /// Names this dialog to its peer.
    #[must_use]
    pub fn replaces(&self) -> Replaces {
        Replaces {
            call_id: self.call_id.clone(),
            to_tag: self.remote_tag.clone(),
            from_tag: self.local_tag.clone(),
            early_only: false,
        }
    }
}

/// How far a dialog is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Made by a provisional response.
    Early,
    /// Made, or confirmed, by a success.
    Confirmed,
}

/// A request came out of order (RFC 3261 §12.2.2): 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfOrder;

/// One dialog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialog {
    id: DialogId,
    stage: Stage,
    local: NameAddr,
    remote: NameAddr,
    target: Uri,
    routes: Vec<NameAddr>,
    local_cseq: u32,
    remote_cseq: Option<u32>,
    is_secure: bool,
}

impl Dialog {
    /// The dialog that `response` makes for whom sent `request` (RFC 3261 §12.1.2).
    ///
    /// # Errors
    /// When a header that is needed is missing or malformed.
    pub fn of_client(request: &Request, response: &Response) -> Result<Self, Malformed> {
        let mut dialog = Self {
            id: DialogId::of_response(response)?,
            stage: Stage::Early,
            local: request.headers.from()?,
            remote: response.headers.to()?,
            target: request.uri.clone(),
            routes: Vec::new(),
            local_cseq: request.headers.cseq()?.number,
            remote_cseq: None,
            is_secure: request.uri.scheme() == "sips",
        };
        dialog.learn(response)?;
        Ok(dialog)
    }

    /// The dialog that a success, or provisional response, to `request` with the tag `tag` makes for whom sends it
    /// (RFC 3261 §12.1.1).
    ///
    /// # Errors
    /// When a header that is needed is missing or malformed.
    pub fn of_server(request: &Request, tag: &str, is_secure: bool) -> Result<Self, Malformed> {
        let headers = &request.headers;
        let remote = headers.from()?;
        let contact = headers.contact().ok_or(Malformed("the Contact is missing"))??;
        let routes = headers.record_routes()?;
        if routes.len() > MOST_ROUTES {
            return Err(Malformed("too many routes"));
        }
        let id = DialogId {
            call_id: headers.call_id()?.to_owned(),
            local_tag: tag.to_owned(),
            remote_tag: remote.tag().unwrap_or_default().to_owned(),
        };
        Ok(Self {
            id,
            stage: Stage::Early,
            local: headers.to()?.with_tag(tag),
            remote,
            target: contact.uri,
            routes,
            local_cseq: 0,
            remote_cseq: Some(headers.cseq()?.number),
            is_secure: is_secure && request.uri.scheme() == "sips",
        })
    }

    /// What identifies it.
    #[must_use]
    pub const fn id(&self) -> &DialogId {
        &self.id
    }

    /// How far it is.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    /// This end's address, with its tag.
    #[must_use]
    pub const fn local(&self) -> &NameAddr {
        &self.local
    }

    /// The peer's address, with its tag.
    #[must_use]
    pub const fn remote(&self) -> &NameAddr {
        &self.remote
    }

    /// Where the peer wants to be reached.
    #[must_use]
    pub const fn target(&self) -> &Uri {
        &self.target
    }

    /// No proxy wants to see the requests of this dialog.
    #[must_use]
    pub const fn is_direct(&self) -> bool {
        self.routes.is_empty()
    }

    /// Everything has to be sent by TLS (RFC 3261 §12.1.1).
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// This end has sent or received its success. The one from the peer brings the route set that counts (RFC 3261 §13.2.2.4).
    ///
    /// # Errors
    /// When its routes or contact are malformed; the dialog stands as it was.
    pub fn confirm(&mut self, success: Option<&Response>) -> Result<(), Malformed> {
        self.stage = Stage::Confirmed;
        success.map_or(Ok(()), |success| self.learn(success))
    }

    /// Route set and remote target of a response to the INVITE that makes the dialog.
    fn learn(&mut self, response: &Response) -> Result<(), Malformed> {
        let mut routes = response.headers.record_routes()?;
        if routes.len() > MOST_ROUTES {
            return Err(Malformed("too many routes"));
        }
        routes.reverse();
        // Some forget the Contact in provisional responses; what was called is the best guess then.
        let contact = response.headers.contact().transpose()?;
        self.routes = routes;
        self.target = contact.map_or_else(|| self.target.clone(), |contact| contact.uri);
        Ok(())
    }

    /// Takes the sequence number of a request from the peer (RFC 3261 §12.2.2); not of ACK and CANCEL.
    ///
    /// # Errors
    /// When a later request was here before.
    pub fn take(&mut self, cseq: u32) -> Result<(), OutOfOrder> {
        if self.remote_cseq.is_some_and(|last| cseq <= last) {
            return Err(OutOfOrder);
        }
        self.remote_cseq = Some(cseq);
        Ok(())
    }

    /// The contact of a target refresh request, or of the success that answers one (RFC 3261 §12.2).
    pub fn refresh_target(&mut self, contact: Option<Result<NameAddr, Malformed>>) {
        if let Some(Ok(contact)) = contact {
            self.target = contact.uri;
        }
    }

    /// The next request to the peer, without `Via`, `Contact` and body (RFC 3261 §12.2.1.1).
    pub fn request(&mut self, method: Method) -> Request {
        self.local_cseq = self.local_cseq.saturating_add(1);
        self.make(method, self.local_cseq)
    }

    /// The next number for a request that is sent again with something changed (RFC 3261 §8.1.3.5).
    pub fn renumber(&mut self, request: &mut Request) {
        self.local_cseq = self.local_cseq.saturating_add(1);
        request.headers.set(HeaderName::CSeq, CSeq { number: self.local_cseq, method: request.method.clone() });
    }

    /// The ACK for the success of the INVITE with this number (RFC 3261 §13.2.2.4).
    #[must_use]
    pub fn ack(&self, cseq: u32) -> Request {
        self.make(Method::Ack, cseq)
    }

    fn make(&self, method: Method, cseq: u32) -> Request {
        let (uri, routes) = self.way();
        let mut request = Request::new(method, uri);
        let headers = &mut request.headers;
        headers.set_routes(&routes);
        headers.push(HeaderName::MaxForwards, MAX_FORWARDS);
        headers.push(HeaderName::From, &self.local);
        headers.push(HeaderName::To, &self.remote);
        headers.push(HeaderName::CallId, &self.id.call_id);
        headers.push(HeaderName::CSeq, CSeq { number: cseq, method: request.method.clone() });
        request
    }

    /// Request-URI and `Route`: the target through loose routers; a strict one wants to be asked itself, with the target
    /// as the last stop (RFC 3261 §12.2.1.1).
    fn way(&self) -> (Uri, Vec<NameAddr>) {
        let mut target = self.target.clone();
        if let Some(sip) = target.as_sip_mut() {
            sip.make_request_uri();
        }
        match self.routes.split_first() {
            Some((first, rest)) if !first.uri.is_loose_router() => {
                let mut uri = first.uri.clone();
                if let Some(sip) = uri.as_sip_mut() {
                    sip.make_request_uri();
                }
                let routes = rest.iter().cloned().chain([NameAddr::new(target)]).collect();
                (uri, routes)
            }
            Some(_) | None => (target, self.routes.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
