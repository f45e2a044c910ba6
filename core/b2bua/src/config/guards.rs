//! Guards against toll fraud and abuse: limits of calls, and permitted destinations.

use super::{Numbering, Pattern};
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// The limits of the calls of one login and of one source address, and of every call. The default has no limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardRules {
    /// The maximum number of simultaneous calls that one login has placed; `None` for no limit.
    pub calls_per_login: Option<u32>,
    /// The same for one source address (IPv6: a /64 network).
    pub calls_per_address: Option<u32>,
    /// The maximum number of calls that one login may place in a minute; `None` for no limit.
    pub call_rate_per_login: Option<u32>,
    /// The same for one source address.
    pub call_rate_per_address: Option<u32>,
    /// The time after which an answered call is ended; `None` for no limit.
    pub max_call_duration: Option<Duration>,
    /// The destinations that may be called through SIP servers.
    pub destinations: DestinationRules,
}

/// The destinations that may be called through accounts at SIP servers and through the trunk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationRules {
    /// Destinations that must not be called.
    pub deny: Vec<Pattern>,
    /// The only destinations that may be called; if empty, all others.
    pub allow: Vec<Pattern>,
}

/// The international prefixes that are recognized if the number format of the server is unknown.
const INTERNATIONAL_PREFIXES: [&str; 2] = ["00", "011"];
/// The least number of digits that are also compared as an international number without a prefix. National numbers have
/// at most ten digits without their prefix in most numbering plans.
const LEAST_INTERNATIONAL: usize = 11;

impl DestinationRules {
    /// Returns whether a number or name may be called at a server with this number format.
    ///
    /// A number is compared as it was dialed, without separators, and in international form (`+` and E.164 digits). A
    /// pattern of `deny` matches if it matches any of these forms.
    #[must_use]
    pub fn permit(&self, user: &str, numbering: &Numbering) -> bool {
        let any = |patterns: &[Pattern], forms: &[String]| {
            patterns.iter().any(|pattern| forms.iter().any(|form| pattern.matches(form)))
        };
        let forms = forms(user, numbering);
        let is_denied = any(&self.deny, &forms) || any(&self.deny, &malformed(user, numbering));
        !is_denied && (self.allow.is_empty() || any(&self.allow, &forms))
    }
}

/// Returns the forms that a server may dial for a malformed international number: several `+`, or a `+` before digits that
/// begin with 0, as no country code does.
fn malformed(user: &str, numbering: &Numbering) -> Vec<String> {
    let digits = user.trim_start_matches(['+', '-', '.', '(', ')', ' ']);
    if !user.strip_suffix(digits).is_some_and(|signs| signs.contains('+')) {
        return Vec::new();
    }
    let mut found = forms(&format!("+{digits}"), numbering);
    if digits.starts_with('0') {
        found.extend(forms(digits, numbering));
    }
    found
}

/// Returns the forms in which a number is compared with patterns.
fn forms(user: &str, numbering: &Numbering) -> Vec<String> {
    let dialed = Numbering::default().canonical(user);
    let mut forms = vec![dialed.clone()];
    let is_number = !dialed.is_empty() && dialed.bytes().all(|octet| octet.is_ascii_digit());
    if is_number {
        forms.extend(international(&dialed, numbering).map(|digits| format!("+{digits}")));
    }
    forms
}

/// Returns the digits of the international number for dialed digits without `+`.
fn international(dialed: &str, numbering: &Numbering) -> Option<String> {
    if !numbering.country_code.is_empty() {
        let canonical = numbering.canonical(dialed);
        let is_extension = canonical == dialed && dialed.len() < LEAST_INTERNATIONAL;
        return (!is_extension).then_some(canonical);
    }
    let own = Some(numbering.international_prefix.as_str()).filter(|prefix| !prefix.is_empty());
    let mut prefixes = own.into_iter().chain(INTERNATIONAL_PREFIXES);
    let after = prefixes.find_map(|prefix| dialed.strip_prefix(prefix));
    let bare = || Some(dialed).filter(|digits| digits.len() >= LEAST_INTERNATIONAL && !digits.starts_with('0'));
    after.or_else(bare).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{DestinationRules, Numbering, Pattern};

    fn patterns(texts: &[&str]) -> Vec<Pattern> {
        texts.iter().map(|text| Pattern::parse(text).unwrap()).collect()
    }

    #[test]
    fn denied_prefix_is_recognized_in_every_notation() {
        let rules = DestinationRules { deny: patterns(&["+979*", "+1900*"]), allow: Vec::new() };
        let plain = Numbering::default();
        for number in
            ["+979123456789", "00979123456789", "011979123456789", "979123456789", "+979-12 34(5)", "19005551234"]
        {
            assert!(!rules.permit(number, &plain), "{number}");
        }
        for number in ["+00979123456789", "+011979123", "++979123", "+ +979-123", "(+)00 979 123"] {
            assert!(!rules.permit(number, &plain), "{number} with an invalid +");
        }
        for number in ["+4930100001", "9791234567", "112", "alice", "", "0979123456789"] {
            assert!(rules.permit(number, &plain), "{number}");
        }
    }

    #[test]
    fn national_numbers_are_compared_in_the_format_of_the_trunk() {
        let german =
            Numbering { country_code: "49".into(), international_prefix: "00".into(), national_prefix: "0".into() };
        let rules = DestinationRules { deny: patterns(&["+49900*"]), allow: patterns(&["+49*", "10?"]) };
        for number in ["0900123456", "+49900123456", "0049900123456", "49900123456"] {
            assert!(!rules.permit(number, &german), "{number}");
        }
        assert!(!rules.permit("+0900123456", &german) && !rules.permit("+0 30 123456", &german));
        for number in ["030123456", "+4930123456", "101"] {
            assert!(rules.permit(number, &german), "{number}");
        }
        for number in ["+33123", "0033123", "110", "sales"] {
            assert!(!rules.permit(number, &german), "{number} is not in the list of permitted destinations");
        }
    }
}
