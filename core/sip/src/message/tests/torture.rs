//! Tests with the messages of RFC 4475, as far as the parser decides the result.

use super::super::*;

/// The result of parsing a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The message is accepted by the parser; later stages may still reject it.
    Read,
    /// The message is rejected with this status code.
    Answered(u16),
    /// The message is discarded without a response.
    Dropped,
}
use Outcome::{Answered, Dropped, Read};

macro_rules! messages {
    ($($name:ident $section:literal $outcome:expr, $remark:literal;)*) => {
        /// Name, section, octets, outcome.
        const MESSAGES: &[(&str, &str, &[u8], Outcome)] = &[$((
            stringify!($name),
            $section,
            include_bytes!(concat!("../../../../../tests/fixtures/rfc4475/", stringify!($name), ".dat")),
            $outcome,
        ),)*];
    };
}

messages! {
    wsinv "3.1.1.1" Read, "short and tortuous";
    intmeth "3.1.1.2" Read, "all characters that are valid";
    esc01 "3.1.1.3" Read, "escapes";
    escnull "3.1.1.4" Read, "escaped null octets";
    esc02 "3.1.1.5" Read, "percent signs that escape nothing";
    lwsdisp "3.1.1.6" Read, "no space between display name and bracket";
    longreq "3.1.1.7" Read, "long values";
    dblreq "3.1.1.8" Read, "octets behind the body of a datagram";
    semiuri "3.1.1.9" Read, "parameters in the user part";
    transports "3.1.1.10" Read, "transports that nobody knows";
    mpart01 "3.1.1.11" Read, "a body of several parts, with any octets";
    unreason "3.1.1.12" Read, "an unusual reason phrase";
    noreason "3.1.1.13" Read, "an empty reason phrase";
    badinv01 "3.1.2.1" Answered(400), "extraneous separators";
    clerr "3.1.2.2" Answered(400), "a body shorter than is said";
    ncl "3.1.2.3" Answered(400), "a negative length";
    scalar02 "3.1.2.4" Answered(400), "numbers that are too large";
    scalarlg "3.1.2.5" Dropped, "numbers that are too large, in a response";
    quotbal "3.1.2.6" Answered(400), "a quoted string without end";
    ltgtruri "3.1.2.7" Answered(400), "brackets about the Request-URI";
    lwsruri "3.1.2.8" Answered(400), "white space in the Request-URI";
    lwsstart "3.1.2.9" Answered(400), "two spaces in the request line; could be overlooked";
    trws "3.1.2.10" Answered(400), "spaces at the end of the request line; could be overlooked";
    escruri "3.1.2.11" Answered(400), "headers in the Request-URI; could be overlooked";
    baddate "3.1.2.12" Read, "a date that is not in GMT: not to be refused by who does not use it";
    regbadct "3.1.2.13" Answered(400), "a contact that needs brackets; these could be guessed";
    badaspec "3.1.2.14" Read, "white space between brackets and URI, overlooked as is allowed";
    baddn "3.1.2.15" Read, "a display name that needs quotation marks: accepted, it steers nothing";
    badvers "3.1.2.16" Answered(505), "an unknown version";
    mismatch01 "3.1.2.17" Answered(400), "another method in CSeq";
    mismatch02 "3.1.2.18" Answered(400), "an unknown method, another in CSeq; 501 would do";
    bigcode "3.1.2.19" Dropped, "a status code that is too large";
    badbranch "3.2.1" Read, "a magic cookie and nothing after it: a branch as those of RFC 2543";
    insuf "3.3.1" Answered(400), "no Call-ID, From and To";
    unkscm "3.3.2" Read, "an unknown scheme: 416 is the user agent's answer";
    novelsc "3.3.3" Read, "a scheme that is not for SIP: 416 is the user agent's answer";
    unksm2 "3.3.4" Read, "unknown schemes in headers: the registrar's business";
    bext01 "3.3.5" Read, "unknown extensions: 420 is the user agent's answer";
    invut "3.3.6" Read, "an unknown body: 415 is the user agent's answer";
    regaut01 "3.3.7" Read, "an unknown authentication scheme: the registrar's business";
    multi01 "3.3.8" Answered(400), "several values where one is allowed";
    mcl01 "3.3.9" Answered(400), "two lengths";
    bcast "3.3.10" Read, "a response sent on: the user agent drops it for its second Via";
    zeromf "3.3.11" Read, "no hop left: enough for a user agent";
    cparam01 "3.3.12" Read, "an unknown parameter of a contact";
    cparam02 "3.3.13" Read, "an unknown parameter of a contact's URI";
    regescrt "3.3.14" Read, "headers in a contact's URI";
    sdp01 "3.3.15" Read, "nothing that can be offered is accepted: 406 is the user agent's answer";
    inv2543 "3.4.1" Read, "from an element of RFC 2543";
    test "" Dropped, "in the archive, not in the text: no version, no Via";
}

fn read(name: &str) -> Message {
    let (.., octets, _) = MESSAGES.iter().find(|(found, ..)| *found == name).unwrap();
    Message::parse(octets).unwrap_or_else(|refused| panic!("{name}: {refused}"))
}

fn request(name: &str) -> Request {
    match read(name) {
        Message::Request(request) => request,
        Message::Response(response) => panic!("{name} is not a request: {response:?}"),
    }
}

#[test]
fn rfc_4475_messages_have_their_required_outcome() {
    let mut wrong = Vec::new();
    for (name, section, octets, outcome) in MESSAGES {
        let found = match Message::parse(octets) {
            Ok(_) => Read,
            Err(Refused { response: Some(response), .. }) => Answered(response.status),
            Err(Refused { response: None, .. }) => Dropped,
        };
        if found != *outcome {
            wrong.push(format!("{name} ({section}): {found:?}, not {outcome:?}; {:?}", Message::parse(octets).err()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(MESSAGES.len(), 50);
}

#[test]
fn parsed_rfc_4475_messages_serialize_to_equal_messages() {
    for (name, .., outcome) in MESSAGES {
        if *outcome == Read {
            let message = read(name);
            assert_eq!(Message::parse(&message.to_bytes()).as_ref(), Ok(&message), "{name}");
        }
    }
}

#[test]
fn error_response_matches_the_rejected_request() {
    for (name, _, octets, _) in MESSAGES {
        let Err(Refused { response: Some(response), violation }) = Message::parse(octets) else { continue };
        let text = String::from_utf8_lossy(octets);
        let via = response.headers.top_via().unwrap_or_else(|error| panic!("{name}: {error}"));
        if let Some(branch) = via.branch() {
            assert!(text.contains(&format!("branch={branch}")), "{name}: {branch}");
        }
        for header in [HeaderName::CallId, HeaderName::CSeq, HeaderName::From] {
            if let Some(value) = response.headers.get(header.clone()) {
                assert!(text.contains(value), "{name}: {header}");
            }
        }
        let again = Message::parse(&response.to_bytes());
        let whole = !matches!(*name, "insuf" | "quotbal" | "baddn" | "scalar02");
        assert_eq!(again.is_ok(), whole, "{name}, rejected for {violation}: {again:?}");
        if whole {
            assert!(response.headers.to().unwrap().tag().is_some(), "{name}: response without To tag");
        }
    }
}

#[test]
fn white_space_between_tokens_is_accepted() {
    let headers = request("wsinv").headers;
    assert_eq!(headers.to().unwrap().tag(), Some("1918181833n"));
    let from = headers.from().unwrap();
    assert_eq!((from.display.as_deref(), from.tag()), (Some("J Rosenberg \\\""), Some("98asjd8")));
    assert_eq!((headers.max_forwards(), headers.cseq().unwrap().number), (Some(Ok(68)), 9));
    let vias = headers.vias().unwrap();
    assert_eq!(
        vias.iter().map(|via| via.branch().unwrap()).collect::<Vec<_>>(),
        ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]
    );
    assert_eq!(vias[1].known_transport(), Some(crate::transport::Transport::Tcp));
    assert!(headers.routes().unwrap()[0].uri.is_loose_router());
    let contact = headers.contact().unwrap().unwrap();
    assert_eq!((contact.display.as_deref(), contact.priority()), (Some("Quoted string \"\""), 330));
    assert_eq!((contact.params.get("newparam"), contact.params.has("secondparam")), (Some("newvalue"), true));
    assert_eq!((headers.get("s"), headers.get("UnknownHeaderWithUnusualValue")), (Some(""), Some(";;,,;;,;")));
}

#[test]
fn every_valid_character_is_accepted() {
    let message = request("intmeth");
    assert_eq!(message.method, Method::Other("!interesting-Method0123456789_*+`.%indeed'~".to_owned()));
    assert_eq!(message.headers.cseq().unwrap().method, message.method);
    assert_eq!(message.uri.user().as_deref(), Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"));
    assert_eq!(message.headers.to().unwrap().display.as_deref(), Some("BEL:\x07 NUL:\0 DEL:\x7f"));
    let from = message.headers.from().unwrap();
    assert_eq!(from.tag(), Some("_token~1'+`*%!-."));
    assert_eq!(from.params.get("fromParam''~+*_!.-%"), Some("работающий"));
    assert_eq!(message.headers.max_forwards(), Some(Ok(255)));
}

#[test]
fn escapes_are_decoded_only_in_uris() {
    let message = request("esc01");
    assert_eq!(message.uri.user().as_deref(), Some("sips:user@example.com"));
    assert!(message.headers.to().unwrap().uri.is_equivalent(&"sip:user@example.com".parse().unwrap()));
    assert_eq!(message.headers.from().unwrap().uri.user().as_deref(), Some("I have spaces"));
    assert_eq!(message.headers.contact().unwrap().unwrap().uri.user().as_deref(), Some("caller"));
    let nulls = request("escnull").headers.contacts().unwrap();
    let Contacts::List(nulls) = nulls else { panic!("no contacts") };
    assert_eq!(nulls.iter().map(|contact| contact.uri.user().unwrap().len()).collect::<Vec<_>>(), [1, 2]);
    assert!(!nulls[0].uri.is_equivalent(&nulls[1].uri));
    let message = request("esc02");
    assert_eq!(message.method, Method::Other("RE%47IST%45R".to_owned()), "not REGISTER");
    assert_eq!(message.headers.to().unwrap().display.as_deref(), Some("%Z%45"));
    assert_eq!(message.headers.lines(HeaderName::Contact).count(), 2, "C%6Fntact is a different header");
}

#[test]
fn remaining_valid_rfc_4475_messages_have_expected_values() {
    assert_eq!(request("lwsdisp").headers.from().unwrap().display.as_deref(), Some("caller"));
    assert_eq!(request("longreq").headers.vias().unwrap().len(), 34);
    let first = request("dblreq");
    assert_eq!((first.method, first.body.len()), (Method::Register, 0));
    let semi = request("semiuri");
    assert_eq!((semi.uri.user().as_deref(), semi.uri.has_param("par")), (Some("user;par=u@example.net"), false));
    assert_eq!(semi.headers.all(HeaderName::Accept).count(), 6);
    let vias = request("transports").headers.vias().unwrap();
    assert_eq!(vias[1].transport, ViaTransport::Other("SCTP".to_owned()));
    assert_eq!(request("mpart01").body.len(), 553);
    let Message::Response(response) = read("unreason") else { panic!("no response") };
    assert!(response.reason.starts_with("= 2**3 * 5**2 но сто"), "{}", response.reason);
    let Message::Response(response) = read("noreason") else { panic!("no response") };
    assert_eq!((response.status, response.reason.as_str()), (100, ""));
}

#[test]
fn values_for_later_stages_are_accessible() {
    assert_eq!(request("badbranch").headers.top_via().unwrap().unique_branch(), None);
    assert_eq!(request("unkscm").uri.scheme(), "nobodyKnowsThisScheme");
    assert_eq!(request("novelsc").uri.scheme(), "soap.beep");
    assert_eq!(request("unksm2").headers.contact().unwrap().unwrap().uri.scheme(), "name");
    let required = request("bext01").headers;
    assert_eq!(required.require().collect::<Vec<_>>(), ["nothingSupportsThis", "nothingSupportsThisEither"]);
    assert!(request("invut").headers.content_type().unwrap().unwrap().is("application", "unknownformat"));
    let authorization = request("regaut01").headers;
    assert_eq!(authorization.authorization().collect::<Vec<_>>(), ["NoOneKnowsThisScheme opaque-data=here"]);
    assert_eq!(read("bcast").headers().vias().unwrap().len(), 2);
    assert_eq!(request("zeromf").headers.max_forwards(), Some(Ok(0)));
    let of_header = request("cparam01").headers.contact().unwrap().unwrap();
    let of_uri = request("cparam02").headers.contact().unwrap().unwrap();
    assert!(of_header.params.has("unknownparam") && !of_header.uri.has_param("unknownparam"));
    assert!(!of_uri.params.has("unknownparam") && of_uri.uri.has_param("unknownparam"));
    let escaped = request("regescrt").headers.contact().unwrap().unwrap();
    let headers: Vec<_> = escaped.uri.as_sip().unwrap().headers().collect();
    assert_eq!(headers, [("Route".into(), "<sip:sip.example.com>".into())]);
    let old = request("inv2543");
    assert_eq!((old.headers.from().unwrap().tag(), old.headers.top_via().unwrap().branch()), (None, None));
    assert_eq!(old.headers.record_routes().unwrap()[0].uri.param("maddr"), Some("ss1.example.com"));
}

#[test]
fn stream_splits_two_messages_datagram_holds_one() {
    let (.., octets, _) = MESSAGES.iter().find(|(name, ..)| *name == "dblreq").unwrap();
    let mut splitter = framing::Splitter::new();
    splitter.push(octets);
    let mut next = || splitter.next_frame().unwrap();
    assert!(matches!(next(), Some(framing::StreamFrame::Message(first)) if first.starts_with(b"REGISTER")));
    assert_eq!(next(), Some(framing::StreamFrame::Pong));
    assert!(matches!(next(), Some(framing::StreamFrame::Message(second)) if second.starts_with(b"INVITE")));
}
