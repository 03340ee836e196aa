//! How a verb ends: its exit code, and what it prints.

use std::fmt;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

pub(crate) use cloudhosts_config::printable::Plain;

/// What came of it, where nothing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Done, or yes.
    Yes,
    /// The answer is no, or the daemon is not well.
    No,
    /// The exit code of a command that was run.
    Code(u8),
    /// Somebody has taken the role from its holders.
    Ended,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> ExitCode {
        match outcome {
            Outcome::Yes => ExitCode::SUCCESS,
            Outcome::No => ExitCode::from(1),
            Outcome::Code(code) => ExitCode::from(code),
            Outcome::Ended => ExitCode::from(4),
        }
    }
}

/// What went wrong: what, with which, and what to do.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line or the configuration.
    Usage(String),
    /// It could not be done.
    Failed(String),
    /// It would do harm that is seldom meant; it can be forced.
    Refused(String),
    /// Redis, or the daemon, or what it leaves behind, can't be had.
    Unreachable(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(text)
            | Failure::Failed(text)
            | Failure::Refused(text)
            | Failure::Unreachable(text) => f.write_str(text),
        }
    }
}

impl From<Failure> for ExitCode {
    fn from(failure: Failure) -> ExitCode {
        match failure {
            Failure::Usage(_) => ExitCode::from(2),
            Failure::Failed(_) => ExitCode::from(1),
            Failure::Unreachable(_) => ExitCode::from(3),
            Failure::Refused(_) => ExitCode::from(5),
        }
    }
}

/// Lines of a word and what it says.
#[derive(Debug, Default)]
pub(crate) struct Lines(pub(crate) String);

impl Lines {
    /// Adds a line.
    pub(crate) fn add(&mut self, word: &str, says: impl fmt::Display) {
        self.0.push_str(&format!("{word:<13}{says}\n"));
    }
}

/// How much of what is long is written at once.
const CHUNK: usize = 64 << 10;

/// Prints to stdout. A reader that has seen enough (`| head`) is no failure.
///
/// # Errors
/// Stdout can't be written to.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    print_by(|out| out.write_all(text.as_bytes()))
}

/// Prints what `write` writes, as it comes: what may be too long to be held.
///
/// # Errors
/// As [`print()`].
pub(crate) fn print_by(
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Failure> {
    let mut out = BufWriter::with_capacity(CHUNK, io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Unreachable(format!("can't print: {error}")))
        }
        _ => Ok(()),
    }
}
