use super::Deadlines;
use crate::Time;

fn at(seconds: u64) -> Time {
    Time::from_micros(seconds * 1_000_000)
}

fn three() -> Deadlines<&'static str> {
    let mut deadlines = Deadlines::new();
    deadlines.set("late", Some(at(3)));
    deadlines.set("early", Some(at(1)));
    deadlines.set("also early", Some(at(1)));
    deadlines
}

#[test]
fn due_owners_are_popped_in_order_and_once() {
    let mut deadlines = three();
    assert_eq!(deadlines.next(), Some(at(1)));
    assert_eq!(deadlines.pop_due(at(0)), None);
    assert_eq!(deadlines.due(at(2)), ["also early", "early"]);
    assert_eq!(deadlines.pop_due(at(2)), Some((at(1), "also early")));
    assert_eq!(deadlines.pop_due(at(2)), Some((at(1), "early")));
    assert_eq!(deadlines.pop_due(at(2)), None);
    assert_eq!((deadlines.next(), deadlines.len()), (Some(at(3)), 1));
    assert_eq!(deadlines.pop_due(at(3)), Some((at(3), "late")), "a deadline has passed when it is now");
    assert!(deadlines.is_empty());
}

#[test]
fn new_deadline_replaces_the_old_one() {
    let mut deadlines = three();
    for (time, next) in [(Some(at(9)), at(1)), (Some(at(0)), at(0)), (Some(at(0)), at(0)), (None, at(1)), (None, at(1))]
    {
        deadlines.set("early", time);
        assert_eq!((deadlines.get(&"early"), deadlines.next()), (time, Some(next)));
    }
    assert_eq!(deadlines.due(at(9)), ["also early", "late"]);
}

#[test]
fn removed_owners_are_never_due() {
    let mut deadlines = three();
    deadlines.retain(|owner| *owner == "late");
    assert_eq!((deadlines.next(), deadlines.get(&"early"), deadlines.due(at(9))), (Some(at(3)), None, vec!["late"]));
}

/// A model of one deadline for each of 16 owners beside the real one.
#[test]
fn any_order_of_operations_agrees_with_a_plain_map() {
    let (mut deadlines, mut model) = (Deadlines::<u64>::new(), std::collections::BTreeMap::<u64, Time>::new());
    let mut state = 1_u64;
    for _ in 0..20_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (owner, time) = (state >> 60, at((state >> 50) & 0x3f));
        match (state >> 40) & 3 {
            0 => {
                deadlines.set(owner, None);
                model.remove(&owner);
            }
            1 => {
                let first = model.iter().map(|(owner, time)| (*time, *owner)).min().filter(|(due, _)| *due <= time);
                first.map(|(_, owner)| model.remove(&owner));
                assert_eq!(deadlines.pop_due(time), first);
            }
            _ => {
                deadlines.set(owner, Some(time));
                model.insert(owner, time);
            }
        }
        assert_eq!(deadlines.next(), model.values().min().copied());
        assert_eq!(deadlines.len(), model.len());
        assert_eq!(deadlines.in_order.len(), model.len());
    }
}

#[test]
fn pairs_make_the_same_deadlines_again() {
    let deadlines = three();
    let pairs: Vec<(&str, Time)> = deadlines.clone().into();
    assert_eq!(pairs, [("also early", at(1)), ("early", at(1)), ("late", at(3))]);
    assert_eq!(Deadlines::from(pairs), deadlines);
}
