//! Colours, where they are wanted.

use std::fmt::Display;
use std::io::IsTerminal;

/// Paints, or leaves as it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    on: bool,
}

impl Paint {
    /// For a terminal, unless `NO_COLOR` is set (<https://no-color.org>).
    pub(super) fn for_stdout() -> Paint {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Paint {
            on: std::io::stdout().is_terminal() && !unwanted,
        }
    }

    fn with(self, code: &str, text: impl Display) -> String {
        if self.on {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_string()
        }
    }

    pub(super) fn bold(self, text: impl Display) -> String {
        self.with("1", text)
    }

    pub(super) fn faint(self, text: impl Display) -> String {
        self.with("2", text)
    }

    pub(super) fn good(self, text: impl Display) -> String {
        self.with("32", text)
    }

    pub(super) fn bad(self, text: impl Display) -> String {
        self.with("1;31", text)
    }

    /// A command that changes something.
    pub(super) fn change(self, text: impl Display) -> String {
        self.with("1;36", text)
    }
}
