//! Commands for legs of SIP peers that use WebRTC, which can be described repeatedly.

use super::Worker;
use crate::command::{LegKey, PeerRtcp, PeerStream, RemoteTransport, Silence};
use offhook_clock::Time;
use offhook_sdp::webrtc::IceCredentials;

impl Worker {
    pub(super) fn connect_peer(
        &mut self,
        key: LegKey,
        remote: RemoteTransport,
        streams: Vec<PeerStream>,
        terms: (PeerRtcp, Silence),
        now: Time,
    ) -> bool {
        let Some(leg) = self.legs.get_mut(key) else { return false };
        if !leg.connect_peer(remote, streams, terms, &mut self.rng, now) {
            return false;
        }
        self.rejoin(key);
        self.settle(key, now)
    }

    pub(super) fn restart_ice(&mut self, key: LegKey, ice: IceCredentials) -> bool {
        if self.fragments.contains_key(&ice.ufrag) {
            return false;
        }
        let Some(leg) = self.legs.get_mut(key) else { return false };
        let (before, ufrag) = (leg.ufrag().map(str::to_owned), ice.ufrag.clone());
        if !leg.restart_ice(ice) {
            return false;
        }
        if let Some(before) = before {
            self.fragments.remove(&before);
        }
        self.fragments.insert(ufrag, key);
        true
    }
}
