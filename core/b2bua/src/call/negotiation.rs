//! The relay's side of each leg: credentials, SSRCs and descriptions.

use super::party::{Fork, Leg, LegSecrets, Party};
use offhook_media::command::{Command, RemoteTransport, Stream};
use offhook_sdp::offer_answer::{self, NegotiationError};
use offhook_sdp::webrtc::{Description, Fingerprint, IceCredentials, LocalSection, Section, Setup, Transport};
use offhook_signaling::reason::EndReason;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// What every leg of a call's worker has in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelaySide {
    /// SHA-256 of the relay's DTLS certificate.
    pub fingerprint: Fingerprint,
    /// The worker's addresses, best first.
    pub candidates: Vec<SocketAddr>,
    /// The operator's codecs, in order; empty: the caller's choice.
    pub codecs: Vec<String>,
}

/// Makes the relay's side of legs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegMaker {
    side: RelaySide,
    random: ChaCha20Rng,
}

/// The text to send, and what to remember of it.
pub(super) struct Answered {
    /// The answer to the caller; none when the first leg had its description before (transfer).
    pub answer: String,
    /// The caller's streams.
    pub caller: Vec<Section>,
    /// The callee's streams.
    pub callee: Vec<Section>,
    /// What the worker must know, in order.
    pub commands: Vec<Command>,
}

const ICE_ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

impl LegMaker {
    /// A maker that draws from `seed`, which must be secret.
    #[must_use]
    pub fn new(side: RelaySide, seed: [u8; 32]) -> Self {
        Self { side, random: ChaCha20Rng::from_seed(seed) }
    }

    fn text(&mut self, length: usize) -> String {
        let mut octets = vec![0; length];
        self.random.fill_bytes(&mut octets);
        octets.iter().map(|octet| char::from(*ICE_ALPHABET.get(usize::from(octet & 63)).unwrap_or(&b'A'))).collect()
    }

    /// 48 bits of user name fragment, 144 of password: more than RFC 8445 §5.3 asks for.
    fn secrets(&mut self) -> LegSecrets {
        let ice = IceCredentials { ufrag: self.text(8), pwd: self.text(24) };
        LegSecrets { ice, first_ssrc: (self.random.next_u32() & 0x7fff_ff00) | 1 }
    }

    fn transport(&self, ice: IceCredentials, setup: Setup) -> Transport {
        let candidates = self.side.candidates.clone();
        Transport { ice, ice_lite: true, fingerprint: self.side.fingerprint, setup, candidates }
    }

    /// Whether there is a codec in it that the operator lets pass.
    pub(super) fn can_offer(&self, offer: &Description) -> bool {
        !offer_answer::relay_offer(&offer.sections, &self.side.codecs).is_empty()
    }

    /// Rings `party` with what `offer` can do: the fork, the worker's order and the offer's text.
    pub(super) fn ring(&mut self, party: Party, offer: &Description) -> (Fork, Command, String) {
        let offered = offer_answer::relay_offer(&offer.sections, &self.side.codecs);
        let secrets = self.secrets();
        let sections = local_sections(&offered, &secrets);
        let ssrcs = sections.iter().map(|section| section.ssrc).collect();
        let text = offhook_sdp::webrtc::offer(&self.transport(secrets.ice.clone(), Setup::ActPass), &sections);
        let open = Command::OpenLeg { leg: party.leg, ice: secrets.ice };
        (Fork { party, offered, ssrcs }, open, text)
    }

    /// Joins the caller's offer and a fork's answer.
    pub(super) fn answer(
        &mut self,
        caller: &Party,
        offer: &Description,
        fork: &Fork,
        answer: &Description,
    ) -> Result<Answered, EndReason> {
        let settled = offer_answer::settle(&offer.sections, &answer.sections, &fork.offered).map_err(end_reason)?;
        let secrets = self.secrets();
        let sections = local_sections(&settled.answer, &secrets);
        let caller_ssrcs: Vec<u32> =
            sections.iter().filter(|local| !local.section.rejected).map(|local| local.ssrc).collect();
        // The browser offers actpass and becomes the DTLS client; one that insists on passive gets its way.
        let (ours, theirs) = match offer.transport.setup {
            Setup::Passive => (Setup::Active, Setup::Passive),
            Setup::Active | Setup::ActPass => (Setup::Passive, Setup::Active),
        };
        let transport = self.transport(secrets.ice.clone(), ours);
        let commands = vec![
            connect(fork, answer, &settled.callee),
            Command::OpenLeg { leg: caller.leg, ice: secrets.ice },
            Command::ConnectLeg {
                leg: caller.leg,
                remote: remote(offer, theirs),
                streams: streams(&settled.caller, caller_ssrcs),
            },
            Command::Bridge { a: caller.leg, b: fork.party.leg },
        ];
        let answer = offhook_sdp::webrtc::answer(offer, &transport, &sections);
        Ok(Answered { answer, caller: settled.caller, callee: settled.callee, commands })
    }

    /// Joins a leg that is up already and the answer of a fork that was rung on its behalf.
    pub(super) fn answer_transfer(
        stays: &Leg,
        fork: &Fork,
        answer: &Description,
    ) -> Result<(Vec<Section>, Vec<Command>), EndReason> {
        let settled = offer_answer::settle(&stays.streams, &answer.sections, &fork.offered).map_err(end_reason)?;
        let commands =
            vec![connect(fork, answer, &settled.callee), Command::Bridge { a: stays.party.leg, b: fork.party.leg }];
        Ok((settled.callee, commands))
    }
}

/// What an established leg can do with its one negotiation: the offer to whoever joins it later.
pub(super) fn negotiated(leg: &Leg) -> Description {
    Description { sections: leg.streams.clone(), others: Vec::new(), ..leg.description.clone() }
}

const fn end_reason(error: NegotiationError) -> EndReason {
    match error {
        NegotiationError::Refused | NegotiationError::NoCommonCodecs => EndReason::NoCommonCodecs,
        NegotiationError::NotAnAnswer => EndReason::BadSessionDescription,
    }
}

fn connect(fork: &Fork, answer: &Description, callee: &[Section]) -> Command {
    // The relay offered actpass.
    let theirs = match answer.transport.setup {
        Setup::Passive => Setup::Passive,
        Setup::Active | Setup::ActPass => Setup::Active,
    };
    let ssrc_of = |section: &Section| {
        let position = answer.sections.iter().position(|answered| answered.mid == section.mid);
        position.and_then(|position| fork.ssrcs.get(position)).copied().unwrap_or_default()
    };
    let ssrcs = callee.iter().map(ssrc_of).collect();
    Command::ConnectLeg { leg: fork.party.leg, remote: remote(answer, theirs), streams: streams(callee, ssrcs) }
}

fn remote(description: &Description, setup: Setup) -> RemoteTransport {
    let Transport { ice, fingerprint, .. } = description.transport.clone();
    RemoteTransport { ice, fingerprint, setup }
}

fn streams(sections: &[Section], ssrcs: Vec<u32>) -> Vec<Stream> {
    let pairs = sections.iter().cloned().zip(ssrcs);
    pairs.map(|(remote, local_ssrc)| Stream { remote, local_ssrc }).collect()
}

fn local_sections(sections: &[Section], secrets: &LegSecrets) -> Vec<LocalSection> {
    let numbered = (secrets.first_ssrc..).zip(sections);
    numbered
        .map(|(ssrc, section)| LocalSection {
            section: section.clone(),
            ssrc,
            cname: secrets.ice.ufrag.clone(),
            stream_id: secrets.ice.ufrag.clone(),
            track_id: format!("{}-{}", secrets.ice.ufrag, section.mid),
        })
        .collect()
}
