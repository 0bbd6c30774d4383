//! Programs that libFuzzer makes, on the simulated machine against the oracle.
//!
//! In this folder's parent: `cargo +nightly fuzz run heap -- -max_total_time=600`

#![no_main]

use arbitrary::{Result, Unstructured};
use dangless_core::abi::config::Config;
use dangless_core_fuzz::machine::{Kind, Simulation};
use dangless_core_fuzz::program::{run_configured, Step};
use libfuzzer_sys::fuzz_target;

/// Small objects are the most common.
fn size(bytes: &mut Unstructured<'_>) -> Result<u64> {
    let most = *bytes.choose(&[300, 5000, 200_000, 5 << 20])?;
    bytes.int_in_range(0..=most)
}

fn step(bytes: &mut Unstructured<'_>) -> Result<Step> {
    Ok(match bytes.int_in_range(0..=10u8)? {
        0 | 1 => Step::Allocate {
            size: size(bytes)?,
            align: 1 << bytes.int_in_range(0..=13u32)?,
            zeroed: bytes.arbitrary()?,
        },
        2 => {
            let size = size(bytes)?;
            let most = (8_000_000 / size.max(1)).clamp(1, 600);
            Step::Fill {
                size,
                count: bytes.int_in_range(1..=most)? as usize,
            }
        }
        3 => Step::Free(bytes.arbitrary()?),
        4 => Step::Thin(bytes.int_in_range(2..=60usize)?),
        5 => Step::Reallocate {
            index: bytes.arbitrary()?,
            size: size(bytes)?,
        },
        6 => Step::FreeAgain(bytes.arbitrary()?),
        7 => Step::FreeInside {
            index: bytes.arbitrary()?,
            offset: bytes.arbitrary()?,
        },
        8 => Step::Describe {
            index: bytes.arbitrary()?,
            offset: bytes.arbitrary()?,
        },
        9 => Step::Drain,
        _ if bytes.arbitrary()? => Step::Pass(bytes.int_in_range(0..=10_000u64)?),
        _ => Step::Grants(*bytes.choose(&[u64::MAX, 0, 1, 3])?),
    })
}

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Unstructured::new(bytes);
    let Ok(&(immediate, profile, budget)) = bytes.choose(&[
        (false, 1, 1000),
        (true, 1, 0),
        (true, 1, 500),
        (true, 1, 1000),
        (false, 2, 0),
        (true, 2, 0),
    ]) else {
        return;
    };
    let (Ok(aliasing), Ok(zero_on_free)) = (bytes.int_in_range(0..=1), bytes.int_in_range(0..=1))
    else {
        return;
    };
    let config = Config {
        aliasing,
        zero_on_free,
        ..Simulation::config(profile, budget)
    };
    let mut steps = Vec::new();
    while let (Ok(step), true) = (step(&mut bytes), steps.len() < 60) {
        steps.push(step);
        if bytes.is_empty() {
            break;
        }
    }
    let blocks = 64;
    run_configured(Kind { blocks, immediate }, &config, steps);
});
