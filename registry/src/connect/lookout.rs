//! Looks, beside a connection, whether another Redis should be in its place.

use super::connector::AGAIN;
use super::endpoint::Endpoint;
use super::survey::Survey;
use crate::config::Config;
use crate::follow::random;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A task that looks for a better Redis until it has found one. Dropped, it ends.
pub(crate) struct Lookout {
    found: watch::Receiver<Option<String>>,
    task: JoinHandle<()>,
}

impl Drop for Lookout {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Lookout {
    /// Visits the other URLs now and then, while `elsewhere` says that there are
    /// hashes that can't be read at `current` but perhaps at another.
    pub(crate) fn over_urls(
        config: Arc<Config>,
        current: Endpoint,
        elsewhere: watch::Receiver<usize>,
    ) -> Lookout {
        Lookout::start(readable_elsewhere(config, current, elsewhere))
    }

    fn start(search: impl Future<Output = String> + Send + 'static) -> Lookout {
        let (tell, found) = watch::channel(None);
        let task = tokio::spawn(async move {
            let why = search.await;
            tell.send_replace(Some(why));
        });
        Lookout { found, task }
    }

    /// Waits until another Redis should be in the place of this one, and says
    /// why.
    pub(crate) async fn found(&self) -> String {
        let mut found = self.found.clone();
        let why = found.wait_for(Option::is_some).await;
        match why.ok().and_then(|why| why.clone()) {
            Some(why) => why,
            None => std::future::pending().await,
        }
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
) -> String {
    let urls = &config.redis.urls;
    loop {
        if elsewhere.wait_for(|&hashes| hashes > 0).await.is_err() {
            return std::future::pending().await;
        }
        tokio::time::sleep(spread(AGAIN.min(config.resync_interval))).await;
        let Ok(here) = Survey::visit(&config, &current).await else {
            continue;
        };
        for url in urls.iter().filter(|&url| *url != current) {
            if let Ok(there) = Survey::visit(&config, url).await
                && there.elsewhere() < here.elsewhere()
            {
                return format!("{url} has hashes that cannot be read here");
            }
        }
    }
}
