//! Which hashes can be read at a URL. Asked of each of several URLs before one is chosen.

use std::time::Duration;

use cloudhosts_config::status::UnreadableCode;
use cloudhosts_config::{Config, Endpoint};
use redis::cmd;

use super::credentials::Credentials;
use super::link::{CommandError, Link};
use super::login::Login;
use super::redirect::{Node, Redirect};
use crate::fault::Fault;
use crate::unreadable::may_be_read_elsewhere;

/// Which hashes can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HashAccess {
    /// For each configured hash, why it can't be read, if it can't.
    codes: Vec<Option<UnreadableCode>>,
    /// The node of the cluster that has one of the others.
    redirect: Option<Redirect>,
}

impl HashAccess {
    /// Tries `HLEN`, the first command of every read.
    ///
    /// # Errors
    /// The connection is lost, or Redis refuses all commands about data, as while it is loading.
    pub(crate) async fn check(
        link: &mut Link,
        hashes: &[String],
        silence: Duration,
    ) -> Result<HashAccess, Fault> {
        let mut found = Vec::new();
        for key in hashes {
            let answer = link.send_within(cmd("HLEN").arg(key), silence).await;
            found.push(match answer {
                Ok(_) => None,
                Err(CommandError::ErrorReply(reply)) => match reply.unreadable() {
                    Some(code) => Some(code),
                    None => return Err(reply.fault()),
                },
                Err(CommandError::Lost(fault)) => return Err(fault),
            });
        }
        Ok(HashAccess {
            codes: found,
            redirect: link.redirect().cloned(),
        })
    }

    /// Connects to a URL and checks there.
    ///
    /// # Errors
    /// It can't be reached, or see [`HashAccess::check`].
    pub(crate) async fn check_url(config: &Config, url: &Endpoint) -> Result<HashAccess, Fault> {
        let limit = config.redis.connect_timeout;
        let credentials = Credentials::load(&config.redis, url).await?;
        let mut session = Login::without_tracking(url, &credentials, limit).await?;
        HashAccess::check(&mut session.link, &config.hashes, limit).await
    }

    /// How many hashes can't be read here, but perhaps at another URL.
    pub(crate) fn readable_elsewhere(&self) -> usize {
        let codes = self.codes.iter().flatten();
        codes.filter(|&&code| may_be_read_elsewhere(code)).count()
    }

    /// How good the choice of this server is, the best being the least: how many hashes can't be read
    /// here, but perhaps elsewhere, and which; those that decide come first.
    pub(crate) fn rank(&self) -> (usize, Vec<bool>) {
        let unreadable = self.codes.iter().map(Option::is_some);
        (self.readable_elsewhere(), unreadable.collect())
    }

    /// Whether there is a hash that can be read.
    pub(crate) fn any(&self) -> bool {
        self.codes.iter().any(Option::is_none)
    }

    /// The node that has a hash which is not here, as the one at this URL has named it.
    pub(crate) fn node(&self, named_by: &Endpoint) -> Option<Node> {
        self.redirect.as_ref()?.from(named_by)
    }

    /// Why this hash can't be read, if it can't.
    pub(crate) fn of(&self, hash: usize) -> Option<UnreadableCode> {
        self.codes.get(hash).copied().flatten()
    }
}
