//! A trace as a ladder diagram: a lane for each peer, the relay between the caller and the others, and an arrow for each message.

use super::TraceKey;
use super::message::{Flow, TracedMessage, TracedPeer};
use super::redact::redacted;
use super::store::TracedCall;
use crate::timestamp::rfc3339;
use core::fmt::Write as _;
use core::time::Duration;
use offhook_clock::Time;
use offhook_sip::transport::FlowId;
use serde_json::Value;
use std::collections::BTreeMap;

/// A vertical line of the diagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// The text above it, which is unique in the diagram.
    pub label: String,
}

/// A message in the diagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceRow {
    /// The time.
    pub at: Time,
    /// The time since the first message.
    pub offset: Duration,
    /// The index of the sender's lane.
    pub from: usize,
    /// The index of the receiver's lane.
    pub to: usize,
    /// `sip` or `signaling`.
    pub protocol: &'static str,
    /// The request, the response, or the name of the message.
    pub summary: String,
    /// The message without credentials.
    pub text: String,
}

/// The trace of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallTrace {
    /// The call.
    pub call: TracedCall,
    /// The lanes, from left to right.
    pub lanes: Vec<Lane>,
    /// The messages, in the order in which the relay received or sent them.
    pub rows: Vec<TraceRow>,
    /// The number of messages that are no longer stored.
    pub removed: u64,
}

impl CallTrace {
    /// Creates the diagram of the messages of a call.
    #[must_use]
    pub fn new(call: TracedCall, (messages, removed): (Vec<(TraceKey, TracedMessage)>, u64)) -> Self {
        let received = messages.iter().filter_map(|(_, message)| Some((message.received_on?, message.peer)));
        let flows: BTreeMap<FlowId, TracedPeer> = received.collect();
        let label = |message: &TracedMessage| label(message.peer, &flows);
        // The lanes of the caller's leg, the relay, and the other lanes, in the order of their first message.
        let is_caller = |key: &TraceKey| call.keys.first() == Some(key);
        let mut lanes: Vec<String> = Vec::new();
        let mut add = |label: String| {
            if !lanes.contains(&label) {
                lanes.push(label);
            }
        };
        messages.iter().filter(|(key, _)| is_caller(key)).for_each(|(_, message)| add(label(message)));
        add(RELAY.to_owned());
        messages.iter().for_each(|(_, message)| add(label(message)));
        let lane = |label: &str| lanes.iter().position(|lane| lane == label).unwrap_or_default();
        let relay = lane(RELAY);
        let began = messages.first().map_or(call.placed_at, |(_, message)| message.at);
        let row = |(_, message): &(TraceKey, TracedMessage)| {
            let peer = lane(&label(message));
            let (from, to) = if message.flow == Flow::Received { (peer, relay) } else { (relay, peer) };
            let protocol = if matches!(message.peer, TracedPeer::Session(_)) { "signaling" } else { "sip" };
            let (summary, text) = (summary(message), redacted(message));
            TraceRow { at: message.at, offset: message.at.since(began), from, to, protocol, summary, text }
        };
        let rows = messages.iter().map(row).collect();
        Self { call, lanes: lanes.iter().map(|label| Lane { label: label.clone() }).collect(), rows, removed }
    }

    /// Returns the end reason in words, with the time of the end; the state of a call that has not ended.
    #[must_use]
    pub fn outcome(&self) -> String {
        match self.call.end {
            None => "The call has not ended.".to_owned(),
            Some((reason, at)) => {
                let after = at.since(self.call.placed_at).as_secs_f64();
                format!("Ended after {after:.1} s: {} ({}).", reason.info(), reason.name())
            }
        }
    }
}

/// The label of the relay's lane.
const RELAY: &str = "relay";

fn label(peer: TracedPeer, flows: &BTreeMap<FlowId, TracedPeer>) -> String {
    match peer {
        TracedPeer::Session(session) => format!("session {}", session.0),
        TracedPeer::Sip(transport, address) => format!("{} {address}", transport.name()),
        TracedPeer::SipFlow(flow) => match flows.get(&flow) {
            Some(TracedPeer::Sip(transport, address)) => format!("{} {address}", transport.name()),
            _ => format!("flow {}", flow.0),
        },
    }
}

/// The first line of a SIP request, the status and the method of a response, or the name and the status of a signaling message.
fn summary(message: &TracedMessage) -> String {
    let text = String::from_utf8_lossy(&message.octets);
    if matches!(message.peer, TracedPeer::Session(_)) {
        return signaling_summary(&text);
    }
    let first = text.lines().next().unwrap_or_default();
    match first.strip_prefix("SIP/2.0 ") {
        Some(status) => {
            let cseq = text.lines().take_while(|line| !line.is_empty()).find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.trim().eq_ignore_ascii_case("CSeq").then(|| value.split_whitespace().nth(1)).flatten()
            });
            format!("{status} ({})", cseq.unwrap_or("?"))
        }
        None => super::redact::tokens(first.strip_suffix(" SIP/2.0").unwrap_or(first)),
    }
}

fn signaling_summary(text: &str) -> String {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let name = value.get("message").and_then(Value::as_str).unwrap_or("?");
    let data = value.get("data");
    let data = data.and_then(|data| data.get(0)).or(data);
    let status = data.and_then(|data| data.get("status")).and_then(Value::as_str);
    match status {
        Some(status) => format!("{name} {status}"),
        None => name.to_owned(),
    }
}

/// Columns between two lanes.
const SPACING: usize = 30;
/// Columns left of the first lane, for the time.
const MARGIN: usize = 12;

/// Returns the diagram as text, followed by the messages.
#[must_use]
pub fn ladder(trace: &CallTrace) -> String {
    let mut out = String::new();
    let call = &trace.call;
    let _ =
        writeln!(out, "Call {} from {} to {}, placed at {}", call.call.0, call.from, call.to, rfc3339(call.placed_at));
    let _ = writeln!(out, "{}", trace.outcome());
    if trace.removed > 0 {
        let _ = writeln!(out, "{} messages are no longer stored.", trace.removed);
    }
    let heads = trace
        .lanes
        .iter()
        .fold(" ".repeat(MARGIN), |line, lane| line + &format!("{:<SPACING$}", shortened(&lane.label, SPACING - 2)));
    let _ = writeln!(out, "\n{}", heads.trim_end());
    for (number, row) in trace.rows.iter().enumerate() {
        let (left, right) = (row.from.min(row.to), row.from.max(row.to));
        let time = format!("{:>9.3}  ", row.offset.as_secs_f64());
        let width = (right - left) * SPACING - 1;
        let text = shortened(&format!(" {} {}", number + 1, row.summary), width.max(8));
        let _ = writeln!(out, "{}", line(&time, trace.lanes.len(), left, right, &format!("{text:<width$}")));
        let dashes = "-".repeat(width.saturating_sub(1));
        let arrow = if row.from < row.to { format!("{dashes}>") } else { format!("<{dashes}") };
        let _ = writeln!(out, "{}", line("", trace.lanes.len(), left, right, &arrow));
    }
    for (number, row) in trace.rows.iter().enumerate() {
        let lane = |index: usize| trace.lanes.get(index).map_or("?", |lane| lane.label.as_str());
        let (from, to) = (lane(row.from), lane(row.to));
        let _ = writeln!(out, "\n--- {} {} {from} -> {to}\n{}", number + 1, rfc3339(row.at), row.text.trim_end());
    }
    out
}

/// A line with the bars of all lanes, and a text between two of them.
fn line(time: &str, lanes: usize, left: usize, right: usize, text: &str) -> String {
    let mut line = format!("{time:<MARGIN$}");
    for lane in 0..lanes {
        line.push('|');
        if lane == left && left < right {
            line.push_str(text);
        } else if !(left..right).contains(&lane) {
            line.push_str(&" ".repeat(SPACING - 1));
        }
    }
    // The bars between the two lanes are covered by the text.
    let covered = right.saturating_sub(left + 1);
    let surplus = line.match_indices('|').map(|(at, _)| at).skip(left + 1).take(covered).collect::<Vec<_>>();
    let mut kept: String = line.char_indices().filter(|(at, _)| !surplus.contains(at)).map(|(_, c)| c).collect();
    kept.truncate(kept.trim_end().len());
    kept
}

fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        text.to_owned()
    } else {
        text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
    }
}
