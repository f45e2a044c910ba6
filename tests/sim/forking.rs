//! Forking proxy (RFC 3261 §16) in front of two phones with one address of record. Responses of both phones reach the
//! caller, so that it receives several early dialogs, and two answers if the phones answer at nearly the same time.

use offhook_sip::message::{HeaderName, Message, Method, Request, Response, Via};
use std::collections::BTreeMap;

/// The number of phones.
pub(crate) const PHONES: usize = 2;

/// The beginning of the branch parameter in the requests of the proxy. The number of the phone and the branch of the
/// received request follow.
const BRANCH: &str = "z9hG4bK-fork";

/// A message that the proxy sends.
pub(crate) enum Forwarded {
    ToCaller(Vec<u8>),
    /// To the phone with that number.
    ToPhone(usize, Vec<u8>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Branch {
    Pending,
    Answered,
    /// Its final response was acknowledged by the proxy.
    Failed,
    /// Its final response was passed to the caller, which acknowledges it.
    Passed,
}

/// A forked INVITE.
struct Fork {
    invite: Request,
    branches: [Branch; PHONES],
    is_canceled: bool,
}

/// The proxy. It keeps each INVITE, so that a late response is still routed.
#[derive(Default)]
pub(crate) struct ForkingProxy {
    /// By the branch parameter of the received INVITE.
    forks: BTreeMap<String, Fork>,
    /// The number of INVITEs that both phones answered.
    pub(crate) answered_twice: u32,
}

fn branch(via: Option<&str>) -> Option<String> {
    via?.parse::<Via>().ok()?.branch().map(str::to_owned)
}

/// Returns the number of the phone and the branch of the received INVITE, if the message belongs to a request of the proxy.
pub(crate) fn of_fork(response: &Response) -> Option<(usize, String)> {
    let branch = branch(response.headers.all(HeaderName::Via).next())?;
    let (number, received) = branch.strip_prefix(BRANCH)?.split_once('-')?;
    Some((number.parse().ok()?, received.to_owned()))
}

/// The `Via` of a request of the proxy to a phone.
fn via(number: usize, received: &str) -> String {
    format!("SIP/2.0/UDP 198.51.100.7:5060;branch={BRANCH}{number}-{received}")
}

impl Fork {
    /// Returns the INVITE to a phone.
    fn invite(&self, number: usize, received: &str) -> Forwarded {
        let mut invite = self.invite.clone();
        invite.headers.push_front(HeaderName::Via, via(number, received));
        Forwarded::ToPhone(number, invite.to_bytes())
    }

    /// Returns the CANCEL of the INVITE to a phone, or the ACK of its failure, which has the `To` of the response (RFC 3261
    /// §9.1, §17.1.1.3).
    fn in_transaction(&self, method: &Method, to: Option<&str>, number: usize, received: &str) -> Forwarded {
        let header = |name: HeaderName| self.invite.headers.get(name).unwrap_or_default();
        let sequence = header(HeaderName::CSeq).split(' ').next().unwrap_or_default();
        let mut request = Request::new(method.clone(), self.invite.uri.clone());
        request.headers.push(HeaderName::Via, via(number, received));
        request.headers.push(HeaderName::From, header(HeaderName::From));
        request.headers.push(HeaderName::To, to.unwrap_or_else(|| header(HeaderName::To)));
        request.headers.push(HeaderName::CallId, header(HeaderName::CallId));
        request.headers.push(HeaderName::CSeq, format!("{sequence} {method}"));
        request.headers.push(HeaderName::MaxForwards, 70);
        Forwarded::ToPhone(number, request.to_bytes())
    }

    fn cancel_pending(&self, received: &str) -> Vec<Forwarded> {
        let pending = (0..PHONES).filter(|number| self.branches[*number] == Branch::Pending);
        pending.map(|number| self.in_transaction(&Method::Cancel, None, number, received)).collect()
    }
}

impl ForkingProxy {
    /// Handles an INVITE to the address of record, its CANCEL, or the ACK of its failure.
    pub(crate) fn request(&mut self, request: Request) -> Vec<Forwarded> {
        let Some(received) = branch(request.headers.all(HeaderName::Via).next()) else { return Vec::new() };
        match request.method {
            Method::Invite => {
                let branches = [Branch::Pending; PHONES];
                let fork = Fork { invite: request, branches, is_canceled: false };
                let fork = self.forks.entry(received.clone()).or_insert(fork);
                (0..PHONES).map(|number| fork.invite(number, &received)).collect()
            }
            Method::Cancel => {
                let mut sent = vec![Forwarded::ToCaller(Response::to(&request, 200, "OK").to_bytes())];
                if let Some(fork) = self.forks.get_mut(&received) {
                    fork.is_canceled = true;
                    sent.extend(fork.cancel_pending(&received));
                }
                sent
            }
            Method::Ack => {
                let Some(fork) = self.forks.get(&received) else { return Vec::new() };
                let passed = (0..PHONES).filter(|number| fork.branches[*number] == Branch::Passed);
                let to = request.headers.get(HeaderName::To);
                passed.map(|number| fork.in_transaction(&Method::Ack, to, number, &received)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Handles a response of a phone to a request of the proxy.
    pub(crate) fn response(&mut self, mut response: Response) -> Vec<Forwarded> {
        let Some((number, received)) = of_fork(&response) else { return Vec::new() };
        let Some(fork) = self.forks.get_mut(&received) else { return Vec::new() };
        let is_of_invite = response.headers.get(HeaderName::CSeq).is_some_and(|value| value.ends_with("INVITE"));
        if !is_of_invite || response.status == 100 {
            return Vec::new();
        }
        response.headers.pop_front(HeaderName::Via);
        let passed = Forwarded::ToCaller(response.to_bytes());
        match response.status {
            ..200 => vec![passed],
            200..300 => {
                let is_first = !fork.branches.contains(&Branch::Answered);
                if !is_first && fork.branches[number] != Branch::Answered {
                    self.answered_twice += 1;
                }
                fork.branches[number] = Branch::Answered;
                fork.is_canceled = true;
                core::iter::once(passed).chain(fork.cancel_pending(&received)).collect()
            }
            _ => {
                let others_failed = (0..PHONES).all(|other| other == number || fork.branches[other] == Branch::Failed);
                if others_failed && fork.branches[number] != Branch::Failed {
                    fork.branches[number] = Branch::Passed;
                    return vec![passed];
                }
                fork.branches[number] = Branch::Failed;
                let to = response.headers.get(HeaderName::To);
                vec![fork.in_transaction(&Method::Ack, to, number, &received)]
            }
        }
    }

    /// Repeats each CANCEL that has had no effect, because it or the INVITE was lost.
    pub(crate) fn tick(&self) -> Vec<Forwarded> {
        let canceled = self.forks.iter().filter(|(_, fork)| fork.is_canceled);
        canceled.flat_map(|(received, fork)| fork.cancel_pending(received)).collect()
    }
}

/// Returns the message, if it is one of SIP.
pub(crate) fn parsed(octets: &[u8]) -> Option<Message> {
    Message::parse(octets).ok()
}
