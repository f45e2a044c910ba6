//! Options of `[media_files]`.

use super::value::Given;
use crate::media_files;
use core::time::Duration;
use std::path::PathBuf;

const MIB: u64 = 1 << 20;

/// Options of `[media_files]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaFileSettings {
    /// The directory of playback files; `None`: only tones can be played.
    pub directory: Option<PathBuf>,
    /// The most octets of decoded audio in memory.
    pub memory: u64,
    /// Recordings.
    pub recordings: RecordingSettings,
}

/// The options for recordings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingSettings {
    /// The directory of recordings; `None`: calls cannot be recorded.
    pub directory: Option<PathBuf>,
    /// The names of files below the directory, without extension.
    pub pattern: String,
    /// The format.
    pub format: RecordingFormat,
    /// Samples per second.
    pub rate: u32,
    /// The longest recording.
    pub max_length: Duration,
    /// The most octets of all files in the directory; `None`: no limit.
    pub max_total: Option<u64>,
    /// The octets that remain free on the disk.
    pub min_free: u64,
}

/// The format of recordings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingFormat {
    /// WAV with 16-bit samples.
    Wav,
    /// Ogg Opus.
    OggOpus,
}

impl Default for MediaFileSettings {
    fn default() -> Self {
        let recordings = RecordingSettings {
            directory: None,
            pattern: "{date}/{time}-{caller}-{callee}-{call}".to_owned(),
            format: RecordingFormat::Wav,
            rate: 16_000,
            max_length: Duration::from_secs(4 * 3600),
            max_total: None,
            min_free: 1024 * MIB,
        };
        Self { directory: None, memory: 256 * MIB, recordings }
    }
}

pub(super) fn octets(given: &Given, least: u64) -> Result<u64, String> {
    Ok(given.number::<u64>(least, 1 << 30)? * MIB)
}

pub(super) fn total(given: &Given) -> Result<Option<u64>, String> {
    Ok(Some(octets(given, 0)?).filter(|total| *total > 0))
}

pub(super) fn pattern(given: &Given) -> Result<String, String> {
    let pattern = given.one()?;
    media_files::check_pattern(pattern)?;
    Ok(pattern.to_owned())
}

pub(super) fn format(given: &Given) -> Result<RecordingFormat, String> {
    given.choice(&[("wav", RecordingFormat::Wav), ("opus", RecordingFormat::OggOpus)])
}

pub(super) fn rate(given: &Given) -> Result<u32, String> {
    given.choice(&[("8000", 8000), ("16000", 16_000)])
}

/// Returns the lines of `[media_files]` for `offhook-relay check`.
pub(super) fn explain(settings: &MediaFileSettings) -> [(&'static str, String); 9] {
    let RecordingSettings { directory, pattern, format, rate, max_length, max_total, min_free } = &settings.recordings;
    let path = |path: &Option<PathBuf>| path.as_ref().map_or("off".to_owned(), |path| path.display().to_string());
    let format = match format {
        RecordingFormat::Wav => "wav",
        RecordingFormat::OggOpus => "opus",
    };
    let total = max_total.map_or("no limit".to_owned(), |total| format!("{} MiB", total / MIB));
    [
        ("media_files.directory", path(&settings.directory)),
        ("media_files.memory_mb", format!("{} MiB", settings.memory / MIB)),
        ("media_files.recordings", path(directory)),
        ("media_files.pattern", pattern.clone()),
        ("media_files.format", format.to_owned()),
        ("media_files.rate", format!("{rate} Hz")),
        ("media_files.max_length", format!("{} s", max_length.as_secs())),
        ("media_files.max_total_mb", total),
        ("media_files.min_free_mb", format!("{} MiB", min_free / MIB)),
    ]
}
