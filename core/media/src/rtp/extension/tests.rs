use super::{Elements, write};

#[test]
fn one_byte_form_ends_at_15_skipping_padding() {
    let block = [0x10, 0xaa, 0, 0, 0x21, 1, 2, 0, 0xf0, 9, 9, 9];
    let elements: Vec<_> = Elements::new(0xbede, &block).collect();
    assert_eq!(elements, [(1, &[0xaa][..]), (2, &[1, 2][..])]);
}

#[test]
fn two_byte_form_is_used_only_if_needed() {
    let long = [7; 17];
    let mut out = Vec::new();
    assert_eq!(write(&[(1, &[1]), (2, &long)], &mut out), 0x1000);
    assert_eq!(out.len() % 4, 0);
    let elements: Vec<_> = Elements::new(0x1003, &out[4..]).collect();
    assert_eq!(elements, [(1, &[1][..]), (2, &long[..])]);
}

#[test]
fn truncated_element_ends_block() {
    assert_eq!(Elements::new(0xbede, &[0x13, 1]).count(), 0);
    assert_eq!(Elements::new(0x1000, &[1, 4, 1]).count(), 0);
    assert_eq!(Elements::new(0x1234, &[0x10, 1]).count(), 0);
}
