//! Fuzz targets of the media plane: the parsers of STUN, RTP and RTCP, and the RTP session of a SIP peer.

use core::time::Duration;
use offhook_clock::Time;
use offhook_media::command::{LocalRtp, MasterKey, MkiPair, RemoteRtp, RtcpPath, SdesKeys};
use offhook_media::dtmf::digit_of;
use offhook_media::ice::stun::BindingRequest;
use offhook_media::rtcp::packet as rtcp;
use offhook_media::rtp::encoding::Encoding;
use offhook_media::rtp::keyframe;
use offhook_media::rtp::packet::{Header, payload};
use offhook_media::socket::{PortId, SectionPorts};
use offhook_media::transport::latch::LatchRules;
use offhook_media::transport::rtp::{Component, RtpSession};
use offhook_media::transport::srtp::Profile;
use std::net::SocketAddr;

/// Feeds arbitrary octets to the STUN parser.
pub(crate) fn fuzz_stun(data: &[u8]) {
    if let Some(request) = BindingRequest::parse(data) {
        let _ = request.is_made_with("password");
        let _ = request.fragments();
    }
}

/// Feeds arbitrary octets to the RTP parsers.
pub(crate) fn fuzz_rtp(data: &[u8]) {
    if let Some(header) = Header::parse(data) {
        let _ = header.elements(data).count();
        let payload = payload(data, &header).unwrap_or(&[]);
        for encoding in ["VP8", "VP9", "H264"] {
            let _ = keyframe::inspect(Encoding::from_name(encoding), payload);
        }
        let _ = digit_of(payload);
    }
}

/// Feeds arbitrary datagrams to an RTP session of a SIP peer, first without and then with SRTP keys. An octet before
/// each datagram encodes its length, its source port and whether it is RTP or RTCP.
pub(crate) fn fuzz_rtp_session(data: &[u8]) {
    let on = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let secret = |octet| MasterKey(vec![octet; 28]);
    let keys = SdesKeys { suite: Profile::AeadAes128Gcm, local: secret(1), remote: secret(2), mki: MkiPair::default() };
    let remote = RemoteRtp { rtp: on(10), rtcp: RtcpPath::Separate(on(11)) };
    for keys in [None, Some(keys)] {
        let local = LocalRtp { rtp: on(1), rtcp: on(2) };
        let ports = SectionPorts { rtp: PortId::at(0), rtcp: PortId::at(1) };
        let mut session = RtpSession::new(local, ports, LatchRules::default());
        let _ = session.connect(Some(remote), keys.as_ref(), None, Time::EPOCH);
        let (mut rest, mut now) = (data, Time::EPOCH);
        while let Some((&first, after)) = rest.split_first() {
            let length = usize::from(first >> 2) * 4;
            let (packet, after) = after.split_at_checked(length).unwrap_or((after, &[]));
            let (mut packet, from) = (packet.to_vec(), on(10 + u16::from(first & 1)));
            if first & 2 == 0 {
                let component = if first & 1 == 0 { Component::Rtp } else { Component::Rtcp };
                let _ = session.open_rtcp(component, from, &mut packet, now);
            } else if let Some(header) = Header::parse(&packet) {
                let _ = session.open_rtp(from, &mut packet, &header, || true, now);
            }
            (rest, now) = (after, now + Duration::from_millis(100));
        }
        let _ = (session.rtp_path().is_some(), session.rtcp_path().is_some());
    }
}

/// Feeds arbitrary octets to the RTCP parsers.
pub(crate) fn fuzz_rtcp(data: &[u8]) {
    for chunk in rtcp::Compound::new(data) {
        let _ = rtcp::words(chunk.body).take(usize::from(chunk.count)).count();
        let _ = rtcp::SenderReport::parse(chunk.body);
        if let Some(feedback) = rtcp::Feedback::parse(chunk.body) {
            let _ = (feedback.lost().count(), feedback.asked().count(), feedback.remb());
        }
    }
}
