//! The admin token that is created when no token is configured.
//!
//! It is printed once, at the first start. Only its hash is stored, in the state directory, so that later starts accept
//! the same token. Without a state directory (`--demo`, or one that cannot be written), each start creates a token.

use super::token::{ApiToken, Scope, TokenEntry, TokenHash};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The name of the token in the log.
pub(super) const NAME: &str = "created-at-start";
/// The file with the entry of the token, in the state directory.
const FILE: &str = "api-admin-token";

/// The admin token of a relay without configured tokens.
#[derive(Debug)]
pub(super) enum AdminToken {
    /// It was created and must be printed, because only its hash is kept.
    Created(ApiToken),
    /// It was created by an earlier start.
    Stored(TokenEntry),
}

impl AdminToken {
    /// Reads the stored token, or creates one.
    ///
    /// # Errors
    /// The stored entry is damaged, or the system provides no random numbers.
    pub(super) fn obtain(state_directory: Option<&Path>) -> io::Result<Self> {
        let token = ApiToken::generate()?;
        let Some(directory) = state_directory else { return Ok(Self::Created(token)) };
        let path = directory.join(FILE);
        match read_or_store(directory, &path, &entry_of(&token)) {
            Ok(None) => Ok(Self::Created(token)),
            Ok(Some(text)) => text.trim().parse().map(Self::Stored).map_err(|_| damaged(&path)),
            Err(error) => {
                tracing::warn!(
                    file = %path.display(), %error,
                    "the API token cannot be stored, so that the next start creates another one: configure a token in \
                     [api.tokens], or set [tls] state_directory"
                );
                Ok(Self::Created(token))
            }
        }
    }

    /// Returns the entry by which the token is accepted.
    pub(super) fn entry(&self) -> TokenEntry {
        match self {
            Self::Created(token) => entry_of(token),
            Self::Stored(entry) => entry.clone(),
        }
    }

    /// Returns the token if it was created.
    pub(super) fn created(self) -> Option<ApiToken> {
        match self {
            Self::Created(token) => Some(token),
            Self::Stored(_) => None,
        }
    }
}

fn entry_of(token: &ApiToken) -> TokenEntry {
    TokenEntry { scope: Scope::Admin, hash: TokenHash::of(token.reveal()) }
}

/// Returns the text of the stored entry, or stores `entry` if there is none.
fn read_or_store(directory: &Path, path: &Path, entry: &TokenEntry) -> io::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        found => return found.map(Some),
    }
    match store(directory, path, entry) {
        // Another relay with the same state directory was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => std::fs::read_to_string(path).map(Some),
        stored => stored.map(|()| None),
    }
}

fn damaged(path: &Path) -> io::Error {
    io::Error::other(format!(
        "{} contains no entry of an API token: remove the file, so that a new token is created and printed",
        path.display()
    ))
}

/// Stores an entry, readable by the user of the relay only. The file appears under its name when it is complete.
fn store(directory: &Path, path: &Path, entry: &TokenEntry) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let partial = partial(path);
    let written = write(&partial, &format!("{entry}\n")).and_then(|()| std::fs::hard_link(&partial, path));
    let removed = std::fs::remove_file(&partial);
    written.and(removed)?;
    File::open(directory)?.sync_all()
}

fn partial(path: &Path) -> PathBuf {
    path.with_extension(format!("{}.partial", std::process::id()))
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    // A file that existed before keeps its mode when it is opened.
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
