//! Parser for session descriptions of browsers. It ignores unknown lines, and requires the attributes of the transport.

use super::{
    DtlsSetup, Fingerprint, HeaderExtension, IceCredentials, OtherSection, SdpError, Section, TransportDescription,
    WebRtcDescription,
};
use crate::attribute::{
    MAX_FMTP, MAX_ITEMS, candidate, extension, fingerprint, fingerprint_hash, is_token, preferred_fingerprint, push_new,
};
use crate::codec::MediaKind;
use crate::direction::Direction;
use crate::section::formats::{Formats, NotAnRtpmap};
use std::net::SocketAddr;

/// The maximum length of a description in octets. A description of Chromium with all codecs has about 10,000
/// octets.
const MAX_OCTETS: usize = 128 * 1024;
/// The maximum number of media sections.
const MAX_SECTIONS: usize = 32;

impl WebRtcDescription {
    /// Parses an offer or answer. Lines end in CRLF or bare LF; surrounding white space and unknown lines are ignored.
    ///
    /// A section that does not share the transport of the first one in use (RFC 8843) is marked as rejected.
    ///
    /// # Errors
    ///
    /// Returns the line that is invalid or the attribute that is missing.
    pub fn parse(text: &str) -> Result<Self, SdpError> {
        if text.len() > MAX_OCTETS {
            return Err(SdpError::TooLong { octets: text.len(), limit: MAX_OCTETS });
        }
        let mut reader = Reader::default();
        for (index, raw) in text.split('\n').enumerate() {
            let line = Line { number: index + 1, text: raw.trim() };
            if !line.text.is_empty() {
                reader.read(line)?;
            }
        }
        reader.finish()
    }
}

/// A line and its number.
#[derive(Clone, Copy)]
struct Line<'a> {
    number: usize,
    text: &'a str,
}

impl Line<'_> {
    fn invalid(self, expected: &'static str) -> SdpError {
        SdpError::InvalidLine { line: self.number, text: self.text.chars().take(80).collect(), expected }
    }
}

/// Attributes that are allowed at session level and at media level. The media level takes precedence.
#[derive(Default)]
struct Attributes {
    ufrag: Option<String>,
    pwd: Option<String>,
    fingerprint: Option<Fingerprint>,
    other_fingerprint: Option<(usize, String)>,
    setup: Option<DtlsSetup>,
    direction: Option<Direction>,
    candidates: Vec<(u32, SocketAddr)>,
    extensions: Vec<HeaderExtension>,
}

/// An m-line and the lines that follow it up to the next m-line.
struct Media {
    kind: Option<MediaKind>,
    line: String,
    port: u16,
    bundle_only: bool,
    mid: Option<String>,
    formats: Formats,
    ssrcs: Vec<u32>,
    repairing: Vec<u32>,
    attributes: Attributes,
}

#[derive(Default)]
struct Reader {
    ice_lite: bool,
    groups: Vec<Vec<String>>,
    session: Attributes,
    media: Vec<Media>,
}

impl Reader {
    fn read(&mut self, line: Line<'_>) -> Result<(), SdpError> {
        let Some((kind, value)) = line.text.split_once('=').filter(|(kind, _)| kind.len() == 1) else {
            return Err(line.invalid("a session description line: one letter, “=”, a value"));
        };
        match kind {
            "m" if self.media.len() >= MAX_SECTIONS => {
                Err(SdpError::TooManySections { line: line.number, limit: MAX_SECTIONS })
            }
            "m" => {
                self.media.push(Media::read(line, value)?);
                Ok(())
            }
            "a" => self.attribute(line, value),
            _ => Ok(()),
        }
    }

    fn attribute(&mut self, line: Line<'_>, attribute: &str) -> Result<(), SdpError> {
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        let value = value.trim();
        if name == "mid" && self.media.iter().any(|media| media.mid.as_deref() == Some(value)) {
            return Err(SdpError::DuplicateMid { line: line.number, mid: value.chars().take(80).collect() });
        }
        let Some(media) = self.media.last_mut() else {
            match name {
                "ice-lite" => self.ice_lite = true,
                "group" => self.groups.extend(bundle(value)),
                _ => self.session.read(line, name, value)?,
            }
            return Ok(());
        };
        media.read_attribute(line, name, value)?;
        media.attributes.read(line, name, value)
    }

    fn finish(self) -> Result<WebRtcDescription, SdpError> {
        let Self { ice_lite, groups, session, mut media } = self;
        let first = media.iter().position(Media::in_use).ok_or(SdpError::NoMedia)?;
        let transport = transport(&media, first, &session, ice_lite)?;
        let group = media
            .get(first)
            .and_then(|media| media.mid.as_deref())
            .and_then(|mid| groups.iter().find(|group| group.iter().any(|member| member == mid)));
        for (index, other) in media.iter_mut().enumerate() {
            let shares = other.mid.as_ref().is_some_and(|mid| group.is_some_and(|group| group.contains(mid)));
            if index != first && !shares {
                other.port = 0;
                other.bundle_only = false;
            }
        }
        let mut sections = Vec::new();
        let mut others = Vec::new();
        for (index, media) in media.into_iter().enumerate() {
            match media.kind {
                Some(kind) => sections.push(media.section(kind, index, &session)),
                None => others.push(OtherSection { index, line: media.line, mid: media.mid }),
            }
        }
        Ok(WebRtcDescription { transport, sections, others })
    }
}

/// Returns the transport of the section at `first`. If that section has no ICE credentials, those of the first other
/// section that has any, or of the session level, are used: the attributes of a bundle-only section are in the tagged
/// section (RFC 8843 §7.2).
fn transport(
    media: &[Media],
    first: usize,
    session: &Attributes,
    ice_lite: bool,
) -> Result<TransportDescription, SdpError> {
    let tagged = media
        .get(first)
        .into_iter()
        .chain(media.iter().filter(|media| media.in_use()))
        .chain(media)
        .map(|media| &media.attributes)
        .find(|attributes| attributes.ufrag.is_some())
        .unwrap_or(session);
    let ufrag = tagged.ufrag.clone().ok_or(SdpError::NoIceUfrag)?;
    let pwd = tagged.pwd.as_ref().or(session.pwd.as_ref()).cloned().ok_or(SdpError::NoIcePwd)?;
    let levels = || {
        let all = media.iter().filter(|media| media.in_use()).map(|media| &media.attributes);
        core::iter::once(tagged).chain(core::iter::once(session)).chain(all)
    };
    let fingerprint = levels().find_map(|level| level.fingerprint).ok_or_else(|| {
        match levels().find_map(|level| level.other_fingerprint.clone()) {
            Some((line, hash)) => SdpError::UnsupportedFingerprint { line, hash },
            None => SdpError::NoFingerprint,
        }
    })?;
    // The default is active (RFC 4145 §4).
    let setup = levels().find_map(|level| level.setup).unwrap_or(DtlsSetup::Active);
    let mut ranked: Vec<_> = levels().flat_map(|level| level.candidates.iter().copied()).collect();
    ranked.sort_by_key(|(priority, _)| core::cmp::Reverse(*priority));
    let mut candidates = Vec::new();
    for (_, address) in ranked {
        push_new(&mut candidates, address);
    }
    Ok(TransportDescription { ice: IceCredentials { ufrag, pwd }, ice_lite, fingerprint, setup, candidates })
}

impl Attributes {
    fn read(&mut self, line: Line<'_>, name: &str, value: &str) -> Result<(), SdpError> {
        match name {
            "ice-ufrag" => self.ufrag = Some(credential(line, value)?),
            "ice-pwd" => self.pwd = Some(credential(line, value)?),
            "fingerprint" => self.read_fingerprint(line, value)?,
            "setup" => {
                let setup =
                    DtlsSetup::parse(value).ok_or_else(|| line.invalid("a=setup:active, passive or actpass"))?;
                self.setup = Some(setup);
            }
            "candidate" => {
                if let Some(candidate) = candidate(value).filter(|_| self.candidates.len() < MAX_ITEMS) {
                    self.candidates.push(candidate);
                }
            }
            "extmap" => {
                if let Some(extension) = extension(value) {
                    push_new(&mut self.extensions, extension);
                }
            }
            _ => self.direction = Direction::parse(name).or(self.direction),
        }
        Ok(())
    }

    fn read_fingerprint(&mut self, line: Line<'_>, value: &str) -> Result<(), SdpError> {
        const EXPECTED: &str = "a=fingerprint, a hash like sha-256 and its octets in hexadecimal, separated by colons";
        let (hash, octets) = value.split_once(char::is_whitespace).ok_or_else(|| line.invalid(EXPECTED))?;
        let Some(known) = fingerprint_hash(hash) else {
            self.other_fingerprint = Some((line.number, hash.chars().take(32).collect()));
            return Ok(());
        };
        let known = fingerprint(known, octets).ok_or_else(|| line.invalid(EXPECTED))?;
        self.fingerprint = Some(preferred_fingerprint(self.fingerprint, known));
        Ok(())
    }
}

impl Media {
    fn read(line: Line<'_>, value: &str) -> Result<Self, SdpError> {
        let expected = || line.invalid("m=, media type, port, protocol and formats");
        let mut words = value.split_whitespace();
        let (Some(media), Some(port), Some(protocol)) = (words.next(), words.next(), words.next()) else {
            return Err(expected());
        };
        let port = port.split_once('/').map_or(port, |(port, _)| port).parse().map_err(|_| expected())?;
        let kind = match media {
            // SAVP and SAVPF, with or without the `UDP/TLS/` prefix: the profiles used with DTLS (RFC 5764 §8).
            "audio" if protocol.contains("RTP/SAVP") => Some(MediaKind::Audio),
            "video" if protocol.contains("RTP/SAVP") => Some(MediaKind::Video),
            _ => None,
        };
        let formats = match kind {
            Some(_) => Formats::new(words).ok_or_else(expected)?,
            None => Formats::default(),
        };
        Ok(Self {
            kind,
            line: value.chars().take(MAX_FMTP).collect(),
            port,
            bundle_only: false,
            mid: None,
            formats,
            ssrcs: Vec::new(),
            repairing: Vec::new(),
            attributes: Attributes::default(),
        })
    }

    /// Returns whether the section is in use. Port 0 means that it is refused, unless it is bundle-only (RFC 8843 §6).
    fn in_use(&self) -> bool {
        self.kind.is_some() && (self.port != 0 || self.bundle_only)
    }

    fn read_attribute(&mut self, line: Line<'_>, name: &str, value: &str) -> Result<(), SdpError> {
        match name {
            "mid" => {
                if !is_token(value) || self.mid.is_some() {
                    return Err(line.invalid("a=mid with a token, once per section"));
                }
                self.mid = Some(value.to_owned());
            }
            "bundle-only" => self.bundle_only = true,
            "rtpmap" | "fmtp" | "rtcp-fb" if self.kind.is_some() => {
                let read = self.formats.read(name, value);
                read.map_err(|NotAnRtpmap| line.invalid("a=rtpmap: payload type, then name/clock rate"))?;
            }
            "ssrc" => {
                let ssrc = value.split_whitespace().next().and_then(|ssrc| ssrc.parse().ok());
                if let Some(ssrc) = ssrc {
                    push_new(&mut self.ssrcs, ssrc);
                }
            }
            "ssrc-group" => {
                let mut words = value.split_whitespace();
                // The first SSRC is the stream, the others are its repair streams (RFC 4588 §8.8, RFC 8872).
                if words.next().is_some_and(|semantics| semantics == "FID" || semantics.starts_with("FEC")) {
                    for ssrc in words.skip(1).filter_map(|ssrc| ssrc.parse().ok()) {
                        push_new(&mut self.repairing, ssrc);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn section(self, kind: MediaKind, index: usize, session: &Attributes) -> Section {
        let rejected = !self.in_use();
        let mut extensions = self.attributes.extensions;
        for extension in &session.extensions {
            if !extensions.iter().any(|known| known.id == extension.id) {
                push_new(&mut extensions, extension.clone());
            }
        }
        let repairing = self.repairing;
        Section {
            kind,
            mid: self.mid.unwrap_or_else(|| index.to_string()),
            direction: self.attributes.direction.or(session.direction).unwrap_or_default(),
            rejected,
            payloads: self.formats.payloads(),
            extensions,
            ssrcs: self.ssrcs.into_iter().filter(|ssrc| !repairing.contains(ssrc)).collect(),
        }
    }
}

fn bundle(value: &str) -> Option<Vec<String>> {
    let mut words = value.split_whitespace();
    words.next().filter(|semantics| *semantics == "BUNDLE")?;
    Some(words.take(MAX_SECTIONS).map(str::to_owned).collect())
}

fn credential(line: Line<'_>, value: &str) -> Result<String, SdpError> {
    if is_token(value) {
        Ok(value.to_owned())
    } else {
        Err(line.invalid("a credential of 4 to 256 letters, digits, “+” and “/”"))
    }
}
