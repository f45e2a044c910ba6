//! Parser for session descriptions of SIP endpoints. It skips invalid lines that are not essential to a call.

use super::{ConnectionAddress, CryptoAttribute, Dtls, Ice, Origin, RtpProfile, SipDescription, SipSection};
use crate::attribute::{
    MAX_FMTP, MAX_ITEMS, MAX_TOKEN, candidate, fingerprint, fingerprint_hash, is_token, preferred_fingerprint, push_new,
};
use crate::codec::MediaKind;
use crate::direction::Direction;
use crate::error::SdpError;
use crate::section::formats::Formats;
use crate::section::{OtherSection, Section};
use crate::webrtc::{DtlsSetup, Fingerprint, IceCredentials};
use std::net::{IpAddr, SocketAddr};

/// The maximum length of a description in octets.
const MAX_OCTETS: usize = 128 * 1024;
/// The maximum number of media sections.
const MAX_SECTIONS: usize = 32;
/// The maximum number of `a=crypto` lines kept per section.
const MAX_CRYPTO: usize = 16;

impl SipDescription {
    /// Parses an offer or answer. Lines end in CRLF or bare LF. Unknown lines and invalid lines that are not essential are
    /// skipped, and mandatory lines (`s=`, `t=`) may be missing.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not a session description, an m-line is invalid, or a size limit is exceeded.
    pub fn parse(text: &str) -> Result<Self, SdpError> {
        if text.len() > MAX_OCTETS {
            return Err(SdpError::TooLong { octets: text.len(), limit: MAX_OCTETS });
        }
        let mut reader = Reader::default();
        for (index, line) in text.split('\n').map(str::trim).enumerate() {
            if let Some((kind, value)) = line.split_once('=') {
                reader.read(index + 1, kind, value.trim_start())?;
            }
        }
        reader.finish()
    }
}

/// Attributes that are allowed at session level and at media level. The media level takes precedence.
#[derive(Default)]
struct Attributes {
    host: Option<Host>,
    direction: Option<Direction>,
    ufrag: Option<String>,
    pwd: Option<String>,
    fingerprint: Option<Fingerprint>,
    setup: Option<DtlsSetup>,
}

/// The host in a `c=` or `o=` line.
#[derive(Clone)]
pub(super) enum Host {
    Address(IpAddr),
    Name(String),
}

struct Media {
    /// `None` if the section is neither audio nor video over RTP.
    kind: Option<MediaKind>,
    line: String,
    port: u16,
    profile: RtpProfile,
    formats: Formats,
    mid: Option<String>,
    rtcp: Option<(u16, Option<IpAddr>)>,
    rtcp_mux: bool,
    crypto: Vec<CryptoAttribute>,
    ptime: Option<u16>,
    maxptime: Option<u16>,
    ssrcs: Vec<u32>,
    candidates: Vec<(u32, SocketAddr)>,
    bundle_only: bool,
    attributes: Attributes,
}

#[derive(Default)]
struct Reader {
    is_description: bool,
    origin: Option<Origin>,
    session_name: Option<String>,
    ice_lite: bool,
    bundle: Vec<String>,
    session: Attributes,
    media: Vec<Media>,
}

impl Reader {
    fn read(&mut self, line: usize, kind: &str, value: &str) -> Result<(), SdpError> {
        match kind {
            "v" => self.is_description = true,
            "o" => self.origin = self.origin.take().or_else(|| origin(value)),
            "s" => self.session_name = Some(value.chars().take(MAX_TOKEN).collect()),
            "m" if self.media.len() >= MAX_SECTIONS => {
                return Err(SdpError::TooManySections { line, limit: MAX_SECTIONS });
            }
            "m" => {
                let media = Media::read(value).ok_or_else(|| SdpError::InvalidLine {
                    line,
                    text: format!("m={}", value.chars().take(80).collect::<String>()),
                    expected: "m=, media type, port, protocol and formats",
                })?;
                self.media.push(media);
            }
            "c" => self.level().host = host(value),
            "a" => self.attribute(value),
            _ => {}
        }
        Ok(())
    }

    /// Returns the level that the current line belongs to.
    fn level(&mut self) -> &mut Attributes {
        match self.media.last_mut() {
            Some(media) => &mut media.attributes,
            None => &mut self.session,
        }
    }

    fn attribute(&mut self, attribute: &str) {
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if name == "ice-lite" {
            self.ice_lite = true;
        }
        if name == "group" && self.bundle.is_empty() {
            self.bundle = bundle(value);
        }
        self.level().read(&name, value);
        if let Some(media) = self.media.last_mut() {
            media.attribute(&name, value);
        }
    }

    fn finish(self) -> Result<SipDescription, SdpError> {
        let Self { is_description, origin, session_name, ice_lite, mut bundle, mut session, mut media } = self;
        if !is_description && media.is_empty() {
            return Err(SdpError::NoMedia);
        }
        let origin = origin.unwrap_or_else(|| Origin {
            username: "-".to_owned(),
            session_id: 0,
            version: 0,
            address: "0.0.0.0".to_owned(),
        });
        // Without the mandatory c= (RFC 8866 §5.7), the address in o= is used.
        session.host = session.host.or_else(|| origin.address.parse().ok().map(Host::Address));
        name_sections(&mut media);
        bundle.retain(|name| media.iter().any(|media| media.mid.as_ref() == Some(name)));
        let shared = Shared { session, ice_lite, bundle };
        let mut sections = Vec::new();
        let mut others = Vec::new();
        for (index, media) in media.into_iter().enumerate() {
            match media.kind {
                Some(kind) => sections.push(media.section(kind, index, &shared)),
                None => others.push(OtherSection { index, line: media.line, mid: media.mid }),
            }
        }
        let session_name = session_name.unwrap_or_else(|| "-".to_owned());
        Ok(SipDescription { origin, session_name, sections, others, bundle: shared.bundle })
    }
}

/// Session-level values that apply to all sections.
struct Shared {
    session: Attributes,
    ice_lite: bool,
    bundle: Vec<String>,
}

/// Removes the `mid`s unless every section has a unique one; the index of the m-line is used instead.
fn name_sections(media: &mut [Media]) {
    let mut names: Vec<&str> = media.iter().filter_map(|media| media.mid.as_deref()).collect();
    names.sort_unstable();
    names.dedup();
    if names.len() != media.len() {
        media.iter_mut().for_each(|media| media.mid = None);
    }
}

impl Attributes {
    fn read(&mut self, name: &str, value: &str) {
        let credential = || is_token(value).then(|| value.to_owned());
        match name {
            "ice-ufrag" => self.ufrag = credential(),
            "ice-pwd" => self.pwd = credential(),
            "setup" => self.setup = DtlsSetup::parse(value),
            "fingerprint" => {
                let named = value.split_once(char::is_whitespace);
                let known = named.and_then(|(name, octets)| fingerprint(fingerprint_hash(name)?, octets));
                self.fingerprint =
                    known.map(|known| preferred_fingerprint(self.fingerprint, known)).or(self.fingerprint);
            }
            _ => self.direction = Direction::parse(name).or(self.direction),
        }
    }
}

impl Media {
    fn read(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (media, port, protocol) = (words.next()?, words.next()?, words.next()?);
        // Both must be tokens (RFC 8866 §9). They are validated, because the answer repeats them.
        if [media, protocol].iter().any(|word| word.contains(char::is_control)) {
            return None;
        }
        // Only the first port is used. A number of ports after `/` is for layered encodings (RFC 8866 §5.14).
        let port = port.split_once('/').map_or(port, |(port, _)| port).parse().ok()?;
        let is_rtp = protocol.to_ascii_uppercase().contains("RTP/") && protocol.len() <= MAX_TOKEN;
        let kind = match media.to_ascii_lowercase().as_str() {
            "audio" if is_rtp => Some(MediaKind::Audio),
            "video" if is_rtp => Some(MediaKind::Video),
            _ => None,
        };
        let is_number = |word: &&str| word.parse::<u8>().is_ok_and(|number| number < 128);
        Some(Self {
            kind,
            line: line.chars().take(MAX_FMTP).collect(),
            port,
            profile: RtpProfile::parse(protocol),
            formats: Formats::new(words.filter(is_number)).unwrap_or_default(),
            mid: None,
            rtcp: None,
            rtcp_mux: false,
            crypto: Vec::new(),
            ptime: None,
            maxptime: None,
            ssrcs: Vec::new(),
            candidates: Vec::new(),
            bundle_only: false,
            attributes: Attributes::default(),
        })
    }

    fn attribute(&mut self, name: &str, value: &str) {
        match name {
            "mid" => self.mid = is_token(value).then(|| value.to_owned()),
            "rtcp-mux" => self.rtcp_mux = true,
            "bundle-only" => self.bundle_only = true,
            "rtcp" => self.rtcp = rtcp(value),
            "ptime" => self.ptime = milliseconds(value),
            "maxptime" => self.maxptime = milliseconds(value),
            "crypto" if self.crypto.len() < MAX_CRYPTO => self.crypto.extend(CryptoAttribute::parse(value)),
            "candidate" if self.candidates.len() < MAX_ITEMS => self.candidates.extend(candidate(value)),
            "ssrc" => {
                if let Some(ssrc) = value.split_whitespace().next().and_then(|ssrc| ssrc.parse().ok()) {
                    push_new(&mut self.ssrcs, ssrc);
                }
            }
            // An invalid a=rtpmap is ignored.
            _ => drop(self.formats.read(name, value)),
        }
    }

    fn section(self, kind: MediaKind, index: usize, shared: &Shared) -> SipSection {
        let Shared { session, ice_lite, bundle } = shared;
        // Port 0 does not mean refusal in a bundle-only section (RFC 8843 §6).
        let bundle_only = self.bundle_only && self.mid.as_ref().is_some_and(|mid| bundle.contains(mid));
        let own = self.attributes;
        let direction = own.direction.or(session.direction).unwrap_or_default();
        let connection = connection(own.host.or_else(|| session.host.clone()), self.port);
        let rtcp = self.rtcp.and_then(|(port, address)| {
            let address = address.or_else(|| connection.address().map(|rtp| rtp.ip()))?;
            Some(SocketAddr::new(address, port))
        });
        let fingerprint = own.fingerprint.or(session.fingerprint);
        // The default is active (RFC 4145 §4).
        let setup = own.setup.or(session.setup).unwrap_or(DtlsSetup::Active);
        let ufrag = own.ufrag.or_else(|| session.ufrag.clone());
        let pwd = own.pwd.or_else(|| session.pwd.clone());
        let mut ranked = self.candidates;
        ranked.sort_by_key(|(priority, _)| core::cmp::Reverse(*priority));
        let mut candidates = Vec::new();
        for (_, address) in ranked {
            push_new(&mut candidates, address);
        }
        let ice = ufrag.zip(pwd).map(|(ufrag, pwd)| Ice {
            credentials: IceCredentials { ufrag, pwd },
            lite: *ice_lite,
            candidates,
        });
        // With ICE, the addresses are in the candidates. Without ICE, 0.0.0.0 means hold, as in RFC 2543
        // (RFC 3264 §8.4).
        let is_held = ice.is_none() && matches!(connection, ConnectionAddress::Nowhere { port: 1.. });
        SipSection {
            section: Section {
                kind,
                mid: self.mid.unwrap_or_else(|| index.to_string()),
                direction: if is_held { direction.and(Direction::SendOnly) } else { direction },
                rejected: self.port == 0 && !bundle_only,
                payloads: self.formats.payloads(),
                extensions: Vec::new(),
                ssrcs: self.ssrcs,
            },
            profile: self.profile,
            connection,
            rtcp,
            rtcp_mux: self.rtcp_mux,
            crypto: self.crypto,
            ptime: self.ptime,
            maxptime: self.maxptime,
            dtls: fingerprint.map(|fingerprint| Dtls { fingerprint, setup }),
            ice,
            bundle_only,
            cname: None,
            extra: Vec::new(),
        }
    }
}

fn connection(host: Option<Host>, port: u16) -> ConnectionAddress {
    match host {
        _ if port == 0 => ConnectionAddress::Nowhere { port },
        Some(Host::Name(host)) => ConnectionAddress::Named { host, port },
        // Media are not sent to multicast addresses.
        Some(Host::Address(address)) if !address.is_unspecified() && !address.is_multicast() => {
            ConnectionAddress::At(SocketAddr::new(address, port))
        }
        Some(Host::Address(_)) | None => ConnectionAddress::Nowhere { port },
    }
}

/// Parses `IN IP4 192.0.2.1`, optionally with a TTL (RFC 8866 §5.7).
pub(super) fn host(value: &str) -> Option<Host> {
    let address = value.split_whitespace().nth(2)?;
    let address = address.split_once('/').map_or(address, |(address, _)| address);
    match address.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        Ok(address) => Some(Host::Address(address.to_canonical())),
        Err(_) => is_token(address).then(|| Host::Name(address.to_owned())),
    }
}

fn origin(value: &str) -> Option<Origin> {
    let mut words = value.split_whitespace();
    let (username, session_id, version) = (words.next()?, words.next()?, words.next()?);
    let address = words.nth(2).filter(|address| is_token(address))?;
    Some(Origin {
        username: username.chars().take(MAX_TOKEN).collect(),
        session_id: number(session_id),
        version: number(version),
        address: address.to_owned(),
    })
}

/// Parses a session identifier or version. A value that is too large or not a number is hashed, so that changes can be
/// detected.
fn number(text: &str) -> u64 {
    let fold = |sum: u64, octet: u8| sum.wrapping_mul(31).wrapping_add(u64::from(octet));
    text.parse().unwrap_or_else(|_| text.bytes().fold(0, fold))
}

/// Parses `BUNDLE 0 1` (RFC 8843 §5).
fn bundle(value: &str) -> Vec<String> {
    let mut words = value.split_whitespace();
    match words.next() {
        Some(semantics) if semantics.eq_ignore_ascii_case("BUNDLE") => {
            words.filter(|name| is_token(name)).take(MAX_SECTIONS).map(str::to_owned).collect()
        }
        Some(_) | None => Vec::new(),
    }
}

/// Parses `53020` or `53020 IN IP4 192.0.2.1` (RFC 3605 §2.1).
fn rtcp(value: &str) -> Option<(u16, Option<IpAddr>)> {
    let mut words = value.split_whitespace();
    let port = words.next()?.parse().ok().filter(|port| *port > 0)?;
    let address = words.nth(2).and_then(|address| address.parse().ok());
    let address = address.filter(|address: &IpAddr| !address.is_unspecified() && !address.is_multicast());
    Some((port, address.map(|address| address.to_canonical())))
}

/// Parses a duration in milliseconds. Fractions are truncated; some G.723 phones write them, although RFC 4566 did not
/// permit them.
fn milliseconds(value: &str) -> Option<u16> {
    let whole = value.split('.').next()?;
    whole.trim().parse().ok().filter(|milliseconds| (1..=1000).contains(milliseconds))
}
