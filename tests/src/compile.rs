//! One source file to one program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::settings;
use crate::store::{BuildError, Store};

/// How a program is linked, and against which C library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linking {
    /// Static, at a fixed address, glibc.
    Static,
    /// Static and position-independent, glibc.
    StaticPie,
    /// Static, at a fixed address, musl. C only.
    Musl,
    /// Dynamic and position-independent, glibc.
    Dynamic,
    /// Dynamic and position-independent, musl. C only.
    MuslDynamic,
    /// Dynamic and instrumented by AddressSanitizer: never run in the guest. C and C++ only.
    Sanitised,
}

impl Linking {
    /// The word for it in headers and case names.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Static => "glibc",
            Self::StaticPie => "pie",
            Self::Musl => "musl",
            Self::Dynamic => "dynamic",
            Self::MuslDynamic => "musl-dynamic",
            Self::Sanitised => "asan",
        }
    }

    /// The linking that a header's word stands for.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::Static,
            Self::StaticPie,
            Self::Musl,
            Self::Dynamic,
            Self::MuslDynamic,
        ]
        .into_iter()
        .find(|linking| linking.name() == name)
    }
}

/// A program to be built from one source file.
#[derive(Clone, Debug)]
pub struct Compilation {
    /// The source; its extension (`c`, `cc`, `go`, `rs`) is its language.
    pub source: PathBuf,
    /// How to link.
    pub linking: Linking,
    /// Further flags for the compiler.
    pub flags: Vec<String>,
}

impl Compilation {
    /// A compilation without further flags.
    #[must_use]
    pub fn new(source: impl Into<PathBuf>, linking: Linking) -> Self {
        Self {
            source: source.into(),
            linking,
            flags: Vec::new(),
        }
    }

    /// The program, built if it was not yet.
    ///
    /// # Errors
    /// When the source cannot be read, or the compiler fails or is missing.
    pub fn obtain(&self, store: &Store) -> Result<PathBuf, BuildError> {
        let stem = self.source.file_stem().unwrap_or_default();
        let stem = stem.to_string_lossy().into_owned();
        let arguments = self.arguments()?;
        let path = self.source.to_string_lossy();
        let mut inputs = vec![arguments.join("\0").into_bytes(), path.as_bytes().to_vec()];
        for file in self.headers()?.iter().chain([&self.source]) {
            inputs.push(fs::read(file).map_err(BuildError::file(file))?);
        }
        let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
        let name = format!("{stem}-{}", self.linking.name());
        let folder = store.obtain(&name, &inputs, |folder| {
            compile(&arguments, &self.source, &folder.join(&stem))
        })?;
        Ok(folder.join(stem))
    }

    /// The headers that the source may include: those beside it.
    fn headers(&self) -> Result<Vec<PathBuf>, BuildError> {
        let folder = self.source.parent().unwrap_or(Path::new("."));
        let mut found = Vec::new();
        for item in fs::read_dir(folder).map_err(BuildError::file(folder))? {
            let path = item.map_err(BuildError::file(folder))?.path();
            if path.extension().is_some_and(|extension| extension == "h") {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    }

    /// The compiler and its flags, without source and output.
    fn arguments(&self) -> Result<Vec<String>, BuildError> {
        let extension = self.source.extension().unwrap_or_default();
        let unsupported = || BuildError::Malformed {
            path: self.source.clone(),
            problem: format!("cannot be built as {}", self.linking.name()),
        };
        let words = match (extension.to_str(), self.linking) {
            (Some("c"), Linking::Static) => "gcc -g -static -no-pie -pthread",
            (Some("c"), Linking::StaticPie) => "gcc -g -static-pie -fPIE -pthread",
            (Some("c"), Linking::Musl) => "musl-gcc -g -static -no-pie -pthread",
            (Some("c"), Linking::Dynamic) => "gcc -g -pie -fPIE -pthread",
            (Some("c"), Linking::MuslDynamic) => "musl-gcc -g -pie -fPIE -pthread",
            (Some("c"), Linking::Sanitised) => "gcc -g -fsanitize=address -pthread",
            (Some("cc"), Linking::Static) => "g++ -g -static -no-pie -pthread",
            (Some("cc"), Linking::StaticPie) => "g++ -g -static-pie -fPIE -pthread",
            (Some("cc"), Linking::Dynamic) => "g++ -g -pie -fPIE -pthread",
            (Some("cc"), Linking::Sanitised) => "g++ -g -fsanitize=address -pthread",
            (Some("rs"), Linking::Static) => {
                "rustc --edition 2021 -g -O -C target-feature=+crt-static -C relocation-model=static"
            }
            (Some("rs"), Linking::StaticPie) => {
                "rustc --edition 2021 -g -O -C target-feature=+crt-static"
            }
            (Some("rs"), Linking::Dynamic) => "rustc --edition 2021 -g -O",
            (Some("go"), Linking::Static) => "env CGO_ENABLED=0 GO111MODULE=off go build",
            _ => return Err(unsupported()),
        };
        let words = words.split(' ').map(str::to_owned);
        // The sources do wrong on purpose, and some compilers see it.
        let quiet = (extension == "c" || extension == "cc").then(|| "-w".to_owned());
        Ok(words
            .chain(quiet)
            .chain(self.flags.iter().cloned())
            .collect())
    }
}

fn compile(arguments: &[String], source: &Path, output: &Path) -> Result<(), BuildError> {
    let Some((compiler, flags)) = arguments.split_first() else {
        return Ok(());
    };
    let mut command = Command::new(compiler);
    // Libraries come after the source that needs them.
    let (libraries, flags): (Vec<&String>, Vec<&String>) =
        flags.iter().partition(|flag| flag.starts_with("-l"));
    command
        .args(flags)
        .arg("-o")
        .arg(output)
        .arg(source)
        .args(libraries)
        // Go keeps what it has compiled, and wants to know where.
        .env("GOCACHE", settings::build("go-cache"));
    run_tool(&mut command, &source.display().to_string())
}

/// Runs a build tool to its end, silently unless it fails.
///
/// # Errors
/// When the tool cannot be started or fails.
pub fn run_tool(command: &mut Command, what: &str) -> Result<(), BuildError> {
    let output = command.output().map_err(|error| BuildError::Tool {
        tool: command.get_program().to_string_lossy().into_owned(),
        error,
        advice: "scripts/setup installs what the tests need".to_owned(),
    })?;
    if output.status.success() {
        return Ok(());
    }
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Err(BuildError::Failed {
        what: what.to_owned(),
        output: text,
    })
}
