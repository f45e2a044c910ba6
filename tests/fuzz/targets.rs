//! What can be fed arbitrary octets: the parsers, and each machine by way of a script that the octets spell.

use crate::calls::fuzz_calls;

/// The name of a corpus, and what is fed with it.
type Target = (&'static str, fn(&[u8]));

/// All of them.
pub(crate) const TARGETS: [Target; 10] = [
    ("message", offhook_sip::message::fuzz_message),
    ("uri", offhook_sip::message::fuzz_uri),
    ("digest", offhook_sip::auth::fuzz_digest),
    ("calls", fuzz_calls),
    ("relay", offhook_b2bua::relay::fuzz_relay),
    ("sdp", offhook_sdp::fuzz_sdp),
    ("stun", offhook_media::fuzz_stun),
    ("rtp", offhook_media::fuzz_rtp),
    ("rtcp", offhook_media::fuzz_rtcp),
    ("rtp_session", offhook_media::fuzz_rtp_session),
];
