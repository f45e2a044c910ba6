use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Register(u8, u64),
    Unregister(u8, u64),
    Bind(u8, u64),
    Unbind(u8, u64),
}

fn step() -> impl Strategy<Value = Step> {
    let user_and_id = || (0..3_u8, 0..6_u64);
    prop_oneof![
        user_and_id().prop_map(|(user, id)| Step::Register(user, id)),
        user_and_id().prop_map(|(user, id)| Step::Unregister(user, id)),
        // A binding belongs to one user.
        user_and_id().prop_map(|(user, id)| Step::Bind(user, u64::from(user) * 10 + id)),
        user_and_id().prop_map(|(user, id)| Step::Unbind(user, u64::from(user) * 10 + id)),
    ]
}

fn login(user: u8) -> LoginName {
    LoginName(format!("user{user}"))
}

proptest! {
    #[test]
    fn table_follows_every_registration_and_removal(steps in prop::collection::vec(step(), 0..60)) {
        let mut locations = Locations::default();
        let (mut sessions, mut phones) = (BTreeSet::new(), BTreeSet::new());
        for step in steps {
            match step {
                Step::Register(user, id) => {
                    locations.register(&login(user), SessionId(id));
                    sessions.insert((user, SessionId(id)));
                }
                Step::Unregister(user, id) => {
                    locations.unregister(&login(user), SessionId(id));
                    sessions.remove(&(user, SessionId(id)));
                }
                Step::Bind(user, id) => {
                    locations.bind(login(user), BindingId(id), Time::EPOCH);
                    phones.insert((user, BindingId(id)));
                }
                Step::Unbind(user, id) => {
                    locations.unbind(&login(user), BindingId(id));
                    phones.remove(&(user, BindingId(id)));
                }
            }
            for user in 0..3 {
                let of_user: Vec<SessionId> = locations.sessions(&login(user)).collect();
                prop_assert_eq!(&of_user, &sessions.iter().filter(|(of, _)| *of == user).map(|(_, id)| *id).collect::<Vec<_>>());
                let bound: Vec<BindingId> = locations.phones(&login(user)).collect();
                prop_assert_eq!(&bound, &phones.iter().filter(|(of, _)| *of == user).map(|(_, id)| *id).collect::<Vec<_>>());
                prop_assert_eq!(locations.is_registered(&login(user)), !of_user.is_empty() || !bound.is_empty());
            }
            prop_assert!(locations.ring_limits.keys().copied().eq(phones.iter().map(|(_, id)| *id)));
        }
    }
}

#[test]
fn calls_that_begin_to_ring_are_limited_until_phone_is_gone() {
    let mut locations = Locations::default();
    assert!(!locations.take_ring(BindingId(1), Time::EPOCH), "the phone is not registered");
    locations.bind(login(1), BindingId(1), Time::EPOCH);
    let allowed = (0..100).filter(|_| locations.take_ring(BindingId(1), Time::EPOCH)).count();
    // A repeated registration does not fill the bucket.
    locations.bind(login(1), BindingId(1), Time::EPOCH);
    assert!(allowed < 100 && !locations.take_ring(BindingId(1), Time::EPOCH));
    locations.unbind(&login(1), BindingId(1));
    locations.bind(login(1), BindingId(1), Time::EPOCH);
    assert!(locations.take_ring(BindingId(1), Time::EPOCH));
}
