use super::{CallView, Presenter};
use crate::call::{Call, CallEvent, End, EndpointKind, Input, Participant, SessionId, TransferProgress};
use crate::config::BusyStatus;
use offhook_media::command::LegKey;
use offhook_signaling::message::ServerMessage;
use offhook_signaling::reason::EndReason;
use offhook_signaling::version::Extension;

const LEG: LegKey = LegKey(1);

fn view(leg: LegKey, features: Extension) -> CallView {
    CallView {
        session: SessionId(leg.0),
        call_id: format!("call-{}", leg.0).as_str().into(),
        features,
        incoming: false,
        caller: "alice".into(),
        callee: "bob".into(),
        visible_name: "Alice".into(),
        custom: None,
    }
}

/// A message in a few words: its session, and the status or name.
fn summary((session, message): (SessionId, ServerMessage)) -> String {
    let text = match message {
        ServerMessage::CallStatus(object) => {
            let reason = object.end_reason.map(|reason| format!("({})", reason.name())).unwrap_or_default();
            format!("{}{reason}", object.status.name())
        }
        ServerMessage::Direct(direct) => format!("direct {} {}", direct.attempt, direct.step.name()),
        message => message.name().to_owned(),
    };
    format!(">{} {text}", session.0)
}

/// A call together with the presenter of its browsers, for tests of the call machine.
pub(crate) struct PresentedCall {
    pub(crate) call: Call,
    presenter: Presenter,
}

impl PresentedCall {
    /// Creates a presenter; `participants` are those that the call was created with.
    pub(crate) fn new(call: Call, participants: &[Participant]) -> Self {
        let mut presented = Self { call, presenter: Presenter::default() };
        presented.open(participants);
        presented
    }

    fn open(&mut self, participants: &[Participant]) {
        for participant in participants.iter().filter(|participant| participant.browser().is_some()) {
            self.presenter.open(participant.leg, view(participant.leg, Extension::ours()));
        }
    }

    pub(crate) fn handle_input(mut self, input: Input, now: offhook_clock::Time) -> Self {
        match &input {
            Input::Transfer { targets: Ok(targets), .. } | Input::LoopedInvite { targets, .. } => self.open(targets),
            _ => {}
        }
        Self { call: self.call.handle_input(input, now), presenter: self.presenter }
    }

    pub(crate) fn handle_timeout(self, now: offhook_clock::Time) -> Self {
        Self { call: self.call.handle_timeout(now), presenter: self.presenter }
    }

    /// The messages for an event, each in a few words.
    pub(crate) fn messages(&self, event: &CallEvent, has_video: bool) -> Vec<String> {
        self.presenter.present(event, has_video, BusyStatus::Failed).into_iter().map(summary).collect()
    }
}

fn messages(features: Extension, event: &CallEvent, busy: BusyStatus) -> Vec<String> {
    let mut presenter = Presenter::default();
    presenter.open(LEG, view(LEG, features));
    presenter.present(event, false, busy).into_iter().map(summary).collect()
}

#[test]
fn stock_client_receives_no_extension_messages() {
    let stock = |event: &CallEvent| messages(Extension::default(), event, BusyStatus::Failed);
    let ours = |event: &CallEvent| messages(Extension::ours(), event, BusyStatus::Failed);
    for (event, extended) in [
        (CallEvent::RemoteHoldChanged { leg: LEG, is_held: true }, ">1 offhookHold"),
        (CallEvent::DtmfReceived { from: LegKey(2), to: LEG, digit: '1' }, ">1 offhookDtmf"),
        (CallEvent::TransferProgressed { by: LEG, progress: TransferProgress::Trying }, ">1 notifyTransferEvent"),
        (CallEvent::TransferProgressed { by: LEG, progress: TransferProgress::Ringing }, ">1 notifyTransferEvent"),
    ] {
        assert_eq!(stock(&event), Vec::<String>::new(), "{event:?}");
        assert_eq!(ours(&event), [extended], "{event:?}");
    }
}

#[test]
fn end_reason_is_sent_to_extended_client_only() {
    let event = CallEvent::Left { leg: LEG, end: End::from(EndReason::HungUp) };
    assert_eq!(messages(Extension::ours(), &event, BusyStatus::Failed), [">1 FINISH(hungUp)"]);
    assert_eq!(messages(Extension::default(), &event, BusyStatus::Failed), [">1 FINISH"]);
}

#[test]
fn incoming_call_follows_its_description() {
    let event = CallEvent::Routed {
        callee: LEG,
        endpoint: EndpointKind::Browser,
        address: "bob".into(),
        offer: Some("v=0".into()),
    };
    let expected = [">1 setRemoteSDP", ">1 notifyIncomingCall", ">1 RING"];
    assert_eq!(messages(Extension::default(), &event, BusyStatus::Failed), expected);
}

#[test]
fn busy_callee_is_reported_as_configured() {
    let event = CallEvent::Unanswered { caller: LEG, end: End::from(EndReason::Busy) };
    assert_eq!(messages(Extension::default(), &event, BusyStatus::Busy), [">1 BUSY"]);
    assert_eq!(messages(Extension::default(), &event, BusyStatus::Failed), [">1 busy", ">1 FAILED"]);
    // Only the caller of an unanswered call receives BUSY: another participant leaves with a failure.
    let event = CallEvent::Left { leg: LEG, end: End::from(EndReason::Busy) };
    assert_eq!(messages(Extension::default(), &event, BusyStatus::Busy), [">1 FAILED"]);
}

#[test]
fn event_of_sip_leg_sends_no_message() {
    let event = CallEvent::Left { leg: LegKey(7), end: End::from(EndReason::HungUp) };
    assert_eq!(messages(Extension::ours(), &event, BusyStatus::Failed), Vec::<String>::new());
}
