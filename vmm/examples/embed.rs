//! Runs a program in a sandbox and looks at what became of it.
//!
//! ```text
//! cargo run --release --example embed -- ./program arguments...
//! ```

use dangless_vmm::{Error, Sandbox, Status, Stdio};

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        eprintln!("usage: embed PROGRAM [ARGUMENTS]");
        std::process::exit(2);
    };
    let outcome = Sandbox::new(program)
        .arguments(arguments)
        .memory(1 << 30)
        .stdio(Stdio::Captured)
        .run()?;
    match outcome.status {
        Status::Exited(status) => println!("exited with {status}"),
        Status::Signaled(signal) => println!("killed by signal {signal}"),
        Status::Stopped => println!("stopped by a memory error"),
    }
    println!("wrote {} bytes", outcome.stdout.len());
    for report in &outcome.reports {
        println!("{report}");
    }
    Ok(())
}
