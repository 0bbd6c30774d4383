//! Programs of our own under `conformance/` that check what Linux guarantees and print what they
//! saw: natively none may print a line that starts with `FAIL`, and the guest prints the same.

use std::path::PathBuf;
use std::sync::Arc;

use crate::comparison::{compare, Step};
use crate::compile::{Compilation, Linking};
use crate::header::{sources, Header};
use crate::settings;
use crate::store::{BuildError, Store};
use crate::suite::{Case, Context, Evidence, Failure};

/// One case for every program and every way to link it.
///
/// # Errors
/// When a source or its header cannot be read.
pub fn cases() -> Result<Vec<Case>, BuildError> {
    let mut cases = Vec::new();
    for (name, path) in sources(&settings::package("conformance"), &["c"])? {
        let header = Arc::new(Header::read(&path)?);
        for linking in header.linkings()? {
            let name = format!("conformance::{name}::{}", linking.name());
            let (builder, header, title) = (Arc::clone(&header), Arc::clone(&header), name.clone());
            cases.push(Case {
                name,
                build: Box::new(move |store| program(&builder, linking, store).map(drop)),
                check: Box::new(move |context| check(context, &title, &header, linking)),
            });
        }
    }
    Ok(cases)
}

fn program(header: &Header, linking: Linking, store: &Store) -> Result<PathBuf, BuildError> {
    let mut compilation = Compilation::new(&header.path, linking);
    compilation.flags = header.words("flags");
    compilation.obtain(store)
}

fn check(
    context: &Context,
    name: &str,
    header: &Header,
    linking: Linking,
) -> Result<Vec<Evidence>, Failure> {
    let mut step = Step::new(program(header, linking, &context.store)?, &[]);
    step.arguments = header.words("args");
    for setting in header.words("env") {
        let (name, value) = setting
            .split_once('=')
            .ok_or_else(|| header.malformed(format!("env: {setting}: no `=`")))?;
        step.environment.push((name.to_owned(), value.to_owned()));
    }
    if let Some(status) = header.get("exit") {
        step.status = status
            .parse()
            .map_err(|_| header.malformed(format!("exit: {status}: no number")))?;
    }
    let evidence = compare(context, name, &[step])?;
    let mut problems = Vec::new();
    for item in &evidence {
        let text = String::from_utf8_lossy(&item.stdout);
        let failed = text.lines().filter(|line| line.starts_with("FAIL"));
        problems.extend(failed.map(|line| format!("{}: {line}", item.what)));
    }
    // A program that checks nothing would pass by printing nothing.
    if header.get("exit").is_none() && evidence.iter().any(|item| item.stdout.is_empty()) {
        problems.push("the program printed nothing".to_owned());
    }
    if problems.is_empty() {
        Ok(evidence)
    } else {
        Err(Failure::Wrong { problems, evidence })
    }
}
