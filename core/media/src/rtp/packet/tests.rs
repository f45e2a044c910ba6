use super::{Header, payload};
use proptest::prelude::*;

proptest! {
    #[test]
    fn written_header_is_parsed(
        fields: (bool, u16, u32, u32),
        payload_type in 0_u8..128,
        elements in prop::collection::vec((1_u8..=255, prop::collection::vec(any::<u8>(), 0..40)), 0..6),
        body in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut header = Header::new(payload_type, fields.1, fields.2, fields.3);
        header.marker = fields.0;
        let borrowed: Vec<(u8, &[u8])> = elements.iter().map(|(id, data)| (*id, data.as_slice())).collect();
        let mut packet = Vec::new();
        header.write(&borrowed, &mut packet);
        packet.extend_from_slice(&body);
        let read = Header::parse(&packet).unwrap();
        prop_assert_eq!(read, header);
        prop_assert_eq!(read.elements(&packet).collect::<Vec<_>>(), borrowed);
        prop_assert_eq!(payload(&packet, &read), Some(body.as_slice()));
    }
}

#[test]
fn padding_is_removed_and_validated() {
    let mut packet = vec![0xa0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 7, 8, 0, 2];
    let header = Header::parse(&packet).unwrap();
    assert_eq!(payload(&packet, &header), Some(&[7, 8][..]));
    packet[15] = 5;
    assert_eq!(payload(&packet, &header), None);
    packet[15] = 0;
    assert_eq!(payload(&packet, &header), None);
}

#[test]
fn contributing_sources_are_skipped() {
    let packet = [0x82, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 1, 1, 1, 1, 2, 2, 2, 2, 9];
    assert_eq!(Header::parse(&packet).unwrap().length, 20);
    assert_eq!(Header::parse(&packet[..19]), None);
}
