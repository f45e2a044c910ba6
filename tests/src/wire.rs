//! SIP by hand, over UDP: for what no scenario can say, and for a registrar that takes anybody.

use crate::wait::{PATIENCE, until};
use core::time::Duration;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// The value of the first header of this name, in its long form or the compact one.
#[must_use]
pub fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    let compact = match name {
        "Via" => "v",
        "From" => "f",
        "To" => "t",
        "Call-ID" => "i",
        "Contact" => "m",
        "Supported" => "k",
        _ => name,
    };
    let head = message.split("\r\n\r\n").next().unwrap_or_default();
    head.split("\r\n").skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        let found = found.trim_end();
        (found.eq_ignore_ascii_case(name) || found.eq_ignore_ascii_case(compact)).then(|| value.trim())
    })
}

/// The status of a response.
#[must_use]
pub fn status(message: &str) -> Option<u16> {
    message.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}

/// A socket that says what it is told.
pub struct Wire {
    socket: UdpSocket,
    target: SocketAddr,
}

impl Wire {
    /// One that talks to `target`.
    ///
    /// # Panics
    /// When there is no port for it.
    pub async fn toward(target: SocketAddr) -> Self {
        Self::between(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), target).await
    }

    /// One that has this address of the machine's own, on 127.0.0.2 say; port 0 takes any.
    ///
    /// # Panics
    /// When it is taken.
    pub async fn between(own: SocketAddr, target: SocketAddr) -> Self {
        Self { socket: UdpSocket::bind(own).await.expect("a port"), target }
    }

    /// Its own address.
    ///
    /// # Panics
    /// When the socket is gone.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("an address")
    }

    /// Sends these octets as they are.
    ///
    /// # Panics
    /// When they cannot be sent.
    pub async fn send(&self, octets: impl AsRef<[u8]>) {
        self.socket.send_to(octets.as_ref(), self.target).await.expect("a datagram is sent");
    }

    /// The next datagram.
    ///
    /// # Panics
    /// When none comes.
    pub async fn receive(&self) -> String {
        self.receive_within(PATIENCE).await.expect("an answer")
    }

    /// The next datagram, if it comes in time.
    pub async fn receive_within(&self, patience: Duration) -> Option<String> {
        let mut buffer = vec![0; 65_536];
        let (length, _) = timeout(patience, self.socket.recv_from(&mut buffer)).await.ok()?.ok()?;
        buffer.truncate(length);
        Some(String::from_utf8_lossy(&buffer).into_owned())
    }

    /// The next response that is not provisional.
    ///
    /// # Panics
    /// When none comes.
    pub async fn final_response(&self) -> String {
        loop {
            let message = self.receive().await;
            if status(&message).is_some_and(|status| status >= 200) {
                return message;
            }
        }
    }

    /// A request outside a dialog, complete but for its body; `more` are further headers, each with its line end.
    #[must_use]
    pub fn request(&self, method: &str, uri: &str, more: &str) -> String {
        let (own, unique) = (self.address(), crate::peer::unique());
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{unique};rport\r\n\
             From: <sip:wire@elsewhere.invalid>;tag=wire{unique}\r\nTo: <{uri}>\r\nCall-ID: {unique}@{own}\r\nCSeq: 1 {method}\r\n\
             Contact: <sip:wire@{own}>\r\n{more}Content-Length: 0\r\n\r\n"
        )
    }
}

/// A registrar that asks nobody for a password: for tests of something else. See [`crate::kamailio`] for a real one.
pub struct Registrar {
    address: SocketAddr,
    contacts: Arc<Mutex<BTreeMap<String, String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Registrar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Registrar {
    /// One at a port of its own.
    ///
    /// # Panics
    /// When there is no port for it.
    pub async fn start() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = socket.local_addr().expect("an address");
        let contacts = Arc::new(Mutex::new(BTreeMap::new()));
        let task = tokio::spawn(register(socket, Arc::clone(&contacts)));
        Self { address, contacts, task }
    }

    /// Where it is.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URI by which a user is reached, once it has registered.
    ///
    /// # Panics
    /// When it does not register.
    pub async fn contact(&self, user: &str) -> String {
        let contact = || self.contacts.lock().expect("no reader panicked").get(user).cloned();
        assert!(until(|| contact().is_some()).await, "{user} registers");
        contact().unwrap_or_default()
    }

    /// Waits until a user has unregistered.
    ///
    /// # Panics
    /// When it does not.
    pub async fn forgets(&self, user: &str) {
        let gone = || !self.contacts.lock().expect("no reader panicked").contains_key(user);
        assert!(until(gone).await, "{user} unregisters");
    }
}

async fn register(socket: UdpSocket, contacts: Arc<Mutex<BTreeMap<String, String>>>) {
    let mut buffer = vec![0; 65_536];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        let request = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned();
        let copied: String = ["Via", "From", "Call-ID", "CSeq"]
            .iter()
            .filter_map(|name| Some(format!("{name}: {}\r\n", header(&request, name)?)))
            .collect();
        let to = header(&request, "To").unwrap_or_default();
        let response = if request.starts_with("REGISTER ") {
            let contact = header(&request, "Contact").unwrap_or_default();
            note(&mut contacts.lock().expect("no reader panicked"), &request, to, contact);
            format!(
                "SIP/2.0 200 OK\r\n{copied}To: {to};tag=registrar\r\nContact: {contact}\r\nExpires: 600\r\nContent-Length: 0\r\n\r\n"
            )
        } else if request.starts_with("ACK ") || request.starts_with("SIP/2.0 ") {
            continue;
        } else {
            format!(
                "SIP/2.0 405 Method Not Allowed\r\n{copied}To: {to};tag=registrar\r\nAllow: REGISTER\r\nContent-Length: 0\r\n\r\n"
            )
        };
        let _ = socket.send_to(response.as_bytes(), from).await;
    }
}

fn note(contacts: &mut BTreeMap<String, String>, request: &str, to: &str, contact: &str) {
    let user = to.split_once("sip:").and_then(|(_, rest)| rest.split('@').next()).unwrap_or_default();
    let is_over = header(request, "Expires") == Some("0") || contact.contains(";expires=0") || contact == "*";
    let uri = contact.split_once('<').and_then(|(_, rest)| rest.split('>').next()).unwrap_or(contact);
    if is_over {
        contacts.remove(user);
    } else {
        contacts.insert(user.to_owned(), uri.to_owned());
    }
}
