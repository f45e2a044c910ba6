//! Construction of responses to requests (RFC 3261 §8.2.6).

use super::{HeaderName, Headers, Method, Request, Response};

impl Response {
    /// Creates a response with the headers that are copied from `request`. An empty `reason` selects the default reason
    /// phrase.
    ///
    /// The `To` tag is not set; see [`Self::set_to_tag`].
    #[must_use]
    pub fn to(request: &Request, status: u16, reason: &str) -> Self {
        let mut headers = Headers::new();
        let mut copy = |name: HeaderName| {
            request.headers.lines(name.clone()).for_each(|value| headers.push(name.clone(), value));
        };
        copy(HeaderName::Via);
        // Copied only into responses that create a dialog (RFC 3261 §12.1.1, RFC 6665 §4.2.1).
        let makes_dialog =
            matches!(request.method, Method::Invite | Method::Subscribe | Method::Refer | Method::Notify);
        if makes_dialog && (101..300).contains(&status) {
            copy(HeaderName::RecordRoute);
        }
        [HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq].into_iter().for_each(&mut copy);
        if status == 100 {
            copy(HeaderName::Timestamp);
        }
        let reason = if reason.is_empty() { reason_phrase(status) } else { reason };
        Self { status, reason: reason.to_owned(), headers, body: Vec::new() }
    }

    /// Sets the `To` tag, unless the request had one.
    pub fn set_to_tag(&mut self, tag: &str) {
        if let Ok(to) = self.headers.to()
            && to.tag().is_none()
        {
            self.headers.set(HeaderName::To, to.with_tag(tag));
        }
    }

    /// Sets a `To` tag that is the same for each retransmission of the request, unless there is a tag (RFC 3261
    /// §8.2.7). It is computed from the copied headers, so no state is needed.
    pub fn set_stateless_tag(&mut self) {
        self.set_to_tag(&stateless_tag(&self.headers));
    }

    /// Returns whether the status is 1xx.
    #[must_use]
    pub const fn is_provisional(&self) -> bool {
        self.status < 200
    }

    /// Returns whether the status is 2xx.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }
}

/// Returns a tag that is the same for each retransmission of a request.
pub(super) fn stateless_tag(headers: &Headers) -> String {
    // FNV-1a: the tag of a response that creates no dialog may be guessable.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for name in [HeaderName::Via, HeaderName::From, HeaderName::CallId, HeaderName::CSeq] {
        for byte in headers.get(name).unwrap_or_default().bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}

/// Returns the default reason phrase of a status code (RFC 3261 §21 and the IANA registry).
#[must_use]
pub const fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        199 => "Early Dialog Terminated",
        200 => "OK",
        202 => "Accepted",
        204 => "No Notification",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        305 => "Use Proxy",
        380 => "Alternative Service",
        400..500 => client_error(status),
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        580 => "Precondition Failure",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        607 => "Unwanted",
        608 => "Rejected",
        _ => match status / 100 {
            1 => "Progress",
            2 => "Success",
            3 => "Redirection",
            5 => "Server Error",
            _ => "Failure",
        },
    }
}

const fn client_error(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        412 => "Conditional Request Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        424 => "Bad Location Information",
        428 => "Use Identity Header",
        429 => "Provide Referrer Identity",
        430 => "Flow Failed",
        433 => "Anonymity Disallowed",
        436 => "Bad Identity Info",
        437 => "Unsupported Credential",
        438 => "Invalid Identity Header",
        439 => "First Hop Lacks Outbound Support",
        469 => "Bad Info Package",
        470 => "Consent Needed",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        485 => "Ambiguous",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        493 => "Undecipherable",
        494 => "Security Agreement Required",
        _ => "Request Failure",
    }
}
