//! Measures the throughput of webhooks: logins that the application authorizes, and events of sessions.
//!
//! `hooks [SESSIONS [EVENTS]]`; the relay is the program in `OFFHOOK_RELAY`.

#![expect(clippy::print_stdout, reason = "a command-line tool")]
#![expect(clippy::expect_used, reason = "a failed measurement aborts")]

use core::time::Duration;
use offhook_signaling::message::ClientMessage;
use offhook_tests::browser::Browser;
use offhook_tests::hook_server::HookServer;
use offhook_tests::relay::Relay;
use std::time::Instant;

fn argument(position: usize, default: usize) -> usize {
    std::env::args().nth(position).map_or(default, |text| text.parse().expect("a number"))
}

fn per_second(count: usize, elapsed: Duration) -> f64 {
    f64::from(u32::try_from(count).expect("a small number")) / elapsed.as_secs_f64()
}

#[tokio::main]
async fn main() {
    let (sessions, events) = (argument(1, 200), argument(2, 100));
    let server = HookServer::start().await;
    let options = server.options("connect,ErrorEvent");
    let more = ["hooks.queue=1000000", "limits.message_rate=1000000", "limits.message_burst=1000000"];
    let options: Vec<&str> = options.iter().map(String::as_str).chain(more).collect();
    let relay = Relay::start_with(&options);
    let (started, spent) = (Instant::now(), relay.cpu());
    let logins = (0..sessions).map(|number| {
        let login = format!("user{number}");
        let relay = &relay;
        async move { Browser::sign_in(relay, &login).await }
    });
    let browsers = futures_util::future::join_all(logins).await;
    println!(
        "{sessions} logins with `connect`: {:.0} a second, {:?} CPU of the relay each",
        per_second(sessions, started.elapsed()),
        (relay.cpu() - spent) / u32::try_from(sessions).expect("a small number")
    );
    let (started, spent) = (Instant::now(), relay.cpu());
    for browser in &browsers {
        // Each unsupported message causes an `ErrorEvent`.
        for _ in 0..events {
            browser.send(&ClientMessage::Unsupported { name: "unknown".to_owned() });
        }
    }
    let total = sessions * events;
    while server.count("ErrorEvent") < total {
        assert!(started.elapsed() < Duration::from_secs(120), "{} of {total} events", server.count("ErrorEvent"));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!(
        "{total} events of {sessions} sessions: {:.0} a second, {:?} CPU of the relay each",
        per_second(total, started.elapsed()),
        (relay.cpu() - spent) / u32::try_from(total).expect("a small number")
    );
}
