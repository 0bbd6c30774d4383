//! Runs the same program in two sandboxes at once, in one process.
//!
//! ```text
//! cargo run --release --example side_by_side -- ./program arguments...
//! ```

use dangless_vmm::{Error, Outcome, Sandbox, Stdio};

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        eprintln!("usage: side_by_side PROGRAM [ARGUMENTS]");
        std::process::exit(2);
    };
    let rest: Vec<_> = arguments.collect();
    let start = || {
        let sandbox = Sandbox::new(&program)
            .arguments(&rest)
            .stdio(Stdio::Captured);
        std::thread::spawn(move || sandbox.run())
    };
    let runs = [start(), start()];
    for run in runs {
        let Ok(outcome) = run.join() else {
            eprintln!("a sandbox panicked");
            std::process::exit(1);
        };
        let Outcome {
            status,
            stdout,
            reports,
            ..
        } = outcome?;
        println!(
            "{status:?}, {} bytes of output, {} reports",
            stdout.len(),
            reports.len()
        );
    }
    Ok(())
}
