//! baresip as a SIP phone: controlled over TCP, with a sine tone as microphone and a recording of the received audio.

use crate::child::{Folder, Program};
use crate::sound;
use crate::wait::{PATIENCE, until};
use crate::{kamailio, ports};
use core::time::Duration;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::time::SystemTime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Maximum duration of a recording; longer than any test.
const LIFETIME: Duration = Duration::from_secs(600);

/// Configuration of a phone.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: String,
    /// The registrar and outbound proxy.
    pub server: SocketAddr,
    /// The transport to the server: `udp`, `tcp` or `tls`.
    pub transport: &'static str,
    /// The tone that it sends, in Hz.
    pub tone: u16,
    /// Its codecs in order of preference, in baresip's notation, like `PCMU/8000`. Empty for all.
    pub codecs: &'static str,
    /// `srtp`, `srtp-mand`, `dtls_srtp` or none.
    pub encryption: &'static str,
    /// Incoming calls are answered automatically.
    pub answers: bool,
}

impl Setup {
    /// Returns the configuration for a user of [`kamailio`].
    #[must_use]
    pub fn of(user: &str, server: SocketAddr, tone: u16) -> Self {
        Self {
            user: user.to_owned(),
            password: kamailio::password(user),
            server,
            transport: "udp",
            tone,
            codecs: "PCMU/8000/1,PCMA/8000/1",
            encryption: "",
            answers: false,
        }
    }
}

/// A running phone.
pub struct Baresip {
    program: Program,
    control: TcpStream,
    unread: Vec<u8>,
    events: VecDeque<Value>,
    commands: u32,
    address: SocketAddr,
    folder: Folder,
}

impl Baresip {
    /// Starts a phone and waits until it is registered.
    ///
    /// # Panics
    /// Panics if it does not register.
    pub async fn start(setup: &Setup) -> Self {
        let mut phone = Self::switch_on(setup).await;
        // The event may have occurred before the control connection was opened.
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !phone.command("reginfo", "").await.contains("OK") {
            assert!(tokio::time::Instant::now() < deadline, "baresip registers:\n{}", phone.program.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        phone
    }

    /// Starts a phone without waiting for its registration.
    ///
    /// # Panics
    /// Panics if its control port does not open.
    pub async fn switch_on(setup: &Setup) -> Self {
        // The SIP port, the next one for TLS, one for control, and a range for RTP.
        let port = ports::free(20);
        let folder = Folder::new("baresip");
        folder.write("accounts", account(setup));
        folder.write("contacts", "");
        block_recordings_of_sent_audio(&folder);
        let certificate = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let pem = certificate.signing_key.serialize_pem() + &certificate.cert.pem();
        let pem = folder.write("certificate.pem", pem);
        folder.write("config", configuration(setup, port, &pem, &folder));
        let mut command = Command::new("baresip");
        command.arg("-4").arg("-f").arg(folder.path()).env("TZ", "UTC");
        let program = Program::start("baresip", command);
        let control = SocketAddr::from((Ipv4Addr::LOCALHOST, port + 2));
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let control = loop {
            match TcpStream::connect(control).await {
                Ok(stream) => break stream,
                Err(error) if tokio::time::Instant::now() > deadline => {
                    panic!("baresip's control port stays closed ({error}):\n{}", program.log())
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self { program, control, unread: Vec::new(), events: VecDeque::new(), commands: 0, address, folder }
    }

    /// Returns its address for UDP and TCP.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a command and returns the response.
    ///
    /// # Panics
    /// Panics if there is none.
    pub async fn command(&mut self, command: &str, parameters: &str) -> String {
        self.commands += 1;
        let token = self.commands.to_string();
        let text = json!({"command": command, "params": parameters, "token": token}).to_string();
        let text = format!("{}:{text},", text.len());
        self.control.write_all(text.as_bytes()).await.expect("baresip takes commands");
        loop {
            let message = self.message(&format!("the answer to {command}")).await;
            if field(&message, "token") == token {
                return field(&message, "data").to_owned();
            }
            self.events.push_back(message);
        }
    }

    /// Waits for an event of this type, like `CALL_ESTABLISHED`, and returns it.
    ///
    /// # Panics
    /// Panics if it does not occur.
    pub async fn event(&mut self, kind: &str) -> Value {
        loop {
            let found = self.events.iter().position(|event| field(event, "type") == kind);
            if let Some(event) = found.and_then(|index| self.events.remove(index)) {
                return event;
            }
            let event = self.message(kind).await;
            self.events.push_back(event);
        }
    }

    /// Calls a SIP URI.
    pub async fn dial(&mut self, uri: &str) {
        self.command("dial", uri).await;
    }

    /// Waits for an incoming call and returns the caller's URI.
    pub async fn rings(&mut self) -> String {
        let event = self.event("CALL_INCOMING").await;
        field(&event, "peeruri").to_owned()
    }

    /// Answers the ringing call and waits until it is established.
    pub async fn accept(&mut self) {
        self.command("accept", "").await;
        self.established().await;
    }

    /// Waits until a call is established.
    pub async fn established(&mut self) {
        self.event("CALL_ESTABLISHED").await;
    }

    /// Puts the call on hold.
    pub async fn hold(&mut self) {
        self.command("hold", "").await;
    }

    /// Resumes the call.
    pub async fn resume(&mut self) {
        self.command("resume", "").await;
    }

    /// Transfers the peer by REFER.
    pub async fn transfer(&mut self, uri: &str) {
        self.command("transfer", uri).await;
    }

    /// Sends a DTMF digit.
    pub async fn press(&mut self, key: char) {
        self.command("sndcode", &key.to_string()).await;
    }

    /// Ends the current call.
    pub async fn hang_up(&mut self) {
        self.command("hangup", "").await;
    }

    /// Waits until the call has ended and returns the reason.
    pub async fn over(&mut self) -> String {
        let event = self.event("CALL_CLOSED").await;
        field(&event, "param").to_owned()
    }

    /// Waits until it receives only this tone.
    ///
    /// # Panics
    /// Panics if it does not.
    pub async fn receives_tone(&self, hz: f32) {
        let before = self.recording();
        let is_received = || {
            let (samples, rate) = self.recording()?.since(before.as_ref())?;
            let newest = samples.len().checked_sub(usize::try_from(rate).ok()? / 5)?;
            Some(sound::share_at(samples.get(newest..)?, hz, rate) > 0.8)
        };
        let received = until(|| is_received().unwrap_or(false));
        assert!(received.await, "baresip receives {hz} Hz: {:?}\n{}", self.recording(), self.program.log());
    }

    /// Waits until it has received no loud sound for half a second.
    ///
    /// # Panics
    /// Panics if the sound does not stop.
    pub async fn receives_silence(&self) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let before = self.recording();
            tokio::time::sleep(Duration::from_millis(500)).await;
            let received = self.recording().and_then(|recording| recording.since(before.as_ref()));
            if !received.is_some_and(|(samples, _)| sound::is_loud(&samples)) {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "baresip's sound stops:\n{}", self.program.log());
        }
    }

    /// Returns the newest recording of received audio.
    fn recording(&self) -> Option<Recording> {
        let entries = std::fs::read_dir(self.folder.path()).ok()?.flatten().map(|entry| entry.path());
        // The file names contain the start time.
        let path = entries.filter(|path| path.to_string_lossy().ends_with("-dec.wav")).max()?;
        let wave = std::fs::read(&path).ok()?;
        Some(Recording { path, wave })
    }

    /// Returns the next message of the control connection: JSON in netstrings.
    async fn message(&mut self, wanted: &str) -> Value {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(message) = take(&mut self.unread) {
                return message;
            }
            let mut buffer = [0; 4096];
            match tokio::time::timeout_at(deadline, self.control.read(&mut buffer)).await {
                Ok(Ok(length @ 1..)) => self.unread.extend(buffer.iter().take(length)),
                other => {
                    panic!("no {wanted} from baresip ({other:?}); {:?}\n{}", self.events, self.program.log())
                }
            }
        }
    }
}

/// A snapshot of a recording file.
struct Recording {
    path: PathBuf,
    wave: Vec<u8>,
}

impl core::fmt::Debug for Recording {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} octets in {}", self.wave.len(), self.path.display())
    }
}

impl Recording {
    /// Returns the samples recorded after `before`, and the sampling rate.
    fn since(&self, before: Option<&Self>) -> Option<(Vec<i16>, u32)> {
        // A new recording in the same second replaces the previous one.
        let known = before.filter(|before| before.path == self.path && before.wave.len() <= self.wave.len());
        sound::of_wave(&self.wave, known.map_or(0, |before| before.wave.len()))
    }
}

/// Prevents recordings of sent audio. baresip 1.0 records both directions. With the first hold it stops recording received
/// audio, and starts again only if there is no recording of sent audio, so folders block the file names of the latter.
fn block_recordings_of_sent_audio(folder: &Folder) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let moments: String = (now - 1..now + LIFETIME.as_secs()).map(|second| format!("@{second}\n")).collect();
    let moments = folder.write("moments", moments);
    let mut date = Command::new("date");
    let names = date.args(["-u", "-f", &moments, "+dump-%Y-%m-%d-%H-%M-%S-enc.wav"]).output().expect("date runs");
    for name in String::from_utf8_lossy(&names.stdout).lines() {
        std::fs::create_dir(folder.path().join(name)).expect("a folder");
    }
}

fn field<'a>(message: &'a Value, name: &str) -> &'a str {
    message.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Removes and returns the first complete netstring, `LENGTH:TEXT,`.
fn take(unread: &mut Vec<u8>) -> Option<Value> {
    let colon = unread.iter().position(|octet| *octet == b':')?;
    let length: usize = core::str::from_utf8(unread.get(..colon)?).ok()?.parse().ok()?;
    let end = colon + 1 + length;
    let message = serde_json::from_slice(unread.get(colon + 1..end)?).expect("baresip sends JSON");
    (unread.len() > end).then(|| unread.drain(..=end));
    Some(message)
}

fn account(setup: &Setup) -> String {
    let Setup { user, password, server, transport, codecs, encryption, answers, .. } = setup;
    let mode = if *answers { "auto" } else { "manual" };
    let encryption = if encryption.is_empty() { String::new() } else { format!(";mediaenc={encryption}") };
    let codecs = if codecs.is_empty() { String::new() } else { format!(";audio_codecs={codecs}") };
    format!(
        "<sip:{user}@{server};transport={transport}>;auth_user={user};auth_pass={password};answermode={mode};regint=600\
         {codecs}{encryption}\n"
    )
}

fn configuration(setup: &Setup, port: u16, certificate: &str, folder: &Folder) -> String {
    let modules = ["opus", "g722", "g711", "sndfile", "aubridge", "ausine", "srtp", "dtls_srtp"];
    let modules: String = modules.iter().map(|name| format!("module {name}.so\n")).collect();
    format!(
        "poll_method epoll\n\
         sip_listen 127.0.0.1:{port}\n\
         sip_certificate {certificate}\n\
         audio_player aubridge,unheard{port}\n\
         audio_alert aubridge,unrung{port}\n\
         audio_source ausine,{tone}\n\
         ausrc_srate 48000\n\
         ausrc_channels 2\n\
         ausrc_format s16\n\
         auplay_format s16\n\
         auenc_format s16\n\
         audec_format s16\n\
         audio_buffer 20-160\n\
         jitter_buffer_delay 1-5\n\
         rtp_ports {first}-{last}\n\
         net_interface 127.0.0.1\n\
         module_path /usr/lib/baresip/modules\n\
         {modules}\
         module_tmp account.so\n\
         module_app contact.so\n\
         module_app menu.so\n\
         module_app ctrl_tcp.so\n\
         ctrl_tcp_listen 127.0.0.1:{control}\n\
         snd_path {folder}\n\
         menu_bell no\n\
         ringback_disabled yes\n\
         redial_attempts 0\n\
         statmode_default off\n",
        tone = setup.tone,
        first = port + 4,
        last = port + 19,
        control = port + 2,
        folder = folder.path().display(),
    )
}
