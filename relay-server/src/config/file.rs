//! The TOML file. Every complaint names its line.

use super::options::{self, OPTIONS};
use super::value::{Given, closest};
use super::{ConfigError, Settings};
use core::ops::Range;
use toml::de::{DeTable, DeValue};

pub(super) fn apply(settings: &mut Settings, name: &str, text: &str) -> Result<(), ConfigError> {
    let source = Source { name, text };
    let document = DeTable::parse(text).map_err(|error| source.error(error.span().unwrap_or(0..0), error.message()))?;
    for (section, content) in document.get_ref() {
        let word: &str = section.get_ref();
        if word != "accounts" && !OPTIONS.iter().any(|option| option.section == word) {
            return Err(source.error(section.span(), unknown_section(word, content.get_ref())));
        }
        let DeValue::Table(table) = content.get_ref() else {
            return Err(source.error(section.span(), format!("`{word}` is a section: write `[{word}]`")));
        };
        apply_section(settings, &source, word, table)?;
    }
    Ok(())
}

fn apply_section(
    settings: &mut Settings,
    source: &Source<'_>,
    section: &str,
    table: &DeTable<'_>,
) -> Result<(), ConfigError> {
    for (key, value) in table {
        let given = given(value.get_ref()).map_err(|problem| source.error(value.span(), problem))?;
        options::set(settings, section, key.get_ref(), &given).map_err(|problem| source.error(key.span(), problem))?;
    }
    Ok(())
}

fn unknown_section(word: &str, content: &DeValue<'_>) -> String {
    if !matches!(content, DeValue::Table(_)) {
        if let Some(option) = OPTIONS.iter().find(|option| option.name == word) {
            return format!("`{word}` belongs below `[{}]`", option.section);
        }
        return format!("`{word}` stands outside any section; every option belongs below one, like `[listen]`");
    }
    let sections = OPTIONS.iter().map(|option| option.section).chain(["accounts"]);
    match closest(word, sections) {
        Some(meant) => format!("there is no section [{word}]; did you mean `[{meant}]`?"),
        None => format!("there is no section [{word}]; relay.example.toml shows all there are"),
    }
}

fn given(value: &DeValue<'_>) -> Result<Given, String> {
    match value {
        DeValue::Array(values) => {
            let values = values.iter().map(|value| scalar(value.get_ref()));
            Ok(Given::List(values.collect::<Result<_, _>>()?))
        }
        other @ (DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Boolean(_)
        | DeValue::Float(_)
        | DeValue::Datetime(_)
        | DeValue::Table(_)) => scalar(other).map(Given::Text),
    }
}

fn scalar(value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().to_owned()),
        DeValue::Integer(_) => Err("write the number in decimal".to_owned()),
        DeValue::Boolean(truth) => Ok(truth.to_string()),
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            Err(format!("a {} is not possible here", value.type_str()))
        }
    }
}

struct Source<'a> {
    name: &'a str,
    text: &'a str,
}

impl Source<'_> {
    fn error(&self, span: Range<usize>, problem: impl core::fmt::Display) -> ConfigError {
        let before = self.text.bytes().take(span.start);
        let line = 1 + before.filter(|octet| *octet == b'\n').count();
        ConfigError::new(format_args!("{}:{line}", self.name), problem)
    }
}
