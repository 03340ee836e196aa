//! Printing to standard output.

use std::fmt;
use std::io::{self, BufWriter, Write};

use crate::outcome::Failure;

/// How much of a long output is written at once.
const CHUNK: usize = 64 << 10;

/// Prints to stdout. A reader that has seen enough (`| head`) is no failure.
///
/// # Errors
/// Stdout can't be written to.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    print_by(|out| out.write_all(text.as_bytes()))
}

/// Prints what `write` writes, piece by piece: it may be too long for memory.
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

/// Lines that begin with a label, in two columns.
#[derive(Debug, Default)]
pub(crate) struct LabelledLines(pub(crate) String);

impl LabelledLines {
    /// Adds a line.
    pub(crate) fn add(&mut self, label: &str, text: impl fmt::Display) {
        self.0.push_str(&format!("{label:<13}{text}\n"));
    }
}
