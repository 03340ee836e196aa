//! Reports changes as events.

use std::time::Instant;

use tokio::sync::mpsc::Sender;

use super::Session;
use crate::fault::Fault;
use crate::follow::checkpoint::Checkpoint;
use crate::follow::event::{Batch, Event, HashBatch};
use crate::follow::hash::Hash;

impl Session<'_> {
    /// Reports the changes, if they show one moment.
    ///
    /// # Errors
    /// Another server is to be used.
    pub(super) async fn publish(&mut self, now: Instant) -> Result<(), Fault> {
        let hashes = &mut self.state.hashes;
        for (index, hash) in hashes.iter().enumerate() {
            let code = hash.unreadable().map(|unreadable| unreadable.code);
            self.connection.note(index, code)?;
        }
        if hashes.iter().any(Hash::has_more) || !self.rereads.is_empty() {
            return Ok(());
        }
        let half_known = self.logged && hashes.iter().any(Hash::is_half_known);
        if let Some(round) = &mut self.round {
            for (index, hash) in hashes.iter().enumerate() {
                if hash.unreadable().is_some() {
                    round.done(index);
                }
            }
        }
        let full = self.round.as_ref().and_then(|round| round.took(now));
        let read = |hash: &Hash| hash.completed().is_some_and(|number| number > 0);
        let begun = !self.complete && hashes.iter().any(read);
        if half_known || begun && full.is_none() {
            // Parts of it are not known yet: that is not one moment.
            return Ok(());
        }
        let mut batch = Vec::new();
        for (hash, known) in hashes.iter_mut().enumerate() {
            if let Some(outcome) = known.take_changes(full.is_some()) {
                batch.push(HashBatch { hash, outcome });
            }
        }
        self.logged = false;
        if full.is_some() {
            self.round = None;
            self.complete = true;
            self.resync_at = now + self.until_resync();
        }
        if batch.is_empty() && full.is_none() {
            return Ok(());
        }
        let hashes = self.state.hashes.iter();
        let checkpoint = Checkpoint {
            hashes: hashes
                .map(|hash| (hash.key.clone(), hash.checkpoint()))
                .collect(),
        };
        let batch = Batch {
            hashes: batch,
            full,
            latency: self.took,
            checkpoint,
        };
        publish(self.events, Event::Changes(batch)).await;
        Ok(())
    }
}

impl Session<'_> {
    /// Reports the link of the replica to its master, if it has changed.
    pub(super) async fn report_link(&mut self) {
        if self.reported_link != self.master_link {
            self.reported_link = self.master_link;
            publish(self.events, Event::MasterLink(self.master_link)).await;
        }
    }
}

/// Sends an event. If the receiver is gone this waits until the follower is dropped.
pub(in crate::follow) async fn publish(events: &Sender<Event>, event: Event) {
    if events.send(event).await.is_err() {
        std::future::pending().await
    }
}
