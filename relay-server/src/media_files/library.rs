//! Playback files: finds them by name, decodes them, and keeps the samples in memory for the media threads.

use super::error::MediaFileError;
use super::{ogg_opus, wav};
use core::time::Duration;
use offhook_media::audio::{AudioSource, Resampler, SourceError};
use offhook_media::command::{AudioSourceId, PlaybackSource};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// Sample rates that are kept. Others are converted to the next higher one.
const RATES: [u32; 5] = [8000, 16_000, 24_000, 32_000, 48_000];
/// The duration of a tone without a given duration.
const TONE: Duration = Duration::from_secs(1);

/// Decoded mono audio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Audio {
    pub(super) rate: u32,
    pub(super) samples: Vec<i16>,
}

impl Audio {
    /// The average of interleaved channels.
    pub(super) fn mixed(interleaved: &[i16], channels: usize, rate: u32) -> Self {
        if channels == 1 {
            return Self { rate, samples: interleaved.to_vec() };
        }
        let average = |frame: &[i16]| {
            let sum: i32 = frame.iter().map(|sample| i32::from(*sample)).sum();
            i16::try_from(sum / i32::try_from(channels).unwrap_or(1)).unwrap_or(0)
        };
        Self { rate, samples: interleaved.chunks_exact(channels.max(1)).map(average).collect() }
    }

    /// Converts an unusual sample rate, so that the media threads need only simple ratios.
    fn with_usual_rate(self) -> Self {
        if RATES.contains(&self.rate) {
            return self;
        }
        let rate = usual_rate(self.rate);
        let (mut resampler, mut samples) = (Resampler::new(self.rate, rate), Vec::new());
        resampler.process(&self.samples, &mut samples);
        resampler.finish(&mut samples);
        Self { rate, samples }
    }

    fn octets(&self) -> u64 {
        2 * self.samples.len() as u64
    }
}

/// The sample rate to which this one is converted.
fn usual_rate(rate: u32) -> u32 {
    RATES.into_iter().find(|usual| *usual >= rate).unwrap_or(48_000)
}

/// The size of this number of samples after the conversion of their rate.
pub(super) fn octets_at_usual_rate(samples: u64, rate: u32) -> u64 {
    (2 * samples).saturating_mul(usual_rate(rate).into()) / u64::from(rate.max(1))
}

/// Reads decoded audio.
#[derive(Debug)]
struct MemorySource {
    audio: Arc<Audio>,
    position: usize,
}

impl AudioSource for MemorySource {
    fn rate(&self) -> u32 {
        self.audio.rate
    }

    fn read(&mut self, out: &mut [i16]) -> Result<usize, SourceError> {
        let rest = self.audio.samples.get(self.position..).unwrap_or(&[]);
        let count = rest.len().min(out.len());
        for (sample, read) in out.iter_mut().zip(rest) {
            *sample = *read;
        }
        self.position += count;
        Ok(count)
    }

    fn rewind(&mut self) {
        self.position = 0;
    }
}

/// Identifies one version of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    path: PathBuf,
    modified: Option<SystemTime>,
    length: u64,
}

#[derive(Debug)]
struct Loaded {
    audio: Arc<Audio>,
    version: Version,
    /// Greater for audio that was requested later.
    used: u64,
}

#[derive(Debug, Default)]
struct Cache {
    loaded: BTreeMap<AudioSourceId, Loaded>,
    last: u64,
}

/// The playback files. Clones share the decoded audio.
#[derive(Clone, Debug)]
pub struct MediaFiles {
    directory: Option<PathBuf>,
    /// The most octets of decoded audio in memory. A file may use half of it.
    capacity: u64,
    cache: Arc<Mutex<Cache>>,
}

impl MediaFiles {
    /// Files below `directory`, if there is one, with this many octets of memory for decoded audio.
    #[must_use]
    pub fn new(directory: Option<PathBuf>, capacity: u64) -> Self {
        Self { directory, capacity, cache: Arc::default() }
    }

    /// Returns the source for a name: `tone:440` is a tone of 440 Hz for 1 s, `tone:440:250` one of 250 ms, and any other
    /// name is a file below the directory, which is decoded if it is not in memory. Blocks while the file is read.
    ///
    /// # Errors
    ///
    /// If the file cannot be played.
    pub fn open(&self, name: &str) -> Result<PlaybackSource, MediaFileError> {
        match name.strip_prefix("tone:") {
            Some(tone) => parse_tone(tone).ok_or(MediaFileError::BadName),
            None => self.open_file(name).map(PlaybackSource::Loaded),
        }
    }

    /// Decodes a file that was uploaded.
    ///
    /// # Errors
    ///
    /// If its format is not supported, or it is too large.
    pub fn load(&self, content: &[u8]) -> Result<PlaybackSource, MediaFileError> {
        let audio = self.decode(content)?;
        let version = Version { path: PathBuf::new(), modified: None, length: content.len() as u64 };
        Ok(PlaybackSource::Loaded(self.keep(audio, version)))
    }

    /// Returns loaded audio from its beginning.
    pub(super) fn source(&self, id: AudioSourceId) -> Option<Box<dyn AudioSource>> {
        let audio = Arc::clone(&self.cache().loaded.get(&id)?.audio);
        Some(Box::new(MemorySource { audio, position: 0 }))
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_file(&self, name: &str) -> Result<AudioSourceId, MediaFileError> {
        let directory = self.directory.as_deref().ok_or(MediaFileError::NotConfigured)?;
        let path = resolve(directory, name)?;
        let metadata = fs::metadata(&path).map_err(|error| unreadable(&error))?;
        if !metadata.is_file() {
            return Err(MediaFileError::NotFound);
        }
        if metadata.len() > self.capacity {
            return Err(MediaFileError::TooLarge(self.capacity));
        }
        let version = Version { path, modified: metadata.modified().ok(), length: metadata.len() };
        if let Some(id) = self.cache().find(&version) {
            return Ok(id);
        }
        let content = fs::read(&version.path).map_err(|error| unreadable(&error))?;
        let audio = self.decode(&content)?;
        Ok(self.keep(audio, version))
    }

    fn decode(&self, content: &[u8]) -> Result<Audio, MediaFileError> {
        let most = self.capacity / 2;
        let audio = if wav::is_wav(content) {
            wav::read(content, most)?
        } else if ogg_opus::is_ogg(content) {
            ogg_opus::read(content, usize::try_from(most / 2).unwrap_or(usize::MAX))?
        } else {
            return Err(MediaFileError::Unsupported("the file is neither WAV nor Ogg"));
        };
        let audio = audio.with_usual_rate();
        if audio.octets() > most {
            return Err(MediaFileError::TooLarge(most));
        }
        if audio.samples.is_empty() {
            return Err(MediaFileError::Malformed("it has no samples"));
        }
        Ok(audio)
    }

    /// Keeps audio in memory, and removes what was not requested for the longest time. Playbacks in progress keep their
    /// audio.
    fn keep(&self, audio: Audio, version: Version) -> AudioSourceId {
        let mut cache = self.cache();
        cache.last += 1;
        let used = cache.last;
        let id = AudioSourceId(used);
        cache.loaded.insert(id, Loaded { audio: Arc::new(audio), version, used });
        while cache.octets() > self.capacity
            && let Some(oldest) = cache.oldest().filter(|oldest| *oldest != id)
        {
            cache.loaded.remove(&oldest);
        }
        id
    }
}

impl Cache {
    fn find(&mut self, version: &Version) -> Option<AudioSourceId> {
        self.last += 1;
        let used = self.last;
        let (id, loaded) = self.loaded.iter_mut().find(|(_, loaded)| loaded.version == *version)?;
        loaded.used = used;
        Some(*id)
    }

    fn octets(&self) -> u64 {
        self.loaded.values().map(|loaded| loaded.audio.octets()).sum()
    }

    fn oldest(&self) -> Option<AudioSourceId> {
        self.loaded.iter().min_by_key(|(_, loaded)| loaded.used).map(|(id, _)| *id)
    }
}

/// Parses `440` or `440:250`.
fn parse_tone(text: &str) -> Option<PlaybackSource> {
    let (frequency, millis) = match text.split_once(':') {
        Some((frequency, millis)) => (frequency, Some(millis.parse().ok()?)),
        None => (text, None),
    };
    let frequency = frequency.parse().ok().filter(|frequency| (20..4000).contains(frequency))?;
    let duration = millis.map_or(TONE, Duration::from_millis);
    (!duration.is_zero()).then_some(PlaybackSource::Tone { frequency, duration })
}

/// Returns the path of a name below the directory. A symbolic link that leads out of the directory is refused.
fn resolve(directory: &Path, name: &str) -> Result<PathBuf, MediaFileError> {
    let relative = Path::new(name);
    let is_plain = relative.components().all(|component| matches!(component, Component::Normal(_)));
    if name.is_empty() || name.contains(['\0', '\\']) || !is_plain {
        return Err(MediaFileError::BadName);
    }
    let directory = directory.canonicalize().map_err(|error| unreadable(&error))?;
    let path = directory.join(relative).canonicalize().map_err(|error| unreadable(&error))?;
    if path.starts_with(&directory) { Ok(path) } else { Err(MediaFileError::BadName) }
}

fn unreadable(error: &io::Error) -> MediaFileError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => MediaFileError::NotFound,
        _ => MediaFileError::Unreadable(error.to_string()),
    }
}
