//! How a daemon begins to follow: from what the last one left, and anew when the
//! configuration is read again. Both work out what the mirror holds on another
//! thread, and start the follower from that once it is done.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use cloudhosts_config::Counted;
use cloudhosts_config::{Config, ConfigError};
use cloudhosts_registry::follow::Checkpoint;
use cloudhosts_table::client::touch_interval;
use sd_notify::NotifyState;
use tracing::{error, info, warn};

use super::{Daemon, Digested, Tools, notify};
use crate::exposures::Exposures;
use crate::last_good::Loaded;
use crate::mirror::Changed;
use crate::publisher::Published;
use crate::reload::Difference;
use crate::state::{State, StateFile};

impl Daemon {
    /// Goes on from the last good table, when there is one, and follows from
    /// there.
    pub(super) fn restore(&mut self) {
        let files = self.files.clone();
        self.work_on(move |mut tools, _| {
            let path = files.table.path().display();
            let restored = match files.table.load() {
                Ok(restored) => restored,
                Err(error) => {
                    warn!("{path} is left aside: {error}");
                    None
                }
            };
            let Some(table) = restored else {
                info!("there is no last good table yet at {path}");
                return begun(tools, Ok(None), Checkpoint::default());
            };
            // Without the table the state stands for nothing.
            let state = match table {
                Loaded::Table(table) => {
                    let state = saved(&files.state);
                    tools.mirror.restore(&table.view(), &state.written);
                    state
                }
                Loaded::Version1(table) => {
                    tools.mirror.restore_version_1(&table);
                    State::default()
                }
            };
            let published = tools.publish_all();
            if let Ok(Some(published)) = &published {
                let names = Counted::new(published.facts.names, "name");
                info!("{names} restored from {path}");
            }
            begun(tools, published, state.checkpoint)
        });
    }

    /// Takes another configuration over, if it could be read.
    pub(super) fn reload(&mut self, config: Result<Config, ConfigError>) {
        let mut states = vec![NotifyState::Reloading];
        states.extend(NotifyState::monotonic_usec_now().ok());
        notify(&states);
        let mut config = match config {
            Ok(config) => config,
            Err(error) => {
                error!("the configuration stays as it was: {error}");
                notify(&[NotifyState::Ready]);
                return;
            }
        };
        let difference = Difference::settle(&self.config, &mut config);
        tell(&difference);
        self.config = Arc::new(config);
        self.exposures = Exposures::new(Arc::clone(&self.config));
        self.exposures.look();
        self.following = None;
        let pending = &difference.pending;
        self.report
            .reloaded(&self.config, pending, SystemTime::now());
        self.trouble.clear();
        self.keeper
            .touch_each(touch_interval(self.config.stale_max));
        let config = Arc::clone(&self.config);
        let published = self.published;
        self.work_on(move |mut tools, checkpoint| {
            tools.mirror = tools.mirror.reconfigured(&config);
            let published = if published {
                tools.publish_all()
            } else {
                Ok(None)
            };
            begun(tools, published, checkpoint)
        });
    }
}

impl Tools {
    /// Publishes all that is in the mirror, in place where that can be.
    fn publish_all(&mut self) -> io::Result<Option<Published>> {
        self.publisher.publish(&self.mirror, &Changed::All, false)
    }
}

/// What the last daemon saved beside its table.
fn saved(file: &StateFile) -> State {
    match file.load() {
        Ok(saved) => saved.unwrap_or_default(),
        Err(error) => {
            warn!(
                "{} is left aside, so what was deleted meanwhile may be taken for lost: {error}",
                file.path().display()
            );
            State::default()
        }
    }
}

/// What a follower is to start from.
fn begun(
    tools: Tools,
    published: io::Result<Option<Published>>,
    checkpoint: Checkpoint,
) -> Digested {
    Digested {
        baseline: Some(tools.mirror.baseline(checkpoint.clone())),
        tools,
        published,
        full: None,
        attributions: Vec::new(),
        checkpoint,
    }
}

/// Says in the log what a new configuration changes.
fn tell(difference: &Difference) {
    if difference.applied.is_empty() {
        info!("the configuration was read again, and nothing in it takes effect now");
    } else {
        let keys = difference.applied.join(", ");
        info!("the configuration was read again; in effect now: {keys}");
    }
    if !difference.pending.is_empty() {
        let keys = difference.pending.join(", ");
        warn!("changed too, but takes effect when the daemon is restarted: {keys}");
    }
}
