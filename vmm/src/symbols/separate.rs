//! Debug information kept apart from its object, as distributions install it.

use super::module::Image;
use object::Object;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Where distributions put debug files.
const ROOT: &str = "/usr/lib/debug";

/// The debug file of an object, looked for when its bytes are first wanted; empty if there is none.
pub struct DebugFile {
    object: Image,
    path: PathBuf,
    bytes: OnceLock<Vec<u8>>,
}

impl DebugFile {
    /// For the object at `path` that `object` holds.
    #[must_use]
    pub fn new(object: Image, path: PathBuf) -> Self {
        Self {
            object,
            path,
            bytes: OnceLock::new(),
        }
    }

    fn read(&self) -> Option<Vec<u8>> {
        let object = object::File::parse((*self.object).as_ref()).ok()?;
        let id = object.build_id().ok()??;
        let linked = object.gnu_debuglink().ok().flatten();
        candidates(&self.path, id, linked.map(|(name, _)| name))
            .into_iter()
            .filter(|candidate| *candidate != self.path)
            .find_map(|candidate| {
                let bytes = std::fs::read(candidate).ok()?;
                // A file of that name may be of another version.
                let matches = object::File::parse(&*bytes).ok()?.build_id().ok()?? == id;
                matches.then_some(bytes)
            })
    }
}

impl AsRef<[u8]> for DebugFile {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get_or_init(|| self.read().unwrap_or_default())
    }
}

/// Where the debug file of the object at `path` may be, best first.
fn candidates(path: &Path, id: &[u8], linked: Option<&[u8]>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if let Some((first, rest)) = id.split_first() {
        let mut name = format!("{ROOT}/.build-id/{first:02x}/");
        for byte in rest {
            // Writing to a string cannot fail.
            let _ = write!(name, "{byte:02x}");
        }
        found.push(PathBuf::from(name + ".debug"));
    }
    // The object names its debug file, which must not lead out of the folders.
    let linked = linked
        .and_then(|name| std::str::from_utf8(name).ok())
        .filter(|name| !name.is_empty() && !name.contains('/'));
    if let (Some(folder), Some(name)) = (path.parent(), linked) {
        found.push(folder.join(name));
        found.push(folder.join(".debug").join(name));
        let below = folder.strip_prefix("/").unwrap_or(folder);
        found.push(Path::new(ROOT).join(below).join(name));
    }
    found
}
