//! The task that follows Redis.

use std::sync::Arc;

use cloudhosts_config::Config;
use cloudhosts_registry::follow::{Baseline, Event, follow};
use tokio::sync::mpsc;

/// A running follower. Dropping it closes its connection.
pub(super) struct FollowerTask {
    events: mpsc::Receiver<Event>,
}

impl FollowerTask {
    /// Starts one.
    pub(super) fn start(config: &Arc<Config>, baseline: Baseline) -> FollowerTask {
        // Capacity 1: while a batch is applied the next one waits, and the
        // follower with it. It ends when the receiver is dropped.
        let (sender, events) = mpsc::channel(1);
        tokio::spawn(follow(Arc::clone(config), baseline, sender));
        FollowerTask { events }
    }
}

/// Waits for the next event of a follower; for ever where there is none.
pub(super) async fn next_event(following: &mut Option<FollowerTask>) -> Option<Event> {
    match following {
        Some(following) => following.events.recv().await,
        None => std::future::pending().await,
    }
}
