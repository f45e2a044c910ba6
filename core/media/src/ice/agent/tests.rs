use super::{Checked, LiteAgent, MAX_PAIRS, Pair};
use crate::ice::stun::{BindingRequest, write_check};
use offhook_clock::Time;
use offhook_sdp::webrtc::IceCredentials;

fn agent() -> LiteAgent {
    LiteAgent::new(IceCredentials { ufrag: "local".to_owned(), pwd: "secret".to_owned() })
}

fn pair(port: u16) -> Pair {
    Pair { local: "192.0.2.1:5000".parse().unwrap(), remote: ([198, 51, 100, 7], port).into() }
}

fn check(agent: &mut LiteAgent, port: u16, password: &str, nominate: bool) -> Checked {
    let (mut octets, mut response) = (Vec::new(), Vec::new());
    write_check(&[1; 12], "local:remote", password, nominate, &mut octets);
    agent.check(&BindingRequest::parse(&octets).unwrap(), pair(port), Time::EPOCH, &mut response)
}

fn valid(is_new: bool, selected: bool) -> Checked {
    Checked::Valid { is_new, selected, evicted: None }
}

#[test]
fn newest_nomination_is_used() {
    let mut agent = agent();
    assert_eq!(check(&mut agent, 1, "secret", false), valid(true, false));
    assert_eq!(agent.nominated(), None);
    assert_eq!(check(&mut agent, 1, "secret", true), valid(false, true));
    assert_eq!(check(&mut agent, 1, "secret", true), valid(false, false));
    assert_eq!(check(&mut agent, 2, "secret", true), valid(true, true));
    assert_eq!(agent.nominated(), Some(pair(2)));
}

#[test]
fn check_with_wrong_password_changes_nothing() {
    let mut agent = agent();
    assert_eq!(check(&mut agent, 1, "guess", true), Checked::Refused);
    assert_eq!((agent.nominated(), agent.last_check(), agent.pairs().len()), (None, None, 0));
}

#[test]
fn pairs_are_bounded() {
    let mut agent = agent();
    for port in 1..100 {
        check(&mut agent, port, "secret", false);
    }
    assert_eq!(agent.pairs().len(), MAX_PAIRS);
}

#[test]
fn oldest_unnominated_pair_is_evicted() {
    let mut agent = agent();
    check(&mut agent, 1, "secret", true);
    for port in 2..65 {
        assert_eq!(check(&mut agent, port, "secret", false), valid(true, false));
    }
    let evicts = |port| Checked::Valid { is_new: true, selected: false, evicted: Some(pair(port)) };
    assert_eq!(check(&mut agent, 65, "secret", false), evicts(2));
    assert_eq!(check(&mut agent, 65, "secret", false), valid(false, false));
    assert_eq!(check(&mut agent, 2, "secret", false), evicts(3));
    assert_eq!(agent.nominated(), Some(pair(1)));
    assert!(agent.pairs().contains(&pair(1)));
}

#[test]
fn check_of_controlled_peer_is_rejected_with_487() {
    let mut agent = LiteAgent::new(IceCredentials { ufrag: "local".to_owned(), pwd: "secret".to_owned() });
    let mut octets = Vec::new();
    write_check(&[1; 12], "local:remote", "secret", true, &mut octets);
    // Replaces ICE-CONTROLLING by ICE-CONTROLLED and signs the check again.
    let at = octets.windows(4).position(|w| w == [0x80, 0x2a, 0, 8]).unwrap();
    octets[at + 1] = 0x29;
    octets.truncate(octets.len() - 32);
    super::super::stun::finish(Some("secret"), &mut octets);
    let mut response = Vec::new();
    let request = BindingRequest::parse(&octets).unwrap();
    assert_eq!(agent.check(&request, pair(1), Time::EPOCH, &mut response), Checked::Refused);
    assert_eq!(response[24..28], [0, 0, 4, 87]);
}

#[test]
fn without_nomination_last_checked_pair_is_preferred() {
    let mut agent = agent();
    for port in [1, 2, 1] {
        check(&mut agent, port, "secret", false);
        assert_eq!((agent.preferred(), agent.nominated()), (Some(pair(port)), None));
    }
    check(&mut agent, 3, "secret", true);
    check(&mut agent, 1, "secret", false);
    assert_eq!(agent.preferred(), Some(pair(3)), "a nomination takes precedence over a check");
}

#[test]
fn check_after_restart_takes_precedence_over_nomination() {
    let mut agent = agent();
    check(&mut agent, 1, "secret", true);
    check(&mut agent, 2, "secret", false);
    for _ in 0..2 {
        agent.restart(IceCredentials { ufrag: "local".to_owned(), pwd: "other".to_owned() });
        assert_eq!(check(&mut agent, 2, "secret", true), Checked::Refused);
        assert_eq!(agent.preferred(), Some(pair(1)), "the previous pair stays in use");
    }
    check(&mut agent, 2, "other", false);
    assert_eq!((agent.preferred(), agent.nominated()), (Some(pair(2)), Some(pair(1))));
    check(&mut agent, 1, "other", true);
    check(&mut agent, 2, "other", false);
    assert_eq!(agent.preferred(), Some(pair(1)), "nominated after the restart");
}

#[test]
fn replaced_peer_is_preferred_without_nomination() {
    let mut agent = agent();
    check(&mut agent, 1, "secret", true);
    agent.mark_outdated();
    assert_eq!(agent.preferred(), Some(pair(1)));
    check(&mut agent, 2, "secret", false);
    assert_eq!(agent.preferred(), Some(pair(2)));
}
