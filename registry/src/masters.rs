//! Which master the sentinels name, for `cloudhosts doctor`.

use std::sync::Arc;

use cloudhosts_config::Config;

use crate::connect::Sentinels;
use crate::connect_error::ConnectError;
use crate::fault::Fault;
use crate::runtime::runtime;

/// The masters that the sentinels name. URLs are without passwords.
#[derive(Debug)]
pub struct Masters {
    /// The master that the daemon would use. None if no sentinel names one.
    pub believed: Option<String>,
    /// The answer of each sentinel.
    pub answers: Vec<(String, Result<String, Fault>)>,
}

/// Asks all sentinels. None if no sentinels are configured. It takes 0.3 s more than the first
/// answer, and a few times `connect_timeout` at most.
///
/// # Errors
/// The system has no descriptor or no thread left.
pub fn masters(config: &Config) -> Result<Option<Masters>, ConnectError> {
    if config.redis.sentinel.is_none() {
        return Ok(None);
    }
    let config = Arc::new(config.clone());
    let sentinels = runtime()?.block_on(Sentinels::ask(&config));
    let believed = sentinels.master().map(|(master, _)| master.to_string());
    let answers = sentinels.answers.into_iter().map(|(url, answer)| {
        let master = answer.map(|named| named.master.to_string());
        (url.to_string(), master)
    });
    Ok(Some(Masters {
        believed,
        answers: answers.collect(),
    }))
}
