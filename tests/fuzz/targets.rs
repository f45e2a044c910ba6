//! Fuzz targets: the parsers, and the state machines with a script encoded in the octets.

use crate::calls::fuzz_calls;
use crate::relay::fuzz_relay;

/// The name of a corpus, and the function that is called with its inputs.
type Target = (&'static str, fn(&[u8]));

/// All fuzz targets.
pub(crate) const TARGETS: [Target; 10] = [
    ("message", offhook_sip::message::fuzz_message),
    ("uri", offhook_sip::message::fuzz_uri),
    ("digest", offhook_sip::auth::fuzz_digest),
    ("calls", fuzz_calls),
    ("relay", fuzz_relay),
    ("sdp", offhook_sdp::fuzz_sdp),
    ("stun", offhook_media::fuzz_stun),
    ("rtp", offhook_media::fuzz_rtp),
    ("rtcp", offhook_media::fuzz_rtcp),
    ("rtp_session", offhook_media::fuzz_rtp_session),
];
