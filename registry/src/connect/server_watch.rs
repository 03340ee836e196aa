//! Looks for a better server while a connection is in use.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use cloudhosts_config::{Config, Endpoint};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::connection::RETRY_UNREADABLE;
use super::failover_events::FailoverEvents;
use super::hash_access::HashAccess;
use super::sentinels::Sentinels;
use crate::fault::{Fault, FaultCode};
use crate::jitter;

/// A failover is announced to all machines at once; they ask the sentinels within this time.
const ASKED_WITHIN: Duration = Duration::from_millis(200);

/// When a sentinel is gone, its subscribers connect to another within this time.
const GONE_WITHIN: Duration = Duration::from_secs(1);

/// A task that looks for a better server until it has found one. Dropping it ends the task.
pub(crate) struct ServerWatch {
    found: watch::Receiver<Option<Fault>>,
    task: JoinHandle<()>,
}

impl Drop for ServerWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ServerWatch {
    /// Tries the other URLs at intervals, while `elsewhere` says that some hashes can't be read at
    /// `current`, but perhaps at another.
    pub(super) fn over_urls(
        config: Arc<Config>,
        current: Endpoint,
        elsewhere: watch::Receiver<usize>,
    ) -> ServerWatch {
        ServerWatch::start(readable_elsewhere(config, current, elsewhere))
    }

    /// Subscribes to a sentinel, and asks all of them at each resync.
    pub(super) fn over_sentinels(config: Arc<Config>, master: Endpoint) -> ServerWatch {
        ServerWatch::start(another_master(config, master))
    }

    fn start(search: impl Future<Output = Fault> + Send + 'static) -> ServerWatch {
        let (tell, found) = watch::channel(None);
        let task = tokio::spawn(async move {
            let why = search.await;
            tell.send_replace(Some(why));
        });
        ServerWatch { found, task }
    }

    /// Waits until another server should be used, and returns why.
    pub(super) async fn found(&self) -> Fault {
        let mut found = self.found.clone();
        let why = found.wait_for(Option::is_some).await;
        match why.ok().and_then(|why| why.clone()) {
            Some(why) => why,
            None => std::future::pending().await,
        }
    }

    /// Whether another server should be used.
    pub(super) fn has_found(&self) -> bool {
        self.found.borrow().is_some()
    }
}

/// Waits until more hashes can be read at another URL. Both are checked in the same way, so that
/// two equal servers never alternate.
async fn readable_elsewhere(
    config: Arc<Config>,
    current: Endpoint,
    mut elsewhere: watch::Receiver<usize>,
) -> Fault {
    let urls = &config.redis.urls;
    loop {
        if elsewhere.wait_for(|&hashes| hashes > 0).await.is_err() {
            return std::future::pending().await;
        }
        tokio::time::sleep(jitter::about(RETRY_UNREADABLE.min(config.resync_interval))).await;
        let Ok(here) = HashAccess::check_url(&config, &current).await else {
            continue;
        };
        let mut others: VecDeque<Endpoint> = urls.iter().cloned().collect();
        others.extend(here.node(&current).map(|node| node.endpoint));
        let mut asked = vec![current.clone()];
        while let Some(url) = others.pop_front() {
            if asked.contains(&url) {
                continue;
            }
            asked.push(url.clone());
            let Ok(there) = HashAccess::check_url(&config, &url).await else {
                continue;
            };
            if there.readable_elsewhere() < here.readable_elsewhere() {
                let why = format!("{url} has hashes that cannot be read here");
                return Fault::new(FaultCode::Superseded, why);
            }
        }
    }
}

/// Waits until the sentinels name another master. It subscribes to one of them; if that is not
/// possible, all are asked more often. While none answers, the master stays.
async fn another_master(config: Arc<Config>, current: Endpoint) -> Fault {
    let redis = &config.redis;
    let name = redis.sentinel.as_deref().unwrap_or_default();
    let first = (jitter::random() * redis.urls.len() as f64) as usize;
    let mut failed = 0;
    for sentinel in redis.urls.iter().cycle().skip(first) {
        let events = FailoverEvents::start(sentinel, name, redis).await;
        // What happened before the subscription was not announced.
        if let Some(why) = named_another(&config, &current).await {
            return why;
        }
        let Ok(events) = events else {
            failed += 1;
            if failed >= redis.urls.len() {
                tokio::time::sleep(jitter::about(RETRY_UNREADABLE.min(config.resync_interval)))
                    .await;
            }
            continue;
        };
        failed = 0;
        loop {
            let pause = tokio::select! {
                failover = events.failover() => if failover { ASKED_WITHIN } else { break },
                () = tokio::time::sleep(jitter::about(config.resync_interval)) => Duration::ZERO,
            };
            tokio::time::sleep(jitter::up_to(pause)).await;
            if let Some(why) = named_another(&config, &current).await {
                return why;
            }
        }
        tokio::time::sleep(jitter::up_to(GONE_WITHIN)).await;
    }
    std::future::pending().await
}

/// Asks all sentinels whether there is another master.
async fn named_another(config: &Arc<Config>, current: &Endpoint) -> Option<Fault> {
    let sentinels = Sentinels::ask(config).await;
    let (master, by) = sentinels.master()?;
    (master != current).then(|| {
        let why = format!("the sentinel {by} names another master, {master}");
        Fault::new(FaultCode::Superseded, why)
    })
}
