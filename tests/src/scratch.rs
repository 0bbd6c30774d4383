//! The folder that a case runs in, and the comparison of two of them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::store::{remove_tree, BuildError};

/// An empty folder; it is removed when the case has passed, and kept for a look otherwise.
#[derive(Debug)]
pub struct Scratch {
    folder: PathBuf,
}

impl Scratch {
    /// Makes `folder` anew, empty.
    ///
    /// # Errors
    /// When it cannot be emptied or made.
    pub fn new(folder: PathBuf) -> Result<Self, BuildError> {
        remove_tree(&folder)?;
        fs::create_dir_all(&folder).map_err(BuildError::file(&folder))?;
        Ok(Self { folder })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Removes it.
    ///
    /// # Errors
    /// When something in it cannot be removed.
    pub fn remove(self) -> Result<(), BuildError> {
        remove_tree(&self.folder)
    }

    /// What differs in the names, kinds, permissions or contents of the files in two folders.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn differences(&self, other: &Self) -> Result<Vec<String>, BuildError> {
        let (ours, theirs) = (entries(&self.folder)?, entries(&other.folder)?);
        let mut found = Vec::new();
        for (name, entry) in &ours {
            match theirs.get(name) {
                None => found.push(format!("{name} is missing")),
                Some(same) if same == entry => {}
                Some(different) => found.push(format!(
                    "{name} differs: {} instead of {}",
                    different.describe(),
                    entry.describe()
                )),
            }
        }
        let extra = theirs.keys().filter(|name| !ours.contains_key(*name));
        found.extend(extra.map(|name| format!("{name} should not be there")));
        Ok(found)
    }
}

/// One file, as far as two runs must agree on it.
#[derive(PartialEq, Eq)]
enum Entry {
    Folder { mode: u32 },
    File { mode: u32, content: Vec<u8> },
    Link(PathBuf),
    Other,
}

impl Entry {
    fn describe(&self) -> String {
        match self {
            Self::Folder { mode } => format!("a folder, mode {mode:o}"),
            Self::File { mode, content } => {
                format!("a file of {} bytes, mode {mode:o}", content.len())
            }
            Self::Link(target) => format!("a link to {}", target.display()),
            Self::Other => "a special file".to_owned(),
        }
    }
}

fn entries(root: &Path) -> Result<BTreeMap<String, Entry>, BuildError> {
    let mut found = BTreeMap::new();
    let mut pending = vec![root.to_path_buf()];
    while let Some(folder) = pending.pop() {
        for item in fs::read_dir(&folder).map_err(BuildError::file(&folder))? {
            let path = item.map_err(BuildError::file(&folder))?.path();
            let data = path.symlink_metadata().map_err(BuildError::file(&path))?;
            let mode = data.permissions().mode();
            let entry = if data.is_symlink() {
                Entry::Link(fs::read_link(&path).map_err(BuildError::file(&path))?)
            } else if data.is_dir() {
                pending.push(path.clone());
                Entry::Folder { mode }
            } else if data.is_file() {
                let content = fs::read(&path).map_err(BuildError::file(&path))?;
                Entry::File { mode, content }
            } else {
                Entry::Other
            };
            let name = path.strip_prefix(root).unwrap_or(&path);
            found.insert(name.display().to_string(), entry);
        }
    }
    Ok(found)
}
