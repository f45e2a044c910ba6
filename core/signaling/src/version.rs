//! Version and feature negotiation of the Offhook protocol extension (docs/signaling.md).

/// The current protocol version.
pub const CURRENT: u32 = 1;

/// The oldest protocol version that is supported.
pub const OLDEST: u32 = 1;

/// The announcement in the field `offhook` of `connection` and `getUserData`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Extension {
    /// The protocol version requested by the client, or selected by the relay.
    pub version: u32,
    /// The features that the sender supports, see [`feature`].
    #[cfg_attr(feature = "json", serde(default))]
    pub features: Vec<String>,
}

impl Extension {
    /// Returns whether the feature `name` (see [`feature`]) was announced.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.features.iter().any(|feature| feature == name)
    }

    /// Returns the announcement with all supported features.
    #[must_use]
    pub fn ours() -> Self {
        let features = [
            feature::DIRECT_MEDIA,
            feature::DTMF_EVENTS,
            feature::END_REASONS,
            feature::HOLD_EVENTS,
            feature::TOKEN_RENEWAL,
            feature::TRANSFER_PROGRESS,
        ];
        Self { version: CURRENT, features: features.map(String::from).to_vec() }
    }
}

/// Names of features, as announced in [`Extension::features`].
pub mod feature {
    /// `offhookDirect` messages: the two browsers of a call may exchange media without the relay.
    pub const DIRECT_MEDIA: &str = "directMedia";
    /// `offhookDtmf` messages report DTMF digits sent by the peer.
    pub const DTMF_EVENTS: &str = "dtmfEvents";
    /// Status messages of ended calls have `endReason`.
    pub const END_REASONS: &str = "endReasons";
    /// `offhookHold` messages report that the peer has put the call on hold or resumed it.
    pub const HOLD_EVENTS: &str = "holdEvents";
    /// `offhookTokenExpiring` announces the expiry of the session's token, and `offhookRenewToken` renews it.
    pub const TOKEN_RENEWAL: &str = "tokenRenewal";
    /// `notifyTransferEvent` also reports the status `RINGING`.
    pub const TRANSFER_PROGRESS: &str = "transferProgress";
}
