//! Transition tables of calls: every state with every kind of input, compared with committed tables.

use super::bench::{Bench, CALL, DialogPeer, INBOUND, called_in, calling, reply, sdp, settings, with, with_body};
use crate::message::{Message, Method, Request};
use crate::user_agent::io::{Branch, Command, Event, InviteId};
use core::time::Duration;

/// A call in some state, with its peer.
struct Case {
    bench: Bench,
    invite: Request,
    peer: DialogPeer,
    id: InviteId,
}

type Step = fn(&mut Case);

impl Case {
    fn send(&mut self, method: &str, more: &[&str], body: Option<&str>) {
        let request = self.peer.request(&mut self.bench, method, more, body.map(sdp).as_ref());
        self.bench.receive(request);
    }

    fn reply(&mut self, status: u16, tag: &str, body: Option<&str>) {
        let response = reply(&self.invite, status, tag);
        self.bench.receive(match body {
            Some(body) => with_body(response, body),
            None => response,
        });
    }

    fn reply_reliably(&mut self) {
        let response = with(with(reply(&self.invite, 183, "bob"), "Require", "100rel"), "RSeq", "1");
        self.bench.receive(with_body(response, "answer"));
    }

    fn cancel(&mut self) {
        let mut cancel = self.invite.clone();
        cancel.method = Method::Cancel;
        cancel.headers.set("CSeq", "1 CANCEL");
        cancel.body.clear();
        self.bench.receive(cancel);
    }

    fn prack(&mut self, body: Option<&str>) {
        let rseq = self.bench.last_rseq.clone().unwrap_or_else(|| "1".into());
        self.send("PRACK", &[&format!("RAck: {rseq} 1 INVITE")], body);
    }

    fn forget(&mut self) {
        self.bench.sent.clear();
        self.bench.events.clear();
    }

    /// Returns the messages and events since the last call.
    fn outputs(&mut self) -> String {
        let sent = self.bench.sent.drain(..).map(|message| match message {
            Message::Request(request) => format!(">{}{}", request.method, described(&request.body)),
            Message::Response(response) => {
                let method = response.headers.cseq().unwrap().method;
                format!(">{} {method}{}", response.status, described(&response.body))
            }
        });
        let outputs: Vec<String> =
            sent.collect::<Vec<_>>().into_iter().chain(self.bench.events.drain(..).map(name)).collect();
        if outputs.is_empty() { "-".into() } else { outputs.join(", ") }
    }
}

fn described(body: &[u8]) -> String {
    if body.is_empty() { String::new() } else { format!("({})", String::from_utf8_lossy(body).trim()) }
}

fn name(event: Event) -> String {
    match event {
        Event::Progress { status, body, .. } => format!("progress {status}{}", text(body.as_ref())),
        Event::Answered { branch, body, .. } => format!("answered {}{}", branch.0, text(body.as_ref())),
        Event::Ended { cause, .. } => {
            let cause = format!("{cause:?}");
            let end = cause.find([' ', '(', '{']).unwrap_or(cause.len());
            format!("ended {}", cause.split_at(end).0)
        }
        Event::OfferAnswered { body, .. } => format!("offer answered{}", text(Some(&body))),
        Event::OfferRefused { status, .. } => format!("offer refused {status}"),
        Event::Offer { body, .. } => format!("offer{}", text(body.as_ref())),
        Event::Refer { .. } => "refer".into(),
        Event::ReferProgress { status, .. } => format!("refer progress {status}"),
        Event::Info { .. } => "info".into(),
        other => panic!("{other:?}"),
    }
}

fn text(body: Option<&crate::user_agent::io::Body>) -> String {
    body.map_or_else(String::new, |body| described(&body.octets))
}

const COMMANDS: [(&str, Step); 8] = [
    ("hang up", |case| case.bench.command(Command::HangUp { invite: case.id, reason: None })),
    ("offer", |case| case.bench.command(Command::Offer { invite: case.id, body: sdp("new") })),
    ("answer offer", |case| {
        case.bench.command(Command::AnswerOffer { invite: case.id, branch: Branch(0), body: sdp("reply") });
    }),
    ("refuse offer", |case| {
        case.bench.command(Command::RefuseOffer { invite: case.id, branch: Branch(0), status: 488, reason: None });
    }),
    ("refer", |case| {
        case.bench.command(Command::Refer {
            invite: case.id,
            target: Box::new("sip:c@example.org".parse().unwrap()),
            replaces: None,
        });
    }),
    ("answer refer", |case| case.bench.command(Command::AnswerRefer { invite: case.id, status: 202 })),
    ("info", |case| case.bench.command(Command::Info { invite: case.id, body: sdp("digit") })),
    ("a minute", |case| case.bench.wait(Duration::from_secs(60))),
];

const PEER: [(&str, Step); 8] = [
    ("peer's BYE", |case| case.send("BYE", &[], None)),
    ("peer's re-INVITE", |case| case.send("INVITE", &[], Some("theirs"))),
    ("peer's UPDATE", |case| case.send("UPDATE", &[], Some("theirs"))),
    ("peer's empty UPDATE", |case| case.send("UPDATE", &[], None)),
    ("peer's INFO", |case| case.send("INFO", &[], Some("digit"))),
    ("peer's REFER", |case| case.send("REFER", &["Refer-To: <sip:c@example.org>"], None)),
    ("peer's NOTIFY", |case| case.send("NOTIFY", &["Event: refer", "Subscription-State: active"], None)),
    ("peer's OPTIONS", |case| case.send("OPTIONS", &[], None)),
];

fn client(offer: Option<&str>, steps: &[Step]) -> Case {
    let (bench, invite) = calling(settings(), offer);
    let peer = DialogPeer::callee(&invite, "bob");
    let mut case = Case { bench, invite, peer, id: CALL };
    for step in steps {
        step(&mut case);
    }
    case.forget();
    case
}

fn server(more: &[&str], offer: Option<&str>, steps: &[Step]) -> Case {
    let (mut bench, invite) = called_in(settings(), more, offer);
    let local_tag = bench.agent.context.dialogs.keys().next().unwrap().local_tag.clone();
    let peer = DialogPeer { call_id: "c1".into(), local_tag: "b1".into(), remote_tag: local_tag, cseq: 1 };
    bench.events.clear();
    let mut case = Case { bench, invite, peer, id: INBOUND };
    for step in steps {
        step(&mut case);
    }
    case.forget();
    case
}

fn check(make: impl Fn(&str) -> Case, states: &[&str], inputs: &[(&str, Step)], committed: &str, file: &str) {
    let mut table = String::new();
    for state in states {
        for (input, step) in inputs {
            let mut case = make(state);
            step(&mut case);
            table.push_str(&format!("{state} | {input} | {}\n", case.outputs()));
            // After any input the call can be ended and leaves no state.
            let id = case.id;
            case.bench.command(Command::HangUp { invite: id, reason: None });
            case.bench.assert_empty();
        }
    }
    if table != committed {
        println!("{table}");
    }
    assert!(table == committed, "the transition table differs from {file}; the actual table is printed above");
}

#[test]
fn outbound_call_state_table_matches_committed() {
    let responses: [(&str, Step); 10] = [
        ("100", |case| case.reply(100, "", None)),
        ("180", |case| case.reply(180, "bob", None)),
        ("183 of another", |case| case.reply(183, "carol", Some("answer"))),
        ("183, reliable", Case::reply_reliably),
        ("200", |case| case.reply(200, "bob", Some("answer"))),
        ("200 of another", |case| case.reply(200, "carol", Some("answer"))),
        ("302", |case| {
            let moved = with(reply(&case.invite, 302, "x"), "Contact", "<sip:c@example.org>");
            case.bench.receive(moved);
        }),
        ("401", |case| {
            let challenge = "Digest realm=\"x\", nonce=\"n\", algorithm=MD5";
            let challenged = with(reply(&case.invite, 401, "x"), "WWW-Authenticate", challenge);
            case.bench.receive(challenged);
        }),
        ("486", |case| case.reply(486, "bob", None)),
        ("487", |case| case.reply(487, "bob", None)),
    ];
    let ring: Step = |case| case.reply(180, "bob", None);
    let answer: Step = |case| case.reply(200, "bob", Some("answer"));
    let hang_up: Step = |case| case.bench.command(Command::HangUp { invite: CALL, reason: None });
    let make = |state: &str| match state {
        "calling" => client(Some("offer"), &[]),
        "proceeding" => client(Some("offer"), &[ring]),
        "early answer" => client(Some("offer"), &[|case| case.reply_reliably()]),
        "withdrawn" => client(Some("offer"), &[hang_up]),
        "canceled" => client(Some("offer"), &[ring, hang_up]),
        "ACK pending" => client(None, &[answer]),
        "answered" => client(Some("offer"), &[answer]),
        "offering" => client(
            Some("offer"),
            &[answer, |case| {
                case.bench.command(Command::Offer { invite: CALL, body: sdp("ours") });
            }],
        ),
        "offered" => client(Some("offer"), &[answer, |case| case.send("INVITE", &[], Some("offer 2"))]),
        "leaving" => client(Some("offer"), &[answer, hang_up]),
        "over" => client(Some("offer"), &[|case| case.reply(486, "bob", None)]),
        other => panic!("{other}"),
    };
    let states = [
        "calling",
        "proceeding",
        "early answer",
        "withdrawn",
        "canceled",
        "ACK pending",
        "answered",
        "offering",
        "offered",
        "leaving",
        "over",
    ];
    let inputs: Vec<(&str, Step)> = responses.into_iter().chain(COMMANDS).chain(PEER).collect();
    check(make, &states, &inputs, include_str!("tables/invite_client.txt"), "tables/invite_client.txt");
}

#[test]
fn inbound_call_state_table_matches_committed() {
    let inputs: [(&str, Step); 10] = [
        ("ring", |case| case.bench.command(Command::Ring { invite: INBOUND, status: 180, body: None })),
        ("ring with description", |case| {
            case.bench.command(Command::Ring { invite: INBOUND, status: 183, body: Some(sdp("early")) });
        }),
        ("accept", |case| case.bench.command(Command::Accept { invite: INBOUND, body: Some(sdp("mine")) })),
        ("accept without body", |case| case.bench.command(Command::Accept { invite: INBOUND, body: None })),
        ("reject", |case| {
            case.bench.command(Command::Reject { invite: INBOUND, status: 486, reason: None, contacts: Vec::new() });
        }),
        ("CANCEL", Case::cancel),
        ("ACK", |case| {
            let ack = case.peer.numbered(&mut case.bench, "ACK", 1, &[], None);
            case.bench.receive(ack);
        }),
        ("ACK with answer", |case| {
            let ack = case.peer.numbered(&mut case.bench, "ACK", 1, &[], Some(&sdp("answer")));
            case.bench.receive(ack);
        }),
        ("PRACK", |case| case.prack(None)),
        ("PRACK with description", |case| case.prack(Some("described"))),
    ];
    let accept: Step = |case| case.bench.command(Command::Accept { invite: INBOUND, body: Some(sdp("mine")) });
    let ring: Step = |case| {
        case.bench.command(Command::Ring { invite: INBOUND, status: 183, body: Some(sdp("early")) });
        case.bench.note_rseq();
    };
    let ack: Step = |case| {
        let ack = case.peer.numbered(&mut case.bench, "ACK", 1, &[], None);
        case.bench.receive(ack);
    };
    let hang_up: Step = |case| case.bench.command(Command::HangUp { invite: INBOUND, reason: None });
    let make = |state: &str| match state {
        "ringing" => server(&[], Some("offer"), &[]),
        "ringing, reliable" => server(&["Supported: 100rel"], Some("offer"), &[ring]),
        "accepted, not yet sent" => server(&["Supported: 100rel"], Some("offer"), &[ring, accept]),
        "offering, reliable" => server(&["Supported: 100rel"], None, &[ring]),
        "answered" => server(&[], Some("offer"), &[accept]),
        "answered with offer" => server(&[], None, &[accept]),
        "established" => server(&[], Some("offer"), &[accept, ack]),
        "waits for ACK to leave" => server(&[], Some("offer"), &[accept, hang_up]),
        "leaving" => server(&[], Some("offer"), &[accept, ack, hang_up]),
        "over" => server(&[], Some("offer"), &[hang_up]),
        other => panic!("{other}"),
    };
    let states = [
        "ringing",
        "ringing, reliable",
        "accepted, not yet sent",
        "offering, reliable",
        "answered",
        "answered with offer",
        "established",
        "waits for ACK to leave",
        "leaving",
        "over",
    ];
    let inputs: Vec<(&str, Step)> = inputs.into_iter().chain(COMMANDS).chain(PEER).collect();
    check(make, &states, &inputs, include_str!("tables/invite_server.txt"), "tables/invite_server.txt");
}
