//! The options that take effect when the configuration is reloaded. All others need a restart.

use super::{Settings, explain};

/// The result of a comparison with the settings in use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangedOptions {
    /// Changed options that take effect at once.
    pub applied: Vec<String>,
    /// Changed options that need a restart.
    pub needs_restart: Vec<String>,
}

/// An option that takes effect when the configuration is reloaded.
struct LiveOption {
    /// Its section and name, or the section alone if the operator chooses the names.
    name: &'static str,
    is_same: fn(&Settings, &Settings) -> bool,
    adopt: fn(&mut Settings, &Settings),
}

macro_rules! live {
    ($name:literal, $($field:ident).+) => {
        LiveOption {
            name: $name,
            is_same: |one, other| one.$($field).+ == other.$($field).+,
            adopt: |settings, new| settings.$($field).+.clone_from(&new.$($field).+),
        }
    };
}

const LIVE: &[LiveOption] = &[
    live!("tls.certificate", tls_certificate),
    live!("tls.key", tls_key),
    live!("media.direct", media_direct),
    live!("accounts", accounts),
    live!("calls.ring_timeout", ring_timeout),
    live!("calls.drain_timeout", drain_timeout),
    live!("calls.call_waiting", call_waiting),
    live!("calls.busy_status", busy_status),
    live!("calls.codecs", codecs),
    live!("calls.max_per_session", max_calls_per_session),
    live!("sessions.keep_alive_for", keep_alive_for),
    live!("sessions.anonymous", anonymous),
    live!("sessions.max_per_login", max_sessions_per_login),
    live!("limits.message_rate", message_rate),
    live!("limits.message_burst", message_burst),
    live!("limits.password_checks", password_checks),
    live!("signaling.ping_interval", ping_interval),
    live!("signaling.ping_probes", ping_probes),
    live!("signaling.connection_timeout", connection_timeout),
    live!("guards.calls_per_login", guards.rules.calls_per_login),
    live!("guards.calls_per_address", guards.rules.calls_per_address),
    live!("guards.call_rate_per_login", guards.rules.call_rate_per_login),
    live!("guards.call_rate_per_address", guards.rules.call_rate_per_address),
    live!("guards.max_call_duration", guards.rules.max_call_duration),
    live!("guards.deny_destinations", guards.rules.destinations.deny),
    live!("guards.allow_destinations", guards.rules.destinations.allow),
    live!("sip.tls_certificate", sip.tls_certificate),
    live!("sip.tls_key", sip.tls_key),
    live!("sip.tls_authorities", sip.tls_authorities),
    live!("sip.tls_verify", sip.tls_verify),
    live!("api.basic_authentication", api.basic_authentication),
    live!("api.allow_origin", api.allow_origin),
    live!("api.body_size", api.body_size),
    live!("api.request_timeout", api.request_timeout),
    live!("api.tokens", api.tokens),
];

/// The name that stands for options of which `explain` prints no value, such as passwords.
const HIDDEN: &str = "an option with a password, a list of accounts or a list of phones";

/// Adopts the options of `new` that take effect at once, and returns the names of all options that differ.
pub fn adopt(settings: &mut Settings, new: &Settings) -> ChangedOptions {
    let mut applied = Vec::new();
    for option in LIVE {
        if !(option.is_same)(settings, new) {
            (option.adopt)(settings, new);
            applied.push(option.name.to_owned());
        }
    }
    ChangedOptions { applied, needs_restart: differences(settings, new) }
}

/// Returns the names of the options that differ, as far as their effective values show it.
fn differences(one: &Settings, other: &Settings) -> Vec<String> {
    if one == other {
        return Vec::new();
    }
    let (before, after) = (explain(one), explain(other));
    let changed = before.lines().zip(after.lines()).filter(|(before, after)| before != after);
    let names: Vec<String> = changed.filter_map(|(line, _)| line.split(' ').next()).map(str::to_owned).collect();
    if names.is_empty() { vec![HIDDEN.to_owned()] } else { names }
}

#[cfg(test)]
mod tests {
    use super::{ChangedOptions, HIDDEN, LIVE, Settings, adopt};
    use crate::config::{OPTIONS, parse};

    const DOCUMENTATION: &str = include_str!("../../../docs/operations.md");

    fn changed(text: &str) -> (Settings, ChangedOptions) {
        let mut settings = Settings::default();
        let options = adopt(&mut settings, &parse("relay.toml", text).unwrap());
        (settings, options)
    }

    #[test]
    fn live_options_are_adopted_and_others_are_named() {
        let text = "[calls]\nring_timeout = \"9s\"\n[media]\nworkers = 3\n[api]\nbody_size = 2048\n";
        let (settings, options) = changed(text);
        assert_eq!(options.applied, ["calls.ring_timeout", "api.body_size"]);
        assert_eq!(options.needs_restart, ["media.workers"]);
        assert_eq!((settings.ring_timeout.as_secs(), settings.api.body_size, settings.media_workers), (9, 2048, 0));
    }

    #[test]
    fn second_reload_reports_only_what_needs_a_restart() {
        let new = parse("relay.toml", "[calls]\nring_timeout = \"9s\"\n[media]\nworkers = 3\n").unwrap();
        let mut settings = Settings::default();
        adopt(&mut settings, &new);
        let again = adopt(&mut settings, &new);
        assert_eq!((again.applied.len(), again.needs_restart), (0, vec!["media.workers".to_owned()]));
    }

    #[test]
    fn unchanged_configuration_changes_nothing() {
        assert_eq!(changed("").1, ChangedOptions::default());
    }

    #[test]
    fn changed_password_is_reported_without_its_value() {
        let with = |password: &str| {
            parse("relay.toml", &format!("[sip.trunk]\nuri = \"sip:a@b.test\"\npassword = \"{password}\"\n"))
        };
        let (mut settings, new) = (with("one").unwrap(), with("two").unwrap());
        assert_eq!(adopt(&mut settings, &new).needs_restart, [HIDDEN]);
    }

    #[test]
    fn live_options_exist_and_are_documented() {
        let (_, rest) = DOCUMENTATION.split_once("\n## Reloading").unwrap();
        let section = rest.split_once("\n## ").map_or(rest, |(section, _)| section);
        let mut documented = Vec::new();
        for row in section.lines().filter(|line| line.starts_with("| `[")) {
            let mut words = row.split('`').skip(1).step_by(2);
            let group = words.next().unwrap().trim_matches(['[', ']']);
            let options: Vec<&str> = words.collect();
            documented.extend(options.iter().map(|option| format!("{group}.{option}")));
            documented.extend(options.is_empty().then(|| group.to_owned()));
        }
        let mut live: Vec<&str> = LIVE.iter().map(|option| option.name).collect();
        documented.sort_unstable();
        live.sort_unstable();
        assert_eq!(documented, live);
        for name in live.into_iter().filter(|name| !["accounts", "api.tokens"].contains(name)) {
            let known = OPTIONS.iter().any(|option| name == format!("{}.{}", option.section, option.name));
            assert!(known, "{name}");
        }
    }
}
