use super::{BadKeyLength, RtpSession};
use crate::command::{LocalRtp, MasterKey, MkiPair, RemoteRtp, RtcpPath, SdesKeys};
use crate::socket::{Local, PortId, SectionPorts};
use crate::transport::latch::LatchRules;
use crate::transport::srtp::{MasterSecret, Profile};
use offhook_clock::Time;
use std::net::SocketAddr;

fn on(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn session() -> RtpSession {
    let ports = SectionPorts { rtp: PortId::at(1), rtcp: PortId::at(2) };
    RtpSession::new(LocalRtp { rtp: on(1), rtcp: on(2) }, ports, LatchRules::default())
}

fn separate() -> RemoteRtp {
    RemoteRtp { rtp: on(10), rtcp: RtcpPath::Separate(on(20)) }
}

#[test]
fn key_length_must_match_suite() {
    // RFC 4568 §6.1, RFC 7714 §14.1
    for (suite, length) in [
        (Profile::AesCm128HmacSha1, 30),
        (Profile::AesCm128HmacSha1Short, 30),
        (Profile::AeadAes128Gcm, 28),
        (Profile::AeadAes256Gcm, 44),
    ] {
        for octets in 0..60 {
            assert_eq!(MasterSecret::split(suite, &vec![7; octets]).is_ok(), octets == length, "{suite:?} {octets}");
        }
    }
    let secret = |octets| MasterKey(vec![7; octets]);
    let keys =
        SdesKeys { suite: Profile::AesCm128HmacSha1, local: secret(30), remote: secret(29), mki: MkiPair::default() };
    assert_eq!(session().connect(Some(separate()), Some(&keys), None, Time::EPOCH), Err(BadKeyLength));
    assert_eq!(format!("{:?}", keys.local), "MasterKey(30 octets)", "Debug output hides the key");
}

#[test]
fn destinations_follow_description() {
    let mut session = session();
    assert!(session.rtp_path().is_none() && session.rtcp_path().is_none(), "there is no description yet");
    let paths = |session: &mut RtpSession| {
        let port = |local| match local {
            Local::Port(port) => port.index(),
            Local::Shared(address) => panic!("{address} is shared"),
        };
        let pair = |path: Option<super::SendPath<'_>>| path.map(|path| (port(path.local), path.remote.port()));
        (pair(session.rtp_path()), pair(session.rtcp_path()))
    };
    let muxed = RemoteRtp { rtcp: RtcpPath::Muxed, ..separate() };
    for (remote, expected) in [
        (Some(separate()), (Some((1, 10)), Some((2, 20)))),
        (Some(muxed), (Some((1, 10)), Some((1, 10)))),
        (None, (None, None)),
        (Some(separate()), (Some((1, 10)), Some((2, 20)))),
    ] {
        session.connect(remote, None, None, Time::EPOCH).unwrap();
        assert_eq!(paths(&mut session), expected, "{remote:?}");
    }
    session.deactivate();
    assert_eq!(paths(&mut session), (None, None));
}
