//! How the daemon starts to follow: from the last good table, and again when the
//! configuration is reloaded. Both fill the mirror in another thread, and then
//! start the follower from there.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use cloudhosts_config::Counted;
use cloudhosts_config::{Config, ConfigError};
use cloudhosts_registry::follow::Checkpoint;
use cloudhosts_table::client::touch_interval;
use sd_notify::NotifyState;
use tracing::{error, info, warn};

use super::{Applied, Daemon, Pipeline, notify};
use crate::exposures::Exposures;
use crate::last_good::Loaded;
use crate::mirror::Changed;
use crate::publisher::Published;
use crate::reload::Difference;
use crate::state::{SavedState, StateFile};

impl Daemon {
    /// Restores the last good table, if there is one, and follows from there.
    pub(super) fn restore(&mut self) {
        let files = self.files.clone();
        self.work_on(move |mut pipeline, _| {
            let path = files.table.path().display();
            let restored = match files.table.load() {
                Ok(restored) => restored,
                Err(error) => {
                    warn!("ignoring {path}: {error}");
                    None
                }
            };
            let Some(table) = restored else {
                info!("no last good table at {path} yet");
                return begun(pipeline, Ok(None), Checkpoint::default());
            };
            // The state means nothing without its table.
            let state = match table {
                Loaded::Table(table) => {
                    let state = saved(&files.state);
                    pipeline.mirror.restore(&table.view(), &state.raw_values);
                    state
                }
                Loaded::Version1(table) => {
                    pipeline.mirror.restore_version_1(&table);
                    SavedState::default()
                }
            };
            let published = pipeline.publish_all();
            if let Ok(Some(published)) = &published {
                let names = Counted::new(published.facts.names, "name");
                info!("restored {names} from {path}");
            }
            begun(pipeline, published, state.checkpoint)
        });
    }

    /// Applies a new configuration, if it could be read.
    pub(super) fn reload(&mut self, config: Result<Config, ConfigError>) {
        let mut states = vec![NotifyState::Reloading];
        states.extend(NotifyState::monotonic_usec_now().ok());
        notify(&states);
        let mut config = match config {
            Ok(config) => config,
            Err(error) => {
                error!("cannot reload the configuration, the old one remains in effect: {error}");
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
        self.status
            .reloaded(&self.config, pending, SystemTime::now());
        self.trouble.clear();
        self.persistence
            .touch_each(touch_interval(self.config.stale_max));
        let config = Arc::clone(&self.config);
        let published = self.published;
        self.work_on(move |mut pipeline, checkpoint| {
            pipeline.mirror = pipeline.mirror.reconfigured(&config);
            let published = if published {
                pipeline.publish_all()
            } else {
                Ok(None)
            };
            begun(pipeline, published, checkpoint)
        });
    }
}

impl Pipeline {
    /// Publishes the whole mirror, in place if possible.
    fn publish_all(&mut self) -> io::Result<Option<Published>> {
        self.publisher.publish(&self.mirror, &Changed::All, false)
    }
}

/// What the previous daemon saved beside its table.
fn saved(file: &StateFile) -> SavedState {
    match file.load() {
        Ok(saved) => saved.unwrap_or_default(),
        Err(error) => {
            warn!(
                "ignoring {}, so fields deleted meanwhile may be retained as lost: {error}",
                file.path().display()
            );
            SavedState::default()
        }
    }
}

/// The result from which a follower starts.
fn begun(
    pipeline: Pipeline,
    published: io::Result<Option<Published>>,
    checkpoint: Checkpoint,
) -> Applied {
    Applied {
        baseline: Some(pipeline.mirror.baseline(checkpoint.clone())),
        pipeline,
        published,
        full: None,
        latency: None,
        attributions: Vec::new(),
        checkpoint,
    }
}

/// Logs what a new configuration changes.
fn tell(difference: &Difference) {
    if difference.applied.is_empty() {
        info!("configuration reloaded, nothing changed");
    } else {
        let keys = difference.applied.join(", ");
        info!("configuration reloaded, now in effect: {keys}");
    }
    if !difference.pending.is_empty() {
        let keys = difference.pending.join(", ");
        warn!("changed, but takes effect only when the daemon is restarted: {keys}");
    }
}
