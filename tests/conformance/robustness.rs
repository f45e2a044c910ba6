//! Tests with hostile and faulty clients: the relay keeps running, releases memory, and subsequent calls succeed.

use crate::EstablishedCall;
use core::time::Duration;
use futures_util::{SinkExt as _, StreamExt as _};
use offhook_signaling::message::{ClientMessage, ConnectionMessage};
use offhook_tests::browser::{Browser, connection};
use offhook_tests::peer::{Habits, Sound};
use offhook_tests::relay::Relay;
use offhook_tests::tunnel::Tunnel;
use offhook_tests::wait::{PATIENCE, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

type Socket = WebSocketStream<Box<dyn offhook_tests::relay::Stream>>;

async fn socket(relay: &Relay) -> Socket {
    relay.web_socket().await
}

fn hello(login: &str) -> Message {
    Message::text(ClientMessage::Connection(Box::new(connection(login))).to_json())
}

/// Opens a socket and waits for the first message of the relay.
async fn signed_in(relay: &Relay, login: &str) -> Socket {
    let mut socket = socket(relay).await;
    socket.send(hello(login)).await.expect("sent");
    socket.next().await.expect("an answer").expect("a frame");
    socket
}

/// Reads until the relay closes the socket.
async fn closed(mut socket: Socket) {
    let end = async { while let Some(Ok(_)) = socket.next().await {} };
    tokio::time::timeout(PATIENCE, end).await.expect("the relay closes the socket");
}

async fn works_on(relay: &mut Relay) {
    relay.assert_alive();
    EstablishedCall::begin(relay).await.both_receive_tones().await;
    relay.assert_alive();
}

#[tokio::test]
async fn repeated_malformed_frames_close_socket() {
    let mut relay = Relay::start();
    for frame in ["", "{", "null", "[]", "{\"message\":5}", "{\"message\":\"call\",\"data\":[{}]}", "\u{0}\u{ffff}"] {
        let mut socket = signed_in(&relay, "mallory").await;
        for _ in 0..30 {
            if socket.send(Message::text(frame)).await.is_err() {
                break;
            }
        }
        closed(socket).await;
    }
    let deep = "[".repeat(60_000);
    let mut socket = signed_in(&relay, "mallory").await;
    socket.send(Message::text(format!("{{\"message\":\"sendData\",\"data\":[{deep}"))).await.expect("sent");
    drop(socket);
    works_on(&mut relay).await;
}

#[tokio::test]
async fn invalid_session_description_ends_only_its_call() {
    let mut relay = Relay::start();
    let _bob = Browser::sign_in(&relay, "callee").await;
    let mut mallory = Browser::sign_in(&relay, "mallory").await;
    for (number, sdp) in
        ["x", "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0", &"m=audio 9 x 0\n".repeat(3000)].iter().enumerate()
    {
        let id = format!("hostile{number}");
        let call = offhook_signaling::message::CallMessage {
            call_id: id.as_str().into(),
            callee: "callee".to_owned(),
            caller: None,
            visible_name: None,
            has_audio: true,
            has_video: true,
            sdp: (*sdp).to_owned(),
            sip_sdp: Vec::new(),
            sip_headers: Vec::new(),
            custom: None,
            local_media_info: None,
        };
        mallory.send(&ClientMessage::Call(Box::new(call)));
        assert!(mallory.over(&id.as_str().into()).await.status.is_terminal());
    }
    works_on(&mut relay).await;
}

#[tokio::test]
async fn frame_of_one_megabyte_closes_socket() {
    let mut relay = Relay::start();
    for _ in 0..20 {
        let mut socket = signed_in(&relay, "mallory").await;
        let frame = format!("{{\"message\":\"pushLogs\",\"data\":[{{\"logs\":\"{}\"}}]}}", "x".repeat(1 << 20));
        // The relay may close the socket before it has received the whole frame.
        let _ = socket.send(Message::text(frame)).await;
        closed(socket).await;
    }
    works_on(&mut relay).await;
}

#[tokio::test]
async fn binary_frame_closes_socket() {
    let mut relay = Relay::start();
    let mut socket = signed_in(&relay, "mallory").await;
    socket.send(Message::binary(vec![0xff; 1000])).await.expect("sent");
    closed(socket).await;
    works_on(&mut relay).await;
}

#[tokio::test]
async fn message_flood_closes_socket_without_disturbing_calls() {
    let mut relay = Relay::start();
    let established = EstablishedCall::begin(&relay).await;
    let mut socket = signed_in(&relay, "mallory").await;
    let ping = ClientMessage::Ping.to_json();
    for _ in 0..10_000 {
        if socket.feed(Message::text(ping.clone())).await.is_err() {
            break;
        }
    }
    let _ = socket.flush().await;
    closed(socket).await;
    established.both_receive_tones().await;
    drop(established);
    works_on(&mut relay).await;
}

/// With higher limits, the messages are processed during a call.
#[tokio::test]
async fn message_burst_within_limits_is_answered() {
    let options = ["limits.message_rate=20000", "limits.message_burst=20000", "limits.send_queue=20000"];
    let mut relay = Relay::start_with(&options);
    let established = EstablishedCall::begin(&relay).await;
    let (mut sink, mut stream) = signed_in(&relay, "mallory").await.split();
    let ping = ClientMessage::Ping.to_json();
    let start = std::time::Instant::now();
    let sending = tokio::spawn(async move {
        for _ in 0..10_000 {
            sink.feed(Message::text(ping.clone())).await.expect("sent");
        }
        sink.flush().await.expect("sent");
        (sink, start.elapsed())
    });
    let mut pongs = 0;
    while pongs < 10_000 {
        let frame = tokio::time::timeout(PATIENCE, stream.next()).await.expect("the relay answers");
        let text = frame.expect("open").expect("a frame").into_text().expect("text");
        pongs += usize::from(text.contains("pong"));
    }
    let (_open, sent_in) = sending.await.expect("sent");
    println!("10,000 messages sent in {sent_in:?}, answered in {:?}", start.elapsed());
    established.both_receive_tones().await;
    drop(established);
    works_on(&mut relay).await;
}

#[tokio::test]
async fn vanished_browser_is_detected_by_missed_pings() {
    let mut relay = Relay::start_with(&["signaling.ping_interval=200ms", "signaling.ping_probes=3"]);
    let tunnel = Tunnel::to(relay.address()).await;
    let mut alice = Browser::sign_in(&relay, "alice").await;
    let habits = Habits { via: Some(tunnel.address()), ..Habits::default() };
    let mut bob = Browser::sign_in_with(&relay, "bob", habits).await;
    let (at_alice, at_bob) = crate::establish_call(&mut alice, &mut bob, Sound::Tone(440.0), Sound::Tone(1000.0)).await;
    at_alice.peer.receives_tone(1000.0).await;
    tunnel.freeze();
    // Media continue; the call ends because of missing pongs.
    let over = alice.over(&at_alice.id).await;
    assert_eq!(over.info.as_deref(), Some("The other side lost its connection"));
    let again = alice.call("bob", Sound::Tone(440.0)).await;
    assert_eq!(alice.over(&again.id).await.sip_status, Some(480), "the vanished session is not called");
    drop(at_bob);
    works_on(&mut relay).await;
}

#[tokio::test]
async fn incomplete_tls_handshake_times_out() {
    let state = std::env::temp_dir().join(format!("offhook-half-tls-{}", std::process::id()));
    let directory = format!("tls.state_directory={}", state.display());
    let flags = ["--demo", "--listen-tls", "127.0.0.1:0", "--media-address", "127.0.0.1", "--set", "listen.plain="];
    let mut relay = Relay::start_as(&flags, &[&directory, "tls.handshake_timeout=1s"]);
    let mut half = TcpStream::connect(relay.address()).await.expect("a connection");
    half.write_all(&[0x16, 3, 1, 2, 0, 1]).await.expect("the beginning of a ClientHello");
    let mut rest = Vec::new();
    let end = tokio::time::timeout(PATIENCE, half.read_to_end(&mut rest)).await;
    assert!(end.is_ok(), "the relay closes it");
    works_on(&mut relay).await;
    drop(relay);
    std::fs::remove_dir_all(state).expect("the relay kept its certificate there");
}

#[tokio::test]
async fn renewed_certificate_is_loaded_without_dropping_calls() {
    let state = std::env::temp_dir().join(format!("offhook-renewed-{}", std::process::id()));
    let directory = format!("tls.state_directory={}", state.display());
    let flags = ["--demo", "--listen-tls", "127.0.0.1:0", "--media-address", "127.0.0.1", "--set", "listen.plain="];
    let mut relay = Relay::start_as(&flags, &[&directory]);
    let before = offhook_tests::tls::certificate_of(relay.address()).await;
    let established = EstablishedCall::begin(&relay).await;
    std::fs::remove_dir_all(&state).expect("the relay kept its certificate there");
    relay.signal("HUP");
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while offhook_tests::tls::certificate_of(relay.address()).await == before {
        assert!(tokio::time::Instant::now() < deadline, "the new certificate is shown");
    }
    established.both_receive_tones().await;
    drop(established);
    // An invalid file is not loaded.
    std::fs::write(state.join("tls-certificate.pem"), "nonsense").expect("written");
    relay.signal("HUP");
    assert!(until(|| relay.log().contains("reloading the certificates failed")).await);
    works_on(&mut relay).await;
    drop(relay);
    std::fs::remove_dir_all(state).expect("the relay kept its certificate there");
}

/// A foreign host name that resolves to the relay (DNS rebinding) gets neither the page nor a WebSocket.
#[tokio::test]
async fn demo_refuses_foreign_host_names() {
    let relay = Relay::start();
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    for (host, upgrade, status) in [
        ("localhost", "", "200"),
        ("localhost", upgrade, "101"),
        ("evil.test", "", "421"),
        ("evil.test", upgrade, "421"),
    ] {
        let mut stream = TcpStream::connect(relay.address()).await.expect("a connection");
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n{upgrade}\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = vec![0; 12];
        stream.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(String::from_utf8_lossy(&answer), format!("HTTP/1.1 {status}"), "{host} {upgrade}");
    }
}

#[tokio::test]
async fn half_open_sockets_time_out() {
    let mut relay = Relay::start_with(&["signaling.connection_timeout=1s", "listen.header_timeout=1s"]);
    // Without data, with half a request, and with an upgrade but no `connection`.
    let silent = TcpStream::connect(relay.address()).await.expect("a connection");
    let mut half = TcpStream::connect(relay.address()).await.expect("a connection");
    half.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nUpg").await.expect("sent");
    let upgraded = socket(&relay).await;
    for mut stream in [silent, half] {
        let mut rest = Vec::new();
        let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        assert!(end.is_ok(), "the relay closes a half-open connection");
    }
    closed(upgraded).await;
    works_on(&mut relay).await;
}

#[tokio::test]
async fn browser_that_never_reads_does_not_block_relay() {
    let mut relay = Relay::start();
    let mut socket = signed_in(&relay, "mallory").await;
    // Each is answered with a pong that is not read.
    for _ in 0..150 {
        let _ = socket.feed(Message::text(ClientMessage::Ping.to_json())).await;
    }
    let _ = socket.flush().await;
    works_on(&mut relay).await;
    drop(socket);
}

#[tokio::test]
async fn vanished_sessions_release_their_memory() {
    let mut relay = Relay::start_with(&["sessions.keep_alive_for=1s"]);
    works_on(&mut relay).await;
    // The allocator must reuse the memory of the first thousand sessions; further growth is a leak.
    vanish(&relay, "a").await;
    let before = relay.resident();
    for round in ["b", "c", "d"] {
        vanish(&relay, round).await;
    }
    works_on(&mut relay).await;
    let allowed = before + 8 * 1024 * 1024;
    let back = until(|| relay.resident() <= allowed).await;
    assert!(back, "{} octets before, {} after", before, relay.resident());
}

/// Opens a thousand sessions, half of them with keepAlive, and drops their sockets without a close frame.
async fn vanish(relay: &Relay, round: &str) {
    for batch in 0..10 {
        let mut sockets = Vec::new();
        for number in 0..100 {
            let keep_alive = Some(number % 2 == 0);
            let login = format!("{round}{batch}-{number}");
            let hello = ClientMessage::Connection(Box::new(ConnectionMessage { keep_alive, ..connection(&login) }));
            let mut socket = socket(relay).await;
            socket.send(Message::text(hello.to_json())).await.expect("sent");
            socket.next().await.expect("an answer").expect("a frame");
            sockets.push(socket);
        }
        drop(sockets);
    }
    // The last session is removed when its login can no longer be called.
    let mut caller = Browser::connect(relay, connection("watcher"), Habits::default()).await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let call = caller.call(&format!("{round}9-98"), Sound::Tone(0.0)).await;
        let gone = tokio::time::timeout(Duration::from_secs(2), caller.over(&call.id)).await;
        if gone.is_ok() {
            return;
        }
        caller.hang_up(&call.id);
        assert!(tokio::time::Instant::now() < deadline, "the session is removed");
    }
}
