//! A report as JSON: one object on one line. `docs/report-json.md` describes the fields.

use std::io::{self, Write};

use serde::Serialize;

use super::value::Report;

/// Version of the format. Fields may be added within a version; a field that changes its meaning
/// or goes away makes a new one.
pub const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Line<'a> {
    schema: u32,
    #[serde(flatten)]
    report: &'a Report,
}

/// Appends `report` to `output` as one line, in a single write.
pub fn write(report: &Report, output: &mut impl Write) -> io::Result<()> {
    let mut line = serde_json::to_vec(&Line {
        schema: SCHEMA,
        report,
    })?;
    line.push(b'\n');
    output.write_all(&line)?;
    output.flush()
}
