//! AEAD_AES_128_GCM and AEAD_AES_256_GCM (RFC 7714).

use super::SrtpError;
use super::kdf::{BadKeyLength, Label, derive};
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

/// Length of the authentication tag in octets.
pub(super) const TAG: usize = 16;

/// The session keys of one direction.
#[derive(Debug)]
pub(super) struct Gcm {
    rtp: LessSafeKey,
    rtp_salt: [u8; 12],
    rtcp: LessSafeKey,
    rtcp_salt: [u8; 12],
}

impl Gcm {
    pub(super) fn new(master: &[u8], salt: &[u8]) -> Result<Self, BadKeyLength> {
        let key = |label| {
            let mut key = [0_u8; 32];
            let key = key.get_mut(..master.len()).ok_or(BadKeyLength)?;
            derive(master, salt, label, key)?;
            let algorithm = if key.len() == 16 { &AES_128_GCM } else { &AES_256_GCM };
            Ok(LessSafeKey::new(UnboundKey::new(algorithm, key).map_err(|_| BadKeyLength)?))
        };
        let derived_salt = |label| {
            let mut out = [0_u8; 12];
            derive(master, salt, label, &mut out).map(|()| out)
        };
        Ok(Self {
            rtp: key(Label::RtpEncryption)?,
            rtp_salt: derived_salt(Label::RtpSalt)?,
            rtcp: key(Label::RtcpEncryption)?,
            rtcp_salt: derived_salt(Label::RtcpSalt)?,
        })
    }

    /// The nonce of an RTP packet (RFC 7714 §8.1).
    fn rtp_nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let mut iv = [0_u8; 12];
        let [s0, s1, s2, s3] = ssrc.to_be_bytes();
        let [_, _, i0, i1, i2, i3, i4, i5] = index.to_be_bytes();
        iv.copy_from_slice(&[0, 0, s0, s1, s2, s3, i0, i1, i2, i3, i4, i5]);
        salted(iv, &self.rtp_salt)
    }

    /// The nonce of an RTCP packet (RFC 7714 §9.1).
    fn rtcp_nonce(&self, ssrc: u32, index: u32) -> Nonce {
        let [s0, s1, s2, s3] = ssrc.to_be_bytes();
        let [i0, i1, i2, i3] = index.to_be_bytes();
        salted([0, 0, s0, s1, s2, s3, 0, 0, i0, i1, i2, i3], &self.rtcp_salt)
    }

    pub(super) fn protect_rtp(
        &self,
        packet: &mut Vec<u8>,
        header_len: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<(), SrtpError> {
        let (header, payload) = packet.split_at_mut_checked(header_len).ok_or(SrtpError::Malformed)?;
        let nonce = self.rtp_nonce(ssrc, index);
        let tag = self.rtp.seal_in_place_separate_tag(nonce, Aad::from(&*header), payload);
        packet.extend_from_slice(tag.map_err(|_| SrtpError::Unauthentic)?.as_ref());
        Ok(())
    }

    /// Returns the length of the decrypted packet.
    pub(super) fn unprotect_rtp(
        &self,
        packet: &mut [u8],
        header_len: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, SrtpError> {
        let (header, sealed) = packet.split_at_mut_checked(header_len).ok_or(SrtpError::Malformed)?;
        let nonce = self.rtp_nonce(ssrc, index);
        let plain = self.rtp.open_in_place(nonce, Aad::from(&*header), sealed).map_err(|_| SrtpError::Unauthentic)?;
        Ok(header_len + plain.len())
    }

    pub(super) fn protect_rtcp(&self, packet: &mut Vec<u8>, ssrc: u32, index: u32) -> Result<(), SrtpError> {
        let trailer = (index | 0x8000_0000).to_be_bytes();
        let (header, payload) = packet.split_at_mut_checked(8).ok_or(SrtpError::Malformed)?;
        let aad = rtcp_aad(header, trailer);
        let tag = self.rtcp.seal_in_place_separate_tag(self.rtcp_nonce(ssrc, index), Aad::from(aad), payload);
        packet.extend_from_slice(tag.map_err(|_| SrtpError::Unauthentic)?.as_ref());
        packet.extend_from_slice(&trailer);
        Ok(())
    }

    pub(super) fn unprotect_rtcp(&self, packet: &mut [u8], ssrc: u32) -> Result<usize, SrtpError> {
        let (sealed, trailer) = packet.split_last_chunk_mut::<4>().ok_or(SrtpError::Malformed)?;
        let trailer = *trailer;
        let index = u32::from_be_bytes(trailer);
        // RFC 7714 §9.3 allows unencrypted SRTCP. It is rejected, because no browser sends it and the profile does not
        // require it.
        if index & 0x8000_0000 == 0 {
            return Err(SrtpError::Unauthentic);
        }
        let (header, sealed) = sealed.split_at_mut_checked(8).ok_or(SrtpError::Malformed)?;
        let aad = rtcp_aad(header, trailer);
        let nonce = self.rtcp_nonce(ssrc, index & 0x7fff_ffff);
        let plain = self.rtcp.open_in_place(nonce, Aad::from(aad), sealed).map_err(|_| SrtpError::Unauthentic)?;
        Ok(8 + plain.len())
    }
}

fn salted(mut iv: [u8; 12], salt: &[u8; 12]) -> Nonce {
    for (octet, salt) in iv.iter_mut().zip(salt) {
        *octet ^= salt;
    }
    Nonce::assume_unique_for_key(iv)
}

fn rtcp_aad(header: &[u8], trailer: [u8; 4]) -> [u8; 12] {
    let mut aad = [0_u8; 12];
    for (to, from) in aad.iter_mut().zip(header.iter().chain(&trailer)) {
        *to = *from;
    }
    aad
}

#[cfg(test)]
mod tests;
