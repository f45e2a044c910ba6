//! The call model of a simulated agent: it answers calls and offers, and checks the events.

use crate::user_agent::io::{Account, AccountId, Body, Branch, CalledNumberSource, Command, Event, Identity, InviteId};
use core::time::Duration;
use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;
use std::collections::BTreeMap;

pub(super) const ACCOUNT: AccountId = AccountId(1);
pub(super) const CONTACT: &str = "callee";

pub(super) fn account(node: usize) -> Account {
    Account {
        identity: Identity { name: None, uri: format!("sip:agent{node}@example.org").parse().unwrap() },
        login: None,
        registrar: None,
        route: Vec::new(),
        transport: None,
        expires: Duration::from_secs(600),
        options_interval: Duration::ZERO,
        sources: Vec::new(),
        called_number: CalledNumberSource::ALL.to_vec(),
        is_trunk: false,
        persists: false,
        retry_interval: Duration::from_secs(60),
        contact_user: CONTACT.into(),
    }
}

/// Returns a description with unique content.
pub(super) fn body(bodies: &mut u64) -> Body {
    *bodies += 1;
    Body { content_type: "application/sdp".into(), octets: format!("description {bodies}").into_bytes() }
}

#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) mark: String,
    pub(super) is_ended: bool,
    is_answered: bool,
    /// Whether the INVITE carried the first offer.
    has_offer: bool,
}

/// A command that an agent will issue.
#[derive(Clone, Debug)]
pub(super) struct PlannedCommand(Command);

#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) calls: BTreeMap<InviteId, Call>,
}

type PlannedCommands = Vec<(Duration, PlannedCommand)>;

fn random_delay(rng: &mut ChaCha20Rng, millis: u64) -> Duration {
    Duration::from_millis(rng.next_u64() % millis)
}

impl Model {
    pub(super) fn placed(&mut self, invite: InviteId, mark: String, has_offer: bool) {
        self.calls.insert(invite, Call { mark, is_ended: false, is_answered: false, has_offer });
    }

    pub(super) fn live(&self) -> Vec<InviteId> {
        self.calls.iter().filter(|(_, call)| !call.is_ended).map(|(invite, _)| *invite).collect()
    }

    pub(super) fn answered(&self) -> usize {
        self.calls.iter().filter(|(id, call)| call.is_answered && matches!(id, InviteId::Outbound(_))).count()
    }

    fn call(&mut self, invite: InviteId) -> &mut Call {
        let call = self.calls.get_mut(&invite).expect("a call that is known");
        assert!(!call.is_ended, "nothing follows the end of {invite:?}");
        call
    }

    /// Returns the command, unless its call has ended.
    pub(super) fn command(&mut self, PlannedCommand(command): PlannedCommand) -> Option<Command> {
        let invite = match &command {
            Command::Ring { invite, .. }
            | Command::Accept { invite, .. }
            | Command::Reject { invite, .. }
            | Command::AnswerOffer { invite, .. }
            | Command::RefuseOffer { invite, .. }
            | Command::AnswerRefer { invite, .. }
            | Command::NotifyRefer { invite, .. } => *invite,
            other => panic!("{other:?} is not planned"),
        };
        let call = self.calls.get_mut(&invite)?;
        if matches!(command, Command::Accept { .. }) {
            call.is_answered = true;
        }
        (!call.is_ended).then_some(command)
    }

    /// Processes an event. Returns the commands to issue, with their delays.
    pub(super) fn handle_event(&mut self, event: Event, rng: &mut ChaCha20Rng, bodies: &mut u64) -> PlannedCommands {
        match event {
            Event::Incoming { invite, request } => {
                let mark = request.headers.iter().find(|(name, _)| name == "X-Mark").expect("a mark").1.clone();
                self.placed(invite, mark, request.offer.is_some());
                incoming(invite, rng, bodies)
            }
            Event::Progress { invite, branch, body: offer, .. } => {
                let is_offer = !self.call(invite).has_offer && offer.is_some();
                if is_offer { vec![(random_delay(rng, 500), answer(invite, branch, bodies))] } else { Vec::new() }
            }
            Event::Answered { invite, branch, body: offer, .. } => {
                let call = self.call(invite);
                assert!(!call.is_answered, "{invite:?} is answered twice");
                call.is_answered = true;
                let is_offer = !call.has_offer && offer.is_some();
                if is_offer { vec![(random_delay(rng, 500), answer(invite, branch, bodies))] } else { Vec::new() }
            }
            Event::Offer { invite, branch, .. } => {
                self.call(invite);
                let planned = match rng.next_u32() % 4 {
                    0 => PlannedCommand(Command::RefuseOffer { invite, branch, status: 488, reason: None }),
                    _ => answer(invite, branch, bodies),
                };
                vec![(random_delay(rng, 900), planned)]
            }
            Event::Ended { invite, .. } => {
                self.call(invite).is_ended = true;
                Vec::new()
            }
            Event::Refer { invite, .. } => {
                self.call(invite);
                let notify = |status, reason: &str| {
                    PlannedCommand(Command::NotifyRefer { invite, status, reason: reason.into() })
                };
                vec![
                    (random_delay(rng, 500), PlannedCommand(Command::AnswerRefer { invite, status: 202 })),
                    (random_delay(rng, 2_000), notify(180, "Ringing")),
                    (Duration::from_secs(2) + random_delay(rng, 2_000), notify(200, "OK")),
                ]
            }
            Event::SourceChanged { invite, .. }
            | Event::OfferAnswered { invite, .. }
            | Event::OfferRefused { invite, .. }
            | Event::ReferProgress { invite, .. }
            | Event::Info { invite, .. } => {
                self.call(invite);
                Vec::new()
            }
            other => panic!("{other:?} is not expected"),
        }
    }

    /// Answers all calls that are still ringing.
    pub(super) fn decide(&mut self, bodies: &mut u64) -> Vec<Command> {
        let mut commands = Vec::new();
        for (invite, call) in self.calls.iter_mut().filter(|(_, call)| !call.is_ended && !call.is_answered) {
            if matches!(invite, InviteId::Inbound(_)) {
                call.is_answered = true;
                commands.push(Command::Accept { invite: *invite, body: Some(body(bodies)) });
            }
        }
        commands
    }
}

fn answer(invite: InviteId, branch: Branch, bodies: &mut u64) -> PlannedCommand {
    PlannedCommand(Command::AnswerOffer { invite, branch, body: body(bodies) })
}

/// Plans a provisional response, with or without a description, and then possibly an answer.
fn incoming(invite: InviteId, rng: &mut ChaCha20Rng, bodies: &mut u64) -> PlannedCommands {
    let mut commands = Vec::new();
    if !rng.next_u32().is_multiple_of(3) {
        let early = rng.next_u32().is_multiple_of(2).then(|| body(bodies));
        commands.push((random_delay(rng, 800), PlannedCommand(Command::Ring { invite, status: 180, body: early })));
    }
    let after = random_delay(rng, 4_000);
    match rng.next_u32() % 5 {
        0 => commands
            .push((after, PlannedCommand(Command::Reject { invite, status: 486, reason: None, contacts: Vec::new() }))),
        1 => {}
        _ => commands.push((after, PlannedCommand(Command::Accept { invite, body: Some(body(bodies)) }))),
    }
    commands
}
