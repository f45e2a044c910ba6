//! The Offhook extension of the protocol: what our SDK and our relay say to each other beyond the stock messages.

/// The protocol version this build speaks.
pub const CURRENT: u32 = 1;

/// The oldest protocol version this build still understands.
pub const OLDEST: u32 = 1;

/// What one side announces in the extra field `offhook` of `connection` and `getUserData`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
pub struct Extension {
    /// The protocol version the sender wants to speak; the relay answers with the one that will be spoken.
    pub version: u32,
    /// What the sender can do: see [`feature`].
    #[cfg_attr(feature = "json", serde(default))]
    pub features: Vec<String>,
}

impl Extension {
    /// Whether `name` (see [`feature`]) was announced.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.features.iter().any(|feature| feature == name)
    }

    /// Everything this build can do.
    #[must_use]
    pub fn ours() -> Self {
        let features = [
            feature::DIRECT_MEDIA,
            feature::DTMF_EVENTS,
            feature::END_REASONS,
            feature::HOLD_EVENTS,
            feature::TRANSFER_PROGRESS,
        ];
        Self { version: CURRENT, features: features.map(String::from).to_vec() }
    }
}

/// Names of features, as announced in [`Extension::features`].
pub mod feature {
    /// `offhookDirect` messages: the two browsers of a call may exchange their media without the relay.
    pub const DIRECT_MEDIA: &str = "directMedia";
    /// `offhookDtmf` messages tell of DTMF digits that the far end sent.
    pub const DTMF_EVENTS: &str = "dtmfEvents";
    /// Status messages of ended calls carry `endReason`.
    pub const END_REASONS: &str = "endReasons";
    /// `offhookHold` messages tell that the far end holds the call, or has taken it back.
    pub const HOLD_EVENTS: &str = "holdEvents";
    /// `notifyTransferEvent` has the status `RINGING`, too.
    pub const TRANSFER_PROGRESS: &str = "transferProgress";
}
