//! WebRTC offer/answer with a browser: descriptions of the relay, with ICE credentials, DTLS roles and SSRCs.

use super::LegMaker;
use crate::call::participant::LegSecrets;
use crate::call::{CallEvent, EndpointKind, Output};
use offhook_media::command::{
    Command, LegKey, LocalTransport, PeerRtcp, RemoteTransport, RemoteWebRtc, Silence, Stream, WebRtcEndpoint,
};
use offhook_sdp::plan::Conversions;
use offhook_sdp::section::Section;
use offhook_sdp::webrtc::{
    self, DtlsSetup, Fingerprint, IceCredentials, LocalSection, TransportDescription, WebRtcDescription,
};
use offhook_signaling::reason::EndReason;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Properties of the relay that all legs at one media worker have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelaySide {
    /// The SHA-256 fingerprint of the relay's DTLS certificate.
    pub fingerprint: Fingerprint,
    /// The worker's addresses, best first.
    pub candidates: Vec<SocketAddr>,
    /// The encoding names of the permitted codecs, in order of preference. If empty, the caller's offer determines the
    /// codecs.
    pub codecs: Vec<String>,
    /// The conversions between codecs that the worker performs.
    pub conversions: Conversions,
}

/// The parsed answer of a browser.
pub(in crate::call) struct BrowserAnswer(WebRtcDescription);

impl BrowserAnswer {
    pub(super) fn parse(text: &str) -> Result<Self, EndReason> {
        WebRtcDescription::parse(text).map(Self).map_err(|_| EndReason::BadSessionDescription)
    }

    pub(super) fn sections(&self) -> &[Section] {
        &self.0.sections
    }
}

impl LegMaker {
    fn transport(&self, ice: IceCredentials, setup: DtlsSetup) -> TransportDescription {
        let candidates = self.side.candidates.clone();
        TransportDescription { ice, ice_lite: true, fingerprint: self.side.fingerprint, setup, candidates }
    }

    /// Alerts a browser with an offer of the sections `offered`. Returns the SSRCs in the offer, and the outputs.
    pub(super) fn alert_browser(
        &mut self,
        leg: LegKey,
        address: String,
        offered: &[Section],
        has_video: bool,
    ) -> (Vec<u32>, Vec<Output>) {
        let secrets = self.secrets();
        let sections = local_sections(offered, &secrets);
        let ssrcs = sections.iter().map(|section| section.ssrc).collect();
        let offer = webrtc::offer(&self.transport(secrets.ice.clone(), DtlsSetup::ActPass), &sections);
        let event = CallEvent::Routed { callee: leg, endpoint: EndpointKind::Browser, address, offer: Some(offer) };
        let open = Output::Media(Command::Open { leg, transport: LocalTransport::WebRtc { ice: secrets.ice } });
        (ssrcs, vec![open, Output::Event { event, has_video }])
    }

    /// Answers a browser's offer. `answer` are the sections of the answer, `caller` the browser's streams. Returns the
    /// commands for the worker, and the text of the answer.
    pub(in crate::call) fn answer_browser(
        &mut self,
        leg: LegKey,
        offer: &WebRtcDescription,
        answer: &[Section],
        caller: &[Section],
    ) -> (Vec<Command>, String) {
        let secrets = self.secrets();
        let sections = local_sections(answer, &secrets);
        let ssrcs: Vec<u32> = sections.iter().filter(|local| !local.section.rejected).map(|local| local.ssrc).collect();
        // Browsers offer actpass, and then become the DTLS client. An offer of passive makes the relay the client.
        let (ours, theirs) = match offer.transport.setup {
            DtlsSetup::Passive => (DtlsSetup::Active, DtlsSetup::Passive),
            DtlsSetup::Active | DtlsSetup::ActPass => (DtlsSetup::Passive, DtlsSetup::Active),
        };
        let transport = self.transport(secrets.ice.clone(), ours);
        let commands = vec![
            Command::Open { leg, transport: LocalTransport::WebRtc { ice: secrets.ice } },
            described(leg, offer, theirs, streams(caller, ssrcs)),
        ];
        (commands, webrtc::answer(offer, &transport, &sections))
    }
}

/// Returns the command that connects a browser that answered the relay's offer. `offered` are the SSRCs in that offer.
pub(super) fn connect(leg: LegKey, offered: &[u32], parsed: &BrowserAnswer, callee: &[Section]) -> Command {
    let answer = &parsed.0;
    // The relay offered actpass, so the answer determines the DTLS roles.
    let theirs = match answer.transport.setup {
        DtlsSetup::Passive => DtlsSetup::Passive,
        DtlsSetup::Active | DtlsSetup::ActPass => DtlsSetup::Active,
    };
    let ssrc_of = |section: &Section| {
        let position = answer.sections.iter().position(|answered| answered.mid == section.mid);
        position.and_then(|position| offered.get(position)).copied().unwrap_or_default()
    };
    let ssrcs = callee.iter().map(ssrc_of).collect();
    described(leg, answer, theirs, streams(callee, ssrcs))
}

/// Returns the worker's command that applies a browser's description. A browser's payload types are the same in both
/// directions.
fn described(leg: LegKey, description: &WebRtcDescription, setup: DtlsSetup, streams: Vec<Stream>) -> Command {
    let TransportDescription { ice, fingerprint, .. } = description.transport.clone();
    let (rtcp, endpoint) = (PeerRtcp::Muxed, WebRtcEndpoint::Browser);
    let transport = RemoteTransport::WebRtc(RemoteWebRtc { ice, fingerprint, setup, rtcp, endpoint });
    Command::Connect { leg, transport, streams, silence: Silence::EndsLeg }
}

fn streams(sections: &[Section], ssrcs: Vec<u32>) -> Vec<Stream> {
    let pairs = sections.iter().cloned().zip(ssrcs);
    pairs.map(|(remote, local_ssrc)| Stream { received: remote.payloads.clone(), remote, local_ssrc }).collect()
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
