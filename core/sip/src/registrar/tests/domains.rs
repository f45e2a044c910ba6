//! Tests of domains that phones register for when no domain is configured.

use super::{Bench, source};
use crate::message::{HeaderName, Host};
use crate::registrar::Registrar;
use crate::transport::Transport;
use core::time::Duration;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

impl Bench {
    /// Creates a registrar that accepts any domain.
    fn without_domain() -> Self {
        let mut bench = Self::new();
        let mut settings = bench.registrar.settings.clone();
        settings.any_domain = true;
        settings.other_servers = ["provider.example".to_owned()].into();
        bench.registrar = Registrar::new(settings, &mut ChaCha20Rng::from_seed([9; 32]));
        bench.challenge();
        bench
    }

    /// Registers the phone with this contact for a domain.
    fn register_for(&mut self, domain: &str, contact: &str, expires: u32) {
        let mut request = self.request(&format!("Contact: <sip:{contact}@198.51.100.7>\nExpires: {expires}"));
        request.headers.set(HeaderName::To, format_args!("<sip:desk@{domain}>"));
        let request = self.with_credentials(request, "sip:pbx.example");
        assert_eq!(self.registrar.register(&request, &self.source, self.now).status, 200, "{domain}");
        self.assert_consistent();
    }

    fn has_learned(&self, domain: &str) -> bool {
        self.registrar.has_learned(&domain.parse::<Host>().unwrap())
    }
}

#[test]
fn learned_domain_ends_with_its_last_binding() {
    let mut bench = Bench::without_domain();
    bench.register_for("Inside.test", "a", 120);
    bench.register_for("inside.test.", "b", 300);
    assert!(bench.has_learned("inside.TEST"));
    assert!(
        !bench.has_learned("inside.tes") && !bench.has_learned("inside.test2") && !bench.has_learned("a.inside.test")
    );
    bench.now = bench.now + Duration::from_secs(120);
    bench.registrar.handle_timeout(bench.now);
    assert!(bench.has_learned("inside.test"), "the other phone is still registered");
    bench.register_for("inside.test", "b", 0);
    assert!(!bench.has_learned("inside.test"));
    bench.assert_consistent();
}

#[test]
fn refreshed_binding_has_its_latest_domain() {
    let mut bench = Bench::without_domain();
    bench.register_for("old.test", "a", 120);
    bench.register_for("new.test", "a", 120);
    assert!(bench.has_learned("new.test") && !bench.has_learned("old.test"));
}

#[test]
fn user_adds_at_most_two_domains() {
    let mut bench = Bench::without_domain();
    for (domain, contact) in [("one.test", "a"), ("two.test", "b"), ("three.test", "c")] {
        bench.register_for(domain, contact, 120);
    }
    assert!(bench.has_learned("one.test") && bench.has_learned("two.test") && !bench.has_learned("three.test"));
    bench.register_for("one.test", "a", 0);
    bench.register_for("three.test", "c", 120);
    assert!(!bench.has_learned("one.test") && bench.has_learned("three.test"), "a further domain can be added");
}

#[test]
fn server_hosts_and_configured_domains_are_not_learned() {
    let mut bench = Bench::without_domain();
    for (index, domain) in ["provider.example", "PROVIDER.example.", "pbx.example"].into_iter().enumerate() {
        bench.register_for(domain, &format!("c{index}"), 120);
        assert!(!bench.has_learned(domain), "{domain}");
    }
    assert!(bench.registrar.is_configured(&"PBX.example".parse().unwrap()));
}

#[test]
fn phone_address_is_known_while_bound() {
    let mut bench = Bench::without_domain();
    bench.source = source(1, Transport::Udp, "[::ffff:198.51.100.7]:5060");
    bench.register_for("one.test", "a", 120);
    assert!(bench.registrar.has_phone_at("198.51.100.7".parse().unwrap()));
    assert!(!bench.registrar.has_phone_at("198.51.100.8".parse().unwrap()));
    bench.source = source(2, Transport::Udp, "198.51.100.8:5060");
    bench.register_for("one.test", "a", 120);
    assert!(!bench.registrar.has_phone_at("198.51.100.7".parse().unwrap()), "the phone has moved");
    assert!(bench.registrar.has_phone_at("198.51.100.8".parse().unwrap()));
    bench.register_for("one.test", "a", 0);
    assert!(!bench.registrar.has_phone_at("198.51.100.8".parse().unwrap()));
}
