//! Which of the hashes a Redis lets us read: what is asked of each of several
//! URLs before one of them is followed.

use super::link::{Failure, Link};
use super::materials::Materials;
use super::session::Session;
use crate::unreadable::may_be_read_elsewhere;
use cloudhosts_config::Config;
use cloudhosts_config::Endpoint;
use cloudhosts_config::status::UnreadableCode;
use redis::cmd;
use std::time::Duration;

/// For each hash of the configuration why it can't be read, where it can't.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Survey(Vec<Option<UnreadableCode>>);

impl Survey {
    /// Asks with `HLEN`, the first command of every read.
    ///
    /// # Errors
    /// The connection is lost, or this Redis answers no question about data, as
    /// while it is loading; in words for the operator.
    pub(crate) async fn make(
        link: &mut Link,
        hashes: &[String],
        silence: Duration,
    ) -> Result<Survey, String> {
        let mut found = Vec::new();
        for key in hashes {
            let answer = link.ask_within(cmd("HLEN").arg(key), silence).await;
            found.push(match answer {
                Ok(_) => None,
                Err(Failure::Refused(refusal)) => match refusal.unreadable() {
                    Some(code) => Some(code),
                    None => return Err(refusal.to_string()),
                },
                Err(Failure::Lost(fault)) => return Err(fault.why),
            });
        }
        Ok(Survey(found))
    }

    /// Visits a URL for it.
    ///
    /// # Errors
    /// It can't be reached, or see [`Survey::make`].
    pub(crate) async fn visit(config: &Config, url: &Endpoint) -> Result<Survey, String> {
        let limit = config.redis.connect_timeout;
        let materials = Materials::gather(&config.redis, url).await?;
        let mut session = Session::one_way(url, &materials, limit).await?;
        Survey::make(&mut session.link, &config.hashes, limit).await
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
