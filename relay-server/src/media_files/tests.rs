//! Files that are read, and recordings that are read by an independent parser.

mod calls;

use super::wav_writer::WavWriter;
use super::writer::RecordingFile;
use super::{MediaFileError, MediaFiles, RecordingError, RecordingFields, Recordings, StartedRecording};
use crate::config::{RecordingFormat, RecordingSettings};
use core::f64::consts::TAU;
use core::time::Duration;
use offhook_clock::Time;
use offhook_media::audio::{AudioSink, SinkError};
use offhook_media::command::{PlaybackSource, RecordedLeg, RecordingChannel, RecordingId};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

const MIB: u64 = 1 << 20;

/// A directory that is removed with the value.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("offhook-media-files-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.0.join(name), content).unwrap();
    }

    fn files(&self) -> MediaFiles {
        MediaFiles::new(Some(self.0.clone()), 4 * MIB)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn tone(rate: u32, frequency: f64, count: u32) -> Vec<i16> {
    #[expect(clippy::cast_possible_truncation, reason = "the amplitude is 10,000")]
    (0..count).map(|n| (10_000.0 * (TAU * frequency * f64::from(n) / f64::from(rate)).sin()) as i16).collect()
}

/// The amplitude of a frequency.
fn amplitude(samples: &[i16], rate: u32, frequency: f64) -> f64 {
    let (mut sine, mut cosine) = (0.0, 0.0);
    for (n, sample) in (0_u32..).zip(samples) {
        let angle = TAU * frequency * f64::from(n) / f64::from(rate);
        sine += f64::from(*sample) * angle.sin();
        cosine += f64::from(*sample) * angle.cos();
    }
    2.0 * f64::hypot(sine, cosine) / f64::from(u32::try_from(samples.len()).unwrap())
}

/// A WAV file with this format tag and sample size.
fn wav(tag: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
    let frame = channels * bits / 8;
    let mut file = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt \x10\0\0\0".to_vec();
    file.extend([tag.to_le_bytes(), channels.to_le_bytes()].concat());
    file.extend([rate.to_le_bytes(), (rate * u32::from(frame)).to_le_bytes()].concat());
    file.extend([frame.to_le_bytes(), bits.to_le_bytes()].concat());
    file.extend(b"data");
    file.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
    file.extend(data);
    file
}

fn octets(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

/// The rate and all samples of a source.
fn play(files: &MediaFiles, source: PlaybackSource) -> (u32, Vec<i16>) {
    let PlaybackSource::Loaded(id) = source else { panic!("a tone") };
    let mut source = files.source(id).unwrap();
    let (mut samples, mut block) = (Vec::new(), [0; 333]);
    loop {
        let count = source.read(&mut block).unwrap();
        samples.extend_from_slice(&block[..count]);
        if count == 0 {
            return (source.rate(), samples);
        }
    }
}

#[test]
fn wav_formats_are_decoded() {
    let directory = Directory::new();
    let samples = tone(8000, 440.0, 8000);
    let stereo: Vec<i16> = samples.iter().flat_map(|sample| [*sample, 0]).collect();
    let a_law: Vec<u8> = [0xd5, 0x55].repeat(80);
    directory.write("mono.wav", &wav(1, 1, 8000, 16, &octets(&samples)));
    directory.write("stereo.wav", &wav(1, 2, 48_000, 16, &octets(&stereo)));
    directory.write("odd.wav", &wav(1, 1, 44_100, 16, &octets(&tone(44_100, 440.0, 44_100))));
    directory.write("a.wav", &wav(6, 1, 8000, 8, &a_law));
    directory.write("mu.wav", &wav(7, 1, 8000, 8, &[0xff; 100]));
    let files = directory.files();
    let read = |name| play(&files, files.open(name).unwrap());
    assert_eq!(read("mono.wav"), (8000, samples.clone()));
    assert_eq!(read("stereo.wav"), (48_000, samples.iter().map(|sample| sample / 2).collect::<Vec<_>>()));
    let (rate, converted) = read("odd.wav");
    assert_eq!((rate, converted.len()), (48_000, 48_000));
    assert!((amplitude(&converted[1000..47_000], 48_000, 440.0) - 10_000.0).abs() < 50.0);
    assert_eq!(read("a.wav").1[..2], [8, -8]);
    assert_eq!(read("mu.wav"), (8000, vec![0; 100]));
}

#[test]
fn unusable_files_are_refused_with_reasons() {
    let directory = Directory::new();
    let samples = octets(&tone(8000, 440.0, 100));
    directory.write("float.wav", &wav(3, 1, 8000, 32, &samples));
    directory.write("empty.wav", &wav(1, 1, 8000, 16, &[]));
    directory.write("cut.wav", b"RIFF\0\0\0\0WAVEfmt \x10");
    directory.write("channels.wav", &wav(1, 0, 8000, 16, &samples));
    directory.write("text.txt", b"not audio");
    directory.write("page.ogg", b"OggS and then nothing of the kind");
    directory.write("long.wav", &wav(1, 1, 8000, 16, &octets(&vec![0; 1 << 20 | 1])));
    fs::create_dir(directory.0.join("folder")).unwrap();
    let files = directory.files();
    let refused = |name| files.open(name).unwrap_err();
    assert!(matches!(refused("float.wav"), MediaFileError::Unsupported(_)));
    assert!(matches!(refused("text.txt"), MediaFileError::Unsupported(_)));
    for name in ["empty.wav", "cut.wav", "channels.wav", "page.ogg"] {
        assert!(matches!(refused(name), MediaFileError::Malformed(_)), "{name}");
    }
    assert_eq!(refused("long.wav"), MediaFileError::TooLarge(2 * MIB));
    assert_eq!(refused("folder"), MediaFileError::NotFound);
    assert_eq!(refused("missing.wav"), MediaFileError::NotFound);
    assert_eq!(MediaFiles::new(None, MIB).open("a.wav").unwrap_err(), MediaFileError::NotConfigured);
}

#[test]
fn names_outside_directory_are_refused() {
    let (outside, directory) = (Directory::new(), Directory::new());
    let file = wav(1, 1, 8000, 16, &octets(&tone(8000, 440.0, 100)));
    outside.write("secret.wav", &file);
    directory.write("own.wav", &file);
    std::os::unix::fs::symlink(outside.0.join("secret.wav"), directory.0.join("link.wav")).unwrap();
    std::os::unix::fs::symlink("own.wav", directory.0.join("alias.wav")).unwrap();
    let files = directory.files();
    let absolute = outside.0.join("secret.wav");
    for name in
        ["", ".", "..", "../x/secret.wav", "a/../own.wav", absolute.to_str().unwrap(), "link.wav", "a\0b", "a\\b"]
    {
        assert_eq!(files.open(name).unwrap_err(), MediaFileError::BadName, "{name}");
    }
    assert!(files.open("alias.wav").is_ok(), "a link within the directory");
}

#[test]
fn tones_are_parsed() {
    let files = MediaFiles::new(None, MIB);
    let tone = |frequency, millis| PlaybackSource::Tone { frequency, duration: Duration::from_millis(millis) };
    assert_eq!(files.open("tone:440"), Ok(tone(440, 1000)));
    assert_eq!(files.open("tone:1000:250"), Ok(tone(1000, 250)));
    for name in ["tone:", "tone:19", "tone:4000", "tone:440:", "tone:440:0", "tone:a", "tone:440:1:2"] {
        assert_eq!(files.open(name), Err(MediaFileError::BadName), "{name}");
    }
}

#[test]
fn decoded_audio_is_shared_until_file_changes_and_evicted() {
    let directory = Directory::new();
    let file = |samples: u32| wav(1, 1, 8000, 16, &octets(&vec![1; samples as usize]));
    directory.write("a.wav", &file(100));
    let files = directory.files();
    let first = files.open("a.wav").unwrap();
    assert_eq!(files.open("a.wav").unwrap(), first);
    directory.write("a.wav", &file(200));
    let second = files.open("a.wav").unwrap();
    assert_ne!(second, first);
    assert_eq!(play(&files, second).1.len(), 200);
    // Each is half of the memory.
    let large = file(u32::try_from(MIB).unwrap());
    for number in 0..4 {
        directory.write(&format!("large-{number}.wav"), &large);
        files.open(&format!("large-{number}.wav")).unwrap();
    }
    let PlaybackSource::Loaded(evicted) = second else { panic!("a tone") };
    assert!(files.source(evicted).is_none());
    assert_eq!(play(&files, files.load(&file(300)).unwrap()).1.len(), 300, "uploaded");
}

fn settings(directory: &Directory) -> RecordingSettings {
    RecordingSettings {
        directory: Some(directory.0.clone()),
        pattern: "{date}/{caller}".to_owned(),
        format: RecordingFormat::Wav,
        rate: 16_000,
        max_length: Duration::from_secs(60),
        max_total: None,
        min_free: 0,
    }
}

fn fields() -> RecordingFields {
    let (call, caller, callee) = ("1-1".to_owned(), "alice".to_owned(), "bob".to_owned());
    RecordingFields { call, caller, callee, started_at: Time::EPOCH }
}

fn sink(recordings: &Recordings, recording: RecordingId, channel: RecordingChannel) -> Box<dyn AudioSink> {
    recordings.sink(RecordedLeg { recording, channel, origin: Time::EPOCH }).unwrap()
}

/// Records a second of two tones on both channels, and waits until the file is complete.
fn record(settings: RecordingSettings) -> StartedRecording {
    let (recordings, thread) = Recordings::new(settings).unwrap();
    let started = recordings.start(&fields()).unwrap();
    let mut sinks =
        [RecordingChannel::Left, RecordingChannel::Right].map(|channel| sink(&recordings, started.id, channel));
    for (sink, frequency) in sinks.iter_mut().zip([440.0, 1000.0]) {
        for (position, block) in (0..).step_by(1600).zip(tone(16_000, frequency, 16_000).chunks(1600)) {
            sink.write(position, block).unwrap();
            sink.advance(position).unwrap();
        }
        sink.advance(16_000).unwrap();
    }
    drop(sinks);
    drop(thread);
    started
}

/// The channels of a WAV file, read by another implementation.
fn channels_of(path: &Path) -> [Vec<i16>; 2] {
    let mut reader = hound::WavReader::open(path).unwrap();
    let format = reader.spec();
    assert_eq!((format.channels, format.sample_rate, format.bits_per_sample), (2, 16_000, 16));
    let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
    [0, 1].map(|channel| samples.iter().skip(channel).step_by(2).copied().collect())
}

#[test]
fn wav_recording_has_each_leg_on_its_channel() {
    let directory = Directory::new();
    let started = record(settings(&directory));
    assert_eq!(started.path, directory.0.join("1970-01-01/alice.wav"));
    let expected = [440.0, 1000.0].map(|frequency| tone(16_000, frequency, 16_000));
    assert_eq!(channels_of(&started.path), expected);
    let again = record(settings(&directory));
    assert_eq!(again.path, directory.0.join("1970-01-01/alice-2.wav"), "no file is overwritten");
}

#[test]
fn opus_recording_has_tones_of_both_legs() {
    let directory = Directory::new();
    let started = record(RecordingSettings { format: RecordingFormat::OggOpus, ..settings(&directory) });
    let name = started.path.strip_prefix(&directory.0).unwrap().to_str().unwrap();
    let files = directory.files();
    let (rate, samples) = play(&files, files.open(name).unwrap());
    assert_eq!(rate, 48_000);
    assert!((47_000..=50_000).contains(&samples.len()), "{}", samples.len());
    for frequency in [440.0, 1000.0] {
        // The reader mixes both channels.
        let amplitude = amplitude(&samples[4800..43_200], 48_000, frequency);
        assert!((amplitude - 5000.0).abs() < 500.0, "{frequency} Hz: {amplitude}");
    }
}

#[test]
fn recording_ends_at_maximum_length() {
    let directory = Directory::new();
    let limited = RecordingSettings { max_length: Duration::from_secs(1), ..settings(&directory) };
    let (recordings, thread) = Recordings::new(limited).unwrap();
    let started = recordings.start(&fields()).unwrap();
    let mut left = sink(&recordings, started.id, RecordingChannel::Left);
    let mut position = 0;
    let end = loop {
        let result = left.write(position, &[1; 160]).and_then(|()| left.advance(position + 160));
        position += 160;
        match result {
            Ok(()) | Err(SinkError::Full) => {}
            Err(end) => break end,
        }
    };
    assert_eq!(end, SinkError::Limit);
    let legs = RecordedLeg { recording: started.id, channel: RecordingChannel::Right, origin: Time::EPOCH };
    assert!(recordings.sink(legs).is_none(), "it has ended");
    drop((left, thread));
    assert_eq!(channels_of(&started.path)[0], [1; 16_000]);
}

#[test]
fn recording_continues_with_another_leg_until_it_is_completed() {
    let directory = Directory::new();
    let (recordings, thread) = Recordings::new(settings(&directory)).unwrap();
    let started = recordings.start(&fields()).unwrap();
    let record = |position: u64| {
        let mut left = sink(&recordings, started.id, RecordingChannel::Left);
        left.write(position, &[1; 160]).unwrap();
        left.advance(position + 160).unwrap();
    };
    record(0);
    // The thread handles ends in order: when the other recording has ended, the end of the leg is handled.
    let has_ended = |recording: &StartedRecording| {
        let legs = RecordedLeg { recording: recording.id, channel: RecordingChannel::Right, origin: Time::EPOCH };
        let deadline = Instant::now() + Duration::from_secs(20);
        while recordings.sink(legs).is_some() {
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let other = recordings.start(&fields()).unwrap();
    recordings.complete(other.id);
    has_ended(&other);
    record(160);
    recordings.complete(started.id);
    has_ended(&started);
    drop(thread);
    assert_eq!(channels_of(&started.path)[0], [1; 320]);
}

#[test]
fn unfinished_wav_recording_is_playable() {
    let directory = Directory::new();
    let path = directory.0.join("crash.wav");
    let mut file = WavWriter::new(fs::File::create(&path).unwrap(), 16_000).unwrap();
    file.write(&[7; 320]).unwrap();
    file.update().unwrap();
    file.write(&[8; 320]).unwrap();
    assert_eq!(channels_of(&path)[0], [7; 160], "up to the last update");
    file.update().unwrap();
    assert_eq!(channels_of(&path)[0].len(), 320);
}

#[test]
fn recording_without_space_is_refused() {
    let directory = Directory::new();
    directory.write("old.wav", &[0; 1000]);
    let start = |settings| {
        let (recordings, _thread) = Recordings::new(settings).unwrap();
        recordings.start(&fields()).unwrap_err()
    };
    let plain = || settings(&directory);
    assert_eq!(start(RecordingSettings { min_free: u64::MAX, ..plain() }), RecordingError::DiskFull);
    assert_eq!(start(RecordingSettings { max_total: Some(1000), ..plain() }), RecordingError::TotalReached);
    assert_eq!(start(RecordingSettings { directory: None, ..plain() }), RecordingError::NotConfigured);
    let in_file = Some(directory.0.join("old.wav"));
    assert!(matches!(start(RecordingSettings { directory: in_file, ..plain() }), RecordingError::NotCreated(_)));
}
