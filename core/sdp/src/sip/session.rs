//! The relay's own descriptions in one SIP session: one origin, rising versions, m-lines that keep their places.

use super::{Connection, Description, Origin, Profile, SipSection};
use crate::section::{OtherSection, Section};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// What the relay has said in a dialog. (Forks of one INVITE share the offer, and with it this.)
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    origin: Origin,
    last: Option<Description>,
}

impl Session {
    /// A session of that number, which should differ from all others of the relay and stay below 2^63, whose first
    /// version is 1.
    #[must_use]
    pub fn new(session_id: u64, address: IpAddr) -> Self {
        let origin = Origin { username: "-".to_owned(), session_id, version: 0, address: address.to_string() };
        Self { origin, last: None }
    }

    /// An offer with these sections, in the places of those of the last description: what that had beyond them is
    /// refused, since no m-line ever goes away (RFC 3264 §8).
    #[must_use]
    pub fn offer(&mut self, mut sections: Vec<SipSection>) -> Description {
        let (before, others) = match &self.last {
            Some(last) => (last.sections.as_slice(), last.others.clone()),
            None => (&[][..], Vec::new()),
        };
        for (index, (section, place)) in sections.iter_mut().zip(places(&others)).enumerate() {
            section.section.mid =
                before.get(index).map_or_else(|| place.to_string(), |before| before.section.mid.clone());
        }
        sections.extend(before.iter().skip(sections.len()).cloned().map(refused));
        let bundle = bundled(&sections).collect();
        self.say(sections, others, bundle)
    }

    /// The answer to `offer`: `sections` are for its audio and video sections, in order. Those that are rejected or
    /// missing, and all other m-lines, are refused.
    #[must_use]
    pub fn answer(&mut self, offer: &Description, sections: Vec<SipSection>) -> Description {
        let mut ours = sections.into_iter();
        let answer = offer.sections.iter().map(|offered| {
            let is_fitting = |section: &SipSection| {
                !offered.section.rejected && !section.section.rejected && section.section.kind == offered.section.kind
            };
            match ours.next().filter(is_fitting) {
                Some(mut section) => {
                    section.section.mid.clone_from(&offered.section.mid);
                    section
                }
                None => refused(offered.clone()),
            }
        });
        let answer: Vec<SipSection> = answer.collect();
        let bundle = bundled(&answer).filter(|mid| offer.bundle.contains(mid)).collect();
        self.say(answer, offer.others.clone(), bundle)
    }

    /// What was said last.
    #[must_use]
    pub const fn last(&self) -> Option<&Description> {
        self.last.as_ref()
    }

    /// The next description: of the same version if it is the same (RFC 3264 §8), otherwise of the next.
    fn say(&mut self, sections: Vec<SipSection>, others: Vec<OtherSection>, bundle: Vec<String>) -> Description {
        let is_same = self
            .last
            .as_ref()
            .is_some_and(|last| last.sections == sections && last.others == others && last.bundle == bundle);
        if !is_same {
            self.origin.version += 1;
        }
        let said = Description { origin: self.origin.clone(), session_name: "-".to_owned(), sections, others, bundle };
        self.last = Some(said.clone());
        said
    }
}

/// The names of the relay's sections that share its one WebRTC transport.
fn bundled(sections: &[SipSection]) -> impl Iterator<Item = String> {
    let of_ice = sections.iter().filter(|section| section.ice.is_some() && !section.section.rejected);
    of_ice.map(|section| section.section.mid.clone())
}

/// The indexes of m-lines that are not taken by `others`.
fn places(others: &[OtherSection]) -> impl Iterator<Item = usize> {
    (0..).filter(|index| !others.iter().any(|other| other.index == *index))
}

/// Port 0, and nothing that would be of use.
fn refused(section: SipSection) -> SipSection {
    let SipSection { section, profile, .. } = section;
    let section = Section { rejected: true, extensions: Vec::new(), ssrcs: Vec::new(), ..section };
    SipSection { connection: Connection::Nowhere { port: 0 }, ..SipSection::new(section, profile, NOWHERE) }
}

const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);

impl SipSection {
    /// One that is received at `address`, with RTCP on the next port, and nothing else said of it.
    #[must_use]
    pub const fn new(section: Section, profile: Profile, address: SocketAddr) -> Self {
        Self {
            section,
            profile,
            connection: Connection::At(address),
            rtcp: None,
            rtcp_mux: false,
            crypto: Vec::new(),
            ptime: None,
            maxptime: None,
            dtls: None,
            ice: None,
            bundle_only: false,
            cname: None,
            extra: Vec::new(),
        }
    }
}
