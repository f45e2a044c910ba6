//! Linphone's console program as a second SIP phone: commands on standard input, audio in files.

use crate::child::{Folder, Program};
use crate::sound;
use crate::wait::{PATIENCE, until};
use crate::{kamailio, ports};
use core::time::Duration;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{ChildStdin, Command};

/// A running phone.
pub struct Linphone {
    program: Program,
    commands: ChildStdin,
    folder: Folder,
}

impl Linphone {
    /// Starts a phone of a user of [`kamailio`], registered over UDP, that sends a tone and answers automatically.
    ///
    /// # Panics
    /// Panics if it does not register.
    pub async fn start(user: &str, server: SocketAddr, hz: f32) -> Self {
        let folder = Folder::new("linphone");
        for needed in [".local/share/linphone", ".config/linphone"] {
            std::fs::create_dir_all(folder.path().join(needed)).expect("a temporary folder");
        }
        let port = ports::free(4);
        let settings = format!(
            "[sip]\nsip_port={port}\nsip_tcp_port=-1\nsip_tls_port=-1\nuse_ipv6=0\nguess_hostname=0\n\
             contact=\"{user}\" <sip:{user}@127.0.0.1:{port}>\nmedia_encryption=none\nregister_only_when_network_is_up=0\n\
             [rtp]\naudio_rtp_port={rtp}\n[sound]\nechocancellation=0\n[net]\nmtu=1300\n[video]\nenabled=0\n",
            rtp = port + 2
        );
        let settings = folder.write("rc", settings);
        let microphone = folder.write("microphone.wav", wave(hz));
        let mut command = Command::new("linphonec");
        command.args(["-S", "-c", &settings]).env("HOME", folder.path());
        let mut program = Program::start("linphonec", command);
        let commands = program.stdin().expect("piped");
        let mut phone = Self { program, commands, folder };
        phone.command("ipv6 disable");
        phone.command("soundcard use files");
        phone.command(&format!("play {microphone}"));
        phone.command(&format!("record {}", phone.folder.path().join("received.wav").display()));
        phone.command("autoanswer enable");
        // Version 5.1 has 19 codecs; numbers 3 and 4 are PCMU and PCMA, so that the recording has 8 kHz.
        for other in (0..19).filter(|number| !matches!(number, 3 | 4)) {
            phone.command(&format!("codec disable {other}"));
        }
        phone.command(&format!("register sip:{user}@{} sip:{server} {}", server.ip(), kamailio::password(user)));
        phone.registered().await;
        phone
    }

    /// Polls the registration state, which the program does not report by itself.
    async fn registered(&mut self) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !self.program.has_printed("registered, identity=") {
            assert!(tokio::time::Instant::now() < deadline, "Linphone registers:\n{}", self.program.log());
            self.command("status register");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Sends a command.
    ///
    /// # Panics
    /// Panics if the program has ended.
    pub fn command(&mut self, command: &str) {
        writeln!(self.commands, "{command}").expect("linphonec takes commands");
    }

    /// Calls a SIP URI.
    pub fn dial(&mut self, uri: &str) {
        self.command(&format!("call {uri}"));
    }

    /// Ends the current call.
    pub fn hang_up(&mut self) {
        self.command("terminate");
    }

    /// Waits until it has printed a line that contains `words`.
    pub async fn prints(&self, words: &str) {
        self.program.prints(words).await;
    }

    /// Ends the program, which ends its call and completes the recording, and checks that it received mostly this tone.
    ///
    /// # Panics
    /// Panics if it did not.
    pub async fn received_tone(mut self, hz: f32) {
        let file = self.folder.path().join("received.wav");
        // The file grows by one second of audio at a time.
        let recorded = until(|| file.metadata().is_ok_and(|data| data.len() > 40_000));
        assert!(recorded.await, "Linphone receives audio:\n{}", self.program.log());
        self.command("quit");
        assert!(until(|| self.program.ended().is_some()).await, "Linphone quits:\n{}", self.program.log());
        let wave = std::fs::read(file).unwrap_or_default();
        let frames = wave.get(44..).unwrap_or_default().chunks_exact(20 * sound::FRAME);
        let all = frames.len();
        let with_tone = frames.filter(|frame| {
            let samples = sound::newest(frame, 1, sound::RATE).unwrap_or_default();
            sound::share(&samples, hz) > 0.8
        });
        let with_tone = with_tone.count();
        assert!(
            2 * with_tone > all,
            "Linphone received {hz} Hz in {with_tone} of {all} frames:\n{}",
            self.program.log()
        );
    }
}

/// Returns ten seconds of a tone as a WAV file (8 kHz, 16 bit, mono), which Linphone plays in a loop.
fn wave(hz: f32) -> Vec<u8> {
    let sound: Vec<u8> = (0..500_u64)
        .flat_map(|frame| sound::tone(hz, frame * sound::FRAME as u64))
        .flat_map(|octet| sound::decode(octet).to_le_bytes())
        .collect();
    let length = u32::try_from(sound.len()).expect("a short sound");
    let mut wave = Vec::with_capacity(sound.len() + 44);
    wave.extend(b"RIFF");
    wave.extend((length + 36).to_le_bytes());
    wave.extend(b"WAVEfmt ");
    wave.extend(16_u32.to_le_bytes());
    wave.extend([1, 0, 1, 0]);
    wave.extend(sound::RATE.to_le_bytes());
    wave.extend((2 * sound::RATE).to_le_bytes());
    wave.extend([2, 0, 16, 0]);
    wave.extend(b"data");
    wave.extend(length.to_le_bytes());
    wave.extend(sound);
    wave
}
