//! Where the sentinels say that the master is: for whoever wants to know whether
//! the daemon follows it.

use crate::connect::Sentinels;
use cloudhosts_config::Config;
use std::sync::Arc;

/// What the sentinels say of the master. Servers are written without passwords.
#[derive(Debug)]
pub struct Masters {
    /// The one that is believed, as the daemon does it; none where no sentinel
    /// names one.
    pub believed: Option<String>,
    /// Each sentinel and the master it names, or why it names none.
    pub said: Vec<(String, Result<String, String>)>,
}

/// Asks them all; none where there are no sentinels in the configuration. It
/// takes 0.3 s more than the first needs to answer, and a few times
/// `connect_timeout` at most.
///
/// # Errors
/// The system has no descriptor or no thread left.
pub fn masters(config: &Config) -> std::io::Result<Option<Masters>> {
    if config.redis.sentinel.is_none() {
        return Ok(None);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let config = Arc::new(config.clone());
    let sentinels = runtime.block_on(Sentinels::ask(&config));
    let believed = sentinels.master().map(|(master, _)| master.to_string());
    let said = sentinels.said.into_iter().map(|(url, said)| {
        let said = said.map(|named| named.master.to_string());
        let said = said.map_err(String::from);
        (url.to_string(), said)
    });
    Ok(Some(Masters {
        believed,
        said: said.collect(),
    }))
}
