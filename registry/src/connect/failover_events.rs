//! Being told by a sentinel that the master may be another.

use super::credentials::Credentials;
use super::link::{CommandError, Link, Protocol};
use super::stream::open;
use cloudhosts_config::{Endpoint, Redis};
use redis::{PushInfo, PushKind, Value, cmd};
use std::sync::Arc;
use tokio::sync::Notify;

/// What a sentinel says when it has made another server the master: when all of
/// the failover is done, and before that, when the new master is one.
const EVENTS: [&str; 2] = ["+switch-master", "+failover-state-reconf-slaves"];

/// A connection to one sentinel that tells about failovers of our master.
pub(super) struct FailoverEvents {
    link: Link,
    told: Arc<Notify>,
}

impl FailoverEvents {
    /// Connects, and subscribes to the events.
    ///
    /// # Errors
    /// The sentinel is not there, speaks no RESP3, or lets this user subscribe to
    /// nothing. Then it has to be asked again and again.
    pub(super) async fn start(
        sentinel: &Endpoint,
        name: &str,
        redis: &Redis,
    ) -> Result<FailoverEvents, CommandError> {
        let credentials = Credentials::for_sentinel(redis, sentinel)
            .await
            .map_err(CommandError::Lost)?;
        let limit = redis.connect_timeout;
        let told = Arc::new(Notify::new());
        let (tell, name) = (told.clone(), name.to_owned());
        let resp3 = Protocol::Resp3 {
            username: credentials.username.as_deref(),
            password: credentials.password.as_ref(),
            pushed: Box::new(move |push| {
                if concerns(push, &name) {
                    tell.notify_one();
                }
            }),
        };
        let stream = open(sentinel, &credentials, limit)
            .await
            .map_err(CommandError::Lost)?;
        let mut link = Link::start(stream, resp3, limit).await?;
        for event in EVENTS {
            link.ask_within(cmd("SUBSCRIBE").arg(event), limit).await?;
        }
        Ok(FailoverEvents { link, told })
    }

    /// Waits until the master may be another. False when the connection is lost.
    pub(super) async fn hears(&self) -> bool {
        tokio::select! {
            biased;
            () = self.told.notified() => true,
            _ = self.link.lost() => false,
        }
    }
}

/// Whether it is an event about this master: its name is among the words, as in
/// `roles 10.0.0.1 6379 10.0.0.2 6379` and in `master roles 10.0.0.1 6379`.
fn concerns(push: &PushInfo, name: &str) -> bool {
    match push.data.as_slice() {
        [_, Value::BulkString(text)] if push.kind == PushKind::Message => text
            .split(|&byte| byte == b' ')
            .take(2)
            .any(|word| word == name.as_bytes()),
        _ => false,
    }
}
