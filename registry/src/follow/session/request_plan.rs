//! What one request is for.

use crate::follow::info::Section;
use crate::follow::reread::Reread;

/// Which sections of INFO are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InfoDepth {
    Nothing,
    /// How many clients there are.
    Clients,
    /// The replication ID.
    Identity,
    /// All, with the counters of losses.
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

/// What one request reads, besides lengths and logs.
pub(super) struct RequestPlan {
    /// The hashes whose scans take their next step.
    pub(super) steps: Vec<usize>,
    /// Those whose scans begin.
    pub(super) begins: Vec<usize>,
    /// Those whose scans end.
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
