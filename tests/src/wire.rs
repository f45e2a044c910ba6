//! Handwritten SIP messages over UDP, for tests that a SIPp scenario cannot express, and a registrar without authentication.

use crate::wait::{PATIENCE, until};
use core::time::Duration;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// Returns the value of the first header field with this name, in its long or compact form.
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

/// Returns the status code of a response.
#[must_use]
pub fn status(message: &str) -> Option<u16> {
    message.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}

/// A UDP socket for arbitrary messages.
pub struct Wire {
    socket: UdpSocket,
    target: SocketAddr,
}

impl Wire {
    /// Binds a socket that sends to `target`.
    ///
    /// # Panics
    /// Panics if no port is available.
    pub async fn toward(target: SocketAddr) -> Self {
        Self::between(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), target).await
    }

    /// Binds a socket with this local address, e.g. on 127.0.0.2; port 0 selects any port.
    ///
    /// # Panics
    /// Panics if the address is in use.
    pub async fn between(own: SocketAddr, target: SocketAddr) -> Self {
        Self { socket: UdpSocket::bind(own).await.expect("a port"), target }
    }

    /// Returns its local address.
    ///
    /// # Panics
    /// Panics if the socket is closed.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("an address")
    }

    /// Sends a datagram.
    ///
    /// # Panics
    /// Panics if it cannot be sent.
    pub async fn send(&self, octets: impl AsRef<[u8]>) {
        self.socket.send_to(octets.as_ref(), self.target).await.expect("a datagram is sent");
    }

    /// Waits for the next datagram.
    ///
    /// # Panics
    /// Panics if there is none.
    pub async fn receive(&self) -> String {
        self.receive_within(PATIENCE).await.expect("an answer")
    }

    /// Waits for the next datagram for at most `patience`.
    pub async fn receive_within(&self, patience: Duration) -> Option<String> {
        let mut buffer = vec![0; 65_536];
        let (length, _) = timeout(patience, self.socket.recv_from(&mut buffer)).await.ok()?.ok()?;
        buffer.truncate(length);
        Some(String::from_utf8_lossy(&buffer).into_owned())
    }

    /// Waits for the next final response.
    ///
    /// # Panics
    /// Panics if there is none.
    pub async fn final_response(&self) -> String {
        loop {
            let message = self.receive().await;
            if status(&message).is_some_and(|status| status >= 200) {
                return message;
            }
        }
    }

    /// Returns an out-of-dialog request without a body. `more` are additional header fields, each with CRLF.
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

/// A registrar without authentication, for tests of other features. See [`crate::kamailio`] for a real one.
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
    /// Starts a registrar at a free port.
    ///
    /// # Panics
    /// Panics if no port is available.
    pub async fn start() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = socket.local_addr().expect("an address");
        let contacts = Arc::new(Mutex::new(BTreeMap::new()));
        let task = tokio::spawn(register(socket, Arc::clone(&contacts)));
        Self { address, contacts, task }
    }

    /// Returns its address.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until a user has registered and returns its contact URI.
    ///
    /// # Panics
    /// Panics if it does not register.
    pub async fn contact(&self, user: &str) -> String {
        let contact = || self.contacts.lock().expect("no reader panicked").get(user).cloned();
        assert!(until(|| contact().is_some()).await, "{user} registers");
        contact().unwrap_or_default()
    }

    /// Waits until a user has unregistered.
    ///
    /// # Panics
    /// Panics if it does not.
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
            store(&mut contacts.lock().expect("no reader panicked"), &request, to, contact);
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

fn store(contacts: &mut BTreeMap<String, String>, request: &str, to: &str, contact: &str) {
    let user = to.split_once("sip:").and_then(|(_, rest)| rest.split('@').next()).unwrap_or_default();
    let is_over = header(request, "Expires") == Some("0") || contact.contains(";expires=0") || contact == "*";
    let uri = contact.split_once('<').and_then(|(_, rest)| rest.split('>').next()).unwrap_or(contact);
    if is_over {
        contacts.remove(user);
    } else {
        contacts.insert(user.to_owned(), uri.to_owned());
    }
}
