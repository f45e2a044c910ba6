use crate::Seen;
use bytes::Bytes;
use sipx_sip::headers::{From, To};
use sipx_sip::{CSeq, CallId, HeaderError, Limits, Message, TypedHeader, Via, parse_datagram};

/// Parses a message with sipx-sip.
///
/// # Errors
/// The reason why it is rejected.
pub fn sipx(octets: &[u8]) -> Result<Seen, String> {
    let message =
        parse_datagram(Bytes::copy_from_slice(octets), &Limits::datagram()).map_err(|error| error.to_string())?;
    let findings = sipx_sip::validate(&message);
    if let Some(finding) = findings.first() {
        return Err(format!("{finding:?}"));
    }
    let (from, to) = (typed::<From>(&message)?.0, typed::<To>(&message)?.0);
    let (via, cseq) = (typed::<Via>(&message)?, typed::<CSeq>(&message)?);
    let (start, uri) = match &message {
        Message::Request(request) => (request.method.to_string(), Some(request.uri.to_string())),
        Message::Response(response) => (response.status.to_string(), None),
    };
    Ok(Seen {
        start,
        uri,
        from: from.uri.to_string(),
        from_tag: from.tag().map(text),
        to_tag: to.tag().map(text),
        call_id: text(&typed::<CallId>(&message)?.0),
        cseq: format!("{} {}", cseq.sequence, cseq.method),
        branch: via.branch().map(text),
    })
}

fn typed<H: TypedHeader>(message: &Message) -> Result<H, String> {
    let found: Option<Result<H, HeaderError>> = message.headers().typed();
    found.ok_or("a header is missing")?.map_err(|error| error.to_string())
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}
