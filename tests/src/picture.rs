//! A synthetic camera: one packet per frame, and key frames only on request.

use bytes::Bytes;
use core::sync::atomic::{AtomicU32, Ordering};
use offhook_sdp::codec::Codec;
use rtc::interceptor::{Interceptor, Packet, Registry, Slot, StreamInfo, TaggedPacket};
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::RTCPeerConnection;
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtp_transceiver::RTCRtpSenderId;
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use rtc::sansio::Protocol;
use rtc::shared::error::Error;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

/// The only video codec of a browser, and its payload type.
#[derive(Clone, Copy, Debug)]
pub struct Picture {
    /// `VP8` or `H264`.
    pub encoding: &'static str,
    /// The payload type.
    pub number: u8,
}

impl Picture {
    pub(crate) fn codec(self) -> RTCRtpCodecParameters {
        let feedback =
            |typ: &str, parameter: &str| RTCPFeedback { typ: typ.to_owned(), parameter: parameter.to_owned() };
        let h264 = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";
        RTCRtpCodecParameters {
            rtp_codec: RTCRtpCodec {
                mime_type: format!("video/{}", self.encoding),
                clock_rate: 90_000,
                channels: 0,
                sdp_fmtp_line: if self.encoding == "H264" { h264.to_owned() } else { String::new() },
                rtcp_feedback: vec![feedback("nack", ""), feedback("nack", "pli"), feedback("ccm", "fir")],
            },
            payload_type: self.number,
        }
    }

    /// Adds the camera to `connection`. Key frame requests are taken from `requests`.
    pub(crate) fn plug_into(self, connection: &mut RTCPeerConnection, requests: &Requests) -> Camera {
        let ssrc = crate::peer::unique();
        let track = MediaStreamTrack::new(
            format!("stream{ssrc}"),
            format!("track{ssrc}"),
            "camera".to_owned(),
            RtpCodecKind::Video,
            vec![RTCRtpEncodingParameters {
                rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(ssrc), ..Default::default() },
                codec: self.codec().rtp_codec,
                ..Default::default()
            }],
        );
        let sender = connection.add_track(track).expect("a track");
        Camera { picture: self, sender, ssrc, packets: 0, requests: requests.clone(), answered: 0 }
    }

    /// Returns the payload of a frame (RFC 7741 §4.2, RFC 6184 §5.6).
    fn payload(self, is_key: bool) -> Vec<u8> {
        let head: &[u8] = match (self.encoding, is_key) {
            ("H264", true) => &[0x65, 0x88],
            ("H264", false) => &[0x41, 0x9a],
            (_, true) => &[0x10, 0x00],
            (_, false) => &[0x10, 0x01],
        };
        [head, &[0; 100]].concat()
    }
}

#[derive(Debug)]
pub(crate) struct Camera {
    picture: Picture,
    sender: RTCRtpSenderId,
    ssrc: u32,
    packets: u64,
    requests: Requests,
    /// Number of requests that were answered with a key frame.
    answered: u32,
}

/// Counter of key frame requests: PLI (RFC 4585 §6.3.1) and FIR (RFC 5104 §4.3.1).
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests(Arc<AtomicU32>);

impl Requests {
    pub(crate) fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Returns an interceptor that counts the requests, because the engine does not report compound packets that begin with
    /// an empty receiver report.
    pub(crate) fn registry(&self) -> Registry {
        let observer = RtcpObserver { requests: self.clone(), inbound: VecDeque::new(), outbound: VecDeque::new() };
        Registry::new().with(Slot::Custom(500), observer)
    }
}

struct RtcpObserver {
    requests: Requests,
    inbound: VecDeque<TaggedPacket>,
    outbound: VecDeque<TaggedPacket>,
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for RtcpObserver {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, message: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(packets) = &message.message.packet {
            let is_request =
                |any: &dyn core::any::Any| any.is::<PictureLossIndication>() || any.is::<FullIntraRequest>();
            let requests = packets.iter().filter(|packet| is_request(packet.as_any())).count();
            let requests = u32::try_from(requests).unwrap_or(0);
            self.requests.0.fetch_add(requests, Ordering::Relaxed);
        }
        self.inbound.push_back(message);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.inbound.pop_front()
    }

    fn handle_write(&mut self, message: TaggedPacket) -> Result<(), Error> {
        self.outbound.push_back(message);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.outbound.pop_front()
    }
}

impl Interceptor for RtcpObserver {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}

impl Camera {
    pub(crate) fn send(&mut self, connection: &mut RTCPeerConnection, numbers: &[(u8, Codec)]) {
        let Some((number, _)) = numbers.iter().find(|(_, codec)| codec.is(self.picture.encoding)) else { return };
        let asked = self.requests.count();
        let payload = self.picture.payload(asked != core::mem::replace(&mut self.answered, asked));
        #[expect(clippy::cast_possible_truncation, reason = "sequence numbers and timestamps wrap around")]
        let header = rtc::rtp::header::Header {
            version: 2,
            marker: true,
            payload_type: *number,
            sequence_number: self.packets as u16,
            timestamp: (self.packets * 1800) as u32,
            ssrc: self.ssrc,
            ..Default::default()
        };
        self.packets += 1;
        let packet = rtc::rtp::packet::Packet { header, payload: payload.into() };
        if let Some(mut sender) = connection.rtp_sender(self.sender) {
            sender.write_rtp(Instant::now(), packet).expect("a packet of a negotiated codec");
        }
    }
}

/// State of the received video.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The encoding of the key frame.
    key_frame: Option<String>,
    since: u32,
    numbers: BTreeSet<u8>,
}

impl Seen {
    pub(crate) fn take(&mut self, encoding: &str, number: u8, payload: &Bytes) {
        let is_key = match (encoding, payload.first(), payload.get(1)) {
            ("H264", Some(kind), _) => kind & 0x1f == 5,
            ("VP8", _, Some(frame)) => frame & 1 == 0,
            _ => return,
        };
        self.numbers.insert(number);
        match &self.key_frame {
            None if is_key => self.key_frame = Some(encoding.to_owned()),
            Some(_) => self.since += 1,
            None => {}
        }
    }

    /// Returns whether a key frame of this encoding and ten subsequent frames were received.
    pub(crate) fn has_moved(&self, encoding: &str) -> bool {
        self.key_frame.as_deref() == Some(encoding) && self.since >= 10
    }
}
