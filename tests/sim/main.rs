//! Both halves of the signaling and the relay machine over a bad network, in virtual time. A failure names its seed.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod browser;
mod world;

use world::World;

/// Replay one run with `OFFHOOK_SIM_SEED=n cargo test -p offhook-tests --test sim`.
fn seeds() -> Vec<u64> {
    match std::env::var("OFFHOOK_SIM_SEED") {
        Ok(seed) => vec![seed.parse().expect("OFFHOOK_SIM_SEED is a number")],
        Err(_) => (0..120).collect(),
    }
}

#[test]
fn calls_over_a_bad_network_end_the_same_on_every_side() {
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
    assert!(switched > 0 || seeds.len() == 1, "no call ever passed the relay by");
    assert!(established >= fewest, "only {established} calls were ever established in {} runs", seeds.len());
}

#[test]
fn the_same_seed_gives_the_same_run() {
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
