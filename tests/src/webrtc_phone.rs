//! A SIP endpoint that uses WebRTC: a browser's media engine with handwritten SIP messages.

use crate::peer::{Habits, Peer, Sound, unique};
use crate::wire::{Wire, header, status};
use std::net::SocketAddr;

/// An endpoint with one call.
pub struct WebRtcPhone {
    wire: Wire,
    /// Its media.
    pub peer: Peer,
    /// Its session description; only the direction varies.
    description: String,
    call: Dialog,
}

/// An endpoint without a call.
pub struct Idle {
    wire: Wire,
}

/// The dialog state for the endpoint's requests.
struct Dialog {
    /// `From` of its requests.
    own: String,
    /// `To` of its requests.
    other: String,
    id: String,
    target: String,
    sequence: u32,
}

impl Idle {
    /// Starts an endpoint that exchanges SIP with `relay`.
    pub async fn start(relay: SocketAddr) -> Self {
        Self { wire: Wire::toward(relay).await }
    }

    /// Returns its SIP address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.wire.address()
    }

    /// Answers an incoming call. Returns the phone and the received offer.
    ///
    /// # Panics
    /// Panics if there is no call.
    pub async fn takes_a_call(self, sound: Sound, habits: Habits) -> (WebRtcPhone, String) {
        let wire = self.wire;
        let invite = request(&wire, "INVITE").await;
        let offer = body(&invite);
        let peer = Peer::answer(&offer, sound, habits).await;
        let description = peer.description().to_owned();
        let field = |name| header(&invite, name).unwrap_or_default().to_owned();
        let call = Dialog {
            own: format!("{};tag=phone", field("To")),
            other: field("From"),
            id: field("Call-ID"),
            target: uri(&field("Contact")),
            sequence: 0,
        };
        let phone = WebRtcPhone { wire, peer, description, call };
        phone.respond(&invite, "200 OK", Some(&phone.description)).await;
        request(&phone.wire, "ACK").await;
        (phone, offer)
    }

    /// Places a call and returns the final response that refuses it.
    ///
    /// # Panics
    /// Panics if the call is accepted.
    pub async fn is_refused(self, target: &str, offer: &str) -> String {
        let call = Dialog::new(&self.wire, target);
        self.wire.send(call.request(&self.wire, "INVITE", 1, Some(offer))).await;
        let refusal = self.wire.final_response().await;
        assert!(status(&refusal).is_some_and(|status| status >= 300), "{refusal}");
        self.wire.send(call.request(&self.wire, "ACK", 1, None)).await;
        refusal
    }

    /// Places a call and waits until it rings.
    ///
    /// # Panics
    /// Panics if it does not ring.
    pub async fn call(self, target: &str, sound: Sound, habits: Habits) -> WebRtcPhone {
        let peer = Peer::offer(sound, habits).await;
        let description = peer.description().to_owned();
        let call = Dialog::new(&self.wire, target);
        let mut phone = WebRtcPhone { wire: self.wire, peer, description, call };
        phone.send("INVITE", Some(phone.description.clone())).await;
        loop {
            match status(&phone.wire.receive().await) {
                Some(100) => {}
                Some(180) => return phone,
                other => panic!("it does not ring: {other:?}"),
            }
        }
    }
}

impl WebRtcPhone {
    /// Waits until its call is answered and returns the answer.
    ///
    /// # Panics
    /// Panics if it is not.
    pub async fn is_answered(&mut self) -> String {
        let answer = self.accepted().await;
        self.peer.set_answer(&answer);
        answer
    }

    /// Waits for the 200 to its INVITE, acknowledges it, and returns its session description.
    async fn accepted(&mut self) -> String {
        let response = self.wire.final_response().await;
        assert_eq!(status(&response), Some(200), "{response}");
        let field = |name| header(&response, name).unwrap_or_default().to_owned();
        (self.call.other, self.call.target) = (field("To"), uri(&field("Contact")));
        let ack = self.call.request(&self.wire, "ACK", self.call.sequence, None);
        self.wire.send(ack).await;
        body(&response)
    }

    /// Sends a re-INVITE with its description and this direction. Returns the answer.
    pub async fn reoffers(&mut self, direction: &str) -> String {
        let offer = self.description.replace("a=sendrecv", &format!("a={direction}"));
        self.send("INVITE", Some(offer)).await;
        self.accepted().await
    }

    /// Answers a re-INVITE with this direction. Returns the offer.
    pub async fn takes_an_offer(&mut self, direction: &str) -> String {
        let invite = request(&self.wire, "INVITE").await;
        let answer = self.description.replace("a=sendrecv", &format!("a={direction}"));
        let answer = answer.replace("a=setup:actpass", "a=setup:active");
        self.respond(&invite, "200 OK", Some(&answer)).await;
        request(&self.wire, "ACK").await;
        body(&invite)
    }

    /// Hangs up.
    pub async fn hang_up(&mut self) {
        self.send("BYE", None).await;
        assert_eq!(status(&self.wire.final_response().await), Some(200));
    }

    /// Waits until the peer hangs up.
    pub async fn over(&mut self) {
        let bye = request(&self.wire, "BYE").await;
        self.respond(&bye, "200 OK", None).await;
    }

    async fn send(&mut self, method: &str, body: Option<String>) {
        self.call.sequence += 1;
        self.wire.send(self.call.request(&self.wire, method, self.call.sequence, body.as_deref())).await;
    }

    async fn respond(&self, request: &str, line: &str, body: Option<&str>) {
        let copied: String = ["Via", "From", "Call-ID", "CSeq"]
            .iter()
            .filter_map(|name| Some(format!("{name}: {}\r\n", header(request, name)?)))
            .collect();
        let (to, own) = (&self.call.own, self.wire.address());
        let head = format!("SIP/2.0 {line}\r\n{copied}To: {to}\r\nContact: <sip:phone@{own}>\r\n");
        self.wire.send(with_body(&head, body)).await;
    }
}

impl Dialog {
    /// Creates the dialog state of a new call.
    fn new(wire: &Wire, target: &str) -> Self {
        let own = wire.address();
        Self {
            own: format!("<sip:phone@{own}>;tag=phone"),
            other: format!("<{target}>"),
            id: format!("{}@{own}", unique()),
            target: target.to_owned(),
            sequence: 0,
        }
    }

    fn request(&self, wire: &Wire, method: &str, sequence: u32, body: Option<&str>) -> String {
        let Self { own, other, id, target, .. } = self;
        let address = wire.address();
        // The ACK for a non-2xx response has the branch of the INVITE (RFC 3261 §17.1.1.3).
        let branch = format!("z9hG4bK{sequence}{}", if other.contains("tag=") { method } else { "" });
        let head = format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch={branch}\r\nMax-Forwards: 70\r\nFrom: {own}\r\n\
             To: {other}\r\nCall-ID: {id}\r\nCSeq: {sequence} {method}\r\nContact: <sip:phone@{address}>\r\n"
        );
        with_body(&head, body)
    }
}

/// Waits for a request of this method; other messages are ignored.
async fn request(wire: &Wire, method: &str) -> String {
    loop {
        let message = wire.receive().await;
        if message.starts_with(&format!("{method} ")) {
            return message;
        }
    }
}

fn with_body(head: &str, body: Option<&str>) -> String {
    match body {
        Some(body) => {
            format!("{head}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        }
        None => format!("{head}Content-Length: 0\r\n\r\n"),
    }
}

fn body(message: &str) -> String {
    message.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
}

/// Returns the URI in a header field value.
fn uri(value: &str) -> String {
    let within = value.split_once('<').and_then(|(_, rest)| rest.split('>').next());
    within.unwrap_or(value).to_owned()
}
