//! Comparison of telephone numbers in the number format of a trunk (RFC 3966 §4).

use serde::{Deserialize, Serialize};

/// The number format of a trunk. Without a country code, numbers are compared as written, apart from separators.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbering {
    /// The country code, without `+`, for example `49`. Empty if there is none.
    pub country_code: String,
    /// The prefix of international numbers, for example `00`.
    pub international_prefix: String,
    /// The prefix of national numbers, for example `0`.
    pub national_prefix: String,
}

impl Numbering {
    /// Returns the form in which numbers are compared. If there is a country code, these are the digits of the
    /// international number (E.164), without `+`, and a number without a prefix is unchanged. A name, which is not a
    /// number, is returned without parameters.
    #[must_use]
    pub fn canonical(&self, user: &str) -> String {
        let bare = user.split(';').next().unwrap_or(user);
        let digits: String = bare.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')' | ' ')).collect();
        let is_number = digits.strip_prefix('+').unwrap_or(&digits).bytes().all(|octet| octet.is_ascii_digit());
        if digits.is_empty() || !is_number {
            return bare.to_owned();
        }
        if self.country_code.is_empty() {
            return digits;
        }
        let after = |prefix: &str| if prefix.is_empty() { None } else { digits.strip_prefix(prefix) };
        if let Some(international) = after("+").or_else(|| after(&self.international_prefix)) {
            return international.to_owned();
        }
        match after(&self.national_prefix) {
            Some(national) => format!("{}{national}", self.country_code),
            None => digits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Numbering;

    #[test]
    fn numbers_are_compared_without_separators() {
        let plain = Numbering::default();
        for written in ["+4930100001", "+49-30-100001", "+49 (30) 100.001", "+4930100001;npdi"] {
            assert_eq!(plain.canonical(written), "+4930100001", "{written}");
        }
        assert_ne!(plain.canonical("004930100001"), "+4930100001");
        for name in ["alice", "j-d", "", "+", "a.b"] {
            assert_eq!(plain.canonical(name), name);
        }
    }

    #[test]
    fn numbers_of_a_country_are_one_number() {
        let numbering =
            Numbering { country_code: "49".into(), international_prefix: "00".into(), national_prefix: "0".into() };
        for written in ["+4930100001", "004930100001", "4930100001", "030100001", "030-100001"] {
            assert_eq!(numbering.canonical(written), "4930100001", "{written}");
        }
        assert_eq!(numbering.canonical("0033123"), "33123");
        assert_eq!(numbering.canonical("101"), "101");
    }
}
