use super::{HOSTS_FILE, Resolver};
use core::time::Duration;
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, NAPTR, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record};
use offhook_sip::location::{Abilities, Question};
use offhook_sip::transport::Transport;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::net::UdpSocket;

const ALL: Abilities = Abilities { ipv4: true, ipv6: true, udp: true, tcp: true, tls: true };

/// A DNS server with a few records, which records its queries.
struct Zone {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Zone {
    async fn start(records: Vec<Record>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let memory = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut buffer = [0; 1_500];
            while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
                let request = Message::from_vec(&buffer[..length]).unwrap();
                let query = request.queries[0].clone();
                memory.lock().unwrap().push(format!("{} {}", query.query_type(), query.name()));
                let mut response = request.into_response();
                let found = records
                    .iter()
                    .filter(|record| record.name == *query.name() && record.data.record_type() == query.query_type());
                response.add_answers(found.cloned());
                if !records.iter().any(|record| record.name == *query.name()) {
                    response.metadata.response_code = ResponseCode::NXDomain;
                }
                socket.send_to(&response.to_vec().unwrap(), client).await.unwrap();
            }
        });
        Self { address, asked }
    }

    fn resolver(&self) -> Resolver {
        Resolver::new(&[self.address], Path::new("/nonexistent/hosts"), ALL).unwrap()
    }

    fn asked(&self) -> Vec<String> {
        let mut asked = core::mem::take(&mut *self.asked.lock().unwrap());
        asked.sort();
        asked
    }
}

fn record(name: &str, data: RData) -> Record {
    Record::from_rdata(Name::from_ascii(name).unwrap(), 300, data)
}

fn naptr(order: u16, service: &str, replacement: &str) -> RData {
    let octets = |text: &str| text.as_bytes().into();
    RData::NAPTR(NAPTR::new(order, 0, octets("s"), octets(service), octets(""), Name::from_ascii(replacement).unwrap()))
}

fn srv(priority: u16, port: u16, target: &str) -> RData {
    RData::SRV(SRV::new(priority, 0, port, Name::from_ascii(target).unwrap()))
}

fn v4(address: &str) -> RData {
    RData::A(A(address.parse().unwrap()))
}

fn v6(address: &str) -> RData {
    RData::AAAA(AAAA(address.parse().unwrap()))
}

fn question(host: &str) -> Question {
    Question { host: host.to_owned(), port: None, transport: None, secure: false }
}

async fn targets(resolver: &Resolver, question: &Question) -> Vec<String> {
    let found = resolver.resolve(question, ChaCha20Rng::seed_from_u64(1)).await;
    assert!(found.iter().all(|target| target.host.as_ref() == Some(&question.host)));
    found.iter().map(|target| format!("{} {}", target.transport, target.address)).collect()
}

#[tokio::test]
async fn naptr_srv_and_addresses_are_resolved_in_order() {
    let zone = Zone::start(vec![
        record("example.org.", naptr(20, "SIP+D2U", "_sip._udp.example.org.")),
        record("example.org.", naptr(10, "SIPS+D2T", "_sips._tcp.example.org.")),
        record("_sips._tcp.example.org.", srv(1, 5061, "one.example.org.")),
        record("_sip._udp.example.org.", srv(2, 5070, "two.example.org.")),
        record("_sip._udp.example.org.", srv(1, 5080, "one.example.org.")),
        record("one.example.org.", v4("192.0.2.1")),
        record("one.example.org.", v6("2001:db8::1")),
        record("two.example.org.", v4("192.0.2.2")),
        record("two.example.org.", v6("2001:db8::2")),
    ])
    .await;
    let resolver = zone.resolver();
    let found = targets(&resolver, &question("example.org")).await;
    let wanted = [
        "TLS 192.0.2.1:5061",
        "TLS [2001:db8::1]:5061",
        "UDP 192.0.2.1:5080",
        "UDP [2001:db8::1]:5080",
        "UDP 192.0.2.2:5070",
        "UDP [2001:db8::2]:5070",
    ];
    assert_eq!(found, wanted);
    assert!(zone.asked().contains(&"NAPTR example.org.".to_owned()));
    assert_eq!(targets(&resolver, &question("example.org")).await, wanted);
    assert_eq!(zone.asked(), Vec::<String>::new(), "responses are cached");
}

#[tokio::test]
async fn host_without_sip_records_is_resolved_by_address() {
    let zone = Zone::start(vec![record("pbx.example.org.", v4("192.0.2.9"))]).await;
    let resolver = zone.resolver();
    assert_eq!(targets(&resolver, &question("pbx.example.org")).await, ["UDP 192.0.2.9:5060"]);
    let asked = [
        "A pbx.example.org.",
        "AAAA pbx.example.org.",
        "NAPTR pbx.example.org.",
        "SRV _sip._tcp.pbx.example.org.",
        "SRV _sip._udp.pbx.example.org.",
        "SRV _sips._tcp.pbx.example.org.",
    ];
    assert_eq!(zone.asked(), asked);
    let port = Question { port: Some(5080), transport: Some(Transport::Tcp), ..question("pbx.example.org") };
    assert_eq!(targets(&resolver, &port).await, ["TCP 192.0.2.9:5080"]);
    let tls = Question { secure: true, ..question("pbx.example.org") };
    assert_eq!(targets(&resolver, &tls).await, ["TLS 192.0.2.9:5061"]);
}

#[tokio::test]
async fn unknown_name_has_no_targets() {
    let zone = Zone::start(Vec::new()).await;
    let resolver = zone.resolver();
    assert!(targets(&resolver, &question("nobody.example.org")).await.is_empty());
    assert!(!zone.asked().is_empty());
    assert!(targets(&resolver, &question("bad name\u{0}.example.org")).await.is_empty());
}

#[tokio::test]
async fn local_names_are_resolved_without_dns() {
    // A DNS server that does not respond.
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let hosts = std::env::temp_dir().join(format!("offhook-hosts-{}", std::process::id()));
    std::fs::write(&hosts, "127.0.0.5 pbx pbx.test # the telephone system\n::5 pbx.test\n").unwrap();
    let resolver = Resolver::new(&[silent.local_addr().unwrap()], &hosts, ALL).unwrap();
    assert_eq!(targets(&resolver, &question("localhost")).await, ["UDP 127.0.0.1:5060", "UDP [::1]:5060"]);
    assert_eq!(targets(&resolver, &question("127.0.0.9")).await, ["UDP 127.0.0.9:5060"]);
    assert_eq!(targets(&resolver, &question("pbx.test")).await, ["UDP 127.0.0.5:5060", "UDP [::5]:5060"]);
    let addresses = resolver.addresses_of("pbx.test").await;
    assert_eq!(addresses, ["127.0.0.5".parse::<IpAddr>().unwrap(), "::5".parse().unwrap()]);
    assert_eq!(targets(&resolver, &question("pbx")).await, ["UDP 127.0.0.5:5060"]);
    std::fs::write(&hosts, "127.0.0.6 pbx\n").unwrap();
    assert_eq!(targets(&resolver, &question("pbx")).await, ["UDP 127.0.0.6:5060"], "a change takes effect immediately");
    std::fs::remove_file(&hosts).unwrap();
    let mut buffer = [0; 1];
    assert!(silent.try_recv(&mut buffer).is_err(), "no query was sent");
}

#[tokio::test]
async fn query_without_response_times_out() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let servers = [silent.local_addr().unwrap()];
    let mut resolver = Resolver::new(&servers, Path::new("/nonexistent/hosts"), ALL).unwrap();
    resolver.timeout = Duration::from_millis(50);
    assert!(targets(&resolver, &question("example.org")).await.is_empty());
    assert!(resolver.addresses_of("example.org").await.is_empty());
}

#[tokio::test]
async fn resolver_without_servers_uses_the_system_configuration() {
    let resolver = Resolver::new(&[], Path::new(HOSTS_FILE), ALL).unwrap();
    assert_eq!(targets(&resolver, &question("localhost")).await.len(), 2);
}
