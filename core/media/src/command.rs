//! What the signaling plane tells a media worker, and what the worker tells back.
//!
//! ```text
//! browser:     OpenLeg ──▶ ConnectLeg ──▶ LegConnected …               ──▶ CloseLeg
//! SIP:         OpenRtpLeg ─▶ ConnectRtpLeg ──▶ ConnectRtpLeg again …   ──▶ CloseLeg
//! SIP, WebRTC: OpenLeg ──▶ ConnectPeerLeg ──▶ LegConnected
//!                                └─▶ (RestartIce) ConnectPeerLeg again … ─▶ CloseLeg
//! ```

mod peer;
mod rtp;

pub use peer::{PeerRtcp, PeerStream};
pub use rtp::{LocalRtp, MasterKey, MkiPair, RemoteRtp, RtcpPath, RtpStream, SdesKeys, Silence};

use crate::ports::PortPair;
use offhook_sdp::webrtc::{Fingerprint, IceCredentials, Section, Setup};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// One leg's media, unique in the relay's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LegKey(pub u64);

/// A media worker, numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkerId(pub u16);

/// A bridge between legs of two workers. Bridges that are made later have greater numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BridgeId(pub u64);

/// An order to a media worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A leg exists: its local description went (or goes) out, STUN checks for its user name may come at any time.
    OpenLeg {
        /// The leg.
        leg: LegKey,
        /// The credentials in the relay's description for this leg.
        ice: IceCredentials,
    },
    /// The browser's description is known: DTLS may begin.
    ConnectLeg {
        /// The leg, open.
        leg: LegKey,
        /// The browser's side.
        remote: RemoteTransport,
        /// The negotiated streams, in the order of the description.
        streams: Vec<Stream>,
    },
    /// A leg that speaks RTP or SDES-SRTP exists. Its sockets are bound; [`Event::LegFailed`] with
    /// [`TransportFailure::NoPort`] tells when one cannot be, and only then is anything said about it.
    OpenRtpLeg {
        /// The leg.
        leg: LegKey,
        /// The addresses of each media section, in the order of the description.
        sections: Vec<LocalRtp>,
        /// Its name in RTCP (RFC 3550 §6.5.1).
        cname: String,
    },
    /// Binds pairs of ports for SIP legs to come, on each of these addresses; [`Event::PortsReserved`] answers.
    ReservePorts {
        /// The pairs.
        pairs: Vec<PortPair>,
        /// The relay's own addresses.
        addresses: Vec<IpAddr>,
    },
    /// The peer's description is known, or another one took its place: with another address, port, codec, direction or
    /// key. What stays the same goes on undisturbed, and so does what the bridged leg hears.
    ConnectRtpLeg {
        /// The leg, opened by [`Command::OpenRtpLeg`].
        leg: LegKey,
        /// The sections in the order in which the leg was opened; those that were opened and are not named here rest.
        streams: Vec<RtpStream>,
        /// The source address of the peer's SIP messages, from which its media may come where it describes another one.
        signaling: Option<IpAddr>,
        /// Whether the leg may be silent.
        silence: Silence,
    },
    /// The description of a SIP peer that is WebRTC itself is known, or another one took its place: with other codecs,
    /// directions, addresses. Another certificate is another association: the handshake begins anew.
    ConnectPeerLeg {
        /// The leg, opened by [`Command::OpenLeg`].
        leg: LegKey,
        /// The peer's side.
        remote: RemoteTransport,
        /// The sections in the order in which they were first named; those that are not named any more rest.
        streams: Vec<PeerStream>,
        /// Whether it takes RTCP.
        rtcp: PeerRtcp,
        /// Whether the leg may be silent.
        silence: Silence,
    },
    /// ICE begins anew on the peer's wish (RFC 8445 §9): from now on checks must name these credentials. Media go the old
    /// way until a new one is nominated, and keep their keys.
    RestartIce {
        /// The leg, opened by [`Command::OpenLeg`].
        leg: LegKey,
        /// The new credentials in the relay's description.
        ice: IceCredentials,
    },
    /// The peer of this leg wants a key frame and cannot say so in RTCP (INFO `picture_fast_update`, RFC 5168): the video
    /// senders of the bridged leg are asked.
    RequestKeyFrame {
        /// The leg whose peer wants it.
        leg: LegKey,
    },
    /// From now on each of the two legs hears the other. A leg that is bridged to a third one leaves that one.
    /// Video senders are asked for a key frame.
    Bridge {
        /// One side.
        a: LegKey,
        /// The other.
        b: LegKey,
    },
    /// The same for a leg whose partner is on another worker. The worker of the partner gets the command with `leg` and `partner`
    /// exchanged. [`Command::Unbridge`] or [`Command::CloseLeg`] of one of the legs ends the bridge.
    BridgeAcross {
        /// The leg of this worker.
        leg: LegKey,
        /// The leg of the other worker.
        partner: LegKey,
        /// The other worker.
        worker: WorkerId,
        /// The bridge, the same number for both workers.
        bridge: BridgeId,
    },
    /// The leg hears nobody and is heard by nobody (hold), its transport stays up.
    Unbridge {
        /// The leg.
        leg: LegKey,
    },
    /// Sends DTMF digits to the leg's browser as telephone-events (RFC 4733), if it negotiated them.
    SendDtmf {
        /// The leg that shall hear them.
        leg: LegKey,
        /// `0`–`9`, `A`–`D`, `*`, `#`.
        digits: String,
    },
    /// The leg is over. A DTLS close_notify or an RTCP BYE goes out and nothing more is said about it.
    CloseLeg {
        /// The leg.
        leg: LegKey,
    },
}

impl Command {
    /// The leg that the command concerns, the first of two.
    #[must_use]
    pub const fn leg(&self) -> Option<LegKey> {
        match self {
            Self::OpenLeg { leg, .. }
            | Self::ConnectLeg { leg, .. }
            | Self::OpenRtpLeg { leg, .. }
            | Self::ConnectRtpLeg { leg, .. }
            | Self::ConnectPeerLeg { leg, .. }
            | Self::RestartIce { leg, .. }
            | Self::RequestKeyFrame { leg }
            | Self::Bridge { a: leg, .. }
            | Self::BridgeAcross { leg, .. }
            | Self::Unbridge { leg }
            | Self::SendDtmf { leg, .. }
            | Self::CloseLeg { leg } => Some(*leg),
            Self::ReservePorts { .. } => None,
        }
    }
}

/// The browser's side of a leg's transport, or that of a SIP peer that is WebRTC itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteTransport {
    /// Its ICE credentials.
    pub ice: IceCredentials,
    /// What its DTLS certificate must hash to.
    pub fingerprint: Fingerprint,
    /// Its DTLS role: `Active` or `Passive`, settled by the answer.
    pub setup: Setup,
}

/// One negotiated stream of a leg, both directions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// The section as negotiated, as the peer wrote it (direction and SSRCs are the peer's).
    pub remote: Section,
    /// The SSRC of everything the relay sends in this stream, as announced in the relay's description.
    pub local_ssrc: u32,
}

/// What a media worker reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// ICE and DTLS are up: media can flow.
    LegConnected {
        /// The leg.
        leg: LegKey,
    },
    /// ICE or DTLS did not come up in time or was refused. The leg is closed.
    LegFailed {
        /// The leg.
        leg: LegKey,
        /// What went wrong.
        failure: TransportFailure,
    },
    /// Neither packets nor consent (RFC 7675) arrived for the configured time, though they should. The leg is closed.
    LegDead {
        /// The leg from which nothing arrives.
        leg: LegKey,
    },
    /// What became of [`Command::ReservePorts`].
    PortsReserved {
        /// The pairs that are bound: [`Command::OpenRtpLeg`] finds them open.
        ready: Vec<PortPair>,
        /// Those of which another program has a port.
        in_use: Vec<PortPair>,
    },
    /// The peer sent a DTMF digit as telephone-event.
    DtmfReceived {
        /// The leg it came from.
        leg: LegKey,
        /// `0`–`9`, `A`–`D`, `*` or `#`.
        digit: char,
    },
    /// A key frame is wanted of the leg's peer, which negotiated no RTCP feedback to ask it by: INFO
    /// `picture_fast_update` (RFC 5168) is left.
    KeyFrameWanted {
        /// The leg.
        leg: LegKey,
    },
}

impl TransportFailure {
    /// The failure, and what to do about it.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::IceTimeout => "no ICE check came in time; the peer must reach the relay's media ports",
            Self::DtlsTimeout => "the DTLS handshake did not end in time",
            Self::DtlsError => {
                "the DTLS handshake failed; a peer with an RSA certificate must be given an ECDSA P-256 one, or use SDES"
            }
            Self::FingerprintMismatch => "the peer's certificate is not the one that its description names",
            Self::NoPort => {
                "an RTP port is in use by another program; free it or change first_port and last_port of [rtp]"
            }
            Self::BadKeys => "the SRTP keys of the peer's description are not of the length that their suite asks for",
        }
    }
}

/// Why a leg's transport did not come up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransportFailure {
    /// No valid STUN check arrived in time.
    IceTimeout,
    /// The DTLS handshake did not end in time.
    DtlsTimeout,
    /// The DTLS handshake failed.
    DtlsError,
    /// The certificate is not the one the description announced (RFC 8122 §6).
    FingerprintMismatch,
    /// A socket of the leg could not be bound: another program has the port, or the address is not this machine's.
    NoPort,
    /// The keys are not of the length that their suite asks for.
    BadKeys,
}
