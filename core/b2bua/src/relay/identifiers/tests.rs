use super::*;
use std::collections::BTreeSet;

#[test]
fn identifiers_of_nodes_are_distinct() {
    let (mut first, mut second, mut last) = (Identifiers::new(), Identifiers::new(), Identifiers::new());
    let minted = (0..100).flat_map(|_| [first.mint(0), second.mint(1), last.mint(u16::MAX)]);
    assert_eq!(minted.collect::<BTreeSet<_>>().len(), 300);
}

#[test]
fn identifiers_of_a_node_ascend() {
    let mut identifiers = Identifiers::new();
    let minted: Vec<u64> = (0..100).map(|_| identifiers.mint(7)).collect();
    assert!(minted.is_sorted() && minted[0] >> COUNTER_BITS == 7);
}
