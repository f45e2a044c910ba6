//! Options of `[sip]` and `[rtp]`: SIP servers, phones, and media towards them.

use super::accounts::{AccountSettings, secret};
use super::options::login_name;
use super::value::Given;
use super::{ConfigError, Settings};
use core::fmt;
use core::time::Duration;
use offhook_b2bua::config::{ListedServer, LoginName, MediaProfile, Numbering, Pattern, Servers, Srtp};
use offhook_media::transport::latch::{LatchRules, Latching};
use offhook_sip::auth::{Hash, Secret, Verifier};
use offhook_sip::message::{Host, SipUri};
use offhook_sip::subnet::Subnet;
use offhook_sip::transport::Transport;
use offhook_sip::user_agent::io::Redirects;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// One address to listen on, `udp:0.0.0.0:5060`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SipAddress {
    /// UDP, TCP or TLS.
    pub transport: Transport,
    /// Address and port.
    pub address: SocketAddr,
}

impl fmt::Display for SipAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport.name().to_ascii_lowercase(), self.address)
    }
}

/// Verification of server certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// The certificate must be valid for the domain, as RFC 5922 §7 requires.
    Strict,
    /// The same, but wildcard names are accepted.
    Wildcards,
    /// No verification.
    Off,
}

/// All options of `[sip]` and `[rtp]` as typed values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipSettings {
    /// Listening addresses; `None`: the default addresses, if an option requires SIP.
    pub listen: Option<Vec<SipAddress>>,
    /// Addresses by which peers reach the listening sockets, if these differ from the bound ones.
    pub public_address: Vec<IpAddr>,
    /// A host name by which peers reach the listening sockets; it is set by the same option.
    pub public_name: Option<String>,
    /// Networks whose peers receive the addresses of the sockets instead of the public ones.
    pub local_networks: Vec<Subnet>,
    /// The relay's SIP domain; empty: its address.
    pub domain: String,
    /// The servers that clients may name.
    pub servers: Servers,
    /// Whether hosts that are not listed may resolve to private networks; `None`: with `--demo` only.
    pub private_networks: Option<bool>,
    /// DNS servers; empty: the system's.
    pub dns: Vec<SocketAddr>,
    /// PEM file with the certificate chain; none: that of `[tls]`.
    pub tls_certificate: Option<PathBuf>,
    /// PEM file with its key.
    pub tls_key: Option<PathBuf>,
    /// PEM file with the authorities that may sign server certificates; none: those of the system.
    pub tls_authorities: Option<PathBuf>,
    /// Verification of server certificates.
    pub tls_verify: Verify,
    /// Whether calls of unknown sources are accepted.
    pub accept_unknown: bool,
    /// The redirects that are followed.
    pub follow_redirects: Redirects,
    /// Numbers to which calls of the operator's accounts may be transferred or redirected.
    pub forward_to: Vec<Pattern>,
    /// Sources whose `P-Asserted-Identity` is accepted.
    pub trusted: Vec<IpAddr>,
    /// The requested expiration interval of registrations.
    pub expires: Duration,
    /// The requested session interval; zero: no session timers.
    pub session_expires: Duration,
    /// The minimum session interval.
    pub min_session_expires: Duration,
    /// The round-trip time estimate T1.
    pub t1: Duration,
    /// Interval of keep-alives on connections.
    pub keep_alive: Duration,
    /// Interval of OPTIONS to phones behind NATs; zero: never.
    pub nat_keep_alive: Duration,
    /// Time limit for opening a connection, including the TLS handshake.
    pub connect_timeout: Duration,
    /// Time without activity after which a connection is closed.
    pub idle_timeout: Duration,
    /// Time after which a connection that a peer opened is closed without an accepted registration or call.
    pub unused_timeout: Duration,
    /// Maximum number of messages per second from one peer, on average.
    pub message_rate: u32,
    /// Maximum number of messages that are queued for a peer.
    pub send_queue: usize,
    /// Maximum number of accepted connections.
    pub connections: usize,
    /// Maximum number of accepted connections of one remote address.
    pub connections_per_address: usize,
    /// Phones that may register at the relay.
    pub phones: BTreeMap<String, Verifier>,
    /// Accounts of logins at SIP servers.
    pub accounts: BTreeMap<LoginName, AccountSettings>,
    /// The account that all logins share.
    pub trunk: AccountSettings,
    /// The user part of the address that a login has at the trunk's server: a number or name.
    pub trunk_numbers: BTreeMap<LoginName, String>,
    /// The number format of the trunk's server.
    pub trunk_numbering: Numbering,
    /// Whether requests to the trunk's server contain `P-Asserted-Identity`.
    pub trunk_asserts_identity: bool,
    /// Addresses of RTP sockets; empty: the address of this machine.
    pub rtp_address: Vec<IpAddr>,
    /// Addresses that SDP contains; empty: those of `[sip]`, or those of the sockets.
    pub rtp_public_address: Vec<IpAddr>,
    /// Lowest RTP port; 0: free ports are selected.
    pub rtp_first_port: u16,
    /// Highest RTP port.
    pub rtp_last_port: u16,
    /// Time for which a port is not reused after a call.
    pub rtp_port_rest: Duration,
    /// Time without packets after which a leg of a SIP peer fails; zero: never.
    pub rtp_timeout: Duration,
    /// Maximum number of RTP ports of one user's calls.
    pub rtp_ports_per_user: usize,
    /// Encryption of media.
    pub rtp_srtp: Srtp,
    /// The media profile that servers are offered.
    pub rtp_profile: MediaProfile,
    /// Conditions under which media are latched to an address that the peer did not signal.
    pub rtp_latch: LatchRules,
}

impl Default for SipSettings {
    fn default() -> Self {
        Self {
            listen: None,
            public_address: Vec::new(),
            public_name: None,
            local_networks: Vec::new(),
            domain: String::new(),
            servers: Servers::Listed(BTreeSet::new()),
            private_networks: None,
            dns: Vec::new(),
            tls_certificate: None,
            tls_key: None,
            tls_authorities: None,
            tls_verify: Verify::Strict,
            accept_unknown: false,
            follow_redirects: Redirects::Domain,
            forward_to: Vec::new(),
            trusted: Vec::new(),
            expires: Duration::from_secs(600),
            session_expires: Duration::from_secs(1_800),
            min_session_expires: Duration::from_secs(90),
            t1: Duration::from_millis(500),
            keep_alive: Duration::from_secs(30),
            nat_keep_alive: Duration::from_secs(25),
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(7_200),
            unused_timeout: Duration::from_secs(30),
            message_rate: 5_000,
            send_queue: 1_024,
            connections: 10_000,
            connections_per_address: 500,
            phones: BTreeMap::new(),
            accounts: BTreeMap::new(),
            trunk: AccountSettings::default(),
            trunk_numbers: BTreeMap::new(),
            trunk_numbering: Numbering::default(),
            trunk_asserts_identity: false,
            rtp_address: Vec::new(),
            rtp_public_address: Vec::new(),
            rtp_first_port: 20_000,
            rtp_last_port: 29_999,
            rtp_port_rest: Duration::from_secs(5),
            rtp_timeout: Duration::from_secs(600),
            rtp_ports_per_user: 128,
            rtp_srtp: Srtp::Accepted,
            rtp_profile: MediaProfile::Rtp,
            rtp_latch: LatchRules::default(),
        }
    }
}

impl SipSettings {
    /// Whether an option requires SIP.
    #[must_use]
    pub fn is_required(&self) -> bool {
        let listens = self.listen.as_ref().is_some_and(|listen| !listen.is_empty());
        let servers = self.servers.allow_some();
        listens || servers || !self.phones.is_empty() || !self.accounts.is_empty() || self.trunk.is_given()
    }
}

/// Checks combinations of options.
pub(super) fn validate(sip: &SipSettings) -> Result<(), ConfigError> {
    let wrong = |section: &str, problem: &str| Err(ConfigError::new(section, problem));
    if sip.is_required() && sip.listen.as_ref().is_some_and(Vec::is_empty) {
        return wrong(
            "[sip]",
            "`listen` is empty, which turns SIP off, but `servers`, `phones`, `accounts` or `trunk` require SIP: set an \
             address, or omit `listen` to use the default addresses",
        );
    }
    match (&sip.tls_certificate, &sip.tls_key) {
        (Some(_), None) => return wrong("[sip]", "`tls_certificate` is set without `tls_key`: set both or neither"),
        (None, Some(_)) => return wrong("[sip]", "`tls_key` is set without `tls_certificate`: set both or neither"),
        (Some(_), Some(_)) | (None, None) => {}
    }
    if !sip.session_expires.is_zero() && sip.session_expires < sip.min_session_expires {
        return wrong(
            "[sip]",
            "`session_expires` is shorter than `min_session_expires`: increase it, or set 0 to turn session timers off",
        );
    }
    let is_hashed = |verifier: &Verifier| matches!(verifier, Verifier::Ha1 { .. });
    if sip.domain.is_empty()
        && let Some((user, _)) = sip.phones.iter().find(|(_, verifier)| is_hashed(verifier))
    {
        let problem = format!(
            "the password of phone `{user}` is hashed, and a hash is valid for one domain only: set `domain` to the domain \
             that the hash was created for"
        );
        return wrong("[sip]", &problem);
    }
    if sip.rtp_profile == MediaProfile::WebRtc && sip.rtp_srtp == Srtp::Off {
        return wrong(
            "[rtp]",
            "`profile` is \"webrtc\", which requires SRTP, but `srtp` is \"off\": set only one of them",
        );
    }
    if sip.rtp_first_port != 0 && sip.rtp_last_port.saturating_sub(sip.rtp_first_port) < 3 {
        return wrong(
            "[rtp]",
            "`first_port` to `last_port` are fewer than four ports, which a single call can need: enlarge the range",
        );
    }
    if let Some(login) = sip.accounts.iter().find(|(_, account)| !account.is_given()).map(|(login, _)| login) {
        return wrong("[[sip.accounts]]", &format!("the account of `{}` has no `uri`", login.0));
    }
    if !sip.trunk.is_given() && (sip.trunk != AccountSettings::default() || !sip.trunk_numbers.is_empty()) {
        return wrong(
            "[sip.trunk]",
            "`uri` is missing: set it to the address of record at the SIP server, like `sip:4711@example.org`",
        );
    }
    Ok(())
}

/// Parses a list of addresses like `udp:0.0.0.0:5060`.
pub(super) fn listen(given: &Given) -> Result<Vec<SipAddress>, String> {
    let parse = |text: &String| {
        let wrong = || {
            format!(
                "`{text}` is not a SIP address: use a form like `udp:0.0.0.0:5060`, `tcp:[::]:5060` or `tls:0.0.0.0:5061`"
            )
        };
        let (transport, address) = text.split_once(':').ok_or_else(wrong)?;
        let transport: Transport = transport.parse().map_err(|_| wrong())?;
        if matches!(transport, Transport::Ws | Transport::Wss) {
            return Err(wrong());
        }
        Ok(SipAddress { transport, address: address.parse().map_err(|_| wrong())? })
    };
    given.words().iter().map(parse).collect()
}

/// Parses `servers`: hosts, each with or without a port, or an asterisk.
pub(super) fn servers(given: &Given) -> Result<Servers, String> {
    let words = given.words();
    if words.iter().any(|word| word == "*") {
        return if words.len() == 1 {
            Ok(Servers::Any)
        } else {
            Err("`*` allows all servers and must be the only entry: remove it or the other entries".to_owned())
        };
    }
    Ok(Servers::Listed(words.iter().map(|word| listed_server(word)).collect::<Result<_, _>>()?))
}

/// Parses a host with or without a port: `example.org`, `example.org:443`, `192.0.2.7`, `2001:db8::7`,
/// `[2001:db8::7]:443`.
fn listed_server(word: &str) -> Result<ListedServer, String> {
    let wrong = || {
        format!(
            "`{word}` is not a host: use a name or an address without `sip:`, with a port if only that port is allowed"
        )
    };
    let bare = word.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(word);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(ListedServer { host: address.to_canonical().to_string(), port: None });
    }
    let uri: SipUri = format!("sip:{word}").parse().map_err(|_| wrong())?;
    let is_bare = uri.user().is_none() && !uri.has_parameters() && uri.port() != Some(0);
    if !is_bare || !is_host(uri.host()) {
        return Err(wrong());
    }
    let host = match uri.host() {
        Host::Address(address) => address.to_canonical().to_string(),
        Host::Name(name) => name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase(),
    };
    Ok(ListedServer { host, port: uri.port() })
}

/// Parses a SIP domain: a host name, an IP address or empty text.
pub(super) fn domain(given: &Given) -> Result<String, String> {
    let text = given.one()?;
    if text.is_empty() || is_host_name(text) || text.parse::<IpAddr>().is_ok() {
        return Ok(text.to_ascii_lowercase());
    }
    Err(format!("`{text}` is not a domain: use a name like `phones.example.org`"))
}

/// Parses the addresses of DNS servers; the default port is 53.
pub(super) fn dns(given: &Given) -> Result<Vec<SocketAddr>, String> {
    let parse = |text: &String| {
        let whole = text.parse::<SocketAddr>().ok();
        whole.or_else(|| text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 53))).ok_or_else(|| {
            format!("`{text}` is not the address of a DNS server: use a form like `192.0.2.53` or `[2001:db8::53]:53`")
        })
    };
    given.words().iter().map(parse).collect()
}

pub(super) fn verify(given: &Given) -> Result<Verify, String> {
    given.choice(&[("strict", Verify::Strict), ("wildcards", Verify::Wildcards), ("off", Verify::Off)])
}

pub(super) fn redirects(given: &Given) -> Result<Redirects, String> {
    given.choice(&[("domain", Redirects::Domain), ("all", Redirects::All), ("off", Redirects::Off)])
}

/// Parses a prefix that contains only digits and may be empty.
pub(super) fn digits(given: &Given) -> Result<String, String> {
    let text = given.one()?;
    if text.bytes().all(|octet| octet.is_ascii_digit()) {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` contains other characters than digits: use a form like `49`, without `+`"))
}

/// Parses patterns of numbers like `+4930*`.
pub(super) fn patterns(given: &Given) -> Result<Vec<Pattern>, String> {
    let parse = |text: &String| {
        Pattern::parse(text).ok_or_else(|| {
            format!("`{text}` is not a number pattern: use digits and letters with `*` and `?`, like `+4930*`")
        })
    };
    given.words().iter().map(parse).collect()
}

pub(super) fn srtp(given: &Given) -> Result<Srtp, String> {
    given.choice(&[
        ("off", Srtp::Off),
        ("accepted", Srtp::Accepted),
        ("offered", Srtp::Offered),
        ("required", Srtp::Required),
    ])
}

pub(super) fn profile(given: &Given) -> Result<MediaProfile, String> {
    given.choice(&[("rtp", MediaProfile::Rtp), ("webrtc", MediaProfile::WebRtc)])
}

pub(super) fn latching(given: &Given) -> Result<Latching, String> {
    given.choice(&[
        ("never", Latching::Never),
        ("same-address", Latching::SameAddress),
        ("signaling", Latching::Signaling),
        ("any", Latching::Any),
    ])
}

/// Parses at most one IPv4 and one IPv6 address, because a media section of a session description contains only one
/// address.
pub(super) fn one_of_each_family(given: &Given) -> Result<Vec<IpAddr>, String> {
    let addresses = given.named_ip_addresses()?;
    let of = |wanted: bool| addresses.iter().filter(|address| address.is_ipv6() == wanted).count();
    if of(true) > 1 || of(false) > 1 {
        return Err("at most one IPv4 and one IPv6 address are allowed".to_owned());
    }
    Ok(addresses)
}

/// Parses `public_address`: a host name, at most one address of each family, or both.
pub(super) fn public_address(settings: &mut Settings, given: &Given) -> Result<(), String> {
    let (addresses, names): (Vec<String>, Vec<String>) =
        given.words().into_iter().partition(|word| word.trim_matches(['[', ']']).parse::<IpAddr>().is_ok());
    let name = match names.as_slice() {
        [] => None,
        [name] if is_host_name(name) => Some(name.clone()),
        [name] => {
            return Err(format!(
                "`{name}` is neither an IP address nor a host name: use a form like `192.0.2.7` or `sip.example.org`"
            ));
        }
        _ => return Err("at most one host name is allowed".to_owned()),
    };
    settings.sip.public_address = one_of_each_family(&Given::List(addresses))?;
    settings.sip.public_name = name;
    Ok(())
}

/// Parses a session interval: 0, or at least 90 s (RFC 4028 §4).
pub(super) fn session_interval(given: &Given) -> Result<Duration, String> {
    let interval = given.duration()?;
    if !interval.is_zero() && interval < Duration::from_secs(90) {
        return Err("the minimum is 90 s (RFC 4028 §4), or 0 to turn session timers off".to_owned());
    }
    Ok(interval)
}

/// Sets a phone: its user name, and its password or the output of `hash-password --sip`.
pub(super) fn phone(settings: &mut Settings, user: &str, given: &Given) -> Result<(), String> {
    login_name(user)?;
    let text = given.one()?;
    if text.is_empty() {
        return Err(format!("the password of phone `{user}` is empty"));
    }
    let verifier = verifier(text).map_err(|problem| format!("the password of phone `{user}` {problem}"))?;
    settings.sip.phones.insert(user.to_owned(), verifier);
    Ok(())
}

/// Parses `md5:…`, `sha-256:…` or `sha-512-256:…` with the digits of the hash. Other text is a password, unless it looks like a mistyped
/// hash, which is rejected.
fn verifier(text: &str) -> Result<Verifier, String> {
    const ADVICE: &str =
        "create it with `offhook-relay hash-password --sip`; a password of this form must be given as a hash";
    let Some((name, digits)) = text.split_once(':') else { return Ok(Verifier::Password(secret(text))) };
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let Some((known, hash, length)) = HASHES.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name)) else {
        if is_hex && HASHES.iter().any(|(.., length)| digits.len() == *length) {
            let names = HASHES.map(|(name, ..)| name).join(", ");
            return Err(format!("looks like a hash of an unknown kind (known: {names}): {ADVICE}"));
        }
        return Ok(Verifier::Password(secret(text)));
    };
    if !is_hex || digits.len() != *length {
        let found = digits.chars().count();
        return Err(format!(
            "begins with `{name}:`, but a hash of {known} has {length} hexadecimal digits, not {found}: {ADVICE}"
        ));
    }
    Ok(Verifier::Ha1 { hash: *hash, digits: Secret::new(digits.to_ascii_lowercase()) })
}

/// Hash functions of digest authentication: name, function, and number of hexadecimal digits of a hash.
pub const HASHES: [(&str, Hash, usize); 3] =
    [("md5", Hash::Md5, 32), ("sha-256", Hash::Sha256, 64), ("sha-512-256", Hash::Sha512_256, 64)];

/// Whether `host` is an address or a valid name.
pub(super) fn is_host(host: &Host) -> bool {
    match host {
        Host::Address(_) => true,
        Host::Name(name) => is_host_name(name),
    }
}

/// Whether `text` is a host name of letters, digits, hyphens and dots (RFC 3261 §25.1). Underscores are accepted, because they occur in
/// practice.
fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty() && label.len() <= 63 && label.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_".contains(&c))
    };
    text.len() <= 253 && text.strip_suffix('.').unwrap_or(text).split('.').all(label)
}

#[cfg(test)]
mod tests;
