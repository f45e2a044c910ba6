//! A negotiated RTP stream of a leg, both directions: its formats, its sinks, its route and the state of sending.

use super::cache::Cache;
use super::quality::{PastReception, SentReports};
use crate::command::{LegKey, PeerReception, Stream};
use crate::dtmf::Player;
use crate::graph::Sinks;
use crate::graph::route::Route;
use crate::rtcp::write::SenderFigures;
use crate::rtp::encoding::Encoding;
use crate::rtp::rewrite::{Rewriter, StreamSource, ticks};
use core::time::Duration;
use offhook_clock::Time;
use offhook_sdp::codec::{Codec, MediaKind, Payload};
use offhook_sdp::webrtc::Section;
use rand_core::Rng;
use serde::{Deserialize, Serialize};

/// Seconds from the NTP epoch (1900) to the Unix epoch (1970).
const UNIX_EPOCH_IN_NTP: u64 = 2_208_988_800;

/// The last sender report of a source, with its timestamp mapped to the outgoing stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SourceClock {
    pub(crate) source: StreamSource,
    pub(crate) ntp: u64,
    pub(crate) timestamp: u32,
    /// The arrival time of the report.
    pub(crate) at: Time,
}

/// The properties of a payload type that the packet path uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    /// The clock rate.
    pub(crate) rate: u32,
    pub(crate) encoding: Encoding,
}

/// Formats by payload type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(C)]
struct FormatTable {
    /// The payload type of the last packet with a known one, and its format, so that the tables are used only when the
    /// payload type changes.
    recent: Option<(u8, Format)>,
    /// The index of the format for each payload type, or [`FormatTable::NONE`].
    places: [u8; 128],
    formats: Vec<Format>,
}

impl Default for FormatTable {
    fn default() -> Self {
        Self { recent: None, places: [Self::NONE; 128], formats: Vec::new() }
    }
}

impl FormatTable {
    const NONE: u8 = u8::MAX;

    /// If two payloads have the same payload type, the first one is used.
    fn new(payloads: &[Payload]) -> Self {
        let mut table = Self::default();
        for payload in payloads {
            let Some(slot) = table.places.get_mut(usize::from(payload.number)) else { continue };
            if *slot == Self::NONE {
                *slot = u8::try_from(table.formats.len()).unwrap_or(Self::NONE);
                let Codec { name, clock_rate, .. } = &payload.codec;
                table.formats.push(Format { rate: *clock_rate, encoding: Encoding::from_name(name) });
            }
        }
        table
    }

    fn get(&self, number: u8) -> Option<Format> {
        let place = self.places.get(usize::from(number))?;
        self.formats.get(usize::from(*place)).copied()
    }

    /// The same for a packet.
    fn get_for_packet(&mut self, number: u8) -> Option<Format> {
        if let Some((recent, format)) = self.recent
            && recent == number
        {
            return Some(format);
        }
        let format = self.get(number)?;
        self.recent = Some((number, format));
        Some(format)
    }
}

/// A negotiated stream of a leg.
///
/// The order of the fields is their order in memory: what each received packet uses comes first, followed by what each
/// sent packet uses, so that a packet touches few cache lines.
#[derive(Debug, Serialize, Deserialize)]
#[repr(C, align(64))]
pub(crate) struct MediaStream {
    /// The destinations of received packets. Determined again when the leg is restored.
    #[serde(skip)]
    pub(super) sinks: Sinks,
    /// The formats that are received.
    #[serde(skip)]
    formats: FormatTable,
    pub(crate) rewriter: Rewriter,
    /// Totals of the sent packets.
    pub(crate) packets: u64,
    pub(crate) octets: u64,
    /// Clock rate of the last packet sent.
    pub(crate) rate: u32,
    /// Timestamp of the telephone-event being sent.
    pub(crate) event_timestamp: u32,
    pub(crate) player: Player,
    /// The last sent packets of a video stream with NACK. Not saved: after a restart, lost packets are requested from
    /// their source.
    #[serde(skip)]
    pub(crate) cache: Option<Cache>,
    /// The route from the source of sent packets. Computed again from both legs' streams when the leg is restored.
    #[serde(skip)]
    pub(super) route: Option<Route>,
    /// The negotiated section. Its received payloads include those that some peers send although they were not
    /// negotiated.
    pub(crate) negotiated: Stream,
    /// The last sender report of the source.
    pub(crate) clock: Option<SourceClock>,
    /// Whether a report was ever sent in this stream.
    pub(crate) has_reported: bool,
    /// The last sender reports. Not saved: the next report of the peer has no round-trip time then.
    #[serde(skip)]
    pub(super) reports_sent: SentReports,
    /// The peer's last report.
    pub(super) peer: Option<PeerReception>,
    /// The reception from sources that were removed.
    pub(super) past: PastReception,
}

impl MediaStream {
    /// Creates a stream with a random sequence number and timestamp.
    pub(crate) fn new(negotiated: Stream, rng: &mut impl Rng) -> Self {
        let [s0, s1, t0, t1, t2, t3, ..] = rng.next_u64().to_be_bytes();
        let (sequence, timestamp) = (u16::from_be_bytes([s0, s1]), u32::from_be_bytes([t0, t1, t2, t3]));
        let negotiated = completed(negotiated);
        let section = &negotiated.remote;
        let primary = section.payloads.iter().find(|payload| payload.codec.is_primary());
        Self {
            rate: primary.map_or(8000, |payload| payload.codec.clock_rate),
            cache: fresh_cache(section),
            formats: FormatTable::new(&negotiated.received),
            negotiated,
            rewriter: Rewriter::new(sequence, timestamp),
            sinks: Sinks::default(),
            route: None,
            player: Player::default(),
            event_timestamp: 0,
            packets: 0,
            octets: 0,
            clock: None,
            has_reported: false,
            reports_sent: SentReports::default(),
            peer: None,
            past: PastReception::default(),
        }
    }

    /// Applies a new description; sequence numbers and timestamps continue.
    pub(crate) fn renegotiate(&mut self, negotiated: Stream) {
        self.cache = self.cache.take().or_else(|| fresh_cache(&negotiated.remote));
        self.negotiated = completed(negotiated);
        self.formats = FormatTable::new(&self.negotiated.received);
    }

    /// Whether it sends the packets of this source.
    pub(super) fn is_sink_of(&self, from: LegKey, stream: usize) -> bool {
        self.route.as_ref().is_some_and(|route| route.from == from && route.stream == stream)
    }

    /// Whether the peer's direction includes sending.
    pub(crate) fn is_announced(&self) -> bool {
        let section = &self.negotiated.remote;
        section.direction.sends() && !section.rejected
    }

    /// Whether the peer sends and receives. A peer that only sends may be holding the call without music.
    pub(crate) fn is_expected(&self) -> bool {
        self.is_announced() && self.negotiated.remote.direction.receives()
    }

    /// Computes the parts of a restored stream that are not saved.
    pub(crate) fn restored(self) -> Self {
        Self {
            cache: fresh_cache(&self.negotiated.remote),
            formats: FormatTable::new(&self.negotiated.received),
            ..self
        }
    }

    pub(crate) fn is_video(&self) -> bool {
        self.negotiated.remote.kind == MediaKind::Video
    }

    /// The last sender report of the current source.
    pub(crate) fn clock(&self) -> Option<SourceClock> {
        self.clock.filter(|clock| self.rewriter.source() == Some(clock.source))
    }

    /// The sender information for a report now, based on the source's sender report if there is one, else on the
    /// relay's clock.
    pub(crate) fn figures(&self, now: Time) -> SenderFigures {
        let (ntp, timestamp) = match self.clock() {
            Some(SourceClock { ntp, timestamp, at, .. }) => {
                let passed = now.since(at);
                (ntp.wrapping_add(ntp_of(passed)), timestamp.wrapping_add(ticks(passed, self.rate)))
            }
            None => {
                let since_1900 = ntp_of(now.since(Time::EPOCH)).wrapping_add(UNIX_EPOCH_IN_NTP << 32);
                (since_1900, self.rewriter.timestamp_at(self.rate, now))
            }
        };
        let ssrc = self.negotiated.local_ssrc;
        // The counts of a report wrap (RFC 3550 §6.4.1).
        let [packets, octets] = [self.packets, self.octets].map(|count| (count & u64::from(u32::MAX)) as u32);
        SenderFigures { ssrc, ntp, timestamp, packets, octets }
    }

    /// The sender information for a report that is sent now.
    pub(crate) fn report_figures(&mut self, now: Time) -> SenderFigures {
        let figures = self.figures(now);
        self.reports_sent.push(figures.ntp, now);
        figures
    }

    /// The negotiated format of a received payload type.
    pub(crate) fn format(&self, number: u8) -> Option<Format> {
        self.formats.get(number)
    }

    /// The negotiated format of a received packet.
    pub(super) fn format_of_packet(&mut self, number: u8) -> Option<Format> {
        self.formats.get_for_packet(number)
    }

    /// The section with the payloads that the peer sends.
    pub(crate) fn incoming(&self) -> Section {
        Section { payloads: self.negotiated.received.clone(), ..self.negotiated.remote.clone() }
    }

    /// The telephone-event payload type and clock rate for sending (RFC 4733 §2.1), with the clock rate of the audio if
    /// possible.
    pub(crate) fn telephone_event(&self) -> Option<(u8, u32)> {
        let mut events = self.negotiated.remote.payloads.iter().filter(|payload| payload.codec.is_telephone_event());
        let of_rate = events.clone().find(|payload| payload.codec.clock_rate == self.rate);
        of_rate.or_else(|| events.next()).map(|payload| (payload.number, payload.codec.clock_rate))
    }

    /// Queues a digit that begins in a telephone-event which cannot be forwarded because of its clock rate. The relay
    /// sends the digit as a telephone-event with the clock rate that the peer negotiated (RFC 4733 §2.1), if there is
    /// one.
    pub(crate) fn play_if_not_forwarded(&mut self, incoming: u8, digit: char) {
        let passes = self.route.as_ref().is_some_and(|route| route.payload(incoming).is_some());
        if !passes && self.telephone_event().is_some() {
            self.player.enqueue(digit.encode_utf8(&mut [0; 4]));
        }
    }

    /// Whether any payload negotiated this feedback (RFC 4585 §4.2).
    pub(crate) fn has_feedback(&self, value: &str) -> bool {
        self.negotiated.remote.payloads.iter().any(|payload| payload.feedback.iter().any(|f| f == value))
    }
}

/// Converts a duration to the unit of NTP timestamps: 2^-32 s (RFC 3550 §4).
fn ntp_of(duration: Duration) -> u64 {
    let fraction = (u64::from(duration.subsec_nanos()) << 32) / 1_000_000_000;
    duration.as_secs() << 32 | fraction
}

/// Adds the payloads of the peer's own description to those that it should use for sending, if their payload types are
/// free. Some peers send with the payload types of their own description (against RFC 3264 §5.1).
fn completed(mut stream: Stream) -> Stream {
    for own in &stream.remote.payloads {
        if stream.received.iter().all(|known| known.number != own.number) {
            stream.received.push(own.clone());
        }
    }
    with_other_law(&mut stream.received);
    stream
}

/// Adds the other law of G.711 under its static payload type. Some gateways negotiate one law and send the other,
/// mostly in announcements; the relay converts it.
fn with_other_law(received: &mut Vec<Payload>) {
    for number in [0, 8] {
        let Some(codec) = Codec::of_static_payload(number) else { continue };
        let is_other_law = |payload: &Payload| payload.codec.converts(&codec) && !payload.codec.matches(&codec);
        let is_free = received.iter().all(|payload| payload.number != number && !payload.codec.matches(&codec));
        if is_free && received.iter().any(is_other_law) {
            received.push(Payload { number, codec, feedback: Vec::new() });
        }
    }
}

fn fresh_cache(section: &Section) -> Option<Cache> {
    let has_nack = section.payloads.iter().any(|payload| payload.feedback.iter().any(|f| f == "nack"));
    (has_nack && section.kind == MediaKind::Video).then(Cache::default)
}
