//! Cost of session descriptions, of offer/answer, and of the JSON messages of browsers.

use super::{Case, assert_linear};
use offhook_signaling::message::ClientMessage;

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\na=ice-ufrag:abcd\r\n\
    a=ice-pwd:abcdefghijklmnopqrstuv\r\na=setup:actpass\r\na=fingerprint:sha-256 \
    00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 0 8 96 97 98 99 100 101\r\na=mid:0\r\n";

fn case(name: &'static str, element: fn(usize) -> String) -> Case {
    Case { name, head: OFFER, element, tail: "" }
}

#[test]
fn session_description_cost_is_linear_in_size() {
    let cases = [
        case("attributes", |n| format!("a=x{n}\r\n")),
        case("codecs", |n| format!("a=rtpmap:{} opus/48000/2\r\n", n % 128)),
        case("parameters of codecs", |n| format!("a=fmtp:{} x={n}\r\n", n % 128)),
        case("feedback of all", |n| format!("a=rtcp-fb:* x{n}\r\n")),
        case("feedback of one", |n| format!("a=rtcp-fb:96 x{n}\r\n")),
        case("candidates", |n| format!("a=candidate:1 1 udp {n} 192.0.2.{} 9 typ host\r\n", n % 250)),
        case("streams", |n| format!("a=ssrc:{n} cname:x\r\n")),
        case("groups of streams", |n| format!("a=ssrc-group:FID {n} {}\r\n", n + 1)),
        case("header extensions", |n| format!("a=extmap:{} urn:{n}\r\n", n % 255)),
        case("keys", |n| format!("a=crypto:{n} AES_CM_128_HMAC_SHA1_80 inline:x\r\n")),
        case("fingerprints", |_| "a=fingerprint:sha-1 00\r\n".into()),
        case("sections", |n| format!("m=audio 9 UDP/TLS/RTP/SAVPF 0 8\r\na=mid:{}\r\n", n + 1)),
        case("rejected sections", |_| "m=audio 0 X 0\r\n".into()),
        case("line ends", |_| "\n".into()),
        Case { name: "formats", head: "m=audio 9 RTP/AVP 0", element: |n| format!(" {}", n % 128), tail: "" },
        Case { name: "groups", head: "v=0\r\n", element: |n| format!("a=group:BUNDLE {n}\r\n"), tail: OFFER },
        Case {
            name: "group",
            head: "v=0\r\na=group:BUNDLE 0",
            element: |n| format!(" {n}"),
            tail: "\r\nm=audio 9 RTP/AVP 0",
        },
    ];
    assert_linear(&cases, crate::descriptions::fuzz_sdp);
}

#[test]
fn browser_message_cost_is_linear_in_size() {
    let call = r#"{"message":"call","data":[{"callId":"1","callee":"b","sdp":"","hasAudio":true,"hasVideo":false"#;
    let case = |name, head, element, tail| Case { name, head, element, tail };
    let cases = [
        case("fields", call, |n| format!(",\"k{n}\":1"), "}]}"),
        case(
            "headers",
            concat!(
                r#"{"message":"call","data":[{"callId":"1","callee":"b","sdp":"","hasAudio":true,"#,
                r#""hasVideo":false,"sipHeaders":["X: y""#
            ),
            |_| ",\"X: y\"".into(),
            "]}]}",
        ),
        case(
            "own data",
            concat!(
                r#"{"message":"call","data":[{"callId":"1","callee":"b","sdp":"","hasAudio":true,"#,
                r#""hasVideo":false,"custom":{"a":1"#
            ),
            |n| format!(",\"k{n}\":1"),
            "}}]}",
        ),
        case("arguments", r#"{"message":"hangup","data":[{"callId":"1"}"#, |_| ",1".into(), "]}"),
        case("depth", r#"{"message":"call","data":["#, |_| "[".into(), ""),
        case("escapes", r#"{"message":"hangup","data":[{"callId":""#, |_| "\\u0041".into(), "\"}]}"),
        case("white space", r#"{"message":"hangup""#, |_| " ".into(), r#","data":[]}"#),
    ];
    assert_linear(&cases, |octets| {
        let _ = ClientMessage::parse(&String::from_utf8_lossy(octets));
    });
}
