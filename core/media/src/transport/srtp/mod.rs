//! SRTP and SRTCP contexts that protect packets in place (RFC 3711, RFC 7714).
//!
//! ```text
//! keys of DTLS ──┬─▶ Inbound   SRTP  ─▶ authenticate, reject replays ─▶ RTP
//! or of SDES     └─▶ Outbound  RTP   ─▶ index per SSRC, encrypt      ─▶ SRTP
//! ```

mod cm;
mod gcm;
mod kdf;
mod replay;
mod saved;
mod windows;

pub use kdf::BadKeyLength;
pub use replay::Window;
pub use saved::{SavedInbound, SavedOutbound};

use crate::rtp::packet::Header;
use serde::{Deserialize, Serialize};
use windows::Windows;

/// The most SSRCs per direction. The limit bounds memory, but exceeds what a SIP peer uses in a call, even with a new
/// SSRC for each piece of music on hold. Contexts are never dropped, because packets of a dropped one could be replayed
/// (RFC 3711 §3.3.2).
const MAX_SSRCS: usize = 1024;

/// The SRTP transforms: a DTLS-SRTP protection profile (RFC 5764 §4.1.2, RFC 7714 §14.2) or an SDES crypto suite (RFC
/// 4568 §6.2, RFC 7714 §14.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Profile {
    /// SRTP_AES128_CM_HMAC_SHA1_80, AES_CM_128_HMAC_SHA1_80
    AesCm128HmacSha1,
    /// AES_CM_128_HMAC_SHA1_32: a 32-bit tag for RTP, RTCP as above. Not offered in DTLS.
    AesCm128HmacSha1Short,
    /// SRTP_AEAD_AES_128_GCM
    AeadAes128Gcm,
    /// SRTP_AEAD_AES_256_GCM
    AeadAes256Gcm,
}

impl Profile {
    /// Lengths of master key and master salt in octets.
    #[must_use]
    pub const fn lengths(self) -> (usize, usize) {
        match self {
            Self::AesCm128HmacSha1 | Self::AesCm128HmacSha1Short => (16, 14),
            Self::AeadAes128Gcm => (16, 12),
            Self::AeadAes256Gcm => (32, 12),
        }
    }
}

/// The reason why a packet was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SrtpError {
    /// Too short.
    Malformed,
    /// The tag is wrong.
    Unauthentic,
    /// Replayed, or older than the replay window.
    Replayed,
    /// The limit of SSRCs is exceeded.
    TooManySources,
}

/// The local DTLS role, which determines the local half of the exported keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DtlsRole {
    /// Sends with the client's keys.
    Client,
    /// Sends with the server's keys.
    Server,
}

#[derive(Debug)]
struct Cipher {
    /// The master key and salt, from which the session keys are derived; the only secret that is saved.
    master: Master,
    keys: Keys,
}

#[derive(Debug)]
enum Keys {
    Gcm(Box<gcm::Gcm>),
    Cm(Box<cm::Cm>),
}

/// The master key, master salt and master key identifier of one direction in a session description.
#[derive(Clone, Copy)]
pub struct MasterSecret<'a> {
    profile: Profile,
    key: &'a [u8],
    salt: &'a [u8],
    mki: &'a [u8],
}

impl<'a> MasterSecret<'a> {
    /// Splits a key followed by its salt (RFC 4568 §6.1).
    ///
    /// # Errors
    ///
    /// If the lengths do not match the profile.
    pub fn split(profile: Profile, key_and_salt: &'a [u8]) -> Result<Self, BadKeyLength> {
        let (length, salt_length) = profile.lengths();
        let (key, salt) = key_and_salt.split_at_checked(length).ok_or(BadKeyLength)?;
        if salt.len() == salt_length { Ok(Self { profile, key, salt, mki: &[] }) } else { Err(BadKeyLength) }
    }

    /// Sets the master key identifier that packets carry.
    #[must_use]
    pub const fn with_mki(self, mki: &'a [u8]) -> Self {
        Self { mki, ..self }
    }

    fn is_that_of(&self, cipher: &Cipher) -> bool {
        let Master { profile, key, salt, mki } = &cipher.master;
        (*profile, key.as_slice(), salt.as_slice(), mki.as_slice()) == (self.profile, self.key, self.salt, self.mki)
    }
}

/// Profile, master key, master salt and master key identifier of one direction.
struct Master {
    profile: Profile,
    key: Vec<u8>,
    salt: Vec<u8>,
    /// Empty if packets carry none.
    mki: Vec<u8>,
}

impl core::fmt::Debug for Master {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Master({:?}, …)", self.profile)
    }
}

impl Cipher {
    fn new(profile: Profile, key: &[u8], salt: &[u8]) -> Result<Self, BadKeyLength> {
        let keys = match profile {
            Profile::AesCm128HmacSha1 => Keys::Cm(Box::new(cm::Cm::new(key, salt, cm::RtpTag::Long)?)),
            Profile::AesCm128HmacSha1Short => Keys::Cm(Box::new(cm::Cm::new(key, salt, cm::RtpTag::Short)?)),
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => Keys::Gcm(Box::new(gcm::Gcm::new(key, salt)?)),
        };
        Ok(Self { master: Master { profile, key: key.to_vec(), salt: salt.to_vec(), mki: Vec::new() }, keys })
    }

    fn from_secret(secret: &MasterSecret<'_>) -> Result<Self, BadKeyLength> {
        let mut cipher = Self::new(secret.profile, secret.key, secret.salt)?;
        cipher.master.mki = secret.mki.to_vec();
        Ok(cipher)
    }

    /// Lengths of the tags that follow the MKI, for RTP and RTCP. They are 0 with AEAD, whose tag is part of the
    /// ciphertext (RFC 7714 §7).
    const fn tags(&self) -> (usize, usize) {
        match &self.keys {
            Keys::Gcm(_) => (0, 0),
            Keys::Cm(cm) => (cm.rtp_tag(), cm::TAG),
        }
    }

    /// Verifies and removes the MKI of a packet that ends with a tag of this length.
    fn strip_mki<'a>(&self, packet: &'a mut [u8], tag: usize) -> Result<&'a mut [u8], SrtpError> {
        let mki = self.master.mki.as_slice();
        if mki.is_empty() {
            return Ok(packet);
        }
        let tag_at = packet.len().checked_sub(tag).ok_or(SrtpError::Malformed)?;
        let at = tag_at.checked_sub(mki.len()).ok_or(SrtpError::Malformed)?;
        if packet.get(at..tag_at) != Some(mki) {
            return Err(SrtpError::Unauthentic);
        }
        packet.copy_within(tag_at.., at);
        packet.get_mut(..at + tag).ok_or(SrtpError::Malformed)
    }

    /// Inserts the MKI before a tag of this length.
    fn insert_mki(&self, packet: &mut Vec<u8>, tag: usize) {
        let at = packet.len().saturating_sub(tag);
        drop(packet.splice(at..at, self.master.mki.iter().copied()));
    }
}

/// Creates the contexts of both directions from the exported keying material (RFC 5764 §4.2).
///
/// # Errors
///
/// If the length of the material does not match the profile.
pub fn contexts(profile: Profile, material: &[u8], role: DtlsRole) -> Result<(Inbound, Outbound), BadKeyLength> {
    let (key, salt) = profile.lengths();
    let (client_key, rest) = material.split_at_checked(key).ok_or(BadKeyLength)?;
    let (server_key, rest) = rest.split_at_checked(key).ok_or(BadKeyLength)?;
    let (client_salt, server_salt) = rest.split_at_checked(salt).ok_or(BadKeyLength)?;
    let client = Cipher::new(profile, client_key, client_salt)?;
    let server = Cipher::new(profile, server_key, server_salt.get(..salt).ok_or(BadKeyLength)?)?;
    let (remote, local) = match role {
        DtlsRole::Client => (server, client),
        DtlsRole::Server => (client, server),
    };
    Ok((Inbound::with(remote), Outbound::with(local)))
}

/// The context for received packets.
#[derive(Debug)]
pub struct Inbound {
    cipher: Cipher,
    rtp: Windows,
    rtcp: Windows,
}

impl Inbound {
    fn with(cipher: Cipher) -> Self {
        Self { cipher, rtp: Windows::default(), rtcp: Windows::default() }
    }

    /// Creates a context from a master key and salt.
    ///
    /// # Errors
    ///
    /// If the lengths of key or salt do not match the profile.
    pub fn new(profile: Profile, key: &[u8], salt: &[u8]) -> Result<Self, BadKeyLength> {
        Ok(Self::with(Cipher::new(profile, key, salt)?))
    }

    /// Creates a context from a secret of a description.
    ///
    /// # Errors
    ///
    /// Never, because the secret has the lengths of its profile.
    pub fn from_secret(secret: &MasterSecret<'_>) -> Result<Self, BadKeyLength> {
        Ok(Self::with(Cipher::from_secret(secret)?))
    }

    /// Whether the context was created from this secret.
    #[must_use]
    pub fn is_made_with(&self, secret: &MasterSecret<'_>) -> bool {
        secret.is_that_of(&self.cipher)
    }

    /// Authenticates and decrypts an RTP packet in place and returns its length without the tag. `header` is the header
    /// of the packet, which is not encrypted.
    ///
    /// # Errors
    ///
    /// If the packet is malformed, not authentic or replayed, or the limit of SSRCs is exceeded.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8], header: &Header) -> Result<usize, SrtpError> {
        let window = self.rtp.get(header.ssrc).copied().unwrap_or_default();
        let index = window.estimate(header.sequence);
        if !window.is_new(index) {
            return Err(SrtpError::Replayed);
        }
        let packet = self.cipher.strip_mki(packet, self.cipher.tags().0)?;
        let length = match &self.cipher.keys {
            Keys::Gcm(gcm) => gcm.unprotect_rtp(packet, header.length, header.ssrc, index)?,
            Keys::Cm(cm) => cm.unprotect_rtp(packet, header.length, header.ssrc, index)?,
        };
        accept(&mut self.rtp, header.ssrc, index)?;
        Ok(length)
    }

    /// Authenticates and decrypts a compound RTCP packet in place and returns its length without index and tag.
    ///
    /// # Errors
    ///
    /// If the packet is malformed, not authentic or replayed, or the limit of SSRCs is exceeded.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let ssrc = rtcp_ssrc(packet)?;
        let tag_after_index = self.cipher.tags().1;
        let packet = self.cipher.strip_mki(packet, tag_after_index)?;
        let index_at = packet.len().checked_sub(tag_after_index + 4).ok_or(SrtpError::Malformed)?;
        let trailer = packet.get(index_at..).and_then(|rest| rest.first_chunk::<4>()).ok_or(SrtpError::Malformed)?;
        let index = u64::from(u32::from_be_bytes(*trailer) & 0x7fff_ffff);
        if self.rtcp.get(ssrc).is_some_and(|window| !window.is_new(index)) {
            return Err(SrtpError::Replayed);
        }
        let length = match &self.cipher.keys {
            Keys::Gcm(gcm) => gcm.unprotect_rtcp(packet, ssrc)?,
            Keys::Cm(cm) => cm.unprotect_rtcp(packet, ssrc)?,
        };
        accept(&mut self.rtcp, ssrc, index)?;
        Ok(length)
    }
}

fn accept(windows: &mut Windows, ssrc: u32, index: u64) -> Result<(), SrtpError> {
    if windows.len() >= MAX_SSRCS && windows.get(ssrc).is_none() {
        return Err(SrtpError::TooManySources);
    }
    windows.find_or_insert(ssrc).accept(index);
    Ok(())
}

fn rtcp_ssrc(packet: &[u8]) -> Result<u32, SrtpError> {
    let octets = packet.get(4..).and_then(|rest| rest.first_chunk::<4>()).ok_or(SrtpError::Malformed)?;
    Ok(u32::from_be_bytes(*octets))
}

/// The context for sent packets.
#[derive(Debug)]
pub struct Outbound {
    cipher: Cipher,
    rtp: Windows,
    rtcp_index: u32,
}

impl Outbound {
    fn with(cipher: Cipher) -> Self {
        Self { cipher, rtp: Windows::default(), rtcp_index: 0 }
    }

    /// Creates a context from a master key and salt.
    ///
    /// # Errors
    ///
    /// If the lengths of key or salt do not match the profile.
    pub fn new(profile: Profile, key: &[u8], salt: &[u8]) -> Result<Self, BadKeyLength> {
        Ok(Self::with(Cipher::new(profile, key, salt)?))
    }

    /// Creates a context from a secret of a description.
    ///
    /// # Errors
    ///
    /// Never, because the secret has the lengths of its profile.
    pub fn from_secret(secret: &MasterSecret<'_>) -> Result<Self, BadKeyLength> {
        Ok(Self::with(Cipher::from_secret(secret)?))
    }

    /// Whether the context was created from this secret.
    #[must_use]
    pub fn is_made_with(&self, secret: &MasterSecret<'_>) -> bool {
        secret.is_that_of(&self.cipher)
    }

    /// Encrypts an RTP packet in place and appends the tag. A sequence number may be used again only for the
    /// same packet, as in a retransmission.
    ///
    /// # Errors
    ///
    /// If the packet is too short.
    pub fn protect_rtp(&mut self, packet: &mut Vec<u8>, header: &Header) -> Result<(), SrtpError> {
        let window = self.rtp.find_or_insert(header.ssrc);
        let index = window.estimate(header.sequence);
        window.accept(index);
        match &self.cipher.keys {
            Keys::Gcm(gcm) => gcm.protect_rtp(packet, header.length, header.ssrc, index),
            Keys::Cm(cm) => cm.protect_rtp(packet, header.length, header.ssrc, index),
        }?;
        self.cipher.insert_mki(packet, self.cipher.tags().0);
        Ok(())
    }

    /// Encrypts a compound RTCP packet in place and appends index and tag.
    ///
    /// # Errors
    ///
    /// If the packet is too short.
    pub fn protect_rtcp(&mut self, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        let ssrc = rtcp_ssrc(packet)?;
        self.rtcp_index = (self.rtcp_index + 1) & 0x7fff_ffff;
        match &self.cipher.keys {
            Keys::Gcm(gcm) => gcm.protect_rtcp(packet, ssrc, self.rtcp_index),
            Keys::Cm(cm) => cm.protect_rtcp(packet, ssrc, self.rtcp_index),
        }?;
        self.cipher.insert_mki(packet, self.cipher.tags().1);
        Ok(())
    }
}

/// The most octets that SRTP appends to a packet without MKI, for the capacity of buffers.
pub const MAX_OVERHEAD: usize = gcm::TAG + 4;

#[cfg(test)]
mod tests;
