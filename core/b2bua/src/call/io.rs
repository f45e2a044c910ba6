//! The vocabulary of the call machine.

use super::party::{Leg, Party};
use offhook_media::command::{Command, LegKey, TransportFailure};
use offhook_signaling::message::{CallId, DirectStep, ServerMessage};
use offhook_signaling::reason::EndReason;

use super::SessionId;

/// What happens to a call.
#[derive(Clone, Debug)]
pub enum Input {
    /// A browser that rings takes the call.
    Answer {
        /// Its leg.
        leg: LegKey,
        /// Its answer.
        sdp: String,
    },
    /// A browser hangs up, cancels or rejects.
    HangUp {
        /// Its leg.
        leg: LegKey,
    },
    /// A browser puts the other on hold.
    Hold {
        /// Its leg.
        leg: LegKey,
    },
    /// A browser takes the other back.
    Unhold {
        /// Its leg.
        leg: LegKey,
    },
    /// A browser sends DTMF digits, checked.
    SendDtmf {
        /// Its leg.
        leg: LegKey,
        /// `0`–`9`, `A`–`D`, `*`, `#`.
        digits: String,
    },
    /// A browser hands the other to somebody else.
    Transfer {
        /// Its leg.
        leg: LegKey,
        /// Who shall ring; the reason when nobody can.
        targets: Result<Vec<Party>, EndReason>,
    },
    /// A browser's step on the way past the relay.
    Direct {
        /// Its leg.
        leg: LegKey,
        /// The attempt it belongs to.
        attempt: u32,
        /// The step.
        step: DirectStep,
    },
    /// A browser needs to hear again how the call stands.
    RepeatStatus {
        /// Its leg.
        leg: LegKey,
    },
    /// A browser's session is gone.
    SessionLost {
        /// Its leg.
        leg: LegKey,
    },
    /// The worker heard a digit in the media.
    DtmfReceived {
        /// The leg it came from.
        leg: LegKey,
        /// `0`–`9`, `A`–`D`, `*` or `#`.
        digit: char,
    },
    /// A leg's transport did not come up; the worker has closed it.
    LegFailed {
        /// The leg.
        leg: LegKey,
        /// Why.
        failure: TransportFailure,
    },
    /// Nothing arrives from a leg any more; the worker has closed it.
    LegDead {
        /// The leg.
        leg: LegKey,
    },
    /// The relay ends.
    Shutdown,
}

/// What a call wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Tell a browser.
    Tell {
        /// Its session.
        session: SessionId,
        /// The message.
        message: ServerMessage,
    },
    /// Tell the call's media worker.
    Media(Command),
    /// This session is out of the call; its call id means nothing any more.
    Left {
        /// The session.
        session: SessionId,
        /// The id there.
        call_id: CallId,
        /// The leg it had.
        leg: LegKey,
    },
    /// The call is over.
    Ended(EndReason),
}

/// One side of a call that was taken out of it, to be joined to another call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// The side that stays.
    pub leg: Leg,
    /// It has the other side on hold.
    pub holds: bool,
}
