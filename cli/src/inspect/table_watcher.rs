//! Following the table: for `watch` and `export --watch`.

use std::thread;
use std::time::{Duration, Instant};

use cloudhosts_config::Config;
use cloudhosts_table::clock::monotonic;
use cloudhosts_table::{Client, TableRevision, View};

use crate::local_daemon;

/// How much longer to rest than it took to process a table, so that a storm of changes
/// in a large one takes a tenth of a processor.
const REST: u32 = 9;

/// Follows the table from revision to revision, also when the daemon stops or restarts.
#[derive(Debug)]
pub(super) struct TableWatcher<'c> {
    config: &'c Config,
    client: Client,
    seen: Option<TableRevision>,
    /// Whether to process the last revision once more.
    again: bool,
    /// Whether it was reported that there is no table.
    missing: bool,
}

impl<'c> TableWatcher<'c> {
    /// A watcher that has seen nothing yet.
    pub(super) fn new(config: &'c Config) -> TableWatcher<'c> {
        TableWatcher {
            config,
            client: Client::new(),
            seen: None,
            again: false,
            missing: false,
        }
    }

    /// Processes the last revision once more.
    pub(super) fn retry(&mut self) {
        self.again = true;
    }

    /// Calls `f` with the table, if it is newer than at the last call. Reports on stderr,
    /// once, that there is no table.
    pub(super) fn poll<R>(&mut self, f: impl FnOnce(View<'_>) -> R) -> Option<R> {
        let seen = self.seen.filter(|_| !self.again);
        let found = self.client.with(
            || local_daemon::paths(self.config),
            monotonic(),
            |view| {
                let this = Some(view.revision());
                (this != seen).then(|| (this, f(*view)))
            },
        );
        match found {
            Ok(newer) => {
                if std::mem::take(&mut self.missing) {
                    eprintln!("cloudhosts: there is a table again");
                }
                let (this, done) = newer?;
                self.seen = this;
                self.again = false;
                Some(done)
            }
            Err(error) => {
                if !std::mem::replace(&mut self.missing, true) {
                    eprintln!("cloudhosts: there is no table to ask: {error}; waiting for one");
                }
                None
            }
        }
    }

    /// Sleeps until the daemon publishes a newer table, for `most` at most. First rests in
    /// proportion to the time since `since`, when the last table was processed.
    pub(super) fn wait(&self, since: Instant, most: Duration) {
        thread::sleep(since.elapsed().saturating_mul(REST));
        self.client.wait(self.seen, most);
    }
}
