use super::{Compound, Feedback, NACK, PSFB, RTPFB, SDES, SR, SenderReport};
use crate::rtcp::write;
use proptest::prelude::*;

#[test]
fn compound_is_parsed_packet_by_packet() {
    let mut out = Vec::new();
    let figures = write::SenderFigures { ssrc: 7, ntp: 1 << 33, timestamp: 9, packets: 1, octets: 2 };
    write::sender_report(&figures, &[], &mut out);
    write::source_description(7, "name", &mut out);
    write::full_intra_request(7, 8, 3, &mut out);
    write::remb(7, [1, 2, 3, 4], 9, &mut out);
    let chunks: Vec<_> = Compound::new(&out).collect();
    assert_eq!(chunks.iter().map(|chunk| chunk.kind).collect::<Vec<_>>(), [SR, SDES, PSFB, PSFB]);
    assert_eq!(SenderReport::parse(chunks[0].body), Some(SenderReport { ssrc: 7, ntp: 1 << 33, timestamp: 9 }));
    assert_eq!(Feedback::parse(chunks[2].body).unwrap().asked().collect::<Vec<_>>(), [8]);
    let feedback = Feedback::parse(chunks[3].body).unwrap();
    let remb = feedback.remb().unwrap();
    assert_eq!((remb.rate, remb.sources), ([1, 2, 3, 4], &[[0, 0, 0, 9]][..]));
}

#[test]
fn wrong_length_ends_compound() {
    assert_eq!(Compound::new(&[0x80, 200, 0, 9, 0, 0, 0, 0]).count(), 0);
    assert_eq!(Compound::new(&[0xa0, 201, 0, 1, 0, 0, 0, 9]).count(), 0, "padding is longer than the packet");
    assert_eq!(Compound::new(&[0x40, 201, 0, 0]).count(), 0, "another version");
}

proptest! {
    #[test]
    fn written_nack_is_parsed(first: u16, steps in prop::collection::vec(1_u16..40, 0..30)) {
        let mut lost = vec![first];
        for step in steps {
            lost.push(lost.last().unwrap().wrapping_add(step));
        }
        let mut out = Vec::new();
        write::nack(1, 2, &lost, &mut out);
        let chunk = Compound::new(&out).next().unwrap();
        prop_assert_eq!((chunk.kind, chunk.count), (RTPFB, NACK));
        prop_assert_eq!(Feedback::parse(chunk.body).unwrap().lost().collect::<Vec<_>>(), lost);
    }
}
