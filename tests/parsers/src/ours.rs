use crate::Seen;
use offhook_sip::message::Message;

/// Parses a message with offhook-sip.
///
/// # Errors
/// The reason why it is rejected.
pub fn ours(octets: &[u8]) -> Result<Seen, String> {
    let message = Message::parse(octets).map_err(|refused| refused.to_string())?;
    let headers = message.headers();
    let wrong = |error: offhook_sip::message::Malformed| error.to_string();
    let (from, to) = (headers.from().map_err(wrong)?, headers.to().map_err(wrong)?);
    let via = headers.top_via().map_err(wrong)?;
    let (start, uri) = match &message {
        Message::Request(request) => (request.method.to_string(), Some(request.uri.to_string())),
        Message::Response(response) => (response.status.to_string(), None),
    };
    Ok(Seen {
        start,
        uri,
        from_tag: from.tag().map(str::to_owned),
        from: from.uri.to_string(),
        to_tag: to.tag().map(str::to_owned),
        call_id: headers.call_id().map_err(wrong)?.to_owned(),
        cseq: headers.cseq().map_err(wrong)?.to_string(),
        branch: via.branch().map(str::to_owned),
    })
}
