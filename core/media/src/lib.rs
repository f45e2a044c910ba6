//! The media plane without sockets: ICE-lite, DTLS-SRTP, RTP and RTCP, and the graph that joins the streams of
//! legs.
#![forbid(unsafe_code)]

pub mod audio;
pub mod command;
pub mod counters;
pub mod crossing;
pub mod dtmf;
pub mod graph;
pub mod ice;
pub mod identity;
mod io;
mod leg;
pub mod ports;
pub mod rtcp;
pub mod rtp;
pub mod seal;
pub mod socket;
pub mod transport;
pub mod worker;

/// Feeds arbitrary octets to the STUN parser.
pub fn fuzz_stun(data: &[u8]) {
    if let Some(request) = ice::stun::BindingRequest::parse(data) {
        let _ = request.is_made_with("password");
        let _ = request.fragments();
    }
}

/// Feeds arbitrary octets to the RTP parsers.
pub fn fuzz_rtp(data: &[u8]) {
    if let Some(header) = rtp::packet::Header::parse(data) {
        let _ = header.elements(data).count();
        let payload = rtp::packet::payload(data, &header).unwrap_or(&[]);
        for encoding in ["VP8", "VP9", "H264"] {
            let _ = rtp::keyframe::inspect(rtp::encoding::Encoding::from_name(encoding), payload);
        }
        let _ = dtmf::digit_of(payload);
    }
}

/// Feeds arbitrary datagrams to an RTP session of a SIP peer, first without and then with SRTP keys. An octet before
/// each datagram encodes its length, its source port and whether it is RTP or RTCP.
pub fn fuzz_rtp_session(data: &[u8]) {
    transport::rtp::fuzz(data);
}

/// Feeds arbitrary octets to the RTCP parsers.
pub fn fuzz_rtcp(data: &[u8]) {
    for chunk in rtcp::packet::Compound::new(data) {
        let _ = rtcp::packet::words(chunk.body).take(usize::from(chunk.count)).count();
        let _ = rtcp::packet::SenderReport::parse(chunk.body);
        if let Some(feedback) = rtcp::packet::Feedback::parse(chunk.body) {
            let _ = (feedback.lost().count(), feedback.asked().count(), feedback.remb());
        }
    }
}
