//! The JSON representation of calls in the REST API.

use super::directory::CallEntry;
use crate::timestamp::rfc3339;
use offhook_b2bua::call::{CallPhase, EndpointKind, LegProgress, ParticipantRole, ParticipantSnapshot};
use offhook_b2bua::record::CallScheme;
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
    /// The codecs in use when the call was answered.
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
    /// The identifier of the call in that session, or among the calls of the application.
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

/// The role of a participant in a call.
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
    Application,
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
            placed_at: rfc3339(record.placed_at),
            answered_at: record.answered_at.map(rfc3339),
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
        let call_id = call_id.or_else(|| participant.application.as_ref().map(|id| id.as_str().to_owned()));
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
                EndpointKind::Application => EndpointJson::Application,
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
