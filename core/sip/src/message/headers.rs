//! The headers of a message: one text, and where in it each value is.

use super::name::HeaderName;
use super::scan::{Elements, trim};
use core::fmt::{self, Display, Write as _};
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

/// Headers in their order. A value is text until its type is asked for.
///
/// `Content-Length` is not one of them: the body says how long it is.
#[derive(Clone, Default)]
pub struct Headers {
    /// Every value that was received or put here. What has been replaced remains until the headers are saved.
    text: String,
    fields: Vec<Field>,
}

#[derive(Clone, Debug)]
struct Field {
    name: HeaderName,
    start: usize,
    end: usize,
}

impl Headers {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self { text: String::new(), fields: Vec::new() }
    }

    /// Headers that stand in `text`; they are added by [`Self::index`].
    pub(super) fn over(text: String) -> Self {
        Self { text, fields: Vec::with_capacity(24) }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// Adds a header whose value stands in the text already.
    pub(super) fn index(&mut self, name: HeaderName, start: usize, end: usize) {
        self.fields.push(Field { name, start, end });
    }

    fn value(&self, field: &Field) -> &str {
        self.text.get(field.start..field.end).unwrap_or_default()
    }

    /// How many lines there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.fields.len()
    }

    /// There are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Names and values of all lines.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&HeaderName, &str)> + Clone {
        self.fields.iter().map(|field| (&field.name, self.value(field)))
    }

    /// The value of the first line of this name.
    #[must_use]
    pub fn get(&self, name: impl Into<HeaderName>) -> Option<&str> {
        let name = name.into();
        self.fields.iter().find(|field| field.name == name).map(|field| self.value(field))
    }

    /// There is a line of this name.
    #[must_use]
    pub fn has(&self, name: impl Into<HeaderName>) -> bool {
        self.get(name).is_some()
    }

    /// The values of the lines of this name, whole.
    pub fn lines(&self, name: impl Into<HeaderName>) -> impl Iterator<Item = &str> + Clone {
        let name = name.into();
        self.fields.iter().filter(move |field| field.name == name).map(|field| self.value(field))
    }

    /// The values of this name: those that share a line one by one, where the header is one that may.
    pub fn all(&self, name: impl Into<HeaderName>) -> impl Iterator<Item = &str> + Clone {
        let name = name.into();
        let list = name.is_list();
        self.lines(name).flat_map(move |line| Elements::new(line, list))
    }

    /// Adds a line at the end.
    pub fn push(&mut self, name: impl Into<HeaderName>, value: impl Display) {
        let field = self.write(name.into(), &value);
        self.fields.push(field);
    }

    /// Adds a line before the first of this name, or before all lines where there is none.
    pub fn push_front(&mut self, name: impl Into<HeaderName>, value: impl Display) {
        let field = self.write(name.into(), &value);
        let at = self.fields.iter().position(|other| other.name == field.name).unwrap_or(0);
        self.fields.insert(at, field);
    }

    /// Has one line of this name, in the place of the first.
    pub fn set(&mut self, name: impl Into<HeaderName>, value: impl Display) {
        let field = self.write(name.into(), &value);
        let Some(at) = self.fields.iter().position(|other| other.name == field.name) else {
            return self.fields.push(field);
        };
        let mut position = 0;
        self.fields.retain(|other| {
            let keep = other.name != field.name || position == at;
            position += 1;
            keep
        });
        if let Some(first) = self.fields.get_mut(at) {
            *first = field;
        }
    }

    /// Replaces the first value of this name and leaves those that follow it, on its line or the next.
    pub fn set_first(&mut self, name: impl Into<HeaderName>, value: impl Display) {
        let name = name.into();
        match self.pop_front(name.clone()) {
            Some(_) => self.push_front(name, value),
            None => self.push(name, value),
        }
    }

    /// Takes the first value of this name and leaves those that follow it.
    pub fn pop_front(&mut self, name: impl Into<HeaderName>) -> Option<String> {
        let name = name.into();
        let at = self.fields.iter().position(|field| field.name == name)?;
        let line = self.value(self.fields.get(at)?);
        let mut values = Elements::new(line, name.is_list());
        let first = values.next().unwrap_or_default().to_owned();
        let rest =
            values.rest().map(|rest| rest.trim_start_matches([' ', '\t', ',']).len()).filter(|length| *length > 0);
        match (rest, self.fields.get_mut(at)) {
            (Some(length), Some(field)) => field.start = field.end.saturating_sub(length),
            _ => {
                self.fields.remove(at);
            }
        }
        Some(first)
    }

    /// Removes all lines of this name.
    pub fn remove(&mut self, name: impl Into<HeaderName>) {
        let name = name.into();
        self.fields.retain(|field| field.name != name);
    }

    fn write(&mut self, name: HeaderName, value: &dyn Display) -> Field {
        let start = self.text.len();
        // Strings do not fail; a value that cannot print itself is cut short.
        let _ = write!(OneLine(&mut self.text), "{value}");
        let written = self.text.get(start..).unwrap_or_default();
        let start = start + (written.len() - written.trim_ascii_start().len());
        Field { name, start, end: start + trim(written).len() }
    }
}

/// Keeps what is written on one line, so that no value can end its header and begin another.
struct OneLine<'a>(&'a mut String);

impl fmt::Write for OneLine<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.contains(['\r', '\n']) {
            self.0.extend(text.chars().map(|letter| if matches!(letter, '\r' | '\n') { ' ' } else { letter }));
        } else {
            self.0.push_str(text);
        }
        Ok(())
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Headers {}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, value)| format!("{name}: {value}"))).finish()
    }
}

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let saved = Vec::<(HeaderName, String)>::deserialize(deserializer)?;
        Ok(saved.into_iter().collect())
    }
}

impl<V: Display> FromIterator<(HeaderName, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (HeaderName, V)>>(pairs: I) -> Self {
        let mut headers = Self::new();
        pairs.into_iter().for_each(|(name, value)| headers.push(name, value));
        headers
    }
}
