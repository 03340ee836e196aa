//! The follower of a daemon.

use std::sync::Arc;

use cloudhosts_config::Config;
use cloudhosts_registry::follow::{Baseline, Event, follow};
use tokio::sync::mpsc;

/// A follower at work. Dropping it ends its connection.
pub(super) struct Following {
    events: mpsc::Receiver<Event>,
}

impl Following {
    /// Starts one.
    pub(super) fn start(config: &Arc<Config>, baseline: Baseline) -> Following {
        // One place: while a batch is digested the next waits, and the follower
        // waits with it. It ends when nobody receives.
        let (sender, events) = mpsc::channel(1);
        tokio::spawn(follow(Arc::clone(config), baseline, sender));
        Following { events }
    }
}

/// Waits for what a follower tells, which may not be there.
pub(super) async fn happened(following: &mut Option<Following>) -> Option<Event> {
    match following {
        Some(following) => following.events.recv().await,
        None => std::future::pending().await,
    }
}
