use super::*;
use crate::relay::sip_options::{RequestedServer, page_account};
use crate::relay::tests::sip_config;
use offhook_signaling::message::SipOptions;
use proptest::prelude::*;

fn account(user: u8, password: u8) -> PageAccount {
    let options = SipOptions { domain: Some("example.org".to_owned()), ..SipOptions::default() };
    match page_account(&options, &format!("user{user}"), Some(format!("secret{password}")), &sip_config()) {
        Ok(RequestedServer::Account(account)) => *account,
        other => panic!("no account: {other:?}"),
    }
}

/// One operation: a session that logs in with user and password, or leaves, and registration results.
#[derive(Clone, Debug)]
enum Step {
    Login { session: u64, user: u8, password: u8 },
    Leave { session: u64 },
    Accepted { user: u8 },
    Lost { user: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..8_u64, 0..3_u8, 0..2_u8).prop_map(|(session, user, password)| Step::Login { session, user, password }),
        (0..8_u64).prop_map(|session| Step::Leave { session }),
        (0..3_u8).prop_map(|user| Step::Accepted { user }),
        (0..3_u8).prop_map(|user| Step::Lost { user }),
    ]
}

fn assert_indexes(accounts: &SipAccounts) {
    let indexed: BTreeSet<AccountId> = accounts.by_address.values().flatten().copied().collect();
    assert_eq!(indexed, accounts.accounts.keys().copied().collect());
    for (uri, ids) in &accounts.by_address {
        assert!(
            !ids.is_empty() && ids.iter().all(|id| accounts.accounts[id].settings.identity.uri.to_string() == *uri)
        );
    }
    assert!(accounts.accounts.values().all(|account| !account.sessions.is_empty()));
    let accepted = accounts.accounts.values().filter(|account| account.registration == Registration::Accepted);
    assert_eq!(accounts.registered(), accepted.count());
}

proptest! {
    #[test]
    fn indexes_follow_every_insertion_and_removal(steps in prop::collection::vec(step(), 0..60)) {
        let mut accounts = SipAccounts::default();
        let mut used: BTreeMap<u64, AccountId> = BTreeMap::new();
        let mut next = 0;
        for step in steps {
            match step {
                Step::Login { session, .. } if used.contains_key(&session) => {}
                Step::Login { session, user, password } => {
                    let asked = account(user, password);
                    let id = accounts.find(&asked).inspect(|id| accounts.join(*id, SessionId(session)));
                    let id = id.unwrap_or_else(|| {
                        next += 1;
                        accounts.insert(AccountId(next), asked);
                        accounts.join(AccountId(next), SessionId(session));
                        AccountId(next)
                    });
                    used.insert(session, id);
                }
                Step::Leave { session } => {
                    if let Some(id) = used.remove(&session) {
                        let removed = accounts.leave(id, SessionId(session));
                        prop_assert_eq!(removed, !used.values().any(|other| *other == id));
                    }
                }
                Step::Accepted { user } => {
                    accounts.find(&account(user, 0)).into_iter().for_each(|id| accounts.accept(id));
                }
                Step::Lost { user } => {
                    accounts.find(&account(user, 0)).into_iter().for_each(|id| accounts.fail(id, String::new()));
                }
            }
            assert_indexes(&accounts);
        }
        for (session, id) in used {
            accounts.leave(id, SessionId(session));
        }
        prop_assert!(accounts.is_empty() && accounts.registered() == 0);
    }
}

#[test]
fn sessions_with_another_password_do_not_share_account() {
    let mut accounts = SipAccounts::default();
    accounts.insert(AccountId(1), account(1, 1));
    assert_eq!(accounts.find(&account(1, 1)), Some(AccountId(1)));
    assert_eq!(accounts.find(&account(1, 2)), None);
    assert_eq!(accounts.find(&PageAccount { is_configured: true, ..account(1, 1) }), None);
}

#[test]
fn account_remains_while_session_or_call_uses_it() {
    let mut accounts = SipAccounts::default();
    let (id, session, call) = (AccountId(1), SessionId(1), LegKey(2));
    accounts.insert(id, account(1, 1));
    accounts.join(id, session);
    accounts.join_call(id, call);
    assert!(!accounts.leave(id, session) && accounts.get(id).is_some());
    assert!(accounts.leave_call(id, call) && accounts.is_empty());
    assert!(!accounts.leave_call(id, call));
}

#[test]
fn trunk_is_shared_with_no_session() {
    let mut accounts = SipAccounts::default();
    accounts.insert_trunk(AccountId(1), account(1, 1));
    assert_eq!(accounts.find(&account(1, 1)), None);
    assert!(accounts.is_operators(AccountId(1)) && accounts.is_trunk(AccountId(1)));
}

#[test]
fn refused_server_is_logged_once() {
    let mut accounts = SipAccounts::default();
    assert!(accounts.note_refused_server("pbx.example"));
    assert!(!accounts.note_refused_server("pbx.example"));
}
