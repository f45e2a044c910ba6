use super::digits_of;
use offhook_sip::user_agent::io::Body;

#[test]
fn digit_of_an_info_is_read_in_every_form() {
    for (content_type, text, digit) in [
        ("application/dtmf-relay", " Signal=5\r\n Duration=160", Some("5")),
        ("application/dtmf-relay", "Signal= *\r\nDuration=160\r\n", Some("*")),
        ("application/dtmf-relay", "Signal=11\r\n", Some("#")),
        ("application/dtmf-relay", "signal=a\n", Some("A")),
        ("application/dtmf", "5", Some("5")),
        ("application/dtmf;charset=utf-8", "10", Some("*")),
        ("audio/telephone-event", "10", Some("*")),
        ("audio/telephone-event", "d=5\r\n", Some("5")),
        ("Audio/Telephone-Event", "16", None),
        ("application/dtmf", "", None),
        ("application/dtmf-relay", "Duration=160", None),
        ("text/plain", "5", None),
    ] {
        let body = Body { content_type: content_type.to_owned(), octets: text.as_bytes().to_vec() };
        assert_eq!(digits_of(&body).as_deref(), digit, "{content_type} {text:?}");
    }
}
