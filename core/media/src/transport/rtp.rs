//! RTP to a SIP peer: one session with its own ports per media section, either plain (RTP/AVP) or protected with the
//! keys in the descriptions (RTP/SAVP, RFC 4568).

use super::latch::{Admission, Latch, LatchRules, ReceivedPacket};
use super::srtp::{BadKeyLength, Inbound, MasterSecret, Outbound, SavedInbound, SavedOutbound, SrtpError};
use crate::command::{LocalRtp, RemoteRtp, RtcpPath, SdesKeys};
use crate::rtp::packet::Header;
use crate::seal::{SealingKey, Unsealable};
use crate::socket::{Local, SectionPorts};
use offhook_clock::Time;
use rand_core::Rng;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// A component of a session: one of its two ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    /// The even port.
    Rtp,
    /// The odd port.
    Rtcp,
}

/// The reason why a packet was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketRejection {
    /// The source address is not the peer's.
    ForeignAddress,
    /// The source address may be the peer's, but has not sent enough packets yet.
    OnProbation,
    /// There are no keys yet.
    NoKeys,
    /// SRTP did not accept the packet.
    Srtp(SrtpError),
}

/// The socket, address and SRTP context for sending.
#[derive(Debug)]
pub struct SendPath<'a> {
    /// The relay's socket.
    pub local: Local,
    /// The peer's address.
    pub remote: SocketAddr,
    /// `None` for plain RTP.
    pub srtp: Option<&'a mut Outbound>,
}

/// One RTP session.
#[derive(Debug)]
pub struct RtpSession {
    rules: LatchRules,
    local: LocalRtp,
    ports: SectionPorts,
    is_muxed: bool,
    /// Whether the description contains an address to send to.
    is_reachable: bool,
    rtp: Latch,
    rtcp: Latch,
    /// Whether `srtp` is in use. The contexts are kept while the session is plain or inactive: if the same key is
    /// negotiated again, its packet indexes must continue (RFC 3711 §9.1).
    is_protected: bool,
    srtp: Option<Box<(Inbound, Outbound)>>,
}

/// A [`RtpSession`] in saved form, with its keys sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedSession {
    local: LocalRtp,
    is_muxed: bool,
    is_reachable: bool,
    rtp: Latch,
    rtcp: Latch,
    is_protected: bool,
    srtp: Option<(SavedInbound, SavedOutbound)>,
}

impl SavedSession {
    /// The relay's addresses.
    pub(crate) const fn local(&self) -> LocalRtp {
        self.local
    }
}

impl RtpSession {
    /// Creates a session without a remote description.
    #[must_use]
    pub fn new(local: LocalRtp, ports: SectionPorts, rules: LatchRules) -> Self {
        let (rtp, rtcp) = (Latch::default(), Latch::default());
        Self { rules, local, ports, is_muxed: false, is_reachable: false, rtp, rtcp, is_protected: false, srtp: None }
    }

    /// The relay's sockets.
    #[must_use]
    pub const fn ports(&self) -> SectionPorts {
        self.ports
    }

    /// Whether the description contains an address to send to.
    #[must_use]
    pub const fn is_reachable(&self) -> bool {
        self.is_reachable
    }

    /// Sets the peer's address and keys from its description, and the source address of its SIP messages. The state of
    /// unchanged addresses and keys is kept.
    ///
    /// # Errors
    ///
    /// If a key does not have the length that its suite requires.
    pub fn connect(
        &mut self,
        remote: Option<RemoteRtp>,
        keys: Option<&SdesKeys>,
        signaling: Option<IpAddr>,
        now: Time,
    ) -> Result<(), BadKeyLength> {
        self.is_reachable = remote.is_some();
        if let Some(remote) = remote {
            self.rtp.describe(remote.rtp, signaling, &self.rules, now);
            self.is_muxed = remote.rtcp == RtcpPath::Muxed;
            if let RtcpPath::Separate(rtcp) = remote.rtcp {
                self.rtcp.describe(rtcp, signaling, &self.rules, now);
            }
        }
        // An inactive section has no keys in its description, so it keeps its protection.
        self.is_protected = keys.is_some() || (remote.is_none() && self.is_protected);
        let Some(keys) = keys else { return Ok(()) };
        let remote = MasterSecret::split(keys.suite, &keys.remote.0)?.with_mki(&keys.mki.remote);
        let local = MasterSecret::split(keys.suite, &keys.local.0)?.with_mki(&keys.mki.local);
        match &mut self.srtp {
            Some(srtp) => {
                if !srtp.0.is_made_with(&remote) {
                    srtp.0 = Inbound::from_secret(&remote)?;
                }
                if !srtp.1.is_made_with(&local) {
                    srtp.1 = Outbound::from_secret(&local)?;
                }
            }
            None => self.srtp = Some(Box::new((Inbound::from_secret(&remote)?, Outbound::from_secret(&local)?))),
        }
        Ok(())
    }

    /// Makes the session inactive: the description no longer contains this section.
    pub const fn deactivate(&mut self) {
        self.is_reachable = false;
    }

    /// The socket, address and context for sending RTP; `None` if the description contains no address.
    pub fn rtp_path(&mut self) -> Option<SendPath<'_>> {
        let remote = self.rtp.current().filter(|_| self.is_reachable)?;
        let local = Local::Port(self.ports.rtp);
        Some(SendPath { local, remote, srtp: self.protection().map(|srtp| &mut srtp.1) })
    }

    /// The socket, address and context for sending RTCP.
    pub fn rtcp_path(&mut self) -> Option<SendPath<'_>> {
        if self.is_muxed {
            return self.rtp_path();
        }
        let remote = self.rtcp.current().filter(|_| self.is_reachable)?;
        let local = Local::Port(self.ports.rtcp);
        Some(SendPath { local, remote, srtp: self.protection().map(|srtp| &mut srtp.1) })
    }

    fn protection(&mut self) -> Option<&mut (Inbound, Outbound)> {
        self.srtp.as_deref_mut().filter(|_| self.is_protected)
    }

    /// Authenticates and decrypts an RTP packet in place and returns its length without the tag. `is_negotiated` states
    /// whether its payload type belongs to the section; a packet with another one does not change the peer's address.
    ///
    /// # Errors
    ///
    /// If the packet is not accepted as the peer's.
    pub fn open_rtp(
        &mut self,
        from: SocketAddr,
        packet: &mut [u8],
        header: &Header,
        is_negotiated: impl FnOnce() -> bool,
        now: Time,
    ) -> Result<usize, PacketRejection> {
        if !self.rtp.considers(from, &self.rules) {
            return Err(PacketRejection::ForeignAddress);
        }
        let received = ReceivedPacket { from, ssrc: header.ssrc, sequence: header.sequence };
        let Some(srtp) = self.protection() else {
            if self.rtp.current() != Some(from) && !is_negotiated() {
                return Err(PacketRejection::ForeignAddress);
            }
            return match self.rtp.admit(received, &self.rules, now) {
                Admission::Admitted => Ok(packet.len()),
                Admission::OnProbation => Err(PacketRejection::OnProbation),
                Admission::Foreign => Err(PacketRejection::ForeignAddress),
            };
        };
        let length = srtp.0.unprotect_rtp(packet, header).map_err(PacketRejection::Srtp)?;
        self.rtp.admit_authentic(received, &self.rules, now);
        Ok(length)
    }

    /// Authenticates and decrypts a compound RTCP packet in place and returns its length without index and tag.
    ///
    /// # Errors
    ///
    /// If the packet is not accepted as the peer's.
    pub fn open_rtcp(
        &mut self,
        component: Component,
        from: SocketAddr,
        packet: &mut [u8],
        now: Time,
    ) -> Result<usize, PacketRejection> {
        let latch = match component {
            Component::Rtp => &self.rtp,
            Component::Rtcp => &self.rtcp,
        };
        if let Some(srtp) = self.srtp.as_deref_mut().filter(|_| self.is_protected) {
            // If RTCP is multiplexed, only RTP changes the peer's address. This is sufficient, because RTP packets are
            // frequent.
            if !latch.considers(from, &self.rules) {
                return Err(PacketRejection::ForeignAddress);
            }
            let length = srtp.0.unprotect_rtcp(packet).map_err(PacketRejection::Srtp)?;
            if component == Component::Rtcp {
                self.rtcp.admit_authentic_control(from, &self.rules, now);
            }
            return Ok(length);
        }
        let is_admitted = match component {
            Component::Rtp => latch.current() == Some(from),
            Component::Rtcp => self.rtcp.admit_beside(&self.rtp, from, &self.rules, now),
        };
        if is_admitted { Ok(packet.len()) } else { Err(PacketRejection::ForeignAddress) }
    }

    /// Returns the session in saved form. `name` must be unique among all sealed secrets.
    pub(crate) fn save(&self, name: &str, key: &SealingKey, rng: &mut impl Rng) -> SavedSession {
        let srtp = self.srtp.as_ref().map(|srtp| (srtp.0.save(name, key, rng), srtp.1.save(name, key, rng)));
        SavedSession {
            local: self.local,
            is_muxed: self.is_muxed,
            is_reachable: self.is_reachable,
            rtp: self.rtp.clone(),
            rtcp: self.rtcp.clone(),
            is_protected: self.is_protected,
            srtp,
        }
    }

    /// Restores a session, with the learned addresses of its peer.
    pub(crate) fn restore(
        saved: SavedSession,
        ports: SectionPorts,
        rules: LatchRules,
        name: &str,
        key: &SealingKey,
    ) -> Result<Self, Unsealable> {
        let SavedSession { local, is_muxed, is_reachable, rtp, rtcp, is_protected, srtp } = saved;
        let srtp = match srtp {
            Some((inbound, outbound)) => {
                Some(Box::new((Inbound::restore(inbound, name, key)?, Outbound::restore(outbound, name, key)?)))
            }
            None => None,
        };
        Ok(Self { rules, local, ports, is_muxed, is_reachable, rtp, rtcp, is_protected, srtp })
    }
}

#[cfg(test)]
mod tests;
