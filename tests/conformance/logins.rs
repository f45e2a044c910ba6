//! Tests of logins during password guessing, and of the security log.

use crate::accounts::with_password;
use futures_util::{SinkExt as _, StreamExt as _};
use offhook_signaling::message::{ClientMessage, ServerMessage};
use offhook_tests::browser::Browser;
use offhook_tests::child::Folder;
use offhook_tests::peer::Habits;
use offhook_tests::relay::{Relay, hash_password};
use offhook_tests::wait::{PATIENCE, until};
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

const FLAGS: [&str; 5] = ["--listen", "127.0.0.1:0", "--no-tls", "--media-address", "127.0.0.1"];
const ATTACKER: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(127, 0, 0, 66));

fn relay_with_alice(options: &[&str]) -> Relay {
    let account = format!("accounts.alice={}", hash_password("tulip"));
    let options: Vec<&str> = options.iter().copied().chain([account.as_str()]).collect();
    Relay::start_as(&FLAGS, &options)
}

/// Guesses Alice's password on successive sockets and counts the guesses.
async fn try_passwords(relay: Arc<Relay>, guesses: Arc<AtomicUsize>) {
    let hello = ClientMessage::Connection(Box::new(with_password("alice", "guess"))).to_json();
    loop {
        let Some(mut socket) = relay.web_socket_from(ATTACKER).await else { continue };
        if socket.send(Message::text(hello.clone())).await.is_ok() {
            while let Some(Ok(Message::Text(_))) = socket.next().await {}
            guesses.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// `fail2ban-regex` of the package that `cargo xtask setup` has unpacked, or else the installed one.
fn fail2ban_regex() -> Command {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a folder of the target folder");
    let unpacked = target.join("tools/fail2ban");
    if !unpacked.is_dir() {
        return Command::new("fail2ban-regex");
    }
    let mut command = Command::new(unpacked.join("usr/bin/fail2ban-regex"));
    command.env("PYTHONPATH", unpacked.join("usr/lib/python3/dist-packages"));
    command.arg("--config").arg(unpacked.join("etc/fail2ban"));
    command
}

/// Returns the addresses that the shipped fail2ban filter finds in a log.
pub(crate) fn banned(log: &str) -> Vec<String> {
    let filter = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/fail2ban/offhook.conf");
    let folder = Folder::new("security-log");
    // fail2ban ignores a last line without a line ending.
    let file = folder.write("relay.log", format!("{log}\n"));
    let output = fail2ban_regex().args(["-o", "<ip>"]).arg(&file).arg(filter).output();
    let output = output.expect("fail2ban-regex runs: cargo xtask setup unpacks it");
    assert!(output.status.success() || output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn right_logins_succeed_during_password_guessing() {
    let relay = Arc::new(relay_with_alice(&[]));
    let guesses = Arc::new(AtomicUsize::new(0));
    let mut attack = JoinSet::new();
    for _ in 0..100 {
        attack.spawn(try_passwords(Arc::clone(&relay), Arc::clone(&guesses)));
    }
    assert!(until(|| guesses.load(Ordering::Relaxed) >= 200).await, "the attack runs");
    let mut times = Vec::new();
    for _ in 0..20 {
        let start = Instant::now();
        let login = Browser::connect(&relay, with_password("alice", "tulip"), Habits::default());
        drop(tokio::time::timeout(PATIENCE, login).await.expect("a user with the right password is accepted"));
        times.push(start.elapsed());
    }
    times.sort();
    assert!(times[10] < Duration::from_secs(1), "{times:?} with {} guesses", guesses.load(Ordering::Relaxed));
    attack.shutdown().await;
    assert_eq!(banned(&relay.log()), [ATTACKER.to_string()], "{}", relay.log());
}

#[tokio::test]
async fn clients_behind_trusted_proxy_are_limited_separately() {
    let relay = relay_with_alice(&["listen.trusted_proxies=127.0.0.1"]);
    let answer = async |client: &str, password: &str| {
        let stream = tokio::net::TcpStream::connect(relay.address()).await.expect("a connection");
        let mut request = tokio_tungstenite::tungstenite::client::IntoClientRequest::into_client_request(relay.url())
            .expect("a request");
        request.headers_mut().insert("X-Forwarded-For", client.parse().expect("a header value"));
        let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.expect("a WebSocket");
        let hello = ClientMessage::Connection(Box::new(with_password("alice", password))).to_json();
        socket.send(Message::text(hello)).await.expect("sent");
        let Some(Ok(Message::Text(text))) = socket.next().await else { panic!("an answer") };
        text.to_string()
    };
    for _ in 0..11 {
        assert!(answer("203.0.113.9, 192.0.2.66", "guess").await.contains("wrong login or password"));
    }
    assert!(answer("192.0.2.66", "tulip").await.contains("too many wrong passwords"));
    assert!(answer("192.0.2.67", "tulip").await.contains("getUserData"));
    assert!(until(|| banned(&relay.log()) == ["192.0.2.66"]).await, "{}", relay.log());
}

#[tokio::test]
async fn client_without_login_is_refused_with_accounts() {
    let relay = relay_with_alice(&[]);
    let hello = offhook_signaling::message::ConnectionMessage::default();
    let page = Browser::knock(&relay, hello.clone(), Habits::default()).await;
    assert!(page.refused().await.contains("requires a login"));
    let relay = relay_with_alice(&["sessions.anonymous=true"]);
    let mut page = Browser::knock(&relay, hello, Habits::default()).await;
    assert!(until(|| page.has_received(|message| matches!(message, ServerMessage::UserData(_)))).await);
}
