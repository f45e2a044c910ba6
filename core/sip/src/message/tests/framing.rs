//! Streams, cut anywhere.

use crate::message::MAX_SIZE;
use crate::message::framing::{Frame, Splitter, Unframed};

const MESSAGE: &str = "OPTIONS sip:a@example.org SIP/2.0\r\nCall-ID: 1\r\nl: 5\r\n\r\nhello";

fn frames(splitter: &mut Splitter) -> Vec<Frame> {
    core::iter::from_fn(|| splitter.next_frame().unwrap()).collect()
}

fn split_all(pieces: &[&[u8]]) -> Vec<Frame> {
    let mut splitter = Splitter::new();
    let mut found = Vec::new();
    for piece in pieces {
        splitter.push(piece);
        found.extend(frames(&mut splitter));
    }
    assert_eq!(splitter.pending(), 0, "everything was taken out");
    found
}

#[test]
fn a_message_is_whole_wherever_the_stream_was_cut() {
    let message = Frame::Message(MESSAGE.into());
    for at in 0..MESSAGE.len() {
        let (a, b) = MESSAGE.as_bytes().split_at(at);
        assert_eq!(split_all(&[a, b]), core::slice::from_ref(&message), "cut at {at}");
    }
    let octets: Vec<&[u8]> = MESSAGE.as_bytes().chunks(1).collect();
    assert_eq!(split_all(&octets), [message]);
}

#[test]
fn messages_and_pings_come_out_in_their_order() {
    let stream = format!("\r\n\r\n{MESSAGE}{MESSAGE}\r\n{MESSAGE}\r\n\r\n");
    let message = || Frame::Message(MESSAGE.into());
    assert_eq!(
        split_all(&[stream.as_bytes()]),
        [Frame::Ping, message(), message(), Frame::Pong, message(), Frame::Ping]
    );
    assert_eq!(split_all(&[b"\r", b"\n\r", b"\n"]), [Frame::Ping]);
    assert_eq!(split_all(&[b"\r", b"\n"]), [Frame::Pong]);
}

#[test]
fn a_stream_is_lost_with_the_length_of_a_message() {
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
        assert_eq!((splitter.next_frame(), splitter.pending()), (Err(why), 0), "nothing is kept of a lost stream");
    }
}

#[test]
fn a_folded_length_is_read_as_the_parser_reads_it() {
    let stream = MESSAGE.replace("l: 5", "Content-Length :\r\n 5").replace('\r', "");
    assert_eq!(split_all(&[stream.as_bytes()]), [Frame::Message(stream.clone().into())]);
}

#[test]
fn a_splitter_can_be_saved_in_the_middle_of_a_message() {
    let (a, b) = MESSAGE.as_bytes().split_at(57);
    let mut splitter = Splitter::new();
    splitter.push(a);
    assert_eq!(splitter.next_frame(), Ok(None));
    let mut splitter: Splitter = serde_json::from_str(&serde_json::to_string(&splitter).unwrap()).unwrap();
    splitter.push(b);
    assert_eq!(frames(&mut splitter), [Frame::Message(MESSAGE.into())]);
}
