use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Browser { call: u64, session: u64 },
    Sip { call: u64, phone: Option<u64>, has_mark: bool, is_webrtc: bool, ports: u16 },
    Move { leg: usize, call: u64 },
    ReleasePort { leg: usize },
    Remove { leg: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let call = || 0..4_u64;
    let leg = || 0..12_usize;
    prop_oneof![
        (call(), 0..3_u64).prop_map(|(call, session)| Step::Browser { call, session }),
        (call(), prop::option::of(0..3_u64), prop::bool::ANY, prop::bool::ANY, 0..3_u16).prop_map(
            |(call, phone, has_mark, is_webrtc, ports)| Step::Sip { call, phone, has_mark, is_webrtc, ports }
        ),
        (leg(), call()).prop_map(|(leg, call)| Step::Move { leg, call }),
        leg().prop_map(|leg| Step::ReleasePort { leg }),
        leg().prop_map(|leg| Step::Remove { leg }),
    ]
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

fn browser_leg(call: u64, session: u64, call_id: &str) -> LegEntry {
    let endpoint = LegEndpoint::Browser { session: SessionId(session), call_id: call_id.into() };
    LegEntry { call: CallKey(call), worker: WorkerId(0), endpoint }
}

fn sip_leg(call: u64, sip: SipLeg) -> LegEntry {
    LegEntry { call: CallKey(call), worker: WorkerId(1), endpoint: LegEndpoint::Sip(Box::new(sip)) }
}

fn plain(invite: u64) -> SipLeg {
    SipLeg {
        invite: InviteId::Outbound(invite),
        is_unknown: false,
        diverted_by: BTreeSet::new(),
        phone: None,
        mark: None,
        fragment: None,
        rtp: BTreeSet::new(),
    }
}

/// A table, and the number of the last leg.
#[derive(Default)]
struct World {
    table: CallTable,
    next: u16,
}

impl World {
    fn apply(&mut self, step: &Step) {
        self.next += 1;
        let (next, fresh) = (u64::from(self.next), LegKey(u64::from(self.next)));
        let pick = |leg: usize| self.table.legs().get(leg).copied();
        match *step {
            Step::Browser { call, session } => {
                self.table.insert_leg(fresh, browser_leg(call, session, &next.to_string()));
            }
            Step::Sip { call, phone, has_mark, is_webrtc, ports } => {
                let first = 4 * self.next;
                let leg = SipLeg {
                    phone: phone.map(BindingId),
                    mark: has_mark.then(|| next.to_string()),
                    fragment: is_webrtc.then(|| next.to_string()),
                    rtp: (0..ports).map(|port| address(first + port)).collect(),
                    ..plain(next)
                };
                self.table.insert_leg(fresh, sip_leg(call, leg));
            }
            Step::Move { leg, call } => {
                pick(leg).into_iter().for_each(|leg| self.table.move_leg(leg, CallKey(call)));
            }
            Step::ReleasePort { leg } => {
                let of_leg = pick(leg).and_then(|leg| self.table.by_rtp.iter().find(|(_, of)| **of == leg));
                let address = of_leg.map(|(address, _)| *address);
                self.table.release_rtp(address);
            }
            Step::Remove { leg } => {
                if let Some(leg) = pick(leg) {
                    self.table.remove_leg(leg);
                    self.table.forget_removed(&[leg]);
                }
            }
        }
    }

    /// Checks that the indexes are exactly those that the legs imply.
    fn assert_indexes(&self) {
        let mut expected = CallTable::default();
        for (leg, entry) in &self.table.legs {
            expected.insert_leg(*leg, entry.clone());
        }
        assert_eq!(self.table, expected);
    }
}

proptest! {
    #[test]
    fn indexes_have_exactly_the_present_legs(steps in prop::collection::vec(step(), 0..80)) {
        let mut world = World::default();
        for step in steps {
            world.apply(&step);
            world.assert_indexes();
        }
        let legs = world.table.legs();
        for leg in &legs {
            world.table.remove_leg(*leg);
        }
        world.table.forget_removed(&legs);
        prop_assert!(world.table.is_empty());
        prop_assert_eq!(world.table, CallTable::default());
    }
}

#[test]
fn leg_is_found_by_each_of_its_values() {
    let mut table = CallTable::default();
    let (browser, sip) = (LegKey(1), LegKey(2));
    table.insert_leg(browser, browser_leg(7, 3, "a"));
    let leg = SipLeg {
        is_unknown: true,
        diverted_by: ["carol".to_owned()].into(),
        phone: Some(BindingId(4)),
        mark: Some("mark".to_owned()),
        fragment: Some("ufrag".to_owned()),
        rtp: [address(4000)].into(),
        ..plain(5)
    };
    table.insert_leg(sip, sip_leg(7, leg));
    let at = |leg| CallRef { call: CallKey(7), leg };
    assert_eq!(table.by_call_id(SessionId(3), &"a".into()), Some(at(browser)));
    assert_eq!(table.of_session(SessionId(3)), [at(browser)]);
    assert_eq!(table.sessions_in(CallKey(7)).collect::<Vec<_>>(), [SessionId(3)]);
    assert_eq!(table.by_invite(InviteId::Outbound(5)), Some(at(sip)));
    assert_eq!(table.of_phone(BindingId(4)), [at(sip)]);
    assert_eq!([table.by_mark("mark"), table.by_fragment("ufrag"), table.by_rtp(address(4000))], [Some(sip); 3]);
    let invite = InviteId::Outbound(5);
    assert!(
        table.is_unknown(invite) && table.was_diverted_by(invite, "carol") && !table.was_diverted_by(invite, "dave")
    );
}

#[test]
fn worker_of_removed_leg_is_known_until_it_is_closed() {
    let mut table = CallTable::default();
    table.insert_leg(LegKey(1), sip_leg(7, plain(1)));
    table.remove_leg(LegKey(1));
    assert_eq!((table.call_of(LegKey(1)), table.worker_of(LegKey(1))), (None, Some(WorkerId(1))));
    table.forget_removed(&[LegKey(1)]);
    assert_eq!(table.worker_of(LegKey(1)), None);
}

#[test]
fn moved_leg_stays_on_its_worker() {
    let mut table = CallTable::default();
    table.insert_leg(LegKey(1), sip_leg(7, plain(1)));
    table.move_leg(LegKey(1), CallKey(8));
    assert_eq!((table.call_of(LegKey(1)), table.worker_of(LegKey(1))), (Some(CallKey(8)), Some(WorkerId(1))));
}
