//! Looks, beside a connection, whether another Redis should be in its place.

use super::connection::AGAIN;
use super::failover_events::FailoverEvents;
use super::hash_access::HashAccess;
use super::sentinels::Sentinels;
use crate::fault::{Fault, FaultCode};
use crate::follow::random;
use cloudhosts_config::{Config, Endpoint};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A sentinel has told all machines at once, and they ask it within so long.
const ASKED_WITHIN: Duration = Duration::from_millis(200);

/// After a sentinel is gone the machines that listened to it go to another
/// within so long.
const GONE_WITHIN: Duration = Duration::from_secs(1);

/// A task that looks for a better Redis until it has found one. Dropped, it ends.
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
    /// Visits the other URLs now and then, while `elsewhere` says that there are
    /// hashes that can't be read at `current` but perhaps at another.
    pub(super) fn over_urls(
        config: Arc<Config>,
        current: Endpoint,
        elsewhere: watch::Receiver<usize>,
    ) -> ServerWatch {
        ServerWatch::start(readable_elsewhere(config, current, elsewhere))
    }

    /// Listens to a sentinel, and asks all of them again at each resync.
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

    /// Waits until another Redis should be in the place of this one, and says
    /// why.
    pub(super) async fn found(&self) -> Fault {
        let mut found = self.found.clone();
        let why = found.wait_for(Option::is_some).await;
        match why.ok().and_then(|why| why.clone()) {
            Some(why) => why,
            None => std::future::pending().await,
        }
    }

    /// Whether it is so already.
    pub(super) fn has_found(&self) -> bool {
        self.found.borrow().is_some()
    }
}

/// Nine to eleven tenths of a time, so that a fleet does not ask in step.
fn spread(time: Duration) -> Duration {
    time.mul_f64(0.9 + 0.2 * random())
}

/// Waits until a URL lets us read more hashes than the current one. Both are
/// asked in the same way, so that two that are alike never take turns.
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
        tokio::time::sleep(spread(AGAIN.min(config.resync_interval))).await;
        let Ok(here) = HashAccess::visit(&config, &current).await else {
            continue;
        };
        for url in urls.iter().filter(|&url| *url != current) {
            if let Ok(there) = HashAccess::visit(&config, url).await
                && there.elsewhere() < here.elsewhere()
            {
                let why = format!("{url} has hashes that cannot be read here");
                return Fault::new(FaultCode::Superseded, why);
            }
        }
    }
}

/// Waits until the sentinels name another master. One of them, any, is listened
/// to; where none can be, all are asked the more often. While none answers, the
/// master stays.
async fn another_master(config: Arc<Config>, current: Endpoint) -> Fault {
    let redis = &config.redis;
    let name = redis.sentinel.as_deref().unwrap_or_default();
    let first = (random() * redis.urls.len() as f64) as usize;
    let mut deaf = 0;
    for sentinel in redis.urls.iter().cycle().skip(first) {
        let listener = FailoverEvents::start(sentinel, name, redis).await;
        // What happened while nobody listened was not told.
        if let Some(why) = named_another(&config, &current).await {
            return why;
        }
        let Ok(listener) = listener else {
            deaf += 1;
            if deaf >= redis.urls.len() {
                tokio::time::sleep(spread(AGAIN.min(config.resync_interval))).await;
            }
            continue;
        };
        deaf = 0;
        loop {
            let pause = tokio::select! {
                heard = listener.hears() => if heard { ASKED_WITHIN } else { break },
                () = tokio::time::sleep(spread(config.resync_interval)) => Duration::ZERO,
            };
            tokio::time::sleep(pause.mul_f64(random())).await;
            if let Some(why) = named_another(&config, &current).await {
                return why;
            }
        }
        tokio::time::sleep(GONE_WITHIN.mul_f64(random())).await;
    }
    std::future::pending().await
}

/// Asks all sentinels whether the master is another.
async fn named_another(config: &Arc<Config>, current: &Endpoint) -> Option<Fault> {
    let sentinels = Sentinels::ask(config).await;
    let (master, by) = sentinels.master()?;
    (master != current).then(|| {
        let why = format!("the sentinel {by} names another master, {master}");
        Fault::new(FaultCode::Superseded, why)
    })
}
