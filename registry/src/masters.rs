//! Where the sentinels say that the master is: for whoever wants to know whether
//! the daemon follows it.

use crate::connect::Sentinels;
use crate::connect_error::ConnectError;
use crate::fault::Fault;
use crate::runtime::runtime;
use cloudhosts_config::Config;
use std::sync::Arc;

/// What the sentinels say of the master. Servers are written without passwords.
#[derive(Debug)]
pub struct Masters {
    /// The one that is believed, as the daemon does it; none where no sentinel
    /// names one.
    pub believed: Option<String>,
    /// Each sentinel and the master it names, or why it names none.
    pub answers: Vec<(String, Result<String, Fault>)>,
}

/// Asks them all; none where there are no sentinels in the configuration. It
/// takes 0.3 s more than the first needs to answer, and a few times
/// `connect_timeout` at most.
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
