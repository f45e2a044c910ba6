//! Generates `docs/standards.md` from `docs/standards.toml`: the implementing code and the tests of each clause. The files and
//! tests that it refers to must exist.

mod data;

use crate::tool::{Failure, root};
use data::{Entry, Table};
use std::fmt::Write as _;

const SOURCE: &str = "docs/standards.toml";
const PAGE: &str = "docs/standards.md";
const HEAD: &str = "\
# Standards

<!-- Made by `cargo xtask standards` of docs/standards.toml: change that. -->

What Offhook does of the standards it names, clause by clause: where the code is, and which tests prove it. What is not done is
said too, and why.
";

/// Writes `docs/standards.md`.
pub(crate) fn write() -> Result<(), Failure> {
    Ok(std::fs::write(root().join(PAGE), page()?)?)
}

/// Checks that `docs/standards.md` is up to date and that all files and tests that it refers to exist.
pub(crate) fn check() -> Result<(), Failure> {
    if std::fs::read_to_string(root().join(PAGE)).unwrap_or_default() == page()? {
        Ok(())
    } else {
        Err(Failure(format!("{PAGE} is older than {SOURCE}: run `cargo xtask standards`")))
    }
}

fn page() -> Result<String, Failure> {
    let text = std::fs::read_to_string(root().join(SOURCE))?;
    let entries = data::parse(&text).map_err(|fault| Failure(format!("{SOURCE}: {fault}")))?;
    let wrong: Vec<String> = entries.iter().filter_map(fault_of).collect();
    if !wrong.is_empty() {
        return Err(Failure(wrong.join("\n")));
    }
    let mut page = HEAD.to_owned();
    for entry in &entries {
        let _ = match entry.table {
            Table::Standard => standard(&mut page, entry),
            Table::Clause => clause(&mut page, entry),
            Table::Torture => torture(&mut page, entry),
        };
    }
    Ok(page)
}

fn standard(page: &mut String, entry: &Entry) -> std::fmt::Result {
    let (name, title) = (entry.text("name"), entry.text("title"));
    writeln!(page, "\n## {name}: {title}\n")?;
    if let Some(note) = entry.optional("note") {
        writeln!(page, "{note}\n")?;
    }
    match entry.optional("columns") {
        Some("torture") => writeln!(page, "| § | message | what it is | answer |\n| --- | --- | --- | --- |"),
        _ => writeln!(page, "| § | what | code | test |\n| --- | --- | --- | --- |"),
    }
}

fn clause(page: &mut String, entry: &Entry) -> std::fmt::Result {
    let (section, what) = (entry.text("section"), entry.text("what"));
    if let Some(reason) = entry.optional("missing") {
        return writeln!(page, "| {section} | {what} | **not supported**: {reason} | |");
    }
    let code: Vec<String> = entry.list("code").iter().map(|file| format!("[{file}](../{file})")).collect();
    let tests = entry.list("tests").iter().filter_map(|test| test.split_once(' '));
    let tests: Vec<String> = tests.map(|(file, name)| format!("[{name}](../{file})")).collect();
    writeln!(page, "| {section} | {what} | {} | {} |", code.join("<br>"), tests.join("<br>"))
}

fn torture(page: &mut String, entry: &Entry) -> std::fmt::Result {
    let (section, message) = (entry.text("section"), entry.text("message"));
    writeln!(page, "| {section} | `{message}` | {} | {} |", entry.text("what"), entry.text("answer"))
}

/// Returns the first missing key, file or test of an entry.
fn fault_of(entry: &Entry) -> Option<String> {
    let at = |what: String| Some(format!("{SOURCE}, line {}: {what}", entry.line));
    if let Some(key) = entry.table.keys().iter().find(|key| entry.value(key).is_none()) {
        return at(format!("{key} is missing"));
    }
    if entry.table != Table::Clause || entry.value("missing").is_some() {
        return None;
    }
    if entry.list("code").is_empty() || entry.list("tests").is_empty() {
        return at("a clause requires code and tests, or the reason why it is missing".to_owned());
    }
    if let Some(file) = entry.list("code").iter().find(|file| !root().join(file).exists()) {
        return at(format!("there is no {file}"));
    }
    entry.list("tests").iter().find(|test| !exists(test)).and_then(|test| at(format!("there is no test {test}")))
}

/// Returns whether a test exists. `test` is `FILE NAME`, where the name is a Rust function or the title of a JavaScript test.
fn exists(test: &str) -> bool {
    let Some((file, name)) = test.split_once(' ') else { return false };
    let Ok(text) = std::fs::read_to_string(root().join(file)) else { return false };
    let function = format!("fn {name}(");
    text.contains(&function) || (file.ends_with(".mjs") && text.contains(&format!("\"{name}\"")))
}
