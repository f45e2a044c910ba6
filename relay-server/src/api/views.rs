//! The representation of calls in JSON.

use super::directory::CallEntry;
use offhook_b2bua::call::{CallPhase, EndpointKind, LegProgress, ParticipantRole, ParticipantSnapshot};
use offhook_b2bua::record::CallScheme;
use offhook_clock::Time;
use serde::Serialize;
use utoipa::ToSchema;

/// A call.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CallJson {
    /// Its identifier.
    id: String,
    state: CallStateJson,
    scheme: SchemeJson,
    /// The codecs when the call was answered.
    codecs: Vec<String>,
    /// The time when it was placed, in the form of RFC 3339.
    placed_at: String,
    /// The time when it was answered.
    answered_at: Option<String>,
    participants: Vec<ParticipantJson>,
}

/// The state of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum CallStateJson {
    Ringing,
    Established,
    Transferring,
    HandedOver,
}

/// The routing of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum SchemeJson {
    Local,
    Proxied,
    SignalingOnly,
}

/// A participant of a call.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ParticipantJson {
    /// Its identifier.
    id: String,
    role: RoleJson,
    state: ParticipantStateJson,
    /// It has the other participant on hold.
    is_holding: bool,
    endpoint: EndpointJson,
    /// The client session of a browser.
    session_id: Option<String>,
    /// The identifier of the call in that session.
    call_id: Option<String>,
    /// The caller, as shown to the participant.
    caller: String,
    /// The callee, as shown to the participant.
    callee: String,
    /// The caller's display name.
    visible_name: String,
    /// The participant received the call.
    incoming: bool,
}

/// The part of a participant in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum RoleJson {
    Caller,
    Callee,
    Target,
}

/// The state of a participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum ParticipantStateJson {
    Calling,
    Alerting,
    Connected,
}

/// The endpoint of a participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum EndpointJson {
    Browser,
    SipEndpoint,
    SipServer,
}

impl CallStateJson {
    pub(super) const ALL: [Self; 4] = [Self::Ringing, Self::Established, Self::Transferring, Self::HandedOver];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ringing => "ringing",
            Self::Established => "established",
            Self::Transferring => "transferring",
            Self::HandedOver => "handedOver",
        }
    }
}

impl From<CallPhase> for CallStateJson {
    fn from(phase: CallPhase) -> Self {
        match phase {
            CallPhase::Ringing => Self::Ringing,
            CallPhase::Established => Self::Established,
            CallPhase::Transferring => Self::Transferring,
            CallPhase::HandedOver => Self::HandedOver,
        }
    }
}

impl From<&CallEntry> for CallJson {
    fn from(CallEntry { record, snapshot }: &CallEntry) -> Self {
        Self {
            id: record.call.0.to_string(),
            state: snapshot.phase.into(),
            scheme: match record.scheme {
                CallScheme::Local => SchemeJson::Local,
                CallScheme::Proxied => SchemeJson::Proxied,
                CallScheme::SignalingOnly => SchemeJson::SignalingOnly,
            },
            codecs: record.codecs.clone(),
            placed_at: timestamp(record.placed_at),
            answered_at: record.answered_at.map(timestamp),
            participants: snapshot.participants.iter().map(ParticipantJson::from).collect(),
        }
    }
}

impl From<&ParticipantSnapshot> for ParticipantJson {
    fn from(participant: &ParticipantSnapshot) -> Self {
        let (session_id, call_id) = participant
            .browser
            .as_ref()
            .map(|(session, call_id)| (session.0.to_string(), call_id.as_str().to_owned()))
            .unzip();
        Self {
            id: participant.leg.0.to_string(),
            role: match participant.role {
                ParticipantRole::Caller => RoleJson::Caller,
                ParticipantRole::Callee => RoleJson::Callee,
                ParticipantRole::Target => RoleJson::Target,
            },
            state: match participant.progress {
                LegProgress::Calling => ParticipantStateJson::Calling,
                LegProgress::Alerting => ParticipantStateJson::Alerting,
                LegProgress::Connected => ParticipantStateJson::Connected,
            },
            is_holding: participant.is_holding,
            endpoint: match participant.endpoint {
                EndpointKind::Browser => EndpointJson::Browser,
                EndpointKind::SipEndpoint => EndpointJson::SipEndpoint,
                EndpointKind::SipServer => EndpointJson::SipServer,
            },
            session_id,
            call_id,
            caller: participant.caller.clone(),
            callee: participant.callee.clone(),
            visible_name: participant.visible_name.clone(),
            incoming: participant.is_incoming,
        }
    }
}

/// Returns a time in the form of RFC 3339, in UTC with milliseconds.
pub(super) fn timestamp(time: Time) -> String {
    let millis = time.as_millis();
    let (days, rest) = (millis / 86_400_000, millis % 86_400_000);
    let (year, month, day) = date(days);
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    let (second, milli) = (rest / 1_000 % 60, rest % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// Returns the date of the Gregorian calendar that is `days` after 1970-01-01. Years begin in March here, so that a leap day is
/// the last day of a year; 146,097 days are 400 years.
const fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::{Time, timestamp};

    #[test]
    fn times_are_written_in_utc() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_000, "2024-02-29T23:59:59.000Z"),
            (1_767_225_599_001, "2025-12-31T23:59:59.001Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ];
        for (millis, expected) in cases {
            assert_eq!(timestamp(Time::from_micros(millis * 1_000)), expected);
        }
    }
}
