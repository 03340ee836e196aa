//! A subscription to the failover events of a sentinel.

use std::sync::Arc;

use cloudhosts_config::{Endpoint, Redis};
use redis::{PushInfo, PushKind, Value, cmd};
use tokio::sync::Notify;

use super::credentials::Credentials;
use super::link::{CommandError, Link, Protocol};
use super::stream::open;

/// The channels on which a sentinel announces a new master: when the failover is complete, and
/// before that, when the new master has been promoted.
const EVENTS: [&str; 2] = ["+switch-master", "+failover-state-reconf-slaves"];

/// A connection to one sentinel, subscribed to the failovers of our master.
pub(super) struct FailoverEvents {
    link: Link,
    told: Arc<Notify>,
}

impl FailoverEvents {
    /// Connects, and subscribes to the events.
    ///
    /// # Errors
    /// The sentinel can't be reached, does not support RESP3, or does not let this user subscribe.
    /// Then the sentinels are polled.
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
            link.send_within(cmd("SUBSCRIBE").arg(event), limit).await?;
        }
        Ok(FailoverEvents { link, told })
    }

    /// Waits for a failover. False if the connection is lost.
    pub(super) async fn failover(&self) -> bool {
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
