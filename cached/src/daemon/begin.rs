//! How a daemon begins to follow: from what the last one left, and anew when the
//! configuration is read again. Both work out what the mirror holds on another
//! thread, and start the follower from that once it is done.

use std::io;
use std::sync::Arc;

use cloudhosts_registry::config::{Config, ConfigError};
use cloudhosts_registry::follow::Checkpoint;
use cloudhosts_table::View;
use sd_notify::NotifyState;
use tracing::{error, info, warn};

use super::{Daemon, Digested, notify};
use crate::exposures::Exposures;
use crate::mirror::Mirror;
use crate::publisher::{Sealed, digest};
use crate::reload::Difference;

impl Daemon {
    /// Goes on from the last good table, when there is one, and follows from
    /// there.
    pub(super) fn restore(&mut self) {
        let path = self.files.table.path().display().to_string();
        let mut restored = None;
        match self.files.table.load() {
            Ok(None) => info!("there is no last good table yet at {path}"),
            Ok(Some(bytes)) => restored = Some(bytes),
            Err(error) => warn!("{path} is left aside: {error}"),
        }
        // Without the table the checkpoint stands for nothing.
        if restored.is_some() {
            self.checkpoint = self.saved_checkpoint();
        }
        self.work_on(move |mut mirror, checkpoint| {
            let mut sealed = Ok(None);
            if let Some(view) = restored.as_ref().and_then(|bytes| View::open(bytes).ok()) {
                mirror.restore(&view);
                info!("{} names restored from {path}", view.names());
                sealed = digest(&mut mirror, None, true);
            }
            begun(mirror, sealed, checkpoint)
        });
    }

    /// What the last daemon saved beside its table.
    fn saved_checkpoint(&self) -> Checkpoint {
        let file = &self.files.checkpoint;
        match file.load() {
            Ok(saved) => saved.unwrap_or_default(),
            Err(error) => {
                warn!(
                    "{} is left aside, so what was deleted meanwhile may be taken for lost: {error}",
                    file.path().display()
                );
                Checkpoint::default()
            }
        }
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
        tell(&Difference::settle(&self.config, &mut config));
        self.config = Arc::new(config);
        self.exposures = Exposures::new(Arc::clone(&self.config));
        self.exposures.look();
        self.following = None;
        self.report.reloaded();
        self.trouble.clear();
        let config = Arc::clone(&self.config);
        let make_table = self.published;
        self.work_on(move |mirror, checkpoint| {
            let mut mirror = mirror.reconfigured(&config);
            let sealed = if make_table {
                digest(&mut mirror, None, true)
            } else {
                Ok(None)
            };
            begun(mirror, sealed, checkpoint)
        });
    }
}

/// What a follower is to start from.
fn begun(mirror: Mirror, sealed: io::Result<Option<Sealed>>, checkpoint: Checkpoint) -> Digested {
    Digested {
        baseline: Some(mirror.baseline(checkpoint.clone())),
        mirror,
        sealed,
        full: None,
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
