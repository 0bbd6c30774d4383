//! Input files that are too large to keep: made once, the same everywhere.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::store::{BuildError, Store};

/// A file of `bytes` bytes of text, some of it repeating and some not.
///
/// # Errors
/// When it cannot be written.
pub fn text(store: &Store, bytes: u64) -> Result<PathBuf, BuildError> {
    let folder = store.obtain("text", &[&bytes.to_le_bytes()], |folder| {
        let path = folder.join("text");
        write(&path, bytes).map_err(BuildError::file(&path))
    })?;
    Ok(folder.join("text"))
}

fn write(path: &Path, bytes: u64) -> std::io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut left = bytes;
    while left > 0 {
        // xorshift: what matters is that it is the same on every machine.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let line = match state % 4 {
            0 => format!("entry {} was seen again\n", state % 100),
            1 => format!("{state:x}{:o}\n", state >> 3),
            2 => format!("the value of item {} is {}\n", state % 1000, state % 77),
            _ => "the same line as ever, nothing new in it at all\n".to_owned(),
        };
        let part = line.len().min(usize::try_from(left).unwrap_or(line.len()));
        out.write_all(&line.as_bytes()[..part])?;
        left -= part as u64;
    }
    out.flush()
}
