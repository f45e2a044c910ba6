//! The relay's own descriptions in one INVITE session: constant origin, increasing versions, stable order of m-lines
//! (RFC 3264 §8).

use super::{ConnectionAddress, Origin, RtpProfile, SipDescription, SipSection};
use crate::section::{OtherSection, Section};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// The state of the relay's descriptions in a dialog. Branches of one forked INVITE share the offer, and therefore this state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalDescriptions {
    origin: Origin,
    last: Option<SipDescription>,
}

impl LocalDescriptions {
    /// Creates the state before the first description, which will have version 1. `session_id` must be unique on this
    /// relay and below 2^63.
    #[must_use]
    pub fn new(session_id: u64, address: IpAddr) -> Self {
        let origin = Origin { username: "-".to_owned(), session_id, version: 0, address: address.to_string() };
        Self { origin, last: None }
    }

    /// Returns an offer with these sections, which replace those of the last description in order. If the last
    /// description had more sections, the others are refused, because m-lines are never removed (RFC 3264 §8).
    #[must_use]
    pub fn offer(&mut self, mut sections: Vec<SipSection>) -> SipDescription {
        let (before, others) = match &self.last {
            Some(last) => (last.sections.as_slice(), last.others.clone()),
            None => (&[][..], Vec::new()),
        };
        for (index, (section, position)) in sections.iter_mut().zip(positions(&others)).enumerate() {
            section.section.mid =
                before.get(index).map_or_else(|| position.to_string(), |before| before.section.mid.clone());
        }
        sections.extend(before.iter().skip(sections.len()).cloned().map(refused));
        let bundle = bundled(&sections).collect();
        self.next_description(sections, others, bundle)
    }

    /// Returns the answer to `offer`. `sections` correspond to its audio and video sections, in order. Sections that are
    /// rejected or missing, and all other m-lines, are refused.
    #[must_use]
    pub fn answer(&mut self, offer: &SipDescription, sections: Vec<SipSection>) -> SipDescription {
        let mut sections = sections.into_iter();
        let answer = offer.sections.iter().map(|offered| {
            let is_fitting = |section: &SipSection| {
                !offered.section.rejected && !section.section.rejected && section.section.kind == offered.section.kind
            };
            match sections.next().filter(is_fitting) {
                Some(mut section) => {
                    section.section.mid.clone_from(&offered.section.mid);
                    section
                }
                None => refused(offered.clone()),
            }
        });
        let answer: Vec<SipSection> = answer.collect();
        let bundle = bundled(&answer).filter(|mid| offer.bundle.contains(mid)).collect();
        self.next_description(answer, offer.others.clone(), bundle)
    }

    /// Returns the last description.
    #[must_use]
    pub const fn last(&self) -> Option<&SipDescription> {
        self.last.as_ref()
    }

    /// Returns the next description. Its version is incremented unless the description is unchanged (RFC 3264 §8).
    fn next_description(
        &mut self,
        sections: Vec<SipSection>,
        others: Vec<OtherSection>,
        bundle: Vec<String>,
    ) -> SipDescription {
        let is_same = self
            .last
            .as_ref()
            .is_some_and(|last| last.sections == sections && last.others == others && last.bundle == bundle);
        if !is_same {
            self.origin.version += 1;
        }
        let next =
            SipDescription { origin: self.origin.clone(), session_name: "-".to_owned(), sections, others, bundle };
        self.last = Some(next.clone());
        next
    }
}

/// Returns the `mid`s of the relay's sections that share one WebRTC transport.
fn bundled(sections: &[SipSection]) -> impl Iterator<Item = String> {
    let of_ice = sections.iter().filter(|section| section.ice.is_some() && !section.section.rejected);
    of_ice.map(|section| section.section.mid.clone())
}

/// Returns the indexes of m-lines that are not used by `others`.
fn positions(others: &[OtherSection]) -> impl Iterator<Item = usize> {
    (0..).filter(|index| !others.iter().any(|other| other.index == *index))
}

/// Returns the section as refused, with port 0 and without transport attributes.
fn refused(section: SipSection) -> SipSection {
    let SipSection { section, profile, .. } = section;
    let section = Section { rejected: true, extensions: Vec::new(), ssrcs: Vec::new(), ..section };
    SipSection { connection: ConnectionAddress::Nowhere { port: 0 }, ..SipSection::new(section, profile, NOWHERE) }
}

const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);

impl SipSection {
    /// Creates a section that is received at `address`, with RTCP on the next port and without optional attributes.
    #[must_use]
    pub const fn new(section: Section, profile: RtpProfile, address: SocketAddr) -> Self {
        Self {
            section,
            profile,
            connection: ConnectionAddress::At(address),
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
