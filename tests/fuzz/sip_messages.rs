//! Fuzz target of the parser of SIP messages. Parsed values are also serialized and parsed again.

use crate::sip_values::again;
use core::fmt::{Debug, Display};
use core::str::FromStr;
use offhook_sip::message::framing::{Splitter, StreamFrame};
use offhook_sip::message::{Contacts, HeaderName, Headers, Message, Refused, Response};

/// Passes arbitrary octets to the message parser, as a datagram and as a stream.
pub(crate) fn fuzz_message(data: &[u8]) {
    match Message::parse(data) {
        Ok(message) => {
            let printed = message.to_bytes();
            assert_eq!(Message::parse(&printed).as_ref(), Ok(&message), "serialized message must parse");
            assert_eq!(
                frames(&[&printed]),
                [StreamFrame::Message(printed.clone())],
                "serialized message must be one frame"
            );
            visit(message.headers());
            if let Message::Request(request) = &message {
                let mut response = Response::to(request, 200, "");
                response.set_to_tag("tag");
                assert!(Message::parse(&response.to_bytes()).is_ok(), "response to a parsed request must parse");
            }
        }
        Err(Refused { response: Some(response), .. }) => {
            assert!(response.headers.top_via().is_ok(), "error response must have a Via");
            let _ = Message::parse(&response.to_bytes());
        }
        Err(Refused { response: None, .. }) => {}
    }
    let middle = data.len() / 2;
    let (first, second) = data.split_at_checked(middle).unwrap_or((data, &[]));
    let messages = |pieces: &[&[u8]]| {
        let mut frames = frames(pieces);
        // Line ends between messages form other frames if they arrive in two pieces.
        frames.retain(|frame| matches!(frame, StreamFrame::Message(_)));
        frames
    };
    assert_eq!(messages(&[data]), messages(&[first, second]), "frames must not depend on segment boundaries");
}

fn frames(pieces: &[&[u8]]) -> Vec<StreamFrame> {
    let mut splitter = Splitter::new();
    let mut frames = Vec::new();
    for piece in pieces {
        splitter.push(piece);
        while let Ok(Some(frame)) = splitter.next_frame() {
            frames.push(frame);
        }
    }
    frames
}

/// Parses every typed header and checks its serialized form.
fn visit(headers: &Headers) {
    again_each(headers.vias());
    for addresses in [
        headers.from().map(|address| vec![address]),
        headers.to().map(|address| vec![address]),
        headers.contacts().map(|contacts| match contacts {
            Contacts::All => Vec::new(),
            Contacts::List(contacts) => contacts,
        }),
        headers.routes(),
        headers.record_routes(),
        headers.path(),
        headers.service_route(),
        headers.p_asserted_identity(),
        headers.history_info(),
        headers.diversion(),
    ] {
        again_each(addresses);
    }
    again_each(headers.cseq().map(|cseq| vec![cseq]));
    again_each(headers.reason());
    again(headers.rack());
    again(headers.refer_to());
    again(headers.referred_by());
    again(headers.replaces());
    again(headers.event());
    again(headers.subscription_state());
    again(headers.session_expires());
    again(headers.privacy());
    again(headers.content_type());
    again(headers.retry_after());
    let _ = (headers.max_forwards(), headers.expires(), headers.min_expires(), headers.min_se(), headers.rseq());
    let _ = (headers.allow().count(), headers.supports("100rel"), headers.www_authenticate().count());
    let mut changed = headers.clone();
    while changed.pop_front(HeaderName::Via).is_some() {}
    assert!(!changed.has(HeaderName::Via), "every Via must be removable");
}

fn again_each<T: FromStr<Err: Debug + PartialEq> + Display + Debug + PartialEq, E>(values: Result<Vec<T>, E>) {
    values.into_iter().flatten().for_each(|value| again(Some(Ok::<_, E>(value))));
}
