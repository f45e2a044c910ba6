//! Fuzz targets: the parsers, and the state machines with a script encoded in the octets.

use crate::calls::fuzz_calls;
use crate::descriptions::fuzz_sdp;
use crate::media::{fuzz_rtcp, fuzz_rtp, fuzz_rtp_session, fuzz_stun};
use crate::relay::fuzz_relay;
use crate::sip_messages::fuzz_message;
use crate::sip_values::{fuzz_digest, fuzz_uri};

/// The name of a corpus, and the function that is called with its inputs.
type Target = (&'static str, fn(&[u8]));

/// All fuzz targets.
pub(crate) const TARGETS: [Target; 10] = [
    ("message", fuzz_message),
    ("uri", fuzz_uri),
    ("digest", fuzz_digest),
    ("calls", fuzz_calls),
    ("relay", fuzz_relay),
    ("sdp", fuzz_sdp),
    ("stun", fuzz_stun),
    ("rtp", fuzz_rtp),
    ("rtcp", fuzz_rtcp),
    ("rtp_session", fuzz_rtp_session),
];
