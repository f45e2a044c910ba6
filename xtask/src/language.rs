//! The part of the language rules that a program can check: figurative words in comments, documents and names, and the
//! length of commit titles. The rules themselves are in CONTRIBUTING.md.

use crate::tool::{Failure, command, output, root};
use std::fmt::Write as _;

/// Words that ascribe speech, hearing or wishes to software, and words for which the field has a term of its own.
const WORDS: [(&str, &str); 27] = [
    ("hear", "receive"),
    ("hears", "receives"),
    ("heard", "received"),
    ("tell", "notify, report"),
    ("tells", "notifies, reports"),
    ("told", "notified, reported"),
    ("say", "send, state"),
    ("says", "sends, states"),
    ("said", "sent, stated"),
    ("saying", "sending, stating"),
    ("want", "request, expect"),
    ("wants", "requests, expects"),
    ("wanted", "requested, expected"),
    ("hope", "expect"),
    ("hopes", "expects"),
    ("know", "store, receive"),
    ("knows", "stores, has received"),
    ("knew", "stored, had received"),
    ("nobody", "no peer, no session"),
    ("somebody", "a peer, a participant"),
    ("everybody", "all peers"),
    ("stranger", "unknown source, out-of-dialog request"),
    ("strangers", "unknown sources, out-of-dialog requests"),
    ("wish", "pending request"),
    ("wishes", "pending requests"),
    ("outlet", "output queue"),
    ("anew", "again"),
];

/// Words that names of functions, types, modules and constants do not contain, in addition to [`WORDS`].
const NAME_WORDS: [(&str, &str); 6] = [
    ("talk", "call, establish"),
    ("talks", "calls, establishes"),
    ("talking", "established"),
    ("detour", "looped call"),
    ("penance", "lockout"),
    ("inquiry", "incoming request"),
];

/// Names that are too general, or for whose concept the field has a term.
const NAMES: [(&str, &str); 7] = [
    ("Manager", "the concept that it manages"),
    ("Helper", "the concept that it helps with"),
    ("utils", "the concept that the functions share"),
    ("helpers", "the concept that the functions share"),
    ("Party", "Participant, Leg"),
    ("Place", "the position's kind"),
    ("Way", "Transport, Route, Path"),
];

/// Words that begin a name in a declaration.
const DECLARATIONS: [&str; 11] =
    ["fn", "struct", "enum", "trait", "type", "union", "mod", "const", "static", "function", "class"];

/// Words that begin a relative clause without a head where a description begins with them.
const OPENINGS: [&str; 6] = ["Who", "What", "Whose", "How", "Where", "When"];

/// Longest title of a commit, in characters.
const TITLE: usize = 72;

/// The newest commits, whose titles are checked.
const COMMITS: &str = "20";

/// Checks all comments and declared names of sources, and all documents, that git lists.
pub(crate) fn words() -> Result<(), Failure> {
    let listed = output(command("git").args(["ls-files", "*.rs", "*.ts", "*.mjs", "*.md"]))?;
    let checked = |name: &&str| {
        !name.starts_with("tests/fixtures/") && *name != "npm/api.d.ts" && *name != "xtask/src/language.rs"
    };
    let mut findings = String::new();
    for name in listed.lines().filter(checked) {
        // A file that is deleted but not yet committed is listed all the same.
        let Ok(text) = std::fs::read_to_string(root().join(name)) else { continue };
        for (line, fault) in faults(&text, name.ends_with(".md")) {
            let _ = writeln!(findings, "{name}:{line}: {fault}");
        }
        if !name.ends_with(".md") {
            for (line, fault) in names(&text) {
                let _ = writeln!(findings, "{name}:{line}: {fault}");
            }
        }
    }
    if findings.is_empty() { Ok(()) } else { Err(Failure(findings)) }
}

/// Checks the titles of the newest commits.
pub(crate) fn titles() -> Result<(), Failure> {
    let titles = output(command("git").args(["log", "--format=%s", "--max-count", COMMITS]))?;
    let long = titles
        .lines()
        .filter(|title| title.chars().count() > TITLE)
        .map(|title| format!("the title has {} characters, {TITLE} are allowed: {title}", title.chars().count()));
    let long: Vec<_> = long.collect();
    if long.is_empty() { Ok(()) } else { Err(Failure(long.join("\n"))) }
}

/// Lines of `text`, counted from 1, with what is wrong in them.
fn faults(text: &str, document: bool) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let (mut fenced, mut described) = (false, false);
    for (index, line) in text.lines().enumerate() {
        let comment = if document { Some(line) } else { comment(line) };
        let description = !document && ["///", "//!"].iter().any(|mark| line.trim_start().starts_with(mark));
        let Some(comment) = comment else {
            described = false;
            continue;
        };
        // Examples are code.
        if comment.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            let prose = without_quotes(comment);
            if description && !described && OPENINGS.iter().any(|word| first_word(&prose) == *word) {
                found.push((index + 1, "a description begins with a noun phrase or a verb".to_owned()));
            }
            for (word, instead) in WORDS {
                if split(&prose).any(|one| one.eq_ignore_ascii_case(word)) {
                    found.push((index + 1, format!("\"{word}\": use a standard term, like {instead}")));
                }
            }
        }
        described = description;
    }
    found
}

/// Lines of a source, counted from 1, with what is wrong in the names that they declare.
fn names(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let is_comment = ["//", "*", "/*"].iter().any(|mark| line.trim_start().starts_with(mark));
        for name in declared(line).filter(|_| !is_comment) {
            let whole = NAMES.iter().filter(|(banned, _)| *banned == name);
            let parts = words_of(name);
            let inside = WORDS.iter().chain(&NAME_WORDS).filter(|(banned, _)| parts.iter().any(|part| part == banned));
            for (banned, instead) in whole.chain(inside) {
                found.push((
                    index + 1,
                    format!("the name {name} contains \"{banned}\": use a standard term, like {instead}"),
                ));
            }
        }
    }
    found
}

/// The names that a line declares.
fn declared(line: &str) -> impl Iterator<Item = &str> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let words = line.split(move |c| !is_name(c)).filter(|word| !word.is_empty());
    let next = words.clone().skip(1);
    words.zip(next).filter(|(word, _)| DECLARATIONS.contains(word)).map(|(_, name)| name)
}

/// The words of a name, split at underscores and before capitals, in lower case.
fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for c in name.chars() {
        if c == '_' || (c.is_uppercase() && after_lower) {
            words.push(String::new());
        }
        after_lower = c.is_lowercase() || c.is_numeric();
        if let (Some(word), true) = (words.last_mut(), c != '_') {
            word.extend(c.to_lowercase());
        }
    }
    words
}

/// The text of the comment in a line of Rust or TypeScript.
fn comment(line: &str) -> Option<&str> {
    let start = line.trim_start();
    let at = if start.starts_with("//") { line.find("//") } else { line.find(" // ").map(|at| at + 1) };
    let at = at.or_else(|| start.starts_with('*').then(|| line.find('*')).flatten())?;
    Some(line.get(at..)?.trim_start_matches(['/', '!', '*']))
}

/// `text` without code spans and quotations.
fn without_quotes(text: &str) -> String {
    let code = text.split('`').step_by(2).collect::<Vec<_>>().join(" ");
    code.split('"').step_by(2).collect::<Vec<_>>().join(" ")
}

fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphabetic() && c != '_' && c != '\'')
}

fn first_word(text: &str) -> &str {
    split(text.trim_start()).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{faults, names, words_of};

    fn lines(text: &str, document: bool) -> Vec<usize> {
        faults(text, document).into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn figurative_words_in_comments_are_found() {
        let source =
            "//! Whose call it is.\n//! What follows may begin so.\nlet told = 1; // the page is told\n/// Returns.\n";
        assert_eq!(lines(source, false), [1, 3]);
        assert_eq!(lines("/** A class.\n * It wants a name.\n */\n", false), [2]);
        assert_eq!(lines("The relay says so.\n", true), [1]);
    }

    #[test]
    fn code_and_quotations_are_not_prose() {
        let source = "fn say() {} // `say` sends \"nobody\"\n/// ```\n/// who.tell(); // wants\n/// ```\nlet url = \"http://told\";\n";
        assert_eq!(lines(source, false), [0; 0]);
    }

    #[test]
    fn figurative_words_in_declared_names_are_found() {
        let lines = |text: &str| names(text).into_iter().map(|(line, _)| line).collect::<Vec<_>>();
        let source = "fn both_hear() {}\npub struct Stranger;\nlet told = say(1);\nconst IS_WANTED: bool = true;\n\
                      // fn tell()\nfn heartbeat() {}\nasync function bothHear() {}\npub enum Way { A }\nfn in_any_way() {}\n";
        assert_eq!(lines(source), [1, 2, 4, 7, 8]);
    }

    #[test]
    fn names_are_split_at_underscores_and_capitals() {
        assert_eq!(words_of("hears_DTMFDigits"), ["hears", "dtmfdigits"]);
        assert_eq!(words_of("bothHearNothing"), ["both", "hear", "nothing"]);
        assert_eq!(words_of("IS_WANTED"), ["is", "wanted"]);
    }
}
