//! The loop over connections.

use std::sync::Arc;
use std::time::Instant;

use cloudhosts_config::Config;
use tokio::sync::mpsc::Sender;

use super::backoff::Backoff;
use super::checkpoint::Baseline;
use super::event::{Event, Mode};
use super::follower_state::FollowerState;
use super::hash::Hash;
use super::session::{Session, publish};
use crate::connect::Connector;
use crate::fault::FaultCode;
use crate::jitter::random;

/// Follows the configured hashes and sends [`Event`]s, until the receiver of `events` is dropped. A
/// slow receiver slows it down.
///
/// It starts from the `baseline`: fields in it that are not in Redis are reported as removed or
/// lost.
///
/// It needs a tokio runtime with time and I/O enabled. Dropping it closes the connection and leaves
/// nothing behind.
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
                if fault.code == FaultCode::Moved {
                    connector.redirect(session.named());
                }
                if session.is_complete() {
                    backoff.connection_lasted(since.elapsed());
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

/// The state of each configured hash.
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
