//! The rule that a public type name is used once in the workspace.
//!
//! The rule does not apply to `Input`, `Output` and `Event`, which every machine has, to types of modules called `io`, and to tests.

use crate::tool::{Failure, command, output, root};
use std::collections::BTreeMap;

const EXEMPT: [&str; 3] = ["Input", "Output", "Event"];

/// Fails if a public type has the name of another one.
pub(crate) fn check() -> Result<(), Failure> {
    let listed = output(command("git").args(["ls-files", "*.rs"]))?;
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in listed.lines().filter(|file| is_product(file)) {
        // A file that is deleted but not yet committed is listed all the same.
        let Ok(text) = std::fs::read_to_string(root().join(file)) else { continue };
        for (line, name) in types_of(&text) {
            places.entry(name.to_owned()).or_default().push(format!("{file}:{line}"));
        }
    }
    let wrong = violations(&places);
    if wrong.is_empty() { Ok(()) } else { Err(Failure(wrong.join("\n"))) }
}

/// Whether the rule applies to a file.
fn is_product(file: &str) -> bool {
    let is_test = file.starts_with("tests/") || file.ends_with("/tests.rs") || file.contains("/tests/");
    !is_test && !file.ends_with("/io.rs") && !file.contains("/io/")
}

/// The public types that a file defines, with the numbers of their lines.
fn types_of(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().filter_map(|(index, line)| {
        let rest = line.trim_start().strip_prefix("pub ")?;
        let kinds = ["struct ", "enum ", "type ", "trait ", "union "];
        let name = kinds.iter().find_map(|kind| rest.strip_prefix(kind))?;
        let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
        Some((index + 1, name.get(..end)?))
    })
}

fn violations(places: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let repeated = places.iter().filter(|(name, at)| at.len() > 1 && !EXEMPT.contains(&name.as_str()));
    repeated.map(|(name, at)| format!("{name} is the name of {} public types: {}", at.len(), at.join(", "))).collect()
}

#[cfg(test)]
mod tests {
    use super::{is_product, types_of, violations};
    use std::collections::BTreeMap;

    #[test]
    fn public_types_are_found_with_their_lines() {
        let text = "pub struct One<T>(T);\n    pub enum Two {\npub(crate) struct Hidden;\nstruct Private;\n/// pub struct Doc;\n\
                    pub fn function() {}\npub trait Three: Sized {\npub type Four = u8;\npub struct Five;\n";
        let found: Vec<_> = types_of(text).collect();
        assert_eq!(found, [(1, "One"), (2, "Two"), (7, "Three"), (8, "Four"), (9, "Five")]);
    }

    #[test]
    fn tests_and_io_modules_are_exempt() {
        for file in
            ["core/sip/src/io.rs", "core/sip/src/dialog/tests.rs", "core/sip/src/tests/a.rs", "tests/src/relay.rs"]
        {
            assert!(!is_product(file), "{file}");
        }
        assert!(is_product("core/sip/src/audio.rs") && is_product("relay-server/src/main.rs"));
    }

    #[test]
    fn second_type_of_a_name_is_reported() {
        let places = |names: &[(&str, usize)]| -> BTreeMap<String, Vec<String>> {
            names.iter().map(|(name, count)| ((*name).to_owned(), vec!["a.rs:1".to_owned(); *count])).collect()
        };
        assert!(violations(&places(&[("One", 1), ("Input", 5)])).is_empty());
        assert_eq!(violations(&places(&[("One", 2)])), ["One is the name of 2 public types: a.rs:1, a.rs:1"]);
    }
}
