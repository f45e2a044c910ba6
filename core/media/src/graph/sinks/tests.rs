use super::{Sink, Sinks};
use crate::command::LegKey;
use crate::leg::LegIndex;

fn sink(number: u64) -> Sink {
    Sink::Local { leg: LegKey(number), at: LegIndex::at(0), stream: 0 }
}

fn all(sinks: &Sinks) -> Vec<Sink> {
    (0..).map_while(|index| sinks.get(index)).collect()
}

#[test]
fn removal_keeps_order_of_other_sinks() {
    for removed in 1..=3 {
        let mut sinks = Sinks::default();
        assert!(sinks.is_empty());
        (1..=3).for_each(|number| sinks.add(sink(number)));
        sinks.retain(|kept| kept != sink(removed));
        let expected: Vec<Sink> = (1..=3).filter(|number| *number != removed).map(sink).collect();
        assert_eq!(all(&sinks), expected);
        sinks.retain(|_| false);
        assert!(sinks.is_empty() && all(&sinks).is_empty());
        sinks.add(Sink::Across);
        assert_eq!(all(&sinks), [Sink::Across]);
    }
}
