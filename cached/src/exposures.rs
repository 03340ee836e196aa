//! Warnings of passwords that others can read.

use std::sync::Arc;

use cloudhosts_config::{Config, Exposure};
use tracing::warn;

/// What was warned of, so that each is told once.
#[derive(Debug)]
pub struct Exposures {
    config: Arc<Config>,
    known: Vec<Exposure>,
}

impl Exposures {
    /// Nothing was looked at yet.
    #[must_use]
    pub fn new(config: Arc<Config>) -> Exposures {
        Exposures {
            config,
            known: Vec::new(),
        }
    }

    /// Looks at the files as they are now, since a password may come later than
    /// the daemon, and warns of what is new.
    pub fn look(&mut self) {
        let now = self.config.exposures();
        for exposure in now.iter().filter(|one| !self.known.contains(one)) {
            warn!("{exposure}; {}", exposure.remedy());
        }
        self.known = now;
    }
}
