//! The TOML configuration file. Every error contains the number of the line.

use super::options::{self, OPTIONS};
use super::value::{Given, closest};
use super::{AccountSettings, ConfigError, Settings, accounts, hooks};
use core::ops::Range;
use offhook_b2bua::config::LoginName;
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
        apply_section(settings, &source, word, "", table)?;
    }
    Ok(())
}

/// Applies the options of a section. `prefix` is the part of an option name after the section: `trunk.` for `[sip.trunk]`.
fn apply_section(
    settings: &mut Settings,
    source: &Source<'_>,
    section: &str,
    prefix: &str,
    table: &DeTable<'_>,
) -> Result<(), ConfigError> {
    for (key, value) in table {
        let name = format!("{prefix}{}", key.get_ref());
        if let ("sip", "accounts") = (section, name.as_str()) {
            apply_sip_accounts(settings, source, key.span(), value.get_ref())?;
            continue;
        }
        let is_hook_section = section == "hooks" && hooks::is_section(&name);
        if is_hook_section
            || matches!((section, &*name), ("sip", "phones" | "trunk" | "trunk.numbers") | ("api", "tokens"))
        {
            let DeValue::Table(nested) = value.get_ref() else {
                return Err(source.error(key.span(), format!("`{name}` is a section: write `[{section}.{name}]`")));
            };
            apply_section(settings, source, section, &format!("{name}."), nested)?;
            continue;
        }
        let given = given(value.get_ref()).map_err(|problem| source.error(value.span(), problem))?;
        options::set(settings, section, &name, &given).map_err(|problem| source.error(key.span(), problem))?;
    }
    Ok(())
}

/// Applies `[[sip.accounts]]`; each account contains its login.
fn apply_sip_accounts(
    settings: &mut Settings,
    source: &Source<'_>,
    place: Range<usize>,
    accounts: &DeValue<'_>,
) -> Result<(), ConfigError> {
    let written = || source.error(place.clone(), "SIP accounts are an array of tables: write `[[sip.accounts]]`");
    let DeValue::Array(accounts) = accounts else { return Err(written()) };
    for entry in accounts {
        let DeValue::Table(table) = entry.get_ref() else { return Err(written()) };
        let mut account = AccountSettings::default();
        let mut login = None;
        for (key, value) in table {
            let given = given(value.get_ref()).map_err(|problem| source.error(value.span(), problem))?;
            let name: &str = key.get_ref();
            let set = if name == "login" {
                let found = given.one().and_then(|name| options::login_name(name).map(|()| name.to_owned()));
                found.map(|found| login = Some(LoginName(found)))
            } else {
                let set = account.set(name, &given).map(|set| set.map_err(|problem| format!("`{name}`: {problem}")));
                set.unwrap_or_else(|| Err(unknown_account_option(name)))
            };
            set.map_err(|problem| source.error(key.span(), problem))?;
        }
        let Some(login) = login else {
            return Err(source
                .error(entry.span(), "`login` is missing: set it to the login in [accounts] that uses this account"));
        };
        if let Some(double) = settings.sip.accounts.insert(login.clone(), account) {
            let uri = double.uri.map(|uri| format!(", `{uri}`")).unwrap_or_default();
            let problem = format!("`{}` already has an account{uri}", login.0);
            return Err(source.error(entry.span(), problem));
        }
    }
    Ok(())
}

fn unknown_account_option(name: &str) -> String {
    let names = || ["login"].into_iter().chain(accounts::OPTIONS);
    match closest(name, names()) {
        Some(meant) => format!("`{name}` is not an option of [[sip.accounts]]; did you mean `{meant}`?"),
        None => {
            let all: Vec<&str> = names().collect();
            format!("`{name}` is not an option of [[sip.accounts]]; its options are: {}", all.join(", "))
        }
    }
}

fn unknown_section(word: &str, content: &DeValue<'_>) -> String {
    if !matches!(content, DeValue::Table(_)) {
        if let Some(option) = OPTIONS.iter().find(|option| option.name == word) {
            return format!("`{word}` is outside of any section; it is an option of `[{}]`", option.section);
        }
        return format!("`{word}` is outside of any section; write options below their section, like `[listen]`");
    }
    let sections = OPTIONS.iter().map(|option| option.section).chain(["accounts"]);
    match closest(word, sections) {
        Some(meant) => format!("there is no section [{word}]; did you mean `[{meant}]`?"),
        None => format!("there is no section [{word}]; relay.example.toml lists all sections"),
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
            Err(format!("a {} is not a valid value here", value.type_str()))
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
