//! How failures, and with `-v` successes, are shown: indented, and coloured on a terminal.

use std::fmt::Write;
use std::io::{self, IsTerminal};

use anstyle::{AnsiColor, Style};

use crate::suite::{Evidence, Failure};

/// Lines of one output that are shown; the rest is in the log.
const SHOWN: usize = 40;

/// Styles, all plain where nobody looks.
struct Palette {
    problem: Style,
    title: Style,
    faint: Style,
}

impl Palette {
    fn for_stdout() -> Self {
        let plain = Style::new();
        if !io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some() {
            return Self {
                problem: plain,
                title: plain,
                faint: plain,
            };
        }
        Self {
            problem: plain.fg_color(Some(AnsiColor::Red.into())).bold(),
            title: plain.fg_color(Some(AnsiColor::Cyan.into())),
            faint: plain.dimmed(),
        }
    }
}

/// A failure, with the output of the programs that were run.
#[must_use]
pub fn failure(failure: &Failure) -> String {
    let palette = Palette::for_stdout();
    let mut text = String::new();
    match failure {
        Failure::Wrong { problems, evidence } => {
            for problem in problems {
                line(&mut text, 1, palette.problem, problem);
            }
            for item in evidence {
                show(&mut text, &palette, item);
            }
        }
        other => {
            for part in other.to_string().lines() {
                line(&mut text, 1, palette.problem, part);
            }
        }
    }
    text
}

/// What a case that passed did.
#[must_use]
pub fn success(case: &str, evidence: &[Evidence]) -> String {
    let palette = Palette::for_stdout();
    let mut text = String::new();
    line(&mut text, 0, palette.title, case);
    for item in evidence {
        show(&mut text, &palette, item);
    }
    text
}

fn show(text: &mut String, palette: &Palette, evidence: &Evidence) {
    line(
        text,
        1,
        palette.title,
        &format!("{}: {}", evidence.what, evidence.end),
    );
    line(
        text,
        2,
        palette.faint,
        &format!("logs: {}.*", evidence.log.display()),
    );
    for (name, output) in [("stdout", &evidence.stdout), ("stderr", &evidence.stderr)] {
        if output.is_empty() {
            continue;
        }
        line(text, 2, palette.faint, &format!("{name}:"));
        let output = String::from_utf8_lossy(output);
        let count = output.lines().count();
        for shown in output.lines().take(SHOWN) {
            line(
                text,
                3,
                Style::new(),
                &shown.chars().take(200).collect::<String>(),
            );
        }
        if count > SHOWN {
            line(
                text,
                3,
                palette.faint,
                &format!("({} more lines)", count - SHOWN),
            );
        }
    }
}

fn line(text: &mut String, depth: usize, style: Style, content: &str) {
    let indent = depth * 2;
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{:indent$}{style}{content}{style:#}", "");
}
