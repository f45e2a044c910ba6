//! Calls that the application places and connects, without a browser.

use super::Relay;
use super::call_table::{LegEndpoint, LegEntry};
use super::calls::involved_sessions;
use super::participants::{Alert, CallPlan};
use super::routing::Source;
use super::routing_questions::PlacedCall;
use super::sip_accounts::Registration;
use super::sip_options::{PageAccount, RequestedServer, page_account, selects_relay};
use crate::address::shortened;
use crate::call::{Application, Call, CallKey, SessionId, Side};
use crate::command::{Accepted, ApplicationCall, CallRef, CallingAccount, CommandError, CommandResult};
use offhook_clock::Time;
use offhook_media::command::LegKey;
use offhook_signaling::message::{CallId, SipOptions};
use offhook_signaling::server::close_code;
use offhook_sip::user_agent::io::AccountId;

impl Relay {
    /// Places a call of the application. A call through an account that registers waits for its registration.
    pub(super) fn start(&mut self, new_call: ApplicationCall, now: Time) -> CommandResult {
        let ApplicationCall { call_id, caller, callee, visible_name, anonymous, account } = new_call;
        let call_id = call_id.unwrap_or_else(|| CallId(self.token()));
        if self.calls.has_call_id(&call_id) {
            return Err(CommandError::CallIdInUse);
        }
        let account = match account {
            CallingAccount::Relay => None,
            CallingAccount::Configured(login) => {
                Some(self.configured_account(&login).ok_or(CommandError::UnknownAccount)?)
            }
            CallingAccount::Given(options) => self.account_of_application(&options)?,
        };
        let leg = LegKey(self.fresh_id());
        let account = account.map(|account| self.use_account_for_call(account, leg));
        let name = visible_name.filter(|name| !name.is_empty());
        let alert = Alert {
            is_named: name.is_some(),
            visible_name: shortened(&name.unwrap_or_else(|| caller.to_string())).to_owned(),
            anonymous,
            ..Alert::new(caller, callee)
        };
        let source = Source::Application(account);
        let targets = self.route(&source, &alert.callee);
        let worker = self.choose_worker(&involved_sessions(None, targets.as_deref().unwrap_or_default()));
        let plan = CallPlan { call: CallKey(self.fresh_id()), worker, sections: 1 };
        let endpoint = LegEndpoint::Application { call_id: call_id.clone(), account };
        self.calls.insert_leg(leg, LegEntry { call: plan.call, worker, endpoint });
        let side = Side::Application(Application { call_id, account });
        let caller = alert.participant(leg, alert.caller.to_string(), false, side);
        self.report(plan.call, caller.placed(), false, now);
        let placed = PlacedCall { plan, caller, offer: None, alert };
        let registering = account.filter(|account| self.waits_for_registration(*account));
        match (self.admission.check(), registering) {
            (Err(reason), _) => self.begin_placed(placed, Err(reason.into()), now),
            (Ok(()), Some(account)) => self.await_registration(account, placed, now),
            (Ok(()), None) => self.route_placed(source, placed, now),
        }
        Ok(Accepted::Placed(CallRef { call: plan.call, leg }))
    }

    /// Returns the account that a command of the application describes; `None` if it describes the relay itself.
    fn account_of_application(&self, options: &SipOptions) -> Result<Option<PageAccount>, CommandError> {
        let has_server = [&options.domain, &options.outbound_proxy].into_iter().flatten().any(|host| !host.is_empty());
        if !has_server || selects_relay(options, None, &self.config) {
            return Ok(None);
        }
        let config = self.config.sip.as_deref().ok_or(CommandError::ServerNotAllowed)?;
        let login = options.login.as_deref().filter(|login| !login.is_empty()).ok_or(CommandError::BadAccount)?;
        match page_account(options, login, options.password.clone(), config).map_err(|_| CommandError::BadAccount)? {
            RequestedServer::None => Ok(None),
            RequestedServer::Refused(_) => Err(CommandError::ServerNotAllowed),
            RequestedServer::Account(account) => Ok(Some(*account)),
        }
    }

    fn waits_for_registration(&self, account: AccountId) -> bool {
        let account = self.accounts.get(account);
        account.is_some_and(|account| {
            account.settings().registrar.is_some() && account.registration() == Registration::Requested
        })
    }

    /// Ends a client session by a command of the application.
    pub(super) fn end_session(&mut self, session: SessionId, now: Time) -> CommandResult {
        if self.clients.get(session).is_none() {
            return Err(CommandError::UnknownSession);
        }
        self.dismiss(session, close_code::POLICY, "the application has ended the session".to_owned(), now);
        Ok(Accepted::Passed)
    }

    /// Connects the other participants of two calls of the application.
    pub(super) fn bridge(&mut self, call: CallKey, other: CallKey, now: Time) -> CommandResult {
        let at = self.leg_of_application(call)?;
        let other = self.leg_of_application(other)?;
        self.transfer_attended(at, other, now)
    }

    fn leg_of_application(&self, call: CallKey) -> Result<CallRef, CommandError> {
        let known = self.calls.get(call).ok_or(CommandError::UnknownCall)?;
        let leg = Call::application(known).ok_or(CommandError::NotOfApplication)?;
        Ok(CallRef { call, leg })
    }
}
