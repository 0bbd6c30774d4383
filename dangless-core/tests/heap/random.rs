//! Random programs on the simulated machine, against the oracle; memory may run out at any grant.
//!
//! `a_million_operations` goes on for as many operations as `DANGLESS_OPERATIONS` says, from the seed
//! in `DANGLESS_SEED`: it serves as a fuzzer.

use crate::machine::{Kind, Simulation};
use crate::program::{run, run_configured, Step};
use dangless_core::abi::config::Config;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

fn size() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0u64..300,
        2 => 300u64..5000,
        2 => 5000u64..200_000,
        1 => 200_000u64..(5 << 20),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let align = prop_oneof![4 => Just(1u64), 1 => (4u32..14).prop_map(|shift| 1 << shift)];
    let common = prop_oneof![
        Just(24u64),
        Just(700),
        Just(2000),
        Just(9000),
        Just(500_000)
    ];
    prop_oneof![
        6 => (size(), align, any::<bool>())
            .prop_map(|(size, align, zeroed)| Step::Allocate { size, align, zeroed }),
        2 => (common, 1usize..1200)
            .prop_map(|(size, count)| Step::Fill { size, count: count.min(40_000_000 / size as usize) }),
        6 => any::<usize>().prop_map(Step::Free),
        1 => (2usize..60).prop_map(Step::Thin),
        2 => (any::<usize>(), size()).prop_map(|(index, size)| Step::Reallocate { index, size }),
        1 => any::<usize>().prop_map(Step::FreeAgain),
        1 => (any::<usize>(), any::<u64>()).prop_map(|(index, offset)| Step::FreeInside { index, offset }),
        1 => (any::<usize>(), any::<u64>()).prop_map(|(index, offset)| Step::Describe { index, offset }),
        1 => Just(Step::Drain),
        1 => (0u64..10_000).prop_map(Step::Pass),
        1 => prop_oneof![Just(u64::MAX), 0u64..4].prop_map(Step::Grants),
    ]
}

/// A number from the environment.
fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text}: not a number"))
    })
}

#[test]
fn a_million_operations() {
    let wanted = setting("DANGLESS_OPERATIONS", 1_000_000);
    let mut seed = setting("DANGLESS_SEED", 1);
    let mut operations = 0;
    while operations < wanted {
        println!("DANGLESS_SEED={seed}");
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(config(), random);
        let steps = prop::collection::vec(step(), 1..100)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let (immediate, profile, budget) = [
            (false, 1, 1000),
            (true, 1, 0),
            (true, 1, 500),
            (true, 1, 1000),
            (false, 2, 0),
            (true, 2, 0),
        ][(seed % 6) as usize];
        let blocks = 128;
        let config = Config {
            aliasing: u64::from(seed % 5 == 4),
            zero_on_free: u64::from(seed % 7 == 6),
            ..Simulation::config(profile, budget)
        };
        operations += run_configured(Kind { blocks, immediate }, &config, steps);
        seed += 1;
    }
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 12,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn ring0_revokes_at_once(steps in prop::collection::vec(step(), 1..60)) {
        run(Kind { blocks: 128, immediate: false }, 1, 1000, steps);
    }

    #[test]
    fn ring3_revokes_within_a_budget(
        steps in prop::collection::vec(step(), 1..60),
        budget in prop_oneof![Just(0u64), Just(500), Just(1000)],
    ) {
        run(Kind { blocks: 128, immediate: true }, 1, budget, steps);
    }

    #[test]
    fn pages_of_their_own_are_as_safe(
        steps in prop::collection::vec(step(), 1..60),
        immediate in any::<bool>(),
        zero_on_free in 0u64..2,
        (profile, budget) in prop_oneof![Just((1, 1000)), Just((1, 500)), Just((2, 0))],
    ) {
        let config = Config { aliasing: 1, zero_on_free, ..Simulation::config(profile, budget) };
        run_configured(Kind { blocks: 128, immediate }, &config, steps);
    }

    #[test]
    fn queued_revocation_needs_flushes_in_ring0(steps in prop::collection::vec(step(), 1..60)) {
        run(Kind { blocks: 128, immediate: false }, 2, 0, steps);
    }
}
