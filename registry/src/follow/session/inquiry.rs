//! What one question asks for.

use crate::follow::confirmation::Changed;
use crate::follow::info::Section;

/// How much of what Redis says of itself is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    Nothing,
    /// How many clients it has.
    Clients,
    /// Whose data it has.
    Identity,
    /// And what it counts of losses, and how many clients it has.
    Everything,
}

impl Depth {
    pub(super) fn sections(self) -> &'static [Section] {
        match self {
            Depth::Nothing => &[],
            Depth::Clients => &[Section::Clients],
            Depth::Identity => &[Section::Replication],
            Depth::Everything => &[
                Section::Server,
                Section::Replication,
                Section::Stats,
                Section::CommandStats,
                Section::Clients,
                Section::Memory,
            ],
        }
    }
}

/// What one question asks for, besides lengths and logs.
pub(super) struct Inquiry {
    /// The hashes whose scans take their next step by it.
    pub(super) steps: Vec<usize>,
    /// Those whose scans begin with it.
    pub(super) begins: Vec<usize>,
    /// Those whose scans end with it.
    pub(super) closes: Vec<usize>,
    /// The roles that are read again.
    pub(super) confirms: Vec<Changed>,
    pub(super) depth: Depth,
}

impl Inquiry {
    pub(super) fn of_logs() -> Inquiry {
        Inquiry {
            steps: Vec::new(),
            begins: Vec::new(),
            closes: Vec::new(),
            confirms: Vec::new(),
            depth: Depth::Nothing,
        }
    }

    pub(super) fn is_of_logs(&self) -> bool {
        self.steps.is_empty() && self.closes.is_empty() && self.confirms.is_empty()
    }
}
