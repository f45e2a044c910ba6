//! SIP dialogs (RFC 3261 §12).
//!
//! ```text
//!            101–199 with tag        2xx
//!  (INVITE) ──────────────────> Early ────> Confirmed ──> ended: BYE, 481, 408
//!      └─────────────── 2xx ─────────────────^
//! ```
//!
//! A dialog is data: its owner decides which requests are sent in it and when it ends.

mod reference;

pub use reference::{Referral, refer_to};

use crate::message::{CSeq, HeaderName, Malformed, Method, NameAddr, Replaces, Request, Response, Uri};
use serde::{Deserialize, Serialize};

/// The initial `Max-Forwards` (RFC 3261 §8.1.1.6).
pub const MAX_FORWARDS: u8 = 70;

/// The maximum number of hops in a route set.
const MAX_ROUTES: usize = 32;

/// The identifier of a dialog from the local point of view (RFC 3261 §12).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DialogId {
    /// The Call-ID.
    pub call_id: String,
    /// The local tag.
    pub local_tag: String,
    /// The remote tag. Empty if the peer has none (RFC 3261 §12.1.1).
    pub remote_tag: String,
}

impl DialogId {
    /// Returns the dialog identifier of a request inside a dialog, or `None` if its `To` has no tag.
    ///
    /// # Errors
    /// Returns an error if a required header is malformed.
    pub fn of_request(request: &Request) -> Result<Option<Self>, Malformed> {
        let headers = &request.headers;
        let to = headers.to()?;
        let Some(local_tag) = to.tag() else { return Ok(None) };
        let from = headers.from()?;
        let remote_tag = from.tag().unwrap_or_default().to_owned();
        Ok(Some(Self { call_id: headers.call_id()?.to_owned(), local_tag: local_tag.to_owned(), remote_tag }))
    }

    /// Returns the identifier of the dialog that a response creates or belongs to.
    ///
    /// # Errors
    /// Returns an error if a required header is malformed.
    pub fn of_response(response: &Response) -> Result<Self, Malformed> {
        let headers = &response.headers;
        let (from, to) = (headers.from()?, headers.to()?);
        let tag = |address: &NameAddr| address.tag().unwrap_or_default().to_owned();
        Ok(Self { call_id: headers.call_id()?.to_owned(), local_tag: tag(&from), remote_tag: tag(&to) })
    }

    /// Returns the dialog identifier that a received `Replaces` refers to (RFC 3891 §3).
    #[must_use]
    pub fn of_replaces(replaces: &Replaces) -> Self {
        Self {
            call_id: replaces.call_id.clone(),
            local_tag: replaces.to_tag.clone(),
            remote_tag: replaces.from_tag.clone(),
        }
    }

    /// Returns the `Replaces` value that identifies this dialog to the peer.
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

/// The state of a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Created by a provisional response.
    Early,
    /// Created or confirmed by a 2xx.
    Confirmed,
}

/// The error for a request with a CSeq lower than that of an earlier request (RFC 3261 §12.2.2): 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfOrder;

/// The state of a dialog.
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
    /// Creates the dialog of the UAC that sent `request` and received `response` (RFC 3261 §12.1.2).
    ///
    /// # Errors
    /// Returns an error if a required header is missing or malformed.
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
        dialog.update_from(response)?;
        Ok(dialog)
    }

    /// Creates the dialog of the UAS that sends a 2xx or provisional response with the tag `tag` to `request` (RFC 3261
    /// §12.1.1).
    ///
    /// # Errors
    /// Returns an error if a required header is missing or malformed.
    pub fn of_server(request: &Request, tag: &str, is_secure: bool) -> Result<Self, Malformed> {
        let headers = &request.headers;
        let remote = headers.from()?;
        let contact = headers.contact().ok_or(Malformed("missing Contact"))??;
        let routes = headers.record_routes()?;
        if routes.len() > MAX_ROUTES {
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

    /// Returns the dialog identifier.
    #[must_use]
    pub const fn id(&self) -> &DialogId {
        &self.id
    }

    /// Returns whether the dialog is early or confirmed.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    /// Returns the local address with its tag.
    #[must_use]
    pub const fn local(&self) -> &NameAddr {
        &self.local
    }

    /// Returns the remote address with its tag.
    #[must_use]
    pub const fn remote(&self) -> &NameAddr {
        &self.remote
    }

    /// Returns the remote target.
    #[must_use]
    pub const fn target(&self) -> &Uri {
        &self.target
    }

    /// Returns whether the route set is empty.
    #[must_use]
    pub const fn is_direct(&self) -> bool {
        self.routes.is_empty()
    }

    /// Returns whether all requests must be sent over TLS (RFC 3261 §12.1.1).
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// Confirms the dialog. A received 2xx replaces the route set (RFC 3261 §13.2.2.4).
    ///
    /// # Errors
    /// Returns an error if its routes or contact are malformed. Route set and target are then unchanged.
    pub fn confirm(&mut self, success: Option<&Response>) -> Result<(), Malformed> {
        self.stage = Stage::Confirmed;
        success.map_or(Ok(()), |success| self.update_from(success))
    }

    /// Updates the route set and the remote target from a response to the INVITE that creates the dialog.
    fn update_from(&mut self, response: &Response) -> Result<(), Malformed> {
        let mut routes = response.headers.record_routes()?;
        if routes.len() > MAX_ROUTES {
            return Err(Malformed("too many routes"));
        }
        routes.reverse();
        // Some peers omit the Contact in provisional responses; the target then stays unchanged.
        let contact = response.headers.contact().transpose()?;
        self.routes = routes;
        self.target = contact.map_or_else(|| self.target.clone(), |contact| contact.uri);
        Ok(())
    }

    /// Checks and stores the CSeq of a request from the peer (RFC 3261 §12.2.2), except ACK and CANCEL.
    ///
    /// # Errors
    /// Returns an error if a request with an equal or higher number was received before.
    pub fn accept_cseq(&mut self, cseq: u32) -> Result<(), OutOfOrder> {
        if self.remote_cseq.is_some_and(|last| cseq <= last) {
            return Err(OutOfOrder);
        }
        self.remote_cseq = Some(cseq);
        Ok(())
    }

    /// Updates the remote target from a target refresh request or its 2xx (RFC 3261 §12.2).
    pub fn refresh_target(&mut self, contact: Option<Result<NameAddr, Malformed>>) {
        if let Some(Ok(contact)) = contact {
            self.target = contact.uri;
        }
    }

    /// Creates the next request to the peer, without `Via`, `Contact` and body (RFC 3261 §12.2.1.1).
    pub fn request(&mut self, method: Method) -> Request {
        self.local_cseq = self.local_cseq.saturating_add(1);
        self.make(method, self.local_cseq)
    }

    /// Assigns the next CSeq to a modified request that is sent again (RFC 3261 §8.1.3.5).
    pub fn renumber(&mut self, request: &mut Request) {
        self.local_cseq = self.local_cseq.saturating_add(1);
        request.headers.set(HeaderName::CSeq, CSeq { number: self.local_cseq, method: request.method.clone() });
    }

    /// Creates the ACK for the 2xx to the INVITE with this CSeq (RFC 3261 §13.2.2.4).
    #[must_use]
    pub fn ack(&self, cseq: u32) -> Request {
        self.make(Method::Ack, cseq)
    }

    fn make(&self, method: Method, cseq: u32) -> Request {
        let (uri, routes) = self.request_route();
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

    /// Returns the Request-URI and `Route`. With a loose router first, the Request-URI is the remote target; with a
    /// strict router, it is that router and the target is the last route (RFC 3261 §12.2.1.1).
    fn request_route(&self) -> (Uri, Vec<NameAddr>) {
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
