//! Commands from the signaling plane to a media worker, and the events that the worker reports.
//!
//! ```text
//! Open ──▶ Connect ──▶ Connect with another description (any number) ──▶ Close
//!             │           └─ RestartIce before it: new ICE credentials
//!             └─▶ LegConnected: WebRTC only, when ICE and DTLS are established
//! ```
//!
//! The sequence is the same for all legs. The transport of a leg ([`LocalTransport`], [`RemoteTransport`]) is either WebRTC
//! (ICE-lite, DTLS-SRTP, all media sections bundled on the worker's port) or RTP (a port pair per media section, plain or
//! with SDES keys). The description of a browser is set once and never replaced ([`WebRtcEndpoint`]).

mod audio;
mod report;
mod rtp;
mod transport;

pub use audio::{
    AudioSourceId, MuteDirection, PlaybackEnd, PlaybackFailure, PlaybackId, PlaybackMode, PlaybackSource, RecordedLeg,
    RecordingChannel, RecordingEnd, RecordingId, Repeat,
};
pub use report::{LegReport, PeerReception, ReportStage, StreamStatistics};
pub use rtp::{LocalRtp, MasterKey, MkiPair, RemoteRtp, RemoteSection, RtcpPath, SdesKeys};
pub use transport::{LocalTransport, PeerRtcp, RemoteTransport, RemoteWebRtc, WebRtcEndpoint};

use crate::ports::PortPair;
use core::time::Duration;
use offhook_sdp::codec::Payload;
use offhook_sdp::webrtc::{IceCredentials, Section};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Identifies the media of one leg; never used twice while the relay runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LegKey(pub u64);

/// A media worker, numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkerId(pub u16);

/// A bridge between legs of two workers. Bridges that are made later have greater numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BridgeId(pub u64);

/// A command to a media worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Creates a leg. Its local description has been or is being sent, so that datagrams may arrive at any time. For
    /// RTP, the worker binds the sockets: one that cannot be bound is reported by [`Event::LegFailed`] with
    /// [`TransportFailure::NoPort`]; success is not reported.
    Open {
        /// The leg.
        leg: LegKey,
        /// The relay's side of its transport.
        transport: LocalTransport,
    },
    /// Sets or replaces the peer's description: addresses, codecs, directions and keys. Packets continue without
    /// interruption where the description does not change. Another DTLS certificate means another association: the
    /// handshake starts again.
    Connect {
        /// The leg, opened before.
        leg: LegKey,
        /// The peer's transport parameters, for the kind of transport with which the leg was opened.
        transport: RemoteTransport,
        /// The media sections, in the order in which they were first listed; a section that is no longer listed becomes
        /// inactive.
        streams: Vec<Stream>,
        /// Whether the leg ends when no packets arrive.
        silence: Silence,
    },
    /// Binds port pairs for future SIP legs on each of these addresses; the result is [`Event::PortsReserved`].
    ReservePorts {
        /// The pairs.
        pairs: Vec<PortPair>,
        /// The relay's local addresses.
        addresses: Vec<IpAddr>,
    },
    /// Restarts ICE at the peer's request (RFC 8445 §9): from now on checks must use these credentials. Media use the
    /// previous pair until the peer nominates a new one, or checks one if it never nominates. The SRTP keys stay the
    /// same.
    RestartIce {
        /// The leg, which uses WebRTC.
        leg: LegKey,
        /// The new credentials in the relay's description.
        ice: IceCredentials,
    },
    /// Requests a key frame from the video senders of the bridged leg. It is used where the peer of this leg requests
    /// one by INFO `picture_fast_update` (RFC 5168) instead of RTCP.
    RequestKeyFrame {
        /// The leg whose peer requests the key frame.
        leg: LegKey,
    },
    /// Forwards the media of two legs to each other and requests a key frame from video senders. A leg that is bridged
    /// to a third one is removed from that bridge.
    Bridge {
        /// One leg.
        a: LegKey,
        /// The other leg.
        b: LegKey,
    },
    /// Bridges a leg to a leg of another worker. That worker receives the same command with `leg` and `partner`
    /// exchanged. [`Command::Unbridge`] or [`Command::Close`] for one of the legs ends the bridge.
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
    /// Stops forwarding from and to the leg (hold); its transport stays up.
    Unbridge {
        /// The leg.
        leg: LegKey,
    },
    /// Sends DTMF digits to the leg's peer as telephone-events (RFC 4733), if it negotiated them.
    SendDtmf {
        /// The leg to which they are sent.
        leg: LegKey,
        /// `0`–`9`, `A`–`D`, `*`, `#`.
        digits: String,
    },
    /// Plays audio to the leg's peer, whether or not the leg is bridged. It is encoded with the first codec of the
    /// peer's description that the relay can encode. While the leg is not connected or its peer does not receive, the
    /// playback waits. A playback that the leg has already is stopped first. The end is reported by
    /// [`Event::PlaybackEnded`], except if the leg is closed.
    Play {
        /// The leg whose peer receives the audio.
        leg: LegKey,
        /// The new playback.
        playback: PlaybackId,
        /// The audio.
        source: PlaybackSource,
        /// Whether the audio starts again when it has ended.
        repeat: Repeat,
        /// The treatment of audio from the bridged leg.
        mode: PlaybackMode,
    },
    /// Stops a playback. Has no effect if it has ended already.
    StopPlayback {
        /// The leg.
        leg: LegKey,
        /// The playback.
        playback: PlaybackId,
    },
    /// Stops forwarding audio of the leg in one direction; video is not affected. The receiver detects no loss: sequence
    /// numbers continue without a gap, and timestamps with the time that has passed.
    Mute {
        /// The leg.
        leg: LegKey,
        /// The direction.
        direction: MuteDirection,
    },
    /// Reverses [`Command::Mute`].
    Unmute {
        /// The leg.
        leg: LegKey,
        /// The direction.
        direction: MuteDirection,
    },
    /// Records the audio that the leg's peer sends, on one channel of a recording. A stereo recording needs this command
    /// for each of the two legs, which may belong to different workers; a leg that takes the place of another one
    /// continues its channel. The leg is recorded during hold, bridged or not, and with every codec that the relay can
    /// decode. The end is reported by [`Event::RecordingEnded`] for each leg.
    Record {
        /// The leg.
        leg: LegKey,
        /// The recording and the channel.
        to: RecordedLeg,
    },
    /// Records silence in place of the leg's audio from now on. Positions in the recording still correspond to the time.
    PauseRecording {
        /// The leg.
        leg: LegKey,
        /// The recording.
        recording: RecordingId,
    },
    /// Reverses [`Command::PauseRecording`].
    ResumeRecording {
        /// The leg.
        leg: LegKey,
        /// The recording.
        recording: RecordingId,
    },
    /// Ends the leg's part of a recording.
    StopRecording {
        /// The leg.
        leg: LegKey,
        /// The recording.
        recording: RecordingId,
    },
    /// Closes the leg: sends a DTLS close_notify or an RTCP BYE. Only the ends of its recordings
    /// ([`Event::RecordingEnded`]) and its final report ([`Event::LegReports`]) follow.
    Close {
        /// The leg.
        leg: LegKey,
    },
}

impl Command {
    /// The leg that the command concerns; for two legs, the first. `None` for [`Command::ReservePorts`].
    #[must_use]
    pub const fn leg(&self) -> Option<LegKey> {
        match self {
            Self::Open { leg, .. }
            | Self::Connect { leg, .. }
            | Self::RestartIce { leg, .. }
            | Self::RequestKeyFrame { leg }
            | Self::Bridge { a: leg, .. }
            | Self::BridgeAcross { leg, .. }
            | Self::Unbridge { leg }
            | Self::SendDtmf { leg, .. }
            | Self::Play { leg, .. }
            | Self::StopPlayback { leg, .. }
            | Self::Mute { leg, .. }
            | Self::Unmute { leg, .. }
            | Self::Record { leg, .. }
            | Self::PauseRecording { leg, .. }
            | Self::ResumeRecording { leg, .. }
            | Self::StopRecording { leg, .. }
            | Self::Close { leg } => Some(*leg),
            Self::ReservePorts { .. } => None,
        }
    }

    /// The leg that the command creates.
    #[must_use]
    pub const fn opened_leg(&self) -> Option<LegKey> {
        match self {
            Self::Open { leg, .. } => Some(*leg),
            _ => None,
        }
    }
}

/// A media section of a leg, both directions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// The section as negotiated, from the peer's point of view: direction and SSRCs are the peer's, the payload types
    /// are those that it receives.
    pub remote: Section,
    /// The payloads with the payload types that the peer uses for sending. These come from the relay's own description
    /// and may differ from those that the peer receives (RFC 3264 §5.1, §6.1).
    pub received: Vec<Payload>,
    /// The SSRC of all packets that the relay sends in this stream, as announced in its description.
    pub local_ssrc: u32,
}

/// The treatment of a leg that receives no packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Silence {
    /// The leg is kept: the call is not answered yet, and a ringing peer may send nothing for minutes.
    #[default]
    Tolerated,
    /// The leg is reported dead if nothing arrives for the configured time although its peer is expected to send.
    EndsLeg,
}

/// An event that a media worker reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// ICE and DTLS are established, and media can be sent and received. Reported for WebRTC legs only.
    LegConnected {
        /// The leg.
        leg: LegKey,
    },
    /// The transport of the leg failed or was not established in time. The leg is closed.
    LegFailed {
        /// The leg.
        leg: LegKey,
        /// The reason.
        failure: TransportFailure,
    },
    /// No packets, or no consent checks (RFC 7675), arrived for the configured time although they were expected. The
    /// leg is closed.
    LegDead {
        /// The leg that receives nothing.
        leg: LegKey,
    },
    /// Statistics of legs. Each leg has one final report when it is closed, before the event that reports a failure.
    /// Interim reports of open legs arrive in batches (`WorkerConfig::report_interval`).
    LegReports(Vec<LegReport>),
    /// The result of [`Command::ReservePorts`].
    PortsReserved {
        /// The pairs that are bound; [`Command::Open`] uses their sockets.
        ready: Vec<PortPair>,
        /// The pairs with a port that another program uses.
        in_use: Vec<PortPair>,
    },
    /// The peer sent a DTMF digit as a telephone-event.
    DtmfReceived {
        /// The leg whose peer sent it.
        leg: LegKey,
        /// `0`–`9`, `A`–`D`, `*` or `#`.
        digit: char,
    },
    /// A key frame is needed from the leg's peer, which negotiated no RTCP feedback for requesting it; the signaling
    /// plane can send INFO `picture_fast_update` (RFC 5168).
    KeyFrameWanted {
        /// The leg.
        leg: LegKey,
    },
    /// A playback has ended.
    PlaybackEnded {
        /// The leg.
        leg: LegKey,
        /// The playback.
        playback: PlaybackId,
        /// The reason.
        end: PlaybackEnd,
    },
    /// The recording of a leg has ended. The recording itself ends when this is reported for all its legs.
    RecordingEnded {
        /// The leg.
        leg: LegKey,
        /// The recording.
        recording: RecordingId,
        /// The reason.
        end: RecordingEnd,
        /// The time for which the leg was recorded, including pauses.
        duration: Duration,
        /// The duration of audio that was received but not written, because the shell did not accept it in time. The
        /// recording has silence in its place.
        lost: Duration,
    },
}

impl TransportFailure {
    /// Describes the failure and its remedy, for logs.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::IceTimeout => "no ICE check arrived in time; the peer must reach the relay's media ports",
            Self::DtlsTimeout => "the DTLS handshake did not complete in time",
            Self::DtlsError => {
                "the DTLS handshake failed; a peer with an RSA certificate must be given an ECDSA P-256 one, or use SDES"
            }
            Self::FingerprintMismatch => "the peer's certificate does not match the fingerprint in its description",
            Self::NoPort => {
                "an RTP port is in use by another program; free it or change first_port and last_port of [rtp]"
            }
            Self::BadKeys => "the SRTP keys in the peer's description do not have the length that their suite requires",
        }
    }
}

/// The reason why a leg's transport failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransportFailure {
    /// No valid connectivity check arrived in time, or none that nominates a pair although the peer is a browser.
    IceTimeout,
    /// The DTLS handshake did not complete in time.
    DtlsTimeout,
    /// The DTLS handshake failed.
    DtlsError,
    /// The certificate does not match the fingerprint in the description (RFC 8122 §6).
    FingerprintMismatch,
    /// A socket of the leg could not be bound: another program uses the port, or the address is not a local one.
    NoPort,
    /// The SRTP keys do not have the length that their crypto suite requires.
    BadKeys,
}
