//! The state of a relay without its configuration. It contains passwords and keys, and leaves the relay only in sealed
//! form (`relay/saved.rs`).

use super::Relay;
use super::audio::CallAudio;
use super::authorizations::Authorizations;
use super::call_table::CallTable;
use super::clients::Clients;
use super::collecting::Collections;
use super::configured_users::ConfiguredUsers;
use super::deadlines::Owner;
use super::guards::CallGuards;
use super::identifiers::Identifiers;
use super::lifecycle::CallAdmission;
use super::locations::Locations;
use super::media_names::MediaNames;
use super::media_workers::MediaWorkers;
use super::password_checks::PasswordChecks;
use super::routing_questions::RoutingQuestions;
use super::sip_accounts::SipAccounts;
use super::submissions::Submissions;
use super::tokens::Tokens;
use crate::config::Config;
use crate::presenter::Presenter;
use crate::record::CallRecords;
use offhook_clock::{Deadlines, Time};
use offhook_limits::Offenses;
use offhook_sip::user_agent::{UserAgent, UserAgentState};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The state of a relay. It contains neither the configuration and the tables derived from it, nor pending outputs and
/// commands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RelayState {
    random: ChaCha20Rng,
    identifiers: Identifiers,
    clients: Clients,
    checks: PasswordChecks,
    offenses: Offenses,
    locations: Locations,
    accounts: SipAccounts,
    deadlines: Deadlines<Owner>,
    calls: CallTable,
    presenter: Presenter,
    records: CallRecords,
    workers: MediaWorkers,
    media_names: MediaNames,
    questions: RoutingQuestions,
    collections: Collections,
    audio: CallAudio,
    authorizations: Authorizations,
    submissions: Submissions,
    guards: CallGuards,
    tokens: Tokens,
    agent: Option<Box<UserAgentState>>,
}

impl Relay {
    /// Returns a copy of the state. The shell must have polled all outputs before.
    pub(super) fn state(&self) -> RelayState {
        RelayState {
            random: self.random.clone(),
            identifiers: self.identifiers.clone(),
            clients: self.clients.clone(),
            checks: self.checks.clone(),
            offenses: self.offenses.clone(),
            locations: self.locations.clone(),
            accounts: self.accounts.clone(),
            deadlines: self.deadlines.clone(),
            calls: self.calls.clone(),
            presenter: self.presenter.clone(),
            records: self.records.clone(),
            workers: self.workers.clone(),
            media_names: self.media_names.clone(),
            questions: self.questions.clone(),
            collections: self.collections.clone(),
            audio: self.audio.clone(),
            authorizations: self.authorizations.clone(),
            submissions: self.submissions.clone(),
            guards: self.guards.clone(),
            tokens: self.tokens.clone(),
            agent: self.agent.as_ref().map(|agent| Box::new(agent.state())),
        }
    }

    /// Creates a relay that continues from a state. `config` may differ from the configuration before: a trunk with
    /// other settings is registered again, and a worker whose ports have changed starts with all of them free.
    pub(super) fn continue_from(mut config: Config, mut state: RelayState, now: Time) -> Self {
        config.sip.iter_mut().for_each(|sip| sip.admit_configured());
        let agent = config.sip.as_ref().map(|sip| {
            let settings = sip.user_agent.clone();
            Box::new(match state.agent.take() {
                Some(agent) => UserAgent::restore(settings, *agent),
                None => {
                    let mut seed = [0; 32];
                    state.random.fill_bytes(&mut seed);
                    UserAgent::new(settings, seed, now)
                }
            })
        });
        let mut relay = Self::resume(config, state, agent);
        relay.drain_agent(now);
        relay.reserve_ports(now);
        relay
    }

    /// Creates a relay from a state and a user agent, and renews its trunk if the configuration has another one.
    pub(super) fn resume(config: Config, state: RelayState, agent: Option<Box<UserAgent>>) -> Self {
        let mut relay = Self {
            users: ConfiguredUsers::new(&config),
            random: state.random,
            identifiers: state.identifiers,
            admission: CallAdmission::Open,
            clients: state.clients,
            checks: state.checks,
            offenses: state.offenses,
            locations: state.locations,
            accounts: state.accounts,
            deadlines: state.deadlines,
            calls: state.calls,
            presenter: state.presenter,
            records: state.records,
            workers: state.workers.configured(&config),
            media_names: state.media_names,
            questions: state.questions,
            collections: state.collections,
            audio: state.audio,
            authorizations: state.authorizations,
            submissions: state.submissions,
            guards: state.guards,
            tokens: state.tokens,
            agent,
            config,
            commands: VecDeque::new(),
            outputs: VecDeque::new(),
        };
        relay.renew_trunk();
        relay
    }
}
