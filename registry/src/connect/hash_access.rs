//! Which of the hashes a Redis lets us read: what is asked of each of several
//! URLs before one of them is followed.

use super::credentials::Credentials;
use super::link::{CommandError, Link};
use super::login::Login;
use crate::fault::Fault;
use crate::unreadable::may_be_read_elsewhere;
use cloudhosts_config::status::UnreadableCode;
use cloudhosts_config::{Config, Endpoint};
use redis::cmd;
use std::time::Duration;

/// For each hash of the configuration why it can't be read, where it can't.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HashAccess(Vec<Option<UnreadableCode>>);

impl HashAccess {
    /// Asks with `HLEN`, the first command of every read.
    ///
    /// # Errors
    /// The connection is lost, or this Redis answers no question about data, as
    /// while it is loading; in words for the operator.
    pub(crate) async fn make(
        link: &mut Link,
        hashes: &[String],
        silence: Duration,
    ) -> Result<HashAccess, Fault> {
        let mut found = Vec::new();
        for key in hashes {
            let answer = link.ask_within(cmd("HLEN").arg(key), silence).await;
            found.push(match answer {
                Ok(_) => None,
                Err(CommandError::ErrorReply(reply)) => match reply.unreadable() {
                    Some(code) => Some(code),
                    None => return Err(reply.fault()),
                },
                Err(CommandError::Lost(fault)) => return Err(fault),
            });
        }
        Ok(HashAccess(found))
    }

    /// Visits a URL for it.
    ///
    /// # Errors
    /// It can't be reached, or see [`HashAccess::make`].
    pub(crate) async fn visit(config: &Config, url: &Endpoint) -> Result<HashAccess, Fault> {
        let limit = config.redis.connect_timeout;
        let credentials = Credentials::gather(&config.redis, url).await?;
        let mut session = Login::one_way(url, &credentials, limit).await?;
        HashAccess::make(&mut session.link, &config.hashes, limit).await
    }

    /// How many hashes can't be read here, but perhaps at another URL.
    pub(crate) fn elsewhere(&self) -> usize {
        let codes = self.0.iter().flatten();
        codes.filter(|&&code| may_be_read_elsewhere(code)).count()
    }

    /// Why this hash can't be read, if it can't.
    pub(crate) fn of(&self, hash: usize) -> Option<UnreadableCode> {
        self.0.get(hash).copied().flatten()
    }
}
