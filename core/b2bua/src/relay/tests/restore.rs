//! Restored relays: the configuration is not part of the state.

use super::super::Relay;
use super::super::state::RelayState;
use super::sip_phones::with_trunk;
use super::{Bench, config, sip_config, with_sip};
use crate::config::{Config, LoginName, Sip};
use offhook_secret::InClear;
use offhook_sip::auth::{Secret, Verifier};
use offhook_sip::user_agent::io::{Command, PhoneUser};

fn saved(relay: &Relay) -> (String, RelayState) {
    let saved = serde_json::to_string(&InClear(&relay.state())).unwrap();
    let state = serde_json::from_str(&saved).unwrap();
    (saved, state)
}

#[test]
fn state_has_no_configuration() {
    let phone = PhoneUser { user: "desk-phone".to_owned(), verifier: Verifier::Password(Secret::new("phone-secret")) };
    let mut sip = Sip { ..sip_config() };
    sip.user_agent.phones.push(phone);
    sip.user_agent.domain = "domain-in-configuration.test".to_owned();
    let accounts = [LoginName("login-in-configuration".to_owned())].into();
    let config = Config { accounts, sip: Some(Box::new(sip)), ..config() };
    let relay = Relay::new(config.clone(), [1; 32], offhook_clock::Time::EPOCH);
    let (saved, state) = saved(&relay);
    for text in ["desk-phone", "phone-secret", "domain-in-configuration", "login-in-configuration"] {
        assert!(!saved.contains(text), "{text}");
    }
    let restored = Relay::continue_from(config, state, offhook_clock::Time::EPOCH);
    assert!(restored.users.has_phone(&LoginName("desk-phone".to_owned())));
}

#[test]
fn restored_relay_has_present_configuration() {
    let mut bench = Bench::new(config());
    let alice = bench.login("alice");
    bench.login("bob");
    let (_, state) = saved(&bench.relay);
    bench.relay = Relay::resume(Config { max_calls_per_session: 0, ..config() }, state, None);
    bench.call(alice, "a1", "bob");
    assert_eq!(bench.names(alice), ["notifyTryingResponse TRYING", "finish FAILED"]);
    bench.assert_no_leak(&[]);
}

#[test]
fn changed_trunk_is_registered_again() {
    let mut bench = Bench::new(with_trunk());
    let before = bench.relay.accounts.trunk().unwrap();
    bench.relay.commands.clear();
    let (_, state) = saved(&bench.relay);
    let same = Relay::resume(with_trunk(), state.clone(), None);
    assert!(same.commands.is_empty() && same.accounts.is_trunk(before));

    let mut config = with_trunk();
    let trunk = config.sip.as_mut().and_then(|sip| sip.trunk.as_mut()).unwrap();
    trunk.account.identity.uri = "sip:other@example.org".parse().unwrap();
    let changed = Relay::resume(config, state.clone(), None);
    let [Command::RemoveAccount { account }, Command::AddAccount { settings, .. }] =
        changed.commands.iter().collect::<Vec<_>>()[..]
    else {
        panic!("{:?}", changed.commands)
    };
    assert_eq!((*account, settings.identity.uri.to_string().as_str()), (before, "sip:other@example.org"));
    assert_eq!(changed.accounts.len(), 1);

    let removed = Relay::resume(with_sip(), state, None);
    assert_eq!(removed.commands, [Command::RemoveAccount { account: before }]);
    assert_eq!((removed.accounts.trunk(), removed.accounts.len()), (None, 0));
}
