//! How a subcommand ends: its exit code, and the message of an error.

use std::process::ExitCode;

/// What a subcommand came to, where nothing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Done, or yes.
    Yes,
    /// The answer is no, or the daemon is not well.
    No,
    /// The exit code of a command that was run.
    Code(u8),
    /// Somebody has claimed the role from its holders.
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

/// What went wrong, by exit code: what happened, to what, and what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line or the configuration.
    #[error("{0}")]
    Usage(String),
    /// It could not be done.
    #[error("{0}")]
    Failed(String),
    /// It would do harm that is seldom meant; it can be forced.
    #[error("{0}")]
    Refused(String),
    /// Redis, the daemon or one of its files can't be reached.
    #[error("{0}")]
    Unreachable(String),
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
