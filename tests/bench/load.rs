//! Measures the relay's memory per idle session and per call, and the CPU usage of a call with audio in both directions.
//!
//! `load [SESSIONS [CALLS [SECONDS]]]`; the relay is the program in `OFFHOOK_RELAY`.

#![expect(clippy::print_stdout, reason = "a command-line tool")]
#![expect(clippy::expect_used, reason = "a failed measurement aborts")]

use core::time::Duration;
use offhook_tests::browser::Browser;
use offhook_tests::peer::Sound;
use offhook_tests::relay::Relay;

/// Packets per second that a leg sends and the relay forwards.
const PACKETS: f64 = 50.0;

fn argument(position: usize, default: u32) -> u32 {
    std::env::args().nth(position).map_or(default, |text| text.parse().expect("a number"))
}

fn per(total: u64, count: u32) -> f64 {
    // Kilobytes and microseconds are exact in f64.
    #[expect(clippy::cast_precision_loss, reason = "see above")]
    let total = total as f64;
    total / f64::from(count)
}

#[tokio::main]
async fn main() {
    let (sessions, calls, seconds) = (argument(1, 1000), argument(2, 50), argument(3, 10));
    // All clients have the same address.
    let relay = Relay::start_with(&[
        "guards.calls_per_address=0",
        "guards.call_rate_per_login=0",
        "guards.call_rate_per_address=0",
    ]);
    let empty = relay.resident();
    let mut idle = Vec::new();
    for number in 0..sessions {
        idle.push(Browser::sign_in(&relay, &format!("idle{number}")).await);
    }
    let signed_in = relay.resident();
    println!("idle session: {:.1} kB of memory ({sessions} sessions)", per(signed_in - empty, sessions) / 1000.0);

    let mut talking = Vec::new();
    for number in 0..calls {
        let callee = format!("callee{number}");
        let mut alice = Browser::sign_in(&relay, &format!("caller{number}")).await;
        let mut bob = Browser::sign_in(&relay, &callee).await;
        let at_alice = alice.call(&callee, Sound::Tone(440.0)).await;
        let incoming = bob.incoming().await;
        let at_bob = bob.answer(&incoming, Sound::Tone(880.0)).await;
        alice.established(&at_alice).await;
        at_alice.peer.connected().await;
        at_bob.peer.connected().await;
        talking.push((alice, bob, at_alice, at_bob));
    }
    let in_calls = relay.resident();
    println!(
        "call: {:.1} kB of memory with both sessions ({calls} calls)",
        per(in_calls.saturating_sub(signed_in), calls) / 1000.0
    );

    let before = relay.cpu();
    tokio::time::sleep(Duration::from_secs(u64::from(seconds))).await;
    let spent = relay.cpu().saturating_sub(before);
    let micros = u64::try_from(spent.as_micros()).expect("a short time");
    let per_call = per(micros, calls) / f64::from(seconds);
    println!(
        "call: {:.2} % of a core, {:.1} µs a packet ({calls} calls, {seconds} s)",
        per_call / 10_000.0,
        per_call / (2.0 * PACKETS)
    );
    for (_, _, at_alice, at_bob) in &talking {
        at_alice.peer.receives_tone(880.0).await;
        at_bob.peer.receives_tone(440.0).await;
    }
    drop(idle);
}
