//! Simulations in virtual time over lossy networks; a failure prints its seed.
//!
//! - [`world`]: both halves of the signaling and the call model, with connections that break and direct media.
//! - [`sip_world`]: browsers, the relay with two media workers, and a SIP server with phones, to which it forks calls;
//!   packets show which endpoints are connected.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod browser;
mod endpoint;
mod forking;
mod sip_actions;
mod sip_server;
mod sip_world;
mod world;

use sip_world::Figures;
use world::World;

/// Returns the seeds to run: `OFFHOOK_SIM_SEED=n cargo test -p offhook-tests --test sim` replays one of them, and
/// `OFFHOOK_SIM_RUNS` is the number of seeds instead of `usual`.
fn seeds(usual: u64) -> Vec<u64> {
    let number = |name| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    match number("OFFHOOK_SIM_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("OFFHOOK_SIM_RUNS").unwrap_or(usual)).collect(),
    }
}

#[test]
fn calls_over_lossy_network_end_on_all_sides() {
    let (mut established, mut switched) = (0, 0);
    let seeds = seeds(120);
    for seed in &seeds {
        let mut world = World::new(*seed);
        world.run();
        assert_eq!(world.relay.counts().calls, 0, "seed {seed}: the relay kept calls");
        assert!(world.open_legs.is_empty(), "seed {seed}: media legs are left open: {:?}", world.open_legs);
        world.settle();
        assert!(world.ended_twice.is_empty(), "seed {seed}: ended twice: {:?}", world.ended_twice);
        established += world.established;
        switched += world.switched;
    }
    let fewest = u32::try_from(seeds.len()).expect("few seeds") * 2;
    assert!(switched > 0 || seeds.len() == 1, "no call switched to direct media");
    assert!(established >= fewest, "only {established} calls were ever established in {} runs", seeds.len());
}

#[test]
fn same_seed_produces_same_run() {
    let run = || {
        let mut world = World::new(42);
        world.run();
        (world.now, world.established, state(&world))
    };
    assert_eq!(run(), run());
}

fn state(world: &World) -> String {
    format!("{:?}", world.relay)
}

/// Runs a world with media.
fn run_with_media(seed: u64) -> Figures {
    sip_world::World::new(seed).run(4)
}

/// Runs every second seed, so that two threads share the work.
fn media_flow_in_established_calls(first: u64) {
    let seeds: Vec<u64> = seeds(80).into_iter().filter(|seed| seed % 2 == first).collect();
    let figures: Vec<Figures> = seeds.iter().map(|seed| run_with_media(*seed)).collect();
    let sum = |figure: fn(&Figures) -> u32| figures.iter().map(figure).sum::<u32>();
    let fewest = u32::try_from(seeds.len()).expect("few seeds");
    let sums = [sum(|run| run.flowing), sum(|run| run.held), sum(|run| run.across), sum(|run| run.forwarded)];
    let answered_twice = sum(|run| run.answered_twice);
    // The figures vary more with few seeds.
    if seeds.len() >= 40 {
        assert!(sums[0] >= 2 * fewest && sums[1] >= fewest, "the media of too few calls were checked: {sums:?}");
        assert!(sums[3] >= fewest / 4, "too few calls were forwarded: {sums:?}");
        assert!(answered_twice >= fewest / 8, "two phones answered only {answered_twice} forked calls");
    }
    assert!(sums[2] > 0 || seeds.len() < 100, "no call had legs on two workers: {sums:?}");
}

#[test]
fn media_flow_in_established_calls_even_seeds() {
    media_flow_in_established_calls(0);
}

#[test]
fn media_flow_in_established_calls_odd_seeds() {
    media_flow_in_established_calls(1);
}

#[test]
fn same_seed_produces_same_run_with_media() {
    assert_eq!(run_with_media(7), run_with_media(7));
}
