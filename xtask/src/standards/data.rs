//! Parser for the subset of TOML in `docs/standards.toml`: arrays of tables with strings and lists of strings, one per line.

/// The kind of a table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Standard,
    Clause,
    Torture,
}

impl Table {
    /// Returns the mandatory keys.
    pub(super) const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Standard => &["name", "title"],
            Self::Clause => &["section", "what"],
            Self::Torture => &["section", "message", "what", "answer"],
        }
    }
}

pub(super) enum Value {
    Text(String),
    List(Vec<String>),
}

/// One `[[table]]`.
pub(super) struct Entry {
    pub(super) table: Table,
    pub(super) line: usize,
    values: Vec<(String, Value)>,
}

impl Entry {
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        self.values.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    pub(super) fn optional(&self, key: &str) -> Option<&str> {
        match self.value(key)? {
            Value::Text(text) => Some(text),
            Value::List(_) => None,
        }
    }

    pub(super) fn text(&self, key: &str) -> &str {
        self.optional(key).unwrap_or_default()
    }

    pub(super) fn list(&self, key: &str) -> &[String] {
        match self.value(key) {
            Some(Value::List(list)) => list,
            Some(Value::Text(_)) | None => &[],
        }
    }
}

pub(super) fn parse(text: &str) -> Result<Vec<Entry>, String> {
    let mut entries: Vec<Entry> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let (line, number) = (line.trim(), number + 1);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let not_read = || format!("line {number} is not understood: {line}");
        let table = match line {
            "[[standard]]" => Table::Standard,
            "[[clause]]" => Table::Clause,
            "[[torture]]" => Table::Torture,
            _ => {
                let (key, rest) = line.split_once(" = ").ok_or_else(not_read)?;
                let value = value(rest).ok_or_else(not_read)?;
                entries.last_mut().ok_or_else(not_read)?.values.push((key.to_owned(), value));
                continue;
            }
        };
        entries.push(Entry { table, line: number, values: Vec::new() });
    }
    Ok(entries)
}

fn value(text: &str) -> Option<Value> {
    if let Some(list) = text.strip_prefix('[') {
        let list = list.strip_suffix(']')?.trim();
        let texts = list.split("\", \"").map(|text| text.trim_matches('"').to_owned());
        return Some(Value::List(if list.is_empty() { Vec::new() } else { texts.collect() }));
    }
    let text = text.strip_prefix('"')?.strip_suffix('"')?;
    // Escape sequences are not supported.
    (!text.contains(['"', '\\'])).then(|| Value::Text(text.to_owned()))
}
