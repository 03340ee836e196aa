//! Warnings of passwords that others can read.

use std::sync::Arc;

use cloudhosts_config::{Config, Exposure};
use tracing::warn;

/// The exposures that were logged, each once.
#[derive(Debug)]
pub(crate) struct Exposures {
    config: Arc<Config>,
    known: Vec<Exposure>,
}

impl Exposures {
    /// Nothing was checked yet.
    #[must_use]
    pub(crate) fn new(config: Arc<Config>) -> Exposures {
        Exposures {
            config,
            known: Vec::new(),
        }
    }

    /// Checks the files as they are now, since a password may be added while the
    /// daemon runs, and warns of what is new.
    pub(crate) fn look(&mut self) {
        let now = self.config.exposures();
        for exposure in now.iter().filter(|one| !self.known.contains(one)) {
            warn!("{exposure}; {}", exposure.remedy());
        }
        self.known = now;
    }
}
