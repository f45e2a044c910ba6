//! Validation of the mandatory headers of a message and of the number of values.

use super::address;
use super::headers::Headers;
use super::method::Method;
use super::name::HeaderName;
use super::refused::Violation;
use super::scan::{Elements, Malformed};
use super::values::{CSeq, is_call_id};
use super::via;

/// The maximum number of header values of one message, counting each element of list headers: hops, contacts, option
/// tags, methods.
pub const MAX_VALUES: usize = 512;

/// The headers found so far, among those that are mandatory or must not be repeated.
#[derive(Default)]
struct Seen {
    via: bool,
    from: bool,
    to: bool,
    call_id: bool,
    cseq: bool,
    max_forwards: bool,
}

/// Checks that the headers that transactions and dialogs need are present and valid, and in requests also those that
/// route them.
pub(super) fn check(headers: &Headers, method: Option<&Method>) -> Result<(), Violation> {
    let mut seen = Seen::default();
    let mut values = 0;
    for (name, value) in headers.iter() {
        values += if name.is_list() { Elements::new(value, true).take(MAX_VALUES + 1).count() } else { 1 };
        if values > MAX_VALUES {
            return Err(Violation::TooManyValues(name.clone()));
        }
        let once = match name {
            HeaderName::From => Some(&mut seen.from),
            HeaderName::To => Some(&mut seen.to),
            HeaderName::CallId => Some(&mut seen.call_id),
            HeaderName::CSeq => Some(&mut seen.cseq),
            HeaderName::MaxForwards => Some(&mut seen.max_forwards),
            _ => None,
        };
        if once.is_some_and(|seen| core::mem::replace(seen, true)) {
            return Err(Violation::Repeated(name.clone()));
        }
        seen.via |= *name == HeaderName::Via;
        check_value(name, value, method)?;
    }
    let needed = [
        (seen.via, HeaderName::Via),
        (seen.from, HeaderName::From),
        (seen.to, HeaderName::To),
        (seen.call_id, HeaderName::CallId),
        (seen.cseq, HeaderName::CSeq),
    ];
    match needed.into_iter().find(|(seen, _)| !seen) {
        Some((_, name)) => Err(Violation::Missing(name)),
        None => Ok(()),
    }
}

fn check_value(name: &HeaderName, value: &str, method: Option<&Method>) -> Result<(), Violation> {
    let wrong = |why| Violation::Header(name.clone(), why);
    match name {
        HeaderName::From | HeaderName::To => address::Parts::of(value).and_then(|parts| parts.check()).map_err(wrong),
        HeaderName::Via => Elements::new(value, true)
            .try_for_each(|element| via::Parts::of(element).and_then(|parts| parts.check()))
            .map_err(wrong),
        HeaderName::CallId if is_call_id(value) => Ok(()),
        HeaderName::CallId => Err(wrong(Malformed("contains white space"))),
        HeaderName::CSeq => {
            let cseq: CSeq = value.parse().map_err(wrong)?;
            let same = method.is_none_or(|method| *method == cseq.method);
            if same { Ok(()) } else { Err(Violation::MethodMismatch) }
        }
        HeaderName::MaxForwards if method.is_some() && value.parse::<u8>().is_err() => {
            Err(wrong(Malformed("invalid number of hops")))
        }
        HeaderName::Contact | HeaderName::Route | HeaderName::RecordRoute if method.is_some() => {
            Elements::new(value, true)
                .filter(|element| *element != "*")
                .try_for_each(|element| address::Parts::of(element).and_then(|parts| parts.check()))
                .map_err(wrong)
        }
        _ => Ok(()),
    }
}
