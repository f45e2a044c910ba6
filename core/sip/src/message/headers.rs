//! The headers of a message: one text and the position of each value in it.

use super::name::HeaderName;
use super::scan::{Elements, trim};
use core::fmt::{self, Display, Write as _};
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

/// The header lines of a message, in order. A value stays text until a typed accessor parses it.
///
/// `Content-Length` is not stored: the length of the body determines it.
#[derive(Clone, Default)]
pub struct Headers {
    /// All values that were received or written. Replaced values remain in it until the headers are serialized.
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
    /// Creates an empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self { text: String::new(), fields: Vec::new() }
    }

    /// Creates headers whose values are in `text`. [`Self::index`] adds them.
    pub(super) fn over(text: String) -> Self {
        Self { text, fields: Vec::with_capacity(24) }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// Adds a header whose value is already in the text.
    pub(super) fn index(&mut self, name: HeaderName, start: usize, end: usize) {
        self.fields.push(Field { name, start, end });
    }

    fn value(&self, field: &Field) -> &str {
        self.text.get(field.start..field.end).unwrap_or_default()
    }

    /// Returns the number of header lines.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.fields.len()
    }

    /// Returns whether there are no headers.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Returns the names and values of all lines.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&HeaderName, &str)> + Clone {
        self.fields.iter().map(|field| (&field.name, self.value(field)))
    }

    /// Returns the value of the first line with this name.
    #[must_use]
    pub fn get(&self, name: impl Into<HeaderName>) -> Option<&str> {
        let name = name.into();
        self.fields.iter().find(|field| field.name == name).map(|field| self.value(field))
    }

    /// Returns whether there is a line with this name.
    #[must_use]
    pub fn has(&self, name: impl Into<HeaderName>) -> bool {
        self.get(name).is_some()
    }

    /// Returns the values of the lines with this name, without splitting lists.
    pub fn lines(&self, name: impl Into<HeaderName>) -> impl Iterator<Item = &str> + Clone {
        let name = name.into();
        self.fields.iter().filter(move |field| field.name == name).map(|field| self.value(field))
    }

    /// Returns the values with this name. If the header is a list, each element separately.
    pub fn all(&self, name: impl Into<HeaderName>) -> impl Iterator<Item = &str> + Clone {
        let name = name.into();
        let list = name.is_list();
        self.lines(name).flat_map(move |line| Elements::new(line, list))
    }

    /// Appends a line.
    pub fn push(&mut self, name: impl Into<HeaderName>, value: impl Display) {
        let field = self.write(name.into(), &value);
        self.fields.push(field);
    }

    /// Inserts a line before the first one with this name, or before all lines if there is none.
    pub fn push_front(&mut self, name: impl Into<HeaderName>, value: impl Display) {
        let field = self.write(name.into(), &value);
        let at = self.fields.iter().position(|other| other.name == field.name).unwrap_or(0);
        self.fields.insert(at, field);
    }

    /// Replaces all lines with this name with one line at the position of the first.
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

    /// Replaces the first value with this name. Further values, on the same line or on others, remain.
    pub fn set_first(&mut self, name: impl Into<HeaderName>, value: impl Display) {
        let name = name.into();
        match self.pop_front(name.clone()) {
            Some(_) => self.push_front(name, value),
            None => self.push(name, value),
        }
    }

    /// Removes and returns the first value with this name. Further values remain.
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

    /// Removes all lines with this name.
    pub fn remove(&mut self, name: impl Into<HeaderName>) {
        let name = name.into();
        self.fields.retain(|field| field.name != name);
    }

    /// Releases the memory that is reserved for further headers.
    pub(crate) fn shrink_to_fit(&mut self) {
        self.text.shrink_to_fit();
        self.fields.shrink_to_fit();
    }

    fn write(&mut self, name: HeaderName, value: &dyn Display) -> Field {
        let start = self.text.len();
        // Writing to a string cannot fail. A value whose `Display` fails is truncated.
        let _ = write!(OneLine(&mut self.text), "{value}");
        let written = self.text.get(start..).unwrap_or_default();
        let start = start + (written.len() - written.trim_ascii_start().len());
        Field { name, start, end: start + trim(written).len() }
    }
}

/// Replaces line breaks with spaces, so that no value can end its header and begin another.
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
