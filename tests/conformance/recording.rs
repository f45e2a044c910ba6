//! Recordings of calls between headless browsers: the file has the tone of each participant on its channel.

use crate::{EstablishedCall, HIGH, LOW};
use offhook_tests::relay::Relay;
use offhook_tests::rest::RestClient;
use offhook_tests::sound::share_at;
use offhook_tests::wait;
use serde_json::json;
use std::path::Path;

/// The rate of the recording, and the header of the file.
const RATE: u32 = 16_000;
const HEADER: usize = 44;
/// 400 ms of both channels.
const MEASURED: usize = RATE as usize * 2 / 5 * 4;

/// The samples of a channel in the last 400 ms of a file, if it is so long.
fn newest(path: &Path, channel: usize) -> Option<Vec<i16>> {
    let file = std::fs::read(path).ok()?;
    let sound = file.get(HEADER..)?;
    let whole = sound.len() / 4 * 4;
    let samples = sound.get(whole.checked_sub(MEASURED)?..whole)?.as_chunks::<2>().0;
    Some(samples.iter().skip(channel).step_by(2).map(|sample| i16::from_le_bytes(*sample)).collect())
}

#[tokio::test]
async fn recording_has_tone_of_each_participant_on_its_channel() {
    let directory = std::env::temp_dir().join(format!("offhook-stereo-{}", std::process::id()));
    let relay = Relay::start_with(&[&format!("media_files.recordings={}", directory.display())]);
    let api = RestClient::of(&relay).await;
    let call = EstablishedCall::begin(&relay).await;
    call.both_receive_tones().await;
    let calls = api.get("/api/v1/calls").await;
    let id = calls.body.pointer("/items/0/id").and_then(|id| id.as_str()).expect("a call").to_owned();
    let started = api.post(&format!("/api/v1/calls/{id}/record"), &json!({"action": "start"})).await;
    let file = started.body.pointer("/operations/0/file").and_then(|file| file.as_str()).expect("a file");
    let path = Path::new(file);
    // The caller's tone is on the left channel. The file grows during the call.
    let has_tones = || {
        let shares = [(0, LOW), (1, HIGH)]
            .map(|(channel, hz)| newest(path, channel).is_some_and(|samples| share_at(&samples, hz, RATE) > 0.9));
        shares == [true; 2]
    };
    assert!(wait::until(has_tones).await, "no tones in {file}");
    // What a muted participant sends is recorded as silence.
    let muted = api.post(&format!("/api/v1/calls/{id}/mute"), &json!({"participant": "callee"})).await;
    assert!(muted.status < 300, "{muted:?}");
    let is_silent = |channel| newest(path, channel).is_some_and(|samples| samples.iter().all(|sample| *sample == 0));
    assert!(wait::until(|| is_silent(1) && !is_silent(0)).await, "the muted callee is audible in {file}");
    let stopped = api.post(&format!("/api/v1/calls/{id}/record"), &json!({"action": "stop"})).await;
    assert!(stopped.status < 300, "{stopped:?}");
    // The header of the complete file has the length of its data.
    let is_complete = || {
        let file = std::fs::read(path).unwrap_or_default();
        let length = file.get(HEADER - 4..HEADER).and_then(|octets| octets.try_into().ok()).map(u32::from_le_bytes);
        length.is_some_and(|length| length > 0 && length as usize == file.len() - HEADER)
    };
    assert!(wait::until(is_complete).await, "{file} is not completed");
    std::fs::remove_dir_all(&directory).unwrap();
}
