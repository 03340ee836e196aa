//! A table `[[token]]` by itself, before it is pasted into the file.

use std::path::Path;

use serde::Deserialize;

use super::token::{Token, TokenTable};
use crate::error::{ConfigError, ConfigText};
use crate::values::check_hashes;

/// The text as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SingleToken {
    token: [TokenTable; 1],
}

impl Token {
    /// Reads one table `[[token]]`, as `cloudhosts gateway-token` prints it: in a file that has the
    /// hashes which it names, or the default, the gateway reads the same.
    ///
    /// # Errors
    /// Says what the gateway would refuse.
    pub fn parse(table: &str) -> Result<Token, ConfigError> {
        let source = ConfigText::new(Path::new("[[token]]"), table.to_owned());
        let written: SingleToken =
            toml::from_str(source.text()).map_err(|error| source.refused(&error))?;
        let [table] = written.token;
        let hashes = check_hashes(table.views().0)
            .map_err(|why| source.error(None, format!("views: {why}")))?;
        table.check(&hashes, &[], &source)
    }
}
