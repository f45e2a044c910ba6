//! A SIP phone over UDP with digest authentication: it registers, places calls and answers every call immediately.
//!
//! The test provides the media: the session descriptions have ports set by the test, and PCMA only.

use crate::peer::unique;
use crate::wire::{header, status};
use core::fmt::Write as _;
use core::time::Duration;
use md5::{Digest as _, Md5};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// The first retransmission interval, T1 (RFC 3261 §17.1.1.1).
const T1: Duration = Duration::from_millis(500);
/// Maximum time until the final response to a request.
const PATIENCE: Duration = Duration::from_secs(8);

/// The addresses that a phone sends from and names.
#[derive(Clone, Debug)]
pub struct Addressing {
    /// The address of its sockets.
    pub ip: IpAddr,
    /// Host and port in `Via`; `None`: those of the socket that it receives at.
    pub via: Option<String>,
    /// Host and port in `Contact`; `None`: those of the socket that it receives at.
    pub contact: Option<String>,
    /// `Via` has `rport` (RFC 3581).
    pub rport: bool,
    /// It sends from another port than the one that it receives at.
    pub sends_from_other_port: bool,
}

impl Addressing {
    /// A phone that receives at the port that it sends from, and names it.
    #[must_use]
    pub const fn plain(ip: IpAddr) -> Self {
        Self { ip, via: None, contact: None, rport: true, sends_from_other_port: false }
    }
}

/// One phone.
pub struct SipPhone {
    line: Arc<Line>,
    answered: mpsc::UnboundedReceiver<Answered>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for SipPhone {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A call that the phone answered.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The address to which the caller expects media.
    pub media: SocketAddr,
}

/// An established call that the phone placed.
#[derive(Clone, Debug)]
pub struct Dialog {
    /// The address to which the callee expects media.
    pub media: SocketAddr,
    call_id: String,
    from: String,
    to: String,
    target: String,
    sequence: u32,
}

/// State shared by the phone and its receiving task.
struct Line {
    socket: UdpSocket,
    /// The socket that it sends from, where that is another one.
    sender: Option<UdpSocket>,
    relay: SocketAddr,
    via: String,
    user: String,
    password: String,
    contact: String,
    /// The media address in answers.
    answers_at: Mutex<SocketAddr>,
    /// Channels for the responses of client transactions, by branch.
    pending: Mutex<BTreeMap<String, mpsc::UnboundedSender<String>>>,
}

impl SipPhone {
    /// Starts a phone at a free port of `ip`. `contact` is the host and port of its Contact if different from its address, as
    /// with a phone behind a NAT.
    ///
    /// # Panics
    /// Panics if no port is available.
    pub async fn start(relay: SocketAddr, user: &str, password: &str, ip: IpAddr, contact: Option<&str>) -> Self {
        let contact = contact.map(str::to_owned);
        Self::start_as(relay, user, password, Addressing { contact, ..Addressing::plain(ip) }).await
    }

    /// Starts a phone with these addresses, at free ports.
    ///
    /// # Panics
    /// Panics if there is no port.
    pub async fn start_as(relay: SocketAddr, user: &str, password: &str, addressing: Addressing) -> Self {
        let Addressing { ip, via, contact, rport, sends_from_other_port } = addressing;
        let socket = UdpSocket::bind((ip, 0)).await.expect("a port");
        let sender = match sends_from_other_port {
            true => Some(UdpSocket::bind((ip, 0)).await.expect("a port")),
            false => None,
        };
        let own = socket.local_addr().expect("an address");
        let contact = contact.unwrap_or_else(|| own.to_string());
        let via = via.unwrap_or_else(|| own.to_string());
        let line = Arc::new(Line {
            socket,
            sender,
            relay,
            via: if rport { format!("{via};rport") } else { via },
            user: user.to_owned(),
            password: password.to_owned(),
            contact: format!("<sip:{user}@{contact}>"),
            answers_at: Mutex::new(SocketAddr::new(ip, 4_000)),
            pending: Mutex::default(),
        });
        let (answers, answered) = mpsc::unbounded_channel();
        let task = tokio::spawn(receive(Arc::clone(&line), answers));
        Self { line, answered, task }
    }

    /// Sets the media address in answers.
    ///
    /// # Panics
    /// Panics if the receiving task panicked.
    pub fn answer_at(&self, media: SocketAddr) {
        *self.line.answers_at.lock().expect("the task runs") = media;
    }

    /// Returns the next call that the phone answered, if there is one within `patience`.
    pub async fn answered(&mut self, patience: Duration) -> Option<Answered> {
        tokio::time::timeout(patience, self.answered.recv()).await.ok().flatten()
    }

    /// Registers for an hour. Returns the final status; `None` without a response.
    pub async fn register(&self) -> Option<u16> {
        let domain = format!("sip:{}", self.line.relay.ip());
        let address = format!("<sip:{}@{}>", self.line.user, self.line.relay.ip());
        let (call_id, from) = (unique_text(), format!("{address};tag={}", unique_text()));
        let more = format!("Contact: {}\r\nExpires: 3600\r\n", self.line.contact);
        let request = Request { method: "REGISTER", uri: &domain, from: &from, to: &address, call_id: &call_id };
        let (response, _) = self.line.authenticated(&request, 1, &more, "").await?;
        status(&response)
    }

    /// Places a call with audio at `media`. Returns the dialog, or the status that refused it (408 without a response).
    ///
    /// # Errors
    /// The final status of the INVITE when it is not 200.
    pub async fn call(&self, callee: &str, media: SocketAddr) -> Result<Dialog, u16> {
        let uri = format!("sip:{callee}@{}", self.line.relay.ip());
        let to = format!("<{uri}>");
        let from = format!("<sip:{}@{}>;tag={}", self.line.user, self.line.relay.ip(), unique_text());
        let call_id = unique_text();
        let more = format!("Contact: {}\r\nContent-Type: application/sdp\r\n", self.line.contact);
        let request = Request { method: "INVITE", uri: &uri, from: &from, to: &to, call_id: &call_id };
        let sent = self.line.authenticated(&request, 1, &more, &description(media)).await;
        let (response, sequence) = sent.ok_or(408_u16)?;
        match status(&response) {
            Some(200) => {}
            refusal => return Err(refusal.unwrap_or(408)),
        }
        let to = header(&response, "To").unwrap_or_default().to_owned();
        let target = bracketed(header(&response, "Contact").unwrap_or_default()).to_owned();
        let dialog = Dialog { media: media_of(&response).ok_or(488_u16)?, call_id, from, to, target, sequence };
        self.line.acknowledge(&dialog).await;
        Ok(dialog)
    }

    /// Ends a call. Returns the status of the BYE; `None` without a response.
    pub async fn hang_up(&self, dialog: &Dialog) -> Option<u16> {
        let request = Request {
            method: "BYE",
            uri: &dialog.target,
            from: &dialog.from,
            to: &dialog.to,
            call_id: &dialog.call_id,
        };
        let (response, _) = self.line.authenticated(&request, dialog.sequence + 1, "", "").await?;
        status(&response)
    }
}

/// The constant parts of one request and its repetition with credentials.
struct Request<'a> {
    method: &'a str,
    uri: &'a str,
    from: &'a str,
    to: &'a str,
    call_id: &'a str,
}

impl Line {
    async fn send(&self, text: &str, target: SocketAddr) {
        let _ = self.sender.as_ref().unwrap_or(&self.socket).send_to(text.as_bytes(), target).await;
    }

    /// Sends a request, and again with credentials if it is challenged. Returns the final response and its CSeq number.
    async fn authenticated(
        &self,
        request: &Request<'_>,
        sequence: u32,
        more: &str,
        body: &str,
    ) -> Option<(String, u32)> {
        let response = self.transact(request, sequence, more, body).await?;
        let Some((name, challenge)) = challenge(&response) else { return Some((response, sequence)) };
        let credentials = self.credentials(challenge, request.method, request.uri);
        let more = format!("{name}: {credentials}\r\n{more}");
        Some((self.transact(request, sequence + 1, &more, body).await?, sequence + 1))
    }

    /// One client transaction (RFC 3261 §17.1): retransmits until a response arrives, acknowledges a refused INVITE.
    async fn transact(&self, request: &Request<'_>, sequence: u32, more: &str, body: &str) -> Option<String> {
        let branch = format!("z9hG4bK{}", unique_text());
        let (arrived, mut responses) = mpsc::unbounded_channel();
        self.pending.lock().expect("the task runs").insert(branch.clone(), arrived);
        let head = self.head(request, request.method, sequence, &branch);
        let text = format!("{head}{more}Content-Length: {}\r\n\r\n{body}", body.len());
        let end = Instant::now() + PATIENCE;
        let (mut interval, mut proceeding) = (T1, false);
        let response = loop {
            if !proceeding {
                self.send(&text, self.relay).await;
            }
            let wait = if proceeding { end } else { end.min(Instant::now() + interval) };
            match timeout_at(wait, responses.recv()).await {
                Ok(Some(response)) if status(&response).is_some_and(|status| status >= 200) => break Some(response),
                Ok(Some(_)) => proceeding = true,
                Ok(None) | Err(_) if Instant::now() >= end => break None,
                Ok(None) | Err(_) => interval *= 2,
            }
        };
        self.pending.lock().expect("the task runs").remove(&branch);
        let refused = response.as_ref().filter(|text| request.method == "INVITE" && status(text) != Some(200));
        if let Some(refusal) = refused {
            let to = header(refusal, "To").unwrap_or(request.to);
            let head = self.head(&Request { to, ..*request }, "ACK", sequence, &branch);
            self.send(&format!("{head}Content-Length: 0\r\n\r\n"), self.relay).await;
        }
        response
    }

    fn head(&self, request: &Request<'_>, method: &str, sequence: u32, branch: &str) -> String {
        let Request { uri, from, to, call_id, .. } = request;
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch={branch}\r\nMax-Forwards: 70\r\n\
             From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {sequence} {method}\r\n",
            self.via
        )
    }

    async fn acknowledge(&self, dialog: &Dialog) {
        let Dialog { call_id, from, to, target, sequence, .. } = dialog;
        let request = Request { method: "ACK", uri: target, from, to, call_id };
        let branch = format!("z9hG4bK{}", unique_text());
        let head = self.head(&request, "ACK", *sequence, &branch);
        self.send(&format!("{head}Content-Length: 0\r\n\r\n"), self.relay).await;
    }

    /// Digest credentials with MD5 and qop=auth (RFC 8760, RFC 7616 §3.4).
    fn credentials(&self, challenge: &str, method: &str, uri: &str) -> String {
        let parameter = |name: &str| {
            let start = challenge.find(&format!("{name}=\""))? + name.len() + 2;
            challenge.get(start..)?.split('"').next()
        };
        let (realm, nonce) = (parameter("realm").unwrap_or_default(), parameter("nonce").unwrap_or_default());
        let secret = md5(&format!("{}:{realm}:{}", self.user, self.password));
        let (count, client) = ("00000001", unique_text());
        let response = md5(&format!("{secret}:{nonce}:{count}:{client}:auth:{}", md5(&format!("{method}:{uri}"))));
        let opaque = parameter("opaque").map(|opaque| format!(", opaque=\"{opaque}\"")).unwrap_or_default();
        format!(
            "Digest username=\"{}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\", \
             algorithm=MD5, qop=auth, nc={count}, cnonce=\"{client}\"{opaque}",
            self.user
        )
    }

    /// Answers a received request with 200; calls get a session description.
    async fn answer(&self, request: &str, from: SocketAddr, answers: &mpsc::UnboundedSender<Answered>) {
        if request.starts_with("ACK ") {
            return;
        }
        let copied: String = ["Via", "From", "Call-ID", "CSeq", "Record-Route"]
            .iter()
            .filter_map(|name| Some(format!("{name}: {}\r\n", header(request, name)?)))
            .collect();
        let to = header(request, "To").unwrap_or_default();
        // The same for each retransmission of a request.
        let tag = if to.contains(";tag=") { String::new() } else { format!(";tag={}", md5(&copied)) };
        let is_call = request.starts_with("INVITE ");
        let media = *self.answers_at.lock().expect("the test runs");
        let body = if is_call { description(media) } else { String::new() };
        let kind = if is_call { "Content-Type: application/sdp\r\n" } else { "" };
        let response = format!(
            "SIP/2.0 200 OK\r\n{copied}To: {to}{tag}\r\nContact: {}\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            self.contact,
            body.len()
        );
        self.send(&response, from).await;
        if let Some(media) = media_of(request).filter(|_| is_call) {
            let _ = answers.send(Answered { media });
        }
    }
}

async fn receive(line: Arc<Line>, answers: mpsc::UnboundedSender<Answered>) {
    let mut buffer = vec![0; 65_536];
    loop {
        let Ok((length, from)) = line.socket.recv_from(&mut buffer).await else { continue };
        let text = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned();
        if !text.starts_with("SIP/2.0 ") {
            line.answer(&text, from, &answers).await;
            continue;
        }
        let via = header(&text, "Via").unwrap_or_default();
        let branch = via.split(";branch=").nth(1).and_then(|rest| rest.split(';').next()).unwrap_or_default();
        let transaction = line.pending.lock().expect("the test runs").get(branch).cloned();
        if let Some(transaction) = transaction {
            let _ = transaction.send(text);
        }
    }
}

/// Returns an MD5 challenge and the name of the header field for its credentials.
fn challenge(response: &str) -> Option<(&'static str, &str)> {
    let (header_name, answer) = match status(response)? {
        401 => ("WWW-Authenticate", "Authorization"),
        407 => ("Proxy-Authenticate", "Proxy-Authorization"),
        _ => return None,
    };
    let lines = response.split("\r\n").filter_map(|line| line.split_once(':'));
    let mut challenges =
        lines.filter(|(name, _)| name.trim().eq_ignore_ascii_case(header_name)).map(|(_, value)| value);
    challenges.find(|value| !value.to_ascii_lowercase().contains("algorithm=sha")).map(|value| (answer, value))
}

fn bracketed(contact: &str) -> &str {
    contact.split_once('<').and_then(|(_, rest)| rest.split('>').next()).unwrap_or(contact)
}

/// Returns a session description with PCMA at `media`.
fn description(media: SocketAddr) -> String {
    let (ip, port) = (media.ip(), media.port());
    format!("v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n")
}

/// Returns the audio address of a session description.
fn media_of(message: &str) -> Option<SocketAddr> {
    let ip = message.split("c=IN IP4 ").nth(1)?.split("\r\n").next()?.trim().parse().ok()?;
    let port = message.split("m=audio ").nth(1)?.split(' ').next()?.parse().ok()?;
    Some(SocketAddr::new(ip, port))
}

fn md5(text: &str) -> String {
    Md5::digest(text).iter().fold(String::new(), |mut digits, octet| {
        // Writing to a String does not fail.
        let _ = write!(digits, "{octet:02x}");
        digits
    })
}

fn unique_text() -> String {
    format!("{}p{}", unique(), std::process::id())
}
