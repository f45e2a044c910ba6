//! Tests of message framing in streams, split at every position.

use crate::message::MAX_SIZE;
use crate::message::framing::{Splitter, StreamFrame, Unframed};

const MESSAGE: &str = "OPTIONS sip:a@example.org SIP/2.0\r\nCall-ID: 1\r\nl: 5\r\n\r\nhello";

fn frames(splitter: &mut Splitter) -> Vec<StreamFrame> {
    core::iter::from_fn(|| splitter.next_frame().unwrap()).collect()
}

fn split_all(pieces: &[&[u8]]) -> Vec<StreamFrame> {
    let mut splitter = Splitter::new();
    let mut found = Vec::new();
    for piece in pieces {
        splitter.push(piece);
        found.extend(frames(&mut splitter));
    }
    assert_eq!(splitter.pending(), 0, "no octets remain");
    found
}

#[test]
fn message_is_complete_for_every_segmentation() {
    let message = StreamFrame::Message(MESSAGE.into());
    for at in 0..MESSAGE.len() {
        let (a, b) = MESSAGE.as_bytes().split_at(at);
        assert_eq!(split_all(&[a, b]), core::slice::from_ref(&message), "cut at {at}");
    }
    let octets: Vec<&[u8]> = MESSAGE.as_bytes().chunks(1).collect();
    assert_eq!(split_all(&octets), [message]);
}

#[test]
fn frames_are_returned_in_order() {
    let stream = format!("\r\n\r\n{MESSAGE}{MESSAGE}\r\n{MESSAGE}\r\n\r\n");
    let message = || StreamFrame::Message(MESSAGE.into());
    assert_eq!(
        split_all(&[stream.as_bytes()]),
        [StreamFrame::Ping, message(), message(), StreamFrame::Pong, message(), StreamFrame::Ping]
    );
    assert_eq!(split_all(&[b"\r", b"\n\r", b"\n"]), [StreamFrame::Ping]);
    assert_eq!(split_all(&[b"\r", b"\n"]), [StreamFrame::Pong]);
}

#[test]
fn invalid_length_makes_the_stream_unusable() {
    let cases = [
        (MESSAGE.replace("l: 5\r\n", ""), Unframed::NoLength),
        (MESSAGE.replace("l: 5", "l: -5"), Unframed::WrongLength),
        (MESSAGE.replace("l: 5", "l: 5\r\nContent-Length: 6"), Unframed::WrongLength),
        (MESSAGE.replace("l: 5", "l: 99999999999999999999999"), Unframed::WrongLength),
        (MESSAGE.replace("l: 5", "l: 65535"), Unframed::TooLarge),
        ("x".repeat(MAX_SIZE + 1), Unframed::TooLarge),
    ];
    for (stream, why) in cases {
        let mut splitter = Splitter::new();
        splitter.push(stream.as_bytes());
        assert_eq!(splitter.next_frame(), Err(why));
        splitter.push(MESSAGE.as_bytes());
        assert_eq!(
            (splitter.next_frame(), splitter.pending()),
            (Err(why), 0),
            "a stream without known boundaries is not buffered"
        );
    }
}

#[test]
fn folded_content_length_is_framed_as_parsed() {
    let stream = MESSAGE.replace("l: 5", "Content-Length :\r\n 5").replace('\r', "");
    assert_eq!(split_all(&[stream.as_bytes()]), [StreamFrame::Message(stream.clone().into())]);
}

#[test]
fn splitter_continues_after_serialization() {
    let (a, b) = MESSAGE.as_bytes().split_at(57);
    let mut splitter = Splitter::new();
    splitter.push(a);
    assert_eq!(splitter.next_frame(), Ok(None));
    let mut splitter: Splitter = serde_json::from_str(&serde_json::to_string(&splitter).unwrap()).unwrap();
    splitter.push(b);
    assert_eq!(frames(&mut splitter), [StreamFrame::Message(MESSAGE.into())]);
}
