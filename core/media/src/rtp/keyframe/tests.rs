use super::super::encoding::Encoding;
use super::{KeyFrame, inspect};
use proptest::prelude::*;

#[test]
fn key_frames_of_vp8_are_seen_behind_every_descriptor() {
    assert_eq!(inspect(Encoding::from_name("vp8"), &[0x10, 0x00]), KeyFrame::Begins);
    assert_eq!(inspect(Encoding::from_name("VP8"), &[0x10, 0x01]), KeyFrame::No);
    assert_eq!(inspect(Encoding::from_name("VP8"), &[0x00, 0x00]), KeyFrame::No, "not the beginning of a frame");
    assert_eq!(inspect(Encoding::from_name("VP8"), &[0x90, 0xf0, 0x81, 0x02, 0x03, 0x04, 0x00]), KeyFrame::Begins);
    assert_eq!(inspect(Encoding::from_name("VP8"), &[0x90, 0x80, 0x01, 0x01]), KeyFrame::No);
}

#[test]
fn key_frames_of_h264_are_seen_alone_aggregated_and_fragmented() {
    for key in [&[0x67, 0][..], &[0x65, 0], &[0x78, 0, 4, 0x67], &[0x7c, 0x85]] {
        assert_eq!(inspect(Encoding::from_name("H264"), key), KeyFrame::Begins);
    }
    for other in [&[0x61, 0][..], &[0x7c, 0x05], &[0x7c, 0x81], &[]] {
        assert_eq!(inspect(Encoding::from_name("H264"), other), KeyFrame::No);
    }
}

#[test]
fn a_codec_that_is_not_known_is_not_judged() {
    assert_eq!(inspect(Encoding::from_name("AV1"), &[1, 2]), KeyFrame::Unknown);
}

proptest! {
    #[test]
    fn arbitrary_octets_never_panic(data in prop::collection::vec(any::<u8>(), 0..20)) {
        for name in ["VP8", "VP9", "H264"] {
            let _ = inspect(Encoding::from_name(name), &data);
        }
    }
}
