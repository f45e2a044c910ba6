//! Wrappers of browser APIs. This is the only module that uses `web_sys`.

pub(crate) mod peer;
pub(crate) mod socket;
pub(crate) mod timer;

/// Browser objects that other modules pass through.
pub(crate) mod types {
    pub(crate) use web_sys::{MediaStream, MediaStreamTrack, RtcPeerConnection};
}
