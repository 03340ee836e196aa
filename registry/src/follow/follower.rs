//! From connection to connection, for as long as somebody listens.

use super::backoff::{Backoff, random};
use super::checkpoint::Baseline;
use super::event::{Event, Mode};
use super::follower_state::FollowerState;
use super::hash::Hash;
use super::session::{Session, publish};
use crate::connect::Connector;
use cloudhosts_config::Config;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc::Sender;

/// Follows the configured hashes and tells what happens, until nobody
/// receives `events` any more. Awaiting a place in that channel is what slows
/// it down when its reader is slow.
///
/// It goes on from the `baseline`: what is in it and not in Redis any more is
/// told as removed or lost.
///
/// It must run within a tokio runtime with time and I/O enabled. Dropping it
/// closes the connection; nothing is left behind.
pub async fn follow(config: Arc<Config>, baseline: Baseline, events: Sender<Event>) {
    tokio::select! {
        () = events.closed() => {}
        () = run(config, baseline, &events) => {}
    }
}

async fn run(config: Arc<Config>, baseline: Baseline, events: &Sender<Event>) {
    let mut state = FollowerState::new(hashes(&config, baseline));
    let mut connector = Connector::new(config.clone());
    let mut backoff = Backoff::default();
    loop {
        let (endpoint, fault) = match connector.connect().await {
            Ok(connection) => {
                let endpoint = connection.endpoint.clone();
                let mode = match connection.no_tracking.clone() {
                    None => Mode::Tracking,
                    Some(why) => Mode::Polling { why },
                };
                let connected = Event::Connected {
                    endpoint: endpoint.clone(),
                    mode,
                };
                publish(events, connected).await;
                let since = Instant::now();
                let mut session = Session::new(&config, events, &mut state, connection);
                let fault = session.run().await;
                if session.is_complete() {
                    backoff.held(since.elapsed());
                }
                (endpoint, fault)
            }
            Err(error) => (error.endpoint(), error.into_fault()),
        };
        let retry_in = backoff.next(random());
        let disconnected = Event::Disconnected {
            endpoint,
            fault,
            retry_in,
        };
        publish(events, disconnected).await;
        tokio::time::sleep(retry_in).await;
    }
}

/// The hashes of the configuration, with what is known of each.
fn hashes(config: &Config, baseline: Baseline) -> Vec<Hash> {
    let Baseline {
        hashes: pairs,
        mut checkpoint,
    } = baseline;
    let mut pairs = pairs.into_iter();
    let known = |key: &String| {
        let known = checkpoint.hashes.remove(key).unwrap_or_default();
        Hash::new(key, pairs.next().as_ref(), known, &config.allow)
    };
    config.hashes.iter().map(known).collect()
}
