//! What hostile and broken clients do: the relay stays up, its memory comes back, the next call works.

use crate::Talk;
use core::time::Duration;
use futures_util::{SinkExt as _, StreamExt as _};
use offhook_signaling::message::{ClientMessage, Connection};
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

/// A socket whose session is open: one that has taken its first message from the relay.
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
    Talk::begin(relay).await.both_hear().await;
    relay.assert_alive();
}

#[tokio::test]
async fn malformed_frames_are_answered_and_in_the_end_refused() {
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
async fn hostile_descriptions_end_the_call_and_nothing_else() {
    let mut relay = Relay::start();
    let _bob = Browser::sign_in(&relay, "callee").await;
    let mut mallory = Browser::sign_in(&relay, "mallory").await;
    for (number, sdp) in
        ["x", "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0", &"m=audio 9 x 0\n".repeat(3000)].iter().enumerate()
    {
        let id = format!("hostile{number}");
        let call = offhook_signaling::message::Call {
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
async fn a_frame_of_a_megabyte_closes_the_socket() {
    let mut relay = Relay::start();
    for _ in 0..20 {
        let mut socket = signed_in(&relay, "mallory").await;
        let frame = format!("{{\"message\":\"pushLogs\",\"data\":[{{\"logs\":\"{}\"}}]}}", "x".repeat(1 << 20));
        // The relay may close before it has taken everything.
        let _ = socket.send(Message::text(frame)).await;
        closed(socket).await;
    }
    works_on(&mut relay).await;
}

#[tokio::test]
async fn binary_frames_close_the_socket() {
    let mut relay = Relay::start();
    let mut socket = signed_in(&relay, "mallory").await;
    socket.send(Message::binary(vec![0xff; 1000])).await.expect("sent");
    closed(socket).await;
    works_on(&mut relay).await;
}

#[tokio::test]
async fn ten_thousand_messages_a_second_close_the_socket_and_hurt_nobody() {
    let mut relay = Relay::start();
    let talk = Talk::begin(&relay).await;
    let mut socket = signed_in(&relay, "mallory").await;
    let ping = ClientMessage::Ping.to_json();
    for _ in 0..10_000 {
        if socket.feed(Message::text(ping.clone())).await.is_err() {
            break;
        }
    }
    let _ = socket.flush().await;
    closed(socket).await;
    talk.both_hear().await;
    drop(talk);
    works_on(&mut relay).await;
}

/// Where the operator allows so many, they are worked off while a call goes on.
#[tokio::test]
async fn ten_thousand_messages_are_answered_where_they_are_allowed() {
    let options = ["limits.message_rate=20000", "limits.message_burst=20000", "limits.send_queue=20000"];
    let mut relay = Relay::start_with(&options);
    let talk = Talk::begin(&relay).await;
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
    talk.both_hear().await;
    drop(talk);
    works_on(&mut relay).await;
}

#[tokio::test]
async fn a_browser_that_vanishes_without_a_word_is_missed() {
    let mut relay = Relay::start_with(&["signaling.ping_interval=200ms", "signaling.ping_probes=3"]);
    let tunnel = Tunnel::to(relay.address()).await;
    let mut alice = Browser::sign_in(&relay, "alice").await;
    let habits = Habits { via: Some(tunnel.address()), ..Habits::default() };
    let mut bob = Browser::sign_in_with(&relay, "bob", habits).await;
    let (at_alice, at_bob) = crate::talk(&mut alice, &mut bob, Sound::Tone(440.0), Sound::Tone(1000.0)).await;
    at_alice.peer.hears(1000.0).await;
    tunnel.freeze();
    // His media go on: it is the silence of his socket that ends the call.
    let over = alice.over(&at_alice.id).await;
    assert_eq!(over.info.as_deref(), Some("The other side lost its connection"));
    let again = alice.call("bob", Sound::Tone(440.0)).await;
    assert_eq!(alice.over(&again.id).await.sip_status, Some(480), "nobody rings where nobody is");
    drop(at_bob);
    works_on(&mut relay).await;
}

#[tokio::test]
async fn a_tls_handshake_that_never_ends_is_ended() {
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
async fn a_renewed_certificate_is_taken_without_dropping_calls() {
    let state = std::env::temp_dir().join(format!("offhook-renewed-{}", std::process::id()));
    let directory = format!("tls.state_directory={}", state.display());
    let flags = ["--demo", "--listen-tls", "127.0.0.1:0", "--media-address", "127.0.0.1", "--set", "listen.plain="];
    let mut relay = Relay::start_as(&flags, &[&directory]);
    let before = offhook_tests::tls::certificate_of(relay.address()).await;
    let talk = Talk::begin(&relay).await;
    std::fs::remove_dir_all(&state).expect("the relay kept its certificate there");
    relay.signal("HUP");
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while offhook_tests::tls::certificate_of(relay.address()).await == before {
        assert!(tokio::time::Instant::now() < deadline, "the new certificate is shown");
    }
    talk.both_hear().await;
    drop(talk);
    // A broken file changes nothing.
    std::fs::write(state.join("tls-certificate.pem"), "nonsense").expect("written");
    relay.signal("HUP");
    assert!(until(|| relay.log().contains("the certificates stay as they are")).await);
    works_on(&mut relay).await;
    drop(relay);
    std::fs::remove_dir_all(state).expect("the relay kept its certificate there");
}

/// The page of a name that was made to point here (DNS rebinding) gets neither the page nor a WebSocket.
#[tokio::test]
async fn a_demo_answers_to_names_of_this_machine_only() {
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
async fn half_open_sockets_are_closed_after_a_while() {
    let mut relay = Relay::start_with(&["signaling.connection_timeout=1s", "listen.header_timeout=1s"]);
    // Without a word, with half a request, and with an upgrade but no `connection`.
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
async fn a_browser_that_never_reads_does_not_hold_the_relay_up() {
    let mut relay = Relay::start();
    let mut socket = signed_in(&relay, "mallory").await;
    // Every one is answered with a pong that nobody takes.
    for _ in 0..150 {
        let _ = socket.feed(Message::text(ClientMessage::Ping.to_json())).await;
    }
    let _ = socket.flush().await;
    works_on(&mut relay).await;
    drop(socket);
}

#[tokio::test]
async fn a_thousand_sessions_that_vanish_leave_no_memory_behind() {
    let mut relay = Relay::start_with(&["sessions.keep_alive_for=1s"]);
    works_on(&mut relay).await;
    // What the allocator keeps after the first thousand it must reuse for the next: growth beyond that is a leak.
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

/// A thousand sessions, half of them with keepAlive, whose sockets break without a close frame.
async fn vanish(relay: &Relay, round: &str) {
    for batch in 0..10 {
        let mut sockets = Vec::new();
        for number in 0..100 {
            let keep_alive = Some(number % 2 == 0);
            let login = format!("{round}{batch}-{number}");
            let hello = ClientMessage::Connection(Box::new(Connection { keep_alive, ..connection(&login) }));
            let mut socket = socket(relay).await;
            socket.send(Message::text(hello.to_json())).await.expect("sent");
            socket.next().await.expect("an answer").expect("a frame");
            sockets.push(socket);
        }
        drop(sockets);
    }
    // The last of them is forgotten when its login can no longer be called.
    let mut caller = Browser::connect(relay, connection("watcher"), Habits::default()).await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let call = caller.call(&format!("{round}9-98"), Sound::Tone(0.0)).await;
        let gone = tokio::time::timeout(Duration::from_secs(2), caller.over(&call.id)).await;
        if gone.is_ok() {
            return;
        }
        caller.hang_up(&call.id);
        assert!(tokio::time::Instant::now() < deadline, "the session is forgotten");
    }
}
