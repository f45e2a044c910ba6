//! Session descriptions (RFC 8866) and offer/answer (RFC 3264), for WebRTC and SIP endpoints.
#![forbid(unsafe_code)]

mod attribute;
pub mod codec;
pub mod direction;
pub mod error;
pub mod offer_answer;
pub mod section;
pub mod sip;
pub mod webrtc;

/// Feeds arbitrary octets to the parser and what it accepts to everything that works on descriptions.
pub fn fuzz_sdp(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(description) = webrtc::Description::parse(&text) else { return };
    let offered = offer_answer::relay_offer(&description.sections, &[]);
    let _ = offer_answer::settle(&description.sections, &description.sections, &offered);
    let sections: Vec<_> = offered
        .into_iter()
        .map(|section| webrtc::LocalSection {
            section,
            ssrc: 1,
            cname: "c".to_owned(),
            stream_id: "s".to_owned(),
            track_id: "t".to_owned(),
        })
        .collect();
    let _ = webrtc::Description::parse(&webrtc::answer(&description, &description.transport, &sections));
    let _ = webrtc::Description::parse(&webrtc::offer(&description.transport, &sections));
}

#[cfg(test)]
mod tests;
