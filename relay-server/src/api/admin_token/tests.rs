use super::{AdminToken, FILE};
use crate::api::token::{AcceptedTokens, Scope};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

/// A new state directory, which is removed at the end of the test.
struct StateDirectory(PathBuf);

impl StateDirectory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("offhook-admin-token-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for StateDirectory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn token_is_created_once_and_accepted_by_later_starts() {
    let directory = StateDirectory::new("once");
    let AdminToken::Created(token) = AdminToken::obtain(Some(&directory.0)).unwrap() else { panic!("it is created") };
    let later = AdminToken::obtain(Some(&directory.0)).unwrap();
    let accepted = AcceptedTokens::new([("admin".to_owned(), later.entry())].into());
    assert_eq!(accepted.find(token.reveal()).unwrap().scope, Scope::Admin);
    assert!(later.created().is_none(), "only the first start prints it");
}

#[test]
fn only_hash_is_stored_and_only_the_owner_can_read_it() {
    let directory = StateDirectory::new("mode");
    let token = AdminToken::obtain(Some(&directory.0)).unwrap().created().unwrap();
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(directory.0.clone()), mode(directory.0.join(FILE))), (0o700, 0o600));
    let files: Vec<_> = std::fs::read_dir(&directory.0).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files, [directory.0.join(FILE)], "no temporary file remains");
    let text = std::fs::read_to_string(directory.0.join(FILE)).unwrap();
    assert!(text.starts_with("admin:sha256:") && !text.contains(token.reveal()), "{text}");
}

#[test]
fn damaged_file_is_an_error_that_names_it() {
    let directory = StateDirectory::new("damaged");
    std::fs::create_dir_all(&directory.0).unwrap();
    std::fs::write(directory.0.join(FILE), "admin:sha256:12\n").unwrap();
    let error = AdminToken::obtain(Some(&directory.0)).unwrap_err().to_string();
    assert!(error.contains(FILE) && error.contains("remove the file"), "{error}");
}

#[test]
fn token_that_cannot_be_stored_is_valid_until_the_end() {
    let directory = StateDirectory::new("file");
    std::fs::write(&directory.0, "no directory").unwrap();
    let unusable = directory.0.join("state");
    let obtain = |directory| AdminToken::obtain(directory).unwrap().created().unwrap();
    let [first, second] = [None, Some(unusable.as_path())].map(obtain);
    assert_ne!(first.reveal(), second.reveal());
    std::fs::remove_file(&directory.0).unwrap();
}
