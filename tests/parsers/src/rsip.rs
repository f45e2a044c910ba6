use crate::Seen;
use rsip::message::HeadersExt as _;
use rsip::prelude::{ToTypedHeader as _, UntypedHeader as _};
use rsip::{Error, SipMessage};

/// Parses a message with rsip.
///
/// # Errors
/// The reason why it is rejected.
pub fn rsip(octets: &[u8]) -> Result<Seen, String> {
    read(octets).map_err(|error| error.to_string())
}

fn read(octets: &[u8]) -> Result<Seen, Error> {
    let message = SipMessage::try_from(octets)?;
    let (from, to) = (message.from_header()?.typed()?, message.to_header()?.typed()?);
    let (via, cseq) = (message.via_header()?.typed()?, message.cseq_header()?.typed()?);
    let (start, uri) = match &message {
        SipMessage::Request(request) => (request.method().to_string(), Some(request.uri().to_string())),
        SipMessage::Response(response) => (response.status_code().code().to_string(), None),
    };
    Ok(Seen {
        start,
        uri,
        from: from.uri.to_string(),
        from_tag: from.tag().map(|tag| tag.value().to_owned()),
        to_tag: to.tag().map(|tag| tag.value().to_owned()),
        call_id: message.call_id_header()?.value().to_owned(),
        cseq: format!("{} {}", cseq.seq, cseq.method),
        branch: via.branch().map(|branch| branch.value().to_owned()),
    })
}
