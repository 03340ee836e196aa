//! Whether others can read the password of Redis.

use cloudhosts_registry::config::{Config, Exposure};

use super::finding::Finding;

const CHECK: &str = "password";

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let exposures = config.exposures();
    if exposures.is_empty() {
        return vec![Finding::ok(
            CHECK,
            "no password stands where others can read it",
        )];
    }
    let warning = |exposure: &Exposure| Finding::warning(CHECK, exposure, exposure.remedy());
    exposures.iter().map(warning).collect()
}
