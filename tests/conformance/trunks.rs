//! The account that all logins share at a SIP server.

use offhook_tests::relay::Relay;
use offhook_tests::wait::PATIENCE;
use tokio::net::UdpSocket;

#[tokio::test]
async fn trunk_registers_at_start_without_other_events() {
    // By name, so that the resolver is asked too.
    for host in ["localhost", "127.0.0.1"] {
        let registrar = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        let port = registrar.local_addr().expect("bound").port();
        let uri = format!("sip.trunk.uri=sip:4711@{host}:{port}");
        let _relay = Relay::start_with_sip(&[&uri, &format!("sip.trunk.registrar=sip:{host}:{port}")]);
        let mut octets = [0; 2048];
        let received = tokio::time::timeout(PATIENCE, registrar.recv(&mut octets)).await.expect("in time");
        let length = received.expect("received");
        assert!(octets[..length].starts_with(b"REGISTER "), "{host}");
    }
}
