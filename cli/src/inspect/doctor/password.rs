//! Whether others can read the password of Redis.

use cloudhosts_config::{Config, Exposure};

use super::code::Code;
use super::finding::Finding;

const CHECK: &str = "password";

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let exposures = config.exposures();
    if exposures.is_empty() {
        return vec![Finding::ok(CHECK, "other users can't read a password")];
    }
    let warning = |exposure: &Exposure| {
        let code = match exposure {
            Exposure::PasswordFile(_) | Exposure::TokenFile(_) => Code::Exposed,
            Exposure::Configuration(_) | Exposure::CommandLine(_) | Exposure::CommandLineHidden => {
                Code::ExposedConfig
            }
        };
        Finding::warning(CHECK, exposure, exposure.remedy()).code(code)
    };
    exposures.iter().map(warning).collect()
}
