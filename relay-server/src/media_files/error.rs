//! Errors of media files. Each text states the remedy; the REST API passes it on.

use core::fmt;

/// The reason why a file cannot be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaFileError {
    /// No directory is configured.
    NotConfigured,
    /// The name is not a relative path below the directory, or a tone without a valid frequency.
    BadName,
    /// There is no such file.
    NotFound,
    /// The file, or its decoded audio, exceeds this number of octets.
    TooLarge(u64),
    /// The format is not supported.
    Unsupported(&'static str),
    /// The file is damaged.
    Malformed(&'static str),
    /// The file cannot be read, for this reason.
    Unreadable(String),
}

impl fmt::Display for MediaFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConfigured => f.write_str("files cannot be played: set directory of [media_files]"),
            Self::BadName => f.write_str(
                "the name must be a path below directory of [media_files] without `..`, or a tone like `tone:440` (20 to 3999 Hz)",
            ),
            Self::NotFound => f.write_str("there is no file with this name below directory of [media_files]"),
            Self::TooLarge(limit) => write!(f, "the decoded file is larger than {limit} octets: play a shorter file"),
            Self::Unsupported(what) => {
                write!(f, "{what}: use WAV with 16-bit PCM, A-law or µ-law samples, or Ogg Opus")
            }
            Self::Malformed(what) => write!(f, "the file is damaged: {what}"),
            Self::Unreadable(why) => write!(f, "the file cannot be read: {why}"),
        }
    }
}

impl core::error::Error for MediaFileError {}

/// The reason why a recording cannot be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordingError {
    /// No directory is configured.
    NotConfigured,
    /// Less than the configured space is free.
    DiskFull,
    /// The recordings in the directory have the configured maximum size.
    TotalReached,
    /// The file cannot be created, for this reason.
    NotCreated(String),
}

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConfigured => f.write_str("calls cannot be recorded: set recordings of [media_files]"),
            Self::DiskFull => {
                f.write_str("the disk has less free space than min_free_mb of [media_files]: remove old recordings")
            }
            Self::TotalReached => {
                f.write_str("the recordings have reached max_total_mb of [media_files]: remove old recordings")
            }
            Self::NotCreated(why) => write!(f, "the file cannot be created: {why}"),
        }
    }
}

impl core::error::Error for RecordingError {}
