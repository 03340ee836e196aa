//! The newest table, again and again: what `watch` and `export --watch` follow.

use std::thread;
use std::time::{Duration, Instant};

use cloudhosts_config::Config;
use cloudhosts_table::clock::monotonic;
use cloudhosts_table::{Client, Edition, View};

use crate::local;

/// How much longer to rest than it took to deal with a table, so that a storm of
/// changes in a large one costs a tenth of a processor.
const REST: u32 = 9;

/// The tables, one after the other. A daemon that stops or starts again is
/// no end of them.
#[derive(Debug)]
pub(super) struct Newest<'c> {
    config: &'c Config,
    client: Client,
    seen: Option<Edition>,
    /// Whether the last table is to be looked at once more.
    again: bool,
    /// Whether it was said that there is none.
    told: bool,
}

impl<'c> Newest<'c> {
    /// Nothing is seen yet.
    pub(super) fn new(config: &'c Config) -> Newest<'c> {
        Newest {
            config,
            client: Client::new(),
            seen: None,
            again: false,
            told: false,
        }
    }

    /// Has the last table looked at once more, newer or not.
    pub(super) fn look_again(&mut self) {
        self.again = true;
    }

    /// Lets `f` look into a table that is newer than the last one, if there is.
    /// Says on stderr, once, that there is none at all.
    pub(super) fn look<R>(&mut self, f: impl FnOnce(View<'_>) -> R) -> Option<R> {
        let seen = self.seen.filter(|_| !self.again);
        let looked = self.client.with(
            || local::paths(self.config),
            monotonic(),
            |view| {
                let this = Some(view.edition());
                (this != seen).then(|| (this, f(*view)))
            },
        );
        match looked {
            Ok(newer) => {
                if std::mem::take(&mut self.told) {
                    eprintln!("cloudhosts: there is a table again");
                }
                let (this, done) = newer?;
                self.seen = this;
                self.again = false;
                Some(done)
            }
            Err(error) => {
                if !std::mem::replace(&mut self.told, true) {
                    eprintln!("cloudhosts: there is no table to ask: {error}; waiting for one");
                }
                None
            }
        }
    }

    /// Sleeps until there may be a newer table, for `most` at most. The daemon
    /// wakes it up. Rests first, longer where the last look took long.
    pub(super) fn wait(&self, since: Instant, most: Duration) {
        thread::sleep(since.elapsed().saturating_mul(REST));
        self.client.wait(self.seen, most);
    }
}
