//! Measures the CPU time of each parser for one INVITE with typed Via, From, To, Call-ID and CSeq.
#![expect(clippy::print_stdout, reason = "a benchmark prints to its terminal")]

use bytes::Bytes;
use offhook_sip::message::Message;
use rsip::message::HeadersExt as _;
use rsip::prelude::ToTypedHeader as _;
use std::hint::black_box;
use std::time::Instant;

/// An INVITE of a phone forwarded by a proxy: two hops, a route, credentials, a session description.
const INVITE: &[u8] = include_bytes!("invite.sip");

/// Number of rounds, which are so short that most of them are not interrupted.
const ROUNDS: usize = 601;
const REPEATS: u32 = 100;

fn main() {
    println!("one INVITE of {} octets, median of {ROUNDS} rounds of {REPEATS}", INVITE.len());
    let all: [(&str, fn()); 5] = [
        ("offhook-sip, types", ours),
        ("offhook-sip, read only", ours_untyped),
        ("offhook-sip, read and printed", ours_printed),
        ("sipx-sip 1.0, types", sipx),
        ("rsip 0.4, types", rsip),
    ];
    // An argument selects rows, e.g. for a profiler.
    let only = std::env::args().nth(1).unwrap_or_default();
    for (name, parse) in all.into_iter().filter(|(name, _)| name.contains(&only)) {
        println!("{name:32} {:6.0} ns", median(parse));
    }
}

/// Returns the median nanoseconds per call.
fn median(parse: fn()) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            (0..REPEATS).for_each(|_| parse());
            begun.elapsed().as_secs_f64() * 1e9 / f64::from(REPEATS)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds.get(ROUNDS / 2).copied().unwrap_or_default()
}

fn ours() {
    let Ok(message) = Message::parse(black_box(INVITE)) else { return };
    let headers = message.headers();
    black_box((headers.top_via(), headers.from(), headers.to(), headers.call_id(), headers.cseq())).0.ok();
}

fn ours_untyped() {
    black_box(Message::parse(black_box(INVITE))).ok();
}

fn ours_printed() {
    let Ok(message) = Message::parse(black_box(INVITE)) else { return };
    black_box(message.to_bytes());
}

fn sipx() {
    use sipx_sip::headers::{From, To};
    use sipx_sip::{CSeq, CallId, Limits, Via};
    let octets = Bytes::from_static(black_box(INVITE));
    let Ok(message) = sipx_sip::parse_datagram(octets, &Limits::datagram()) else { return };
    let headers = message.headers();
    black_box((headers.typed::<Via>(), headers.typed::<From>(), headers.typed::<To>()));
    black_box((headers.typed::<CallId>(), headers.typed::<CSeq>()));
}

fn rsip() {
    let Ok(message) = rsip::SipMessage::try_from(black_box(INVITE)) else { return };
    black_box(message.via_header().map(|header| header.typed()).ok());
    black_box(message.from_header().map(|header| header.typed()).ok());
    black_box(message.to_header().map(|header| header.typed()).ok());
    black_box(message.call_id_header().ok());
    black_box(message.cseq_header().map(|header| header.typed()).ok());
}
