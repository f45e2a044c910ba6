//! Options of `[guards]`: limits against toll fraud and abuse.

use super::value::Given;
use crate::http::AllowedOrigins;
use core::time::Duration;
use offhook_b2bua::config::{DestinationRules, GuardRules, Pattern};

/// International numbers that are denied by default: satellite networks and networks without a country (+870, +878, +881
/// to +883), premium-rate numbers (+979, and the 900 ranges of North America, Germany and the United Kingdom).
pub(super) const DENIED: [&str; 9] =
    ["+870*", "+878*", "+881*", "+882*", "+883*", "+979*", "+1900*", "+49900*", "+449*"];

/// The guards as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardSettings {
    /// The limits of calls.
    pub rules: GuardRules,
    /// The origins of pages that may open a WebSocket.
    pub origins: AllowedOrigins,
}

impl Default for GuardSettings {
    fn default() -> Self {
        let rules = GuardRules {
            calls_per_login: Some(32),
            calls_per_address: Some(200),
            call_rate_per_login: Some(60),
            call_rate_per_address: Some(600),
            max_call_duration: Some(Duration::from_secs(4 * 3_600)),
            destinations: DestinationRules {
                deny: DENIED.into_iter().filter_map(Pattern::parse).collect(),
                allow: Vec::new(),
            },
        };
        Self { rules, origins: AllowedOrigins::Any }
    }
}

/// A limit; 0 is no limit.
pub(super) fn limit(given: &Given) -> Result<Option<u32>, String> {
    given.number(0, 1_000_000).map(|most: u32| (most > 0).then_some(most))
}

/// The maximum duration of a call; 0 is no limit.
pub(super) fn duration(given: &Given) -> Result<Option<Duration>, String> {
    given.duration().map(|most| (!most.is_zero()).then_some(most))
}

/// The lines of `check`.
pub(super) fn explain(s: &GuardSettings) -> [(&'static str, String); 8] {
    let number = |most: Option<u32>, unit: &str| most.map_or("no limit".to_owned(), |most| format!("{most}{unit}"));
    let list = |patterns: &[Pattern], otherwise: &str| match patterns {
        [] => otherwise.to_owned(),
        some => some.iter().map(Pattern::to_string).collect::<Vec<_>>().join(", "),
    };
    let rules = &s.rules;
    let duration = rules.max_call_duration.map_or("no limit".to_owned(), |most| format!("{} s", most.as_secs_f64()));
    [
        ("guards.calls_per_login", number(rules.calls_per_login, "")),
        ("guards.calls_per_address", number(rules.calls_per_address, "")),
        ("guards.call_rate_per_login", number(rules.call_rate_per_login, " a minute")),
        ("guards.call_rate_per_address", number(rules.call_rate_per_address, " a minute")),
        ("guards.max_call_duration", duration),
        ("guards.deny_destinations", list(&rules.destinations.deny, "none")),
        ("guards.allow_destinations", list(&rules.destinations.allow, "all that are not denied")),
        ("guards.origins", s.origins.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::DENIED;
    use crate::config::{Settings, parse};

    #[test]
    fn guards_are_on_by_default_and_can_be_turned_off() {
        let rules = Settings::default().guards.rules;
        assert_eq!((rules.calls_per_login, rules.call_rate_per_address), (Some(32), Some(600)));
        assert_eq!(rules.destinations.deny.len(), DENIED.len(), "every default pattern is valid");
        let off = "calls_per_login = 0\ncall_rate_per_login = 0\nmax_call_duration = \"0\"\ndeny_destinations = []";
        let rules = parse("relay.toml", &format!("[guards]\n{off}\n")).unwrap().guards.rules;
        assert_eq!((rules.calls_per_login, rules.call_rate_per_login, rules.max_call_duration), (None, None, None));
        assert!(rules.destinations.deny.is_empty());
    }

    #[test]
    fn origin_with_path_is_rejected() {
        let set = |text: &str| parse("relay.toml", &format!("[guards]\norigins = {text}\n"));
        assert!(set("[\"https://example.org\", \"http://localhost:5173\"]").is_ok());
        for wrong in ["[\"example.org\"]", "[\"https://example.org/\"]", "[\"*\", \"https://example.org\"]", "[]"] {
            let error = set(wrong).unwrap_err().to_string();
            assert!(error.starts_with("relay.toml:2: `origins`:"), "{wrong}: {error}");
        }
    }
}
