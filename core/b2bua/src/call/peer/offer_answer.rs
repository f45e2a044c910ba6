//! Offer/answer exchanges with a SIP endpoint (RFC 3264): creation and check of offers and answers.

use super::Peer;
use super::negotiation::{Pending, Purpose, RemoteAnswer, RemoteOffer};
use super::transport::Path;
use super::webrtc::WebRtcPath;
use crate::call::negotiation::ice_credentials;
use offhook_media::command::{Command, LegKey, Silence, Stream};
use offhook_sdp::direction::Direction;
use offhook_sdp::offer_answer::sip::as_sent;
use offhook_sdp::section::Section;
use offhook_sdp::sip::{Security, SipDescription, SipSection, refuse_plain_alternatives};
use offhook_signaling::reason::EndReason;
use rand_chacha::ChaCha20Rng;
use std::net::SocketAddr;

impl Peer {
    /// Creates an offer of the sections `offered`. [`Peer::check_answer`] checks the answer.
    pub(in crate::call) fn make_offer(
        &mut self,
        offered: Vec<Section>,
        purpose: Purpose,
        random: &mut ChaCha20Rng,
    ) -> String {
        let sections = offered.iter().enumerate();
        let sections = sections
            .map(|(index, section)| self.transport.offered(index, section.clone(), &self.descriptions, random))
            .collect();
        let sections = self.descriptions.with_extra(sections);
        let text = self.descriptions.local.offer(sections).to_string();
        self.offers.sent = Some(Pending { offered, purpose, is_next_due: false });
        text
    }

    /// Parses and checks the peer's answer to the relay's offer; [`Peer::apply_answer`] puts it into force.
    pub(in crate::call) fn check_answer(&self, text: &str) -> Result<RemoteAnswer, EndReason> {
        let description = SipDescription::parse(text).map_err(|_| EndReason::BadSessionDescription)?;
        let Some(Pending { offered, .. }) = &self.offers.sent else { return Err(EndReason::BadSessionDescription) };
        if self.descriptions.early.is_changed_to(text) {
            return Ok(self.in_force(description, offered.clone()));
        }
        let mut media = description.media();
        let mut security = Vec::new();
        let by_dtls = self.dtls_security(&description);
        let pairs = media.iter_mut().zip(&description.sections).zip(self.descriptions.local_sections()).enumerate();
        for (index, ((section, remote), local)) in pairs {
            let answered = match &by_dtls {
                Some(by_dtls) => by_dtls.get(index).cloned().flatten(),
                None => self.descriptions.policy().answered(local, remote),
            };
            section.rejected |= answered.is_none();
            security.push(answered.unwrap_or(Security::Plain));
        }
        Ok(RemoteAnswer { description, security, offered: offered.clone(), media })
    }

    /// Handles a 2xx whose description repeats the peer's last offer in an UPDATE. That exchange is complete, so the
    /// sections and encryption are those of the relay's answer to that offer.
    fn in_force(&self, description: SipDescription, offered: Vec<Section>) -> RemoteAnswer {
        let mut media = description.media();
        for (section, local) in media.iter_mut().zip(self.descriptions.local_sections()) {
            section.rejected |= local.section.rejected;
        }
        RemoteAnswer { description, security: self.descriptions.security.clone(), offered, media }
    }

    /// Puts an answer into force. If an INVITE creates several early dialogs, its offer is answered once in each.
    pub(in crate::call) fn apply_answer(
        &mut self,
        leg: LegKey,
        answer: RemoteAnswer,
        streams: &[Section],
        silence: Silence,
    ) -> Command {
        if self.descriptions.remote.as_ref() != Some(&answer.description) {
            self.descriptions.early.forget_change();
        }
        self.apply_remote(answer.description);
        self.descriptions.security = answer.security;
        self.connect(leg, &answer.offered, streams, silence)
    }

    /// Accepts the sections of an offer, as far as the encryption policy permits, with the discard port (RFC 863): the
    /// media of a looped call do not pass through the server that made the offer.
    pub fn accept_at_discard_port(&mut self, offer: SipDescription, random: &mut ChaCha20Rng) {
        let policy = self.descriptions.policy();
        let sections = offer.sections.iter().map(|remote| {
            let security = policy.answer(remote, None, random);
            let section = Section { direction: remote.section.direction.reversed(), ..remote.section.clone() };
            let section = Section { rejected: security.is_none() || section.rejected, ..section };
            SipSection {
                crypto: security.map(|security| security.crypto()).unwrap_or_default(),
                ..SipSection::new(
                    section,
                    remote.profile.clone(),
                    SocketAddr::new(self.transport.address.advertised, 9),
                )
            }
        });
        let sections = sections.collect();
        // `local` stores the answer, which is sent when a callee answers.
        let _ = self.descriptions.local.answer(&offer, sections);
        self.descriptions.remote = Some(offer);
    }

    /// Returns the command that connects unchanged streams again, so that silence ends the leg from now on.
    pub(in crate::call) fn reconnect(&self, leg: LegKey, streams: &[Section]) -> Command {
        self.connect(leg, &self.descriptions.local_media(), streams, Silence::EndsLeg)
    }

    /// Returns the encryption of a description's sections if the media use DTLS.
    fn dtls_security(&self, description: &SipDescription) -> Option<Vec<Option<Security>>> {
        matches!(self.transport.path, Path::WebRtc(_))
            .then(|| WebRtcPath::security_of(description, self.descriptions.srtp))
    }

    /// Puts a description of the peer into force.
    fn apply_remote(&mut self, description: SipDescription) {
        if let Path::WebRtc(path) = &mut self.transport.path {
            path.apply_remote(&description);
        }
        self.descriptions.remote = Some(description);
    }

    /// Checks an offer of the peer. The relay's answer puts it into force.
    pub fn check_offer(&self, description: SipDescription, random: &mut ChaCha20Rng) -> RemoteOffer {
        if let (Path::WebRtc(path), Some(security)) = (&self.transport.path, self.dtls_security(&description)) {
            let restart = path.is_restarted_by(&description).then(|| ice_credentials(random));
            return RemoteOffer { description, security, restart };
        }
        let security = description.sections.iter().enumerate().map(|(index, section)| {
            let known = self.descriptions.local_sections().get(index).and_then(|local| local.crypto.first());
            let security =
                self.transport.ports.get(index).and_then(|_| self.descriptions.policy().answer(section, known, random));
            security.filter(|security| !matches!(security, Security::Dtls(_)))
        });
        let mut security: Vec<Option<Security>> = security.collect();
        refuse_plain_alternatives(&description.sections, &mut security);
        RemoteOffer { description, security, restart: None }
    }

    /// Answers an offer. `answer` contains a section for each section of the offer, `streams` the streams in use as the
    /// peer describes them. Returns the commands for the worker, and the text of the answer.
    pub(in crate::call) fn answer(
        &mut self,
        leg: LegKey,
        offer: RemoteOffer,
        answer: &[Section],
        streams: &[Section],
        silence: Silence,
    ) -> (Vec<Command>, String) {
        let RemoteOffer { description, security, restart } = offer;
        let mut commands = Vec::new();
        if let (Path::WebRtc(path), Some(ice)) = (&mut self.transport.path, restart) {
            commands.push(path.restart(leg, ice));
        }
        self.apply_remote(description.clone());
        let pairs = answer.iter().zip(&description.sections).zip(&security).enumerate();
        let sections = pairs.map(|(index, ((section, remote), security))| {
            self.transport.answered(index, section.clone(), remote, security.as_ref())
        });
        let sections = self.descriptions.with_extra(sections.collect());
        let text = self.descriptions.local.answer(&description, sections).to_string();
        self.descriptions.security = security.into_iter().map(|security| security.unwrap_or(Security::Plain)).collect();
        commands.push(self.connect(leg, answer, streams, silence));
        (commands, text)
    }

    /// Returns the worker's command that connects the streams in use. `sections` are the sections of the descriptions,
    /// in order. A stream belongs to the section with the same `mid`.
    fn connect(&self, leg: LegKey, sections: &[Section], streams: &[Section], silence: Silence) -> Command {
        let ssrcs = self.transport.ssrcs();
        let sections = sections.get(..ssrcs.len()).unwrap_or(sections);
        let described = self.descriptions.remote.as_ref().map_or(0, |remote| remote.sections.len());
        let used: Vec<Option<&Section>> = sections
            .iter()
            .enumerate()
            .map(|(index, section)| streams.iter().find(|stream| index < described && stream.mid == section.mid))
            .collect();
        let transport = self.transport.remote(&self.descriptions, self.dialog.source, &used);
        let streams = sections.iter().zip(ssrcs).zip(&used).enumerate();
        let streams = streams
            .map(|(index, ((section, local_ssrc), used))| match used {
                Some(stream) => {
                    let local = self.descriptions.local_sections().get(index);
                    let received = local.map_or_else(|| (*stream).clone(), |local| as_sent(&local.section, stream));
                    Stream { remote: (*stream).clone(), received: received.payloads, local_ssrc }
                }
                None => {
                    let remote = Section { rejected: true, direction: Direction::Inactive, ..section.clone() };
                    Stream { remote, received: Vec::new(), local_ssrc }
                }
            })
            .collect();
        // Without a description of the peer there is no address to connect to.
        transport.map_or(Command::Unbridge { leg }, |transport| Command::Connect { leg, transport, streams, silence })
    }
}
