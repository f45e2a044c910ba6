//! Why a call ended: one list for SDK, relay, REST and records.

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub enum EndReason {
    /// One side hung up an established call.
    HungUp,
    /// The caller hung up before anyone answered.
    Canceled,
    /// The callee hung up instead of answering.
    Rejected,
    /// The callee is in another call.
    Busy,
    /// Nobody answered in time.
    NoAnswer,
    /// Another session of the same login took the call.
    AnsweredElsewhere,
    /// The callee is not known here.
    NotFound,
    /// The callee is known but has no session.
    Unavailable,
    /// The call was handed to somebody else.
    Transferred,
    /// The session of one side is gone.
    SessionLost,
    /// No media and no consent from the caller.
    CallerMediaLost,
    /// No media and no consent from the callee.
    CalleeMediaLost,
    /// ICE or DTLS did not come up.
    MediaSetupFailed,
    /// The session description could not be understood.
    BadSessionDescription,
    /// No codec that both sides know.
    NoCommonCodecs,
    /// The callee is somewhere else: the SIP server named another address (3xx).
    Redirected,
    /// The SIP server does not let this caller call, or does not accept the account's password.
    Forbidden,
    /// The SIP server does not answer.
    ServerTimeout,
    /// There is no way to the SIP server.
    ServerUnreachable,
    /// The SIP server or the far end failed the call; `sipStatus` and `info` say how.
    SipFailure,
    /// The relay has no room for another call.
    Overloaded,
    /// The relay is shutting down.
    ShuttingDown,
    /// The relay is at fault.
    InternalError,
}

impl EndReason {
    /// Every reason, in the order of the list.
    pub const ALL: [Self; 23] = [
        Self::HungUp,
        Self::Canceled,
        Self::Rejected,
        Self::Busy,
        Self::NoAnswer,
        Self::AnsweredElsewhere,
        Self::NotFound,
        Self::Unavailable,
        Self::Transferred,
        Self::SessionLost,
        Self::CallerMediaLost,
        Self::CalleeMediaLost,
        Self::MediaSetupFailed,
        Self::BadSessionDescription,
        Self::NoCommonCodecs,
        Self::Redirected,
        Self::Forbidden,
        Self::ServerTimeout,
        Self::ServerUnreachable,
        Self::SipFailure,
        Self::Overloaded,
        Self::ShuttingDown,
        Self::InternalError,
    ];

    /// The name on the wire, in `endReason`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HungUp => "hungUp",
            Self::Canceled => "canceled",
            Self::Rejected => "rejected",
            Self::Busy => "busy",
            Self::NoAnswer => "noAnswer",
            Self::AnsweredElsewhere => "answeredElsewhere",
            Self::NotFound => "notFound",
            Self::Unavailable => "unavailable",
            Self::Transferred => "transferred",
            Self::SessionLost => "sessionLost",
            Self::CallerMediaLost => "callerMediaLost",
            Self::CalleeMediaLost => "calleeMediaLost",
            Self::MediaSetupFailed => "mediaSetupFailed",
            Self::BadSessionDescription => "badSessionDescription",
            Self::NoCommonCodecs => "noCommonCodecs",
            Self::Redirected => "redirected",
            Self::Forbidden => "forbidden",
            Self::ServerTimeout => "serverTimeout",
            Self::ServerUnreachable => "serverUnreachable",
            Self::SipFailure => "sipFailure",
            Self::Overloaded => "overloaded",
            Self::ShuttingDown => "shuttingDown",
            Self::InternalError => "internalError",
        }
    }

    /// The text for people, in `info`; where the stock SDK has a text for it (`CALL_STATUS_INFO`), that one leads.
    #[must_use]
    pub const fn info(self) -> &'static str {
        match self {
            Self::HungUp => "Normal call clearing",
            Self::Canceled => "The caller gave up",
            Self::Rejected => "The callee rejected the call",
            Self::Busy => "The callee is busy",
            Self::NoAnswer => "Failed by request timeout: nobody answered",
            Self::AnsweredElsewhere => "Answered elsewhere",
            Self::NotFound => "No such user here",
            Self::Unavailable => "The user is not connected",
            Self::Transferred => "The call was transferred",
            Self::SessionLost => "The other side lost its connection",
            Self::CallerMediaLost => "Failed by RTP activity: nothing arrives from the caller",
            Self::CalleeMediaLost => "Failed by RTP activity: nothing arrives from the callee",
            Self::MediaSetupFailed => "Failed by ICE error: the media connection did not come up",
            Self::BadSessionDescription => "Failed by error: the session description is not valid",
            Self::NoCommonCodecs => "No common codecs",
            Self::Redirected => "The callee is at another address",
            Self::Forbidden => "The SIP server does not allow this call",
            Self::ServerTimeout => "Failed by request timeout: the SIP server does not answer",
            Self::ServerUnreachable => "The SIP server cannot be reached",
            Self::SipFailure => "The SIP server failed the call",
            Self::Overloaded => "The relay has no room for another call",
            Self::ShuttingDown => "The relay is shutting down",
            Self::InternalError => "Failed by error inside the relay",
        }
    }

    /// The SIP status that says the same (RFC 3261 §21), where one does; 200 stands for a normal end.
    #[must_use]
    pub const fn sip_status(self) -> u16 {
        match self {
            Self::HungUp | Self::Transferred | Self::AnsweredElsewhere => 200,
            Self::Canceled => 487,
            Self::Rejected => 603,
            Self::Busy => 486,
            Self::NoAnswer | Self::CallerMediaLost | Self::CalleeMediaLost | Self::ServerTimeout => 408,
            Self::Redirected => 302,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Unavailable | Self::SessionLost => 480,
            Self::MediaSetupFailed | Self::BadSessionDescription | Self::NoCommonCodecs => 488,
            Self::Overloaded | Self::ShuttingDown | Self::ServerUnreachable => 503,
            Self::InternalError | Self::SipFailure => 500,
        }
    }
}
