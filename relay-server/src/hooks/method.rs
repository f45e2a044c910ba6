//! The methods of webhooks.

/// A method of webhooks: the last segment of the URL of its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HookMethod {
    /// A client connects.
    Connect,
    /// A browser places a call.
    Call,
    /// An INVITE arrives.
    IncomingCall,
    /// A browser answers a call.
    Answer,
    /// A browser hangs up. The hang-up does not wait.
    HangUp,
    /// A browser puts a call on hold.
    Hold,
    /// A browser resumes a call.
    Unhold,
    /// A browser transfers a call.
    Transfer,
    /// A browser sends DTMF digits.
    SendDtmf,
    /// The status of a call changed.
    CallStatus,
    /// The status of a registration changed.
    RegistrationStatus,
    /// The status of a client session changed.
    ConnectionStatus,
    /// The status of a transfer changed.
    TransferStatus,
    /// The other participant transfers a call.
    TransferredByPeer,
    /// A request of a client failed.
    Error,
}

impl HookMethod {
    /// All methods.
    pub const ALL: [Self; 15] = [
        Self::Connect,
        Self::Call,
        Self::IncomingCall,
        Self::Answer,
        Self::HangUp,
        Self::Hold,
        Self::Unhold,
        Self::Transfer,
        Self::SendDtmf,
        Self::CallStatus,
        Self::RegistrationStatus,
        Self::ConnectionStatus,
        Self::TransferStatus,
        Self::TransferredByPeer,
        Self::Error,
    ];

    /// Returns the name in the URL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Call => "call",
            Self::IncomingCall => "OnCallEvent",
            Self::Answer => "answer",
            Self::HangUp => "hangup",
            Self::Hold => "hold",
            Self::Unhold => "unhold",
            Self::Transfer => "transfer",
            Self::SendDtmf => "sendDtmf",
            Self::CallStatus => "CallStatusEvent",
            Self::RegistrationStatus => "RegistrationStatusEvent",
            Self::ConnectionStatus => "ConnectionStatusEvent",
            Self::TransferStatus => "TransferStatusEvent",
            Self::TransferredByPeer => "OnTransferEvent",
            Self::Error => "ErrorEvent",
        }
    }

    /// Returns the method with this name, in upper or lower case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name().eq_ignore_ascii_case(name))
    }

    /// Returns whether the answer can refuse or change something.
    #[must_use]
    pub const fn is_question(self) -> bool {
        matches!(
            self,
            Self::Connect
                | Self::Call
                | Self::IncomingCall
                | Self::Answer
                | Self::Hold
                | Self::Unhold
                | Self::Transfer
                | Self::SendDtmf
        )
    }
}
