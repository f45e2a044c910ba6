//! Option values as written by the operator, and their conversion to types.

use core::time::Duration;
use offhook_sip::subnet::Subnet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// A value as written. Environment variables contain text only; the values of a list are separated by commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// One value.
    Text(String),
    /// A list.
    List(Vec<String>),
}

impl Given {
    /// The single value.
    pub(super) fn one(&self) -> Result<&str, String> {
        match self {
            Self::Text(text) => Ok(text.trim()),
            Self::List(_) => Err("expected a single value, not a list".to_owned()),
        }
    }

    /// The values of a list. Text is split at commas, and empty values are ignored.
    fn many(&self) -> Vec<&str> {
        let values: Vec<&str> = match self {
            Self::Text(text) => text.split(',').collect(),
            Self::List(list) => list.iter().map(String::as_str).collect(),
        };
        values.into_iter().map(str::trim).filter(|value| !value.is_empty()).collect()
    }

    /// `30s`, `500ms`, `2m`, `1h`; a bare number is seconds.
    pub(super) fn duration(&self) -> Result<Duration, String> {
        let text = self.one()?;
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let wrong = || format!("`{text}` is not a duration: use a number and `ms`, `s`, `m` or `h`, like `30s`");
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let millis = match unit.trim() {
            "ms" => 1,
            "" | "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(wrong()),
        };
        // Durations are limited to a year, so that the computation of deadlines does not overflow.
        let most = 366 * 24 * 3_600_000;
        let total = number.checked_mul(millis).filter(|total| *total <= most);
        total.map(Duration::from_millis).ok_or_else(|| format!("`{text}` is longer than a year"))
    }

    /// A duration that is not zero.
    pub(super) fn some_duration(&self) -> Result<Duration, String> {
        let duration = self.duration()?;
        if duration.is_zero() {
            return Err("must be longer than zero".to_owned());
        }
        Ok(duration)
    }

    /// A duration that is not longer than `most`.
    pub(super) fn at_most(&self, most: Duration) -> Result<Duration, String> {
        let duration = self.duration()?;
        if duration > most {
            return Err(format!("more than {} s are not possible", most.as_secs_f64()));
        }
        Ok(duration)
    }

    /// A duration that is not shorter than `least`.
    pub(super) fn at_least(&self, least: Duration) -> Result<Duration, String> {
        let duration = self.duration()?;
        if duration < least {
            return Err(format!("the minimum is {} s", least.as_secs_f64()));
        }
        Ok(duration)
    }

    /// A whole number from `least` to `most`.
    pub(super) fn number<T: TryFrom<u64>>(&self, least: u64, most: u64) -> Result<T, String> {
        let text = self.one()?;
        let wrong = || format!("`{text}` is not a whole number from {least} to {most}");
        let number: u64 = text.replace('_', "").parse().map_err(|_| wrong())?;
        if !(least..=most).contains(&number) {
            return Err(wrong());
        }
        T::try_from(number).map_err(|_| wrong())
    }

    /// `true` or `false`.
    pub(super) fn truth(&self) -> Result<bool, String> {
        self.choice(&[("true", true), ("false", false)])
    }

    /// IP addresses without port.
    pub(super) fn ip_addresses(&self) -> Result<Vec<IpAddr>, String> {
        let parse = |text: &str| {
            text.parse()
                .map_err(|_| format!("`{text}` is not an IP address: use a form like `192.0.2.7` or `2001:db8::7`"))
        };
        self.many().into_iter().map(parse).collect()
    }

    /// Networks, like `10.0.0.0/8`, or single IP addresses.
    pub(super) fn networks(&self) -> Result<Vec<Subnet>, String> {
        let parse = |text: &str| text.parse().map_err(|error| format!("`{text}` is {error}"));
        self.many().into_iter().map(parse).collect()
    }

    /// IP addresses. The unspecified ones (`0.0.0.0`, `::`) are rejected, because packets cannot be sent to them.
    pub(super) fn named_ip_addresses(&self) -> Result<Vec<IpAddr>, String> {
        let addresses = self.ip_addresses()?;
        match addresses.iter().find(|address| address.is_unspecified()) {
            Some(any) => {
                Err(format!("peers cannot send packets to `{any}`: list specific addresses, or leave the list empty"))
            }
            None => Ok(addresses),
        }
    }

    /// IP addresses with port.
    pub(super) fn socket_addresses(&self) -> Result<Vec<SocketAddr>, String> {
        let parse = |text: &str| {
            text.parse().map_err(|_| {
                format!("`{text}` is not an address with port: use a form like `0.0.0.0:8080` or `[::1]:8080`")
            })
        };
        self.many().into_iter().map(parse).collect()
    }

    /// A list of words.
    pub(super) fn words(&self) -> Vec<String> {
        self.many().into_iter().map(str::to_owned).collect()
    }

    /// A path; `None` if empty.
    pub(super) fn path(&self) -> Result<Option<PathBuf>, String> {
        let text = self.one()?;
        Ok((!text.is_empty()).then(|| PathBuf::from(text)))
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, String> {
        let text = self.one()?;
        let found = choices.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<String> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
            format!("`{text}` is not a valid value: use {}", words.join(" or "))
        })
    }
}

/// The candidate with the smallest edit distance to `word`, if it is similar enough for a suggestion.
pub(super) fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = candidates.into_iter().map(|candidate| (distance(word, candidate), candidate));
    scored
        .min()
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3))
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, y) in row.iter_mut().skip(1).zip(b.chars()) {
            let above = *cell;
            left = (diagonal + usize::from(x != y)).min(above + 1).min(left + 1);
            *cell = left;
            diagonal = above;
        }
    }
    row.last().copied().unwrap_or(0)
}
