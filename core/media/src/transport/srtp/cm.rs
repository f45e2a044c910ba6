//! SRTP_AES128_CM_HMAC_SHA1_80 and _32 (RFC 3711 §4.1.1, §4.2.1).

use super::SrtpError;
use super::kdf::{BadKeyLength, Label, aes128, derive};
use aes::Aes128;
use aes::cipher::{InnerIvInit, StreamCipher, StreamCipherCoreWrapper};
use ctr::{CtrCore, flavors};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// Length of the RTCP authentication tag and of the long RTP tag, in octets.
pub(super) const TAG: usize = 10;
const SHORT_TAG: usize = 4;

/// Length of the RTP tag; the RTCP tag is always the long one (RFC 3711 §5.2, RFC 4568 §6.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RtpTag {
    /// 80 bits.
    Long,
    /// 32 bits.
    Short,
}

/// The session keys of one direction.
#[derive(Debug)]
pub(super) struct Cm {
    rtp: Keys,
    rtp_tag: RtpTag,
    rtcp: Keys,
}

/// The session keys of RTP or of RTCP.
struct Keys {
    cipher: Aes128,
    salt: [u8; 14],
    mac: Hmac<Sha1>,
}

impl core::fmt::Debug for Keys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Keys(…)")
    }
}

impl Cm {
    pub(super) fn new(master: &[u8], salt: &[u8], rtp_tag: RtpTag) -> Result<Self, BadKeyLength> {
        if master.len() != 16 || salt.len() != 14 {
            return Err(BadKeyLength);
        }
        Ok(Self {
            rtp: Keys::new(master, salt, [Label::RtpEncryption, Label::RtpAuthentication, Label::RtpSalt])?,
            rtp_tag,
            rtcp: Keys::new(master, salt, [Label::RtcpEncryption, Label::RtcpAuthentication, Label::RtcpSalt])?,
        })
    }

    pub(super) fn protect_rtp(
        &self,
        packet: &mut Vec<u8>,
        header_len: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<(), SrtpError> {
        let payload = packet.get_mut(header_len..).ok_or(SrtpError::Malformed)?;
        self.rtp.apply(payload, ssrc, index);
        match self.rtp_tag {
            RtpTag::Long => packet.extend_from_slice(&self.rtp.tag::<TAG>(packet, &rollover(index))),
            RtpTag::Short => packet.extend_from_slice(&self.rtp.tag::<SHORT_TAG>(packet, &rollover(index))),
        }
        Ok(())
    }

    /// Length of the RTP tag in octets.
    pub(super) const fn rtp_tag(&self) -> usize {
        match self.rtp_tag {
            RtpTag::Long => TAG,
            RtpTag::Short => SHORT_TAG,
        }
    }

    pub(super) fn unprotect_rtp(
        &self,
        packet: &mut [u8],
        header_len: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, SrtpError> {
        let length = packet.len().checked_sub(self.rtp_tag()).ok_or(SrtpError::Malformed)?;
        let (body, tag) = packet.split_at_mut_checked(length).ok_or(SrtpError::Malformed)?;
        self.rtp.verify(body, &rollover(index), tag)?;
        self.rtp.apply(body.get_mut(header_len..).ok_or(SrtpError::Malformed)?, ssrc, index);
        Ok(length)
    }

    pub(super) fn protect_rtcp(&self, packet: &mut Vec<u8>, ssrc: u32, index: u32) -> Result<(), SrtpError> {
        self.rtcp.apply(packet.get_mut(8..).ok_or(SrtpError::Malformed)?, ssrc, u64::from(index));
        packet.extend_from_slice(&(index | 0x8000_0000).to_be_bytes());
        let tag = self.rtcp.tag::<TAG>(packet, &[]);
        packet.extend_from_slice(&tag);
        Ok(())
    }

    pub(super) fn unprotect_rtcp(&self, packet: &mut [u8], ssrc: u32) -> Result<usize, SrtpError> {
        let (body, tag) = packet.split_last_chunk_mut::<TAG>().ok_or(SrtpError::Malformed)?;
        self.rtcp.verify(body, &[], tag)?;
        let (body, trailer) = body.split_last_chunk_mut::<4>().ok_or(SrtpError::Malformed)?;
        let index = u32::from_be_bytes(*trailer);
        let length = body.len();
        if index & 0x8000_0000 != 0 {
            let payload = body.get_mut(8..).ok_or(SrtpError::Malformed)?;
            self.rtcp.apply(payload, ssrc, u64::from(index & 0x7fff_ffff));
        }
        Ok(length)
    }
}

impl Keys {
    fn new(
        master: &[u8],
        salt: &[u8],
        [encryption, authentication, salting]: [Label; 3],
    ) -> Result<Self, BadKeyLength> {
        let (mut key, mut mac_key, mut session_salt) = ([0; 16], [0; 20], [0; 14]);
        derive(master, salt, encryption, &mut key)?;
        derive(master, salt, authentication, &mut mac_key)?;
        derive(master, salt, salting, &mut session_salt)?;
        let mac = Hmac::new_from_slice(&mac_key).map_err(|_| BadKeyLength)?;
        Ok(Self { cipher: aes128(key), salt: session_salt, mac })
    }

    /// Encrypts or decrypts with IV = (salt · 2^16) XOR (SSRC · 2^64) XOR (index · 2^16).
    fn apply(&self, data: &mut [u8], ssrc: u32, index: u64) {
        let number = u128::from(ssrc) << 64 ^ u128::from(index) << 16;
        let mut iv = number.to_be_bytes();
        for (octet, salt) in iv.iter_mut().zip(&self.salt) {
            *octet ^= salt;
        }
        let core = CtrCore::<_, flavors::Ctr128BE>::inner_iv_init(self.cipher.clone(), &iv.into());
        StreamCipherCoreWrapper::from_core(core).apply_keystream(data);
    }

    /// The first `N` octets of the authentication code.
    fn tag<const N: usize>(&self, data: &[u8], rollover: &[u8]) -> [u8; N] {
        let mut mac = self.mac.clone();
        mac.update(data);
        mac.update(rollover);
        let full: [u8; 20] = mac.finalize().into_bytes().into();
        let mut tag = [0; N];
        for (to, from) in tag.iter_mut().zip(full) {
            *to = from;
        }
        tag
    }

    fn verify(&self, data: &[u8], rollover: &[u8], tag: &[u8]) -> Result<(), SrtpError> {
        let mut mac = self.mac.clone();
        mac.update(data);
        mac.update(rollover);
        mac.verify_truncated_left(tag).map_err(|_| SrtpError::Unauthentic)
    }
}

/// The rollover counter of an index, as input of the authentication.
fn rollover(index: u64) -> [u8; 4] {
    let [_, _, r0, r1, r2, r3, ..] = index.to_be_bytes();
    [r0, r1, r2, r3]
}

#[cfg(test)]
mod tests;
