//! What one request asks for.

use crate::follow::info::Section;
use crate::follow::reread::Reread;

/// How much of what Redis says of itself is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InfoDepth {
    Nothing,
    /// How many clients it has.
    Clients,
    /// Whose data it has.
    Identity,
    /// And what it counts of losses, and how many clients it has.
    Everything,
}

impl InfoDepth {
    pub(super) fn sections(self) -> &'static [Section] {
        match self {
            InfoDepth::Nothing => &[],
            InfoDepth::Clients => &[Section::Clients],
            InfoDepth::Identity => &[Section::Replication],
            InfoDepth::Everything => &[
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

/// What one request asks for, besides lengths and logs.
pub(super) struct RequestPlan {
    /// The hashes whose scans take their next step by it.
    pub(super) steps: Vec<usize>,
    /// Those whose scans begin with it.
    pub(super) begins: Vec<usize>,
    /// Those whose scans end with it.
    pub(super) closes: Vec<usize>,
    /// The roles that are read again.
    pub(super) rereads: Vec<Reread>,
    pub(super) depth: InfoDepth,
}

impl RequestPlan {
    pub(super) fn logs_only() -> RequestPlan {
        RequestPlan {
            steps: Vec::new(),
            begins: Vec::new(),
            closes: Vec::new(),
            rereads: Vec::new(),
            depth: InfoDepth::Nothing,
        }
    }

    pub(super) fn is_logs_only(&self) -> bool {
        self.steps.is_empty() && self.closes.is_empty() && self.rereads.is_empty()
    }
}
