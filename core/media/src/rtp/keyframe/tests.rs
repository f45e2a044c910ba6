use super::super::encoding::Encoding;
use super::{KeyFrame, inspect};
use proptest::prelude::*;

#[test]
fn vp8_key_frame_is_detected_behind_any_descriptor() {
    assert_eq!(inspect(Encoding::from_name("vp8"), &[0x10, 0x00]), KeyFrame::Begins);
    assert_eq!(inspect(Encoding::from_name("VP8"), &[0x10, 0x01]), KeyFrame::No);
    assert_eq!(inspect(Encoding::from_name("VP8"), &[0x00, 0x00]), KeyFrame::No, "not the first packet of a frame");
    assert_eq!(inspect(Encoding::from_name("VP8"), &[0x90, 0xf0, 0x81, 0x02, 0x03, 0x04, 0x00]), KeyFrame::Begins);
    assert_eq!(inspect(Encoding::from_name("VP8"), &[0x90, 0x80, 0x01, 0x01]), KeyFrame::No);
}

#[test]
fn h264_key_frame_is_detected_in_any_packetization() {
    for key in [&[0x67, 0][..], &[0x65, 0], &[0x78, 0, 4, 0x67], &[0x7c, 0x85]] {
        assert_eq!(inspect(Encoding::from_name("H264"), key), KeyFrame::Begins);
    }
    for other in [&[0x61, 0][..], &[0x7c, 0x05], &[0x7c, 0x81], &[]] {
        assert_eq!(inspect(Encoding::from_name("H264"), other), KeyFrame::No);
    }
}

#[test]
fn unknown_codec_gives_unknown() {
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
