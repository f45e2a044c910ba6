//! Simulation of both halves of the signaling and the call model over a lossy network, in virtual time. A failure prints its
//! seed.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod browser;
mod world;

use world::World;

/// Returns the seeds to run. `OFFHOOK_SIM_SEED=n cargo test -p offhook-tests --test sim` replays one of them.
fn seeds() -> Vec<u64> {
    match std::env::var("OFFHOOK_SIM_SEED") {
        Ok(seed) => vec![seed.parse().expect("OFFHOOK_SIM_SEED is a number")],
        Err(_) => (0..120).collect(),
    }
}

#[test]
fn calls_over_lossy_network_end_on_all_sides() {
    let (mut established, mut switched) = (0, 0);
    let seeds = seeds();
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
