//! Programs that compute in several threads: OpenMP, rayon, a compressor.

use crate::comparison::Step;
use crate::compile::Linking;
use crate::settings::Size;
use crate::store::BuildError;
use crate::workload;

use super::{rounds, text, Ground, Origin, Program};

/// The cases.
pub(super) const CASES: &[Program] = &[
    (
        "parallel::openmp",
        Origin::Source("openmp.c", Linking::Dynamic),
        rounds,
    ),
    (
        "parallel::openmp_static",
        Origin::Source("openmp.c", Linking::Static),
        rounds,
    ),
    ("parallel::rayon", Origin::Crate("rayon-work"), rounds),
    (
        "parallel::zstd",
        Origin::Installed {
            path: "/usr/bin/zstd",
            package: "zstd",
        },
        zstd,
    ),
];

/// Compresses and restores a text in four threads, in small jobs so that there are many.
fn zstd(ground: &Ground) -> Result<Vec<Step>, BuildError> {
    let input = text(&workload::text(
        ground.store,
        match ground.size {
            Size::Full => 10_000_000,
            Size::Small => 200_000,
        },
    )?);
    Ok(vec![
        ground.run_it(&[
            "-q",
            "-k",
            "-T4",
            "-B512KiB",
            "-3",
            &input,
            "-o",
            "packed.zst",
        ]),
        ground.run_it(&["-q", "-d", "-T4", "packed.zst", "-o", "restored"]),
    ])
}
