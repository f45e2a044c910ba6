//! Addition and removal of accounts, and their registration at SIP servers.

use super::UserAgent;
use super::accounts::routes;
use super::context::own_contact;
use super::identity::address_of;
use super::io::{self, Account, AccountId, Event};
use crate::message::{HeaderName, Request, Response, Uri};
use crate::registration::{self, ManyOutput as Output, RegistrationSettings};
use crate::transaction;
use crate::transaction::layer::{ClientKey, Destination};
use crate::transport::{self, Source};
use offhook_clock::Time;

impl UserAgent {
    pub(super) fn add_account(&mut self, id: AccountId, account: Account, now: Time) {
        match settings(&account) {
            Some(settings) => self.registrations.add(id, settings, account.transport, now),
            // The account with the same number that this one replaces may be registered.
            None => {
                self.registrations.remove(id, now);
            }
        }
        self.accounts.add(id, account);
        self.schedule_probe(id, now);
        self.track_servers(id, now);
    }

    pub(super) fn remove_account(&mut self, account: AccountId, now: Time) {
        let is_known = self.accounts.remove(account).is_some();
        self.schedule_probe(account, now);
        self.track_servers(account, now);
        if !self.registrations.remove(account, now) && is_known {
            self.context.report(Event::Unregistered { account });
        }
    }

    /// Processes a response to a REGISTER. Returns false if it belongs to another request.
    pub(super) fn handle_registration_response(
        &mut self,
        key: ClientKey,
        response: &Response,
        source: &Source,
        now: Time,
    ) -> bool {
        // A request that was replaced by a newer one is also answered.
        let account = self.registering.get(&key).copied();
        if !response.is_provisional() {
            self.registering.remove(&key);
        }
        if let Some(account) = account {
            self.accounts.note_response(account, source.remote.ip());
        }
        let is_registration = self.registrations.receive(key, response, source, now);
        if let Some(account) = account.filter(|_| is_registration && response.is_success()) {
            self.accounts.set_home(account, source.remote.ip());
        }
        is_registration
    }

    /// Processes the failure of a REGISTER. Returns false if it belongs to another request.
    pub(super) fn handle_registration_failure(
        &mut self,
        key: ClientKey,
        failure: transaction::Failure,
        now: Time,
    ) -> bool {
        self.registering.remove(&key);
        self.registrations.failed(key, failure, now)
    }

    /// Forwards the outputs of the registrations. Returns false if there were none.
    pub(super) fn drain_registrations(&mut self, now: Time) -> bool {
        let mut is_busy = false;
        while let Some(output) = self.registrations.poll_output() {
            is_busy = true;
            match output {
                Output::Request { account, request, destination } => {
                    self.send_register(account, *request, destination, now);
                }
                Output::Ping(flow) => self.context.layer.ping(flow),
                Output::Close(flow) => {
                    self.context.outputs.push_back(io::Output::Transport(transport::io::Output::Close { flow }));
                }
                Output::Event { account, event } => self.context.report(account_event(account, event)),
            }
        }
        is_busy
    }

    fn send_register(&mut self, account: AccountId, mut request: Request, destination: Destination, now: Time) {
        let named_by = self.accounts.registrar_named_by(account, &destination);
        let Some(destination) = self.context.settings.narrow(destination, named_by) else {
            return self.registrations.refused(account, now);
        };
        request.headers.set(HeaderName::UserAgent, &self.context.settings.product);
        let key = self.context.layer.request(request, destination, now);
        self.registering.insert(key, account);
        self.registrations.sent(account, key);
    }
}

fn account_event(account: AccountId, event: registration::Event) -> Event {
    match event {
        registration::Event::Registered { expires } => Event::Registered { account, expires },
        registration::Event::Failed { failure, retry_at } => Event::RegistrationFailed { account, failure, retry_at },
        registration::Event::Unregistered => Event::Unregistered { account },
    }
}

/// Derives the registration settings of an account. Returns `None` if it does not register.
fn settings(account: &Account) -> Option<RegistrationSettings> {
    let registrar = account.registrar.clone()?;
    let is_secure = registrar.is_secure();
    Some(RegistrationSettings {
        identity: address_of(&account.identity),
        registrar: Uri::Sip(registrar),
        route: routes(account, &[]),
        contact: own_contact(&account.contact_user, is_secure),
        expires: account.expires,
        login: account.login.clone(),
        refused_wait: account.persists.then_some(account.retry_interval),
    })
}
