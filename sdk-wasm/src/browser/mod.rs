//! The browser: the only folder that names `web_sys`.

pub(crate) mod peer;
pub(crate) mod socket;
pub(crate) mod timer;

/// Browser objects others pass on.
pub(crate) mod types {
    pub(crate) use web_sys::{MediaStream, MediaStreamTrack, RtcPeerConnection};
}
