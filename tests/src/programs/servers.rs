//! Servers with their clients, each in processes of their own or, in Go, in one.

use std::time::Duration;

use crate::comparison::Step;
use crate::compile::Linking;
use crate::store::BuildError;

use super::{file, text, unprotected, Ground, Origin, Program};

/// The cases.
pub(super) const CASES: &[Program] = &[
    (
        "servers::redis",
        Origin::Installed {
            path: "/usr/bin/redis-check-rdb",
            package: "redis-tools",
        },
        |g| script(g, "redis.bash", &g.amount(200, 10)),
    ),
    ("servers::memcached", Origin::Recipe("memcached"), |g| {
        script(g, "memcached.bash", &g.amount(100, 10))
    }),
    (
        "servers::go",
        Origin::Source("server.go", Linking::Static),
        |g| Ok(vec![unprotected(g.run_it(&[&g.amount(200, 10)]))]),
    ),
];

/// A script that starts a server and its clients; `amount` is how much these ask.
fn script(ground: &Ground, name: &str, amount: &str) -> Result<Vec<Step>, BuildError> {
    let (script, built) = (text(&file(name)), text(ground.built));
    let mut step = Step::new("/bin/bash", &["--norc", &script, &built, amount]);
    step.limit = Duration::from_secs(60);
    Ok(vec![step])
}
