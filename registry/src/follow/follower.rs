//! From connection to connection, for as long as somebody listens.

use super::backoff::{Backoff, random};
use super::event::{Control, Event, Mode};
use super::plan::ReadPlan;
use super::session::{Outside, Session};
use crate::config::Config;
use crate::connect::Connector;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc::{Receiver, Sender};

/// Follows the configured hashes and tells what happens, until nobody
/// receives `events` any more. Awaiting a place in that channel is what slows
/// it down when its reader is slow.
///
/// It must run within a tokio runtime with time and I/O enabled. Dropping it
/// closes the connection; nothing is left behind.
pub async fn follow(config: Arc<Config>, events: Sender<Event>, control: Receiver<Control>) {
    tokio::select! {
        () = events.closed() => {}
        () = run(config, &events, control) => {}
    }
}

async fn run(config: Arc<Config>, events: &Sender<Event>, mut control: Receiver<Control>) {
    let mut connector = Connector::new(config.clone());
    let mut backoff = Backoff::default();
    let mut plans = vec![ReadPlan::default(); config.hashes.len()];
    let mut origin = None;
    let mut accept = false;
    loop {
        let outside = Outside {
            config: &config,
            events,
            control: &mut control,
            plans: &mut plans,
            origin: &mut origin,
        };
        let (endpoint, why) = match connector.connect().await {
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
                outside.tell(connected).await;
                let since = Instant::now();
                let mut session = Session::new(outside, connection);
                let why = session.run(accept).await;
                if session.is_complete() {
                    backoff.held(since.elapsed());
                }
                (endpoint, why)
            }
            Err(down) => (down.endpoint, down.why),
        };
        let retry_in = backoff.next(random());
        let mut outside = Outside {
            config: &config,
            events,
            control: &mut control,
            plans: &mut plans,
            origin: &mut origin,
        };
        let disconnected = Event::Disconnected {
            endpoint,
            why,
            retry_in,
        };
        outside.tell(disconnected).await;
        accept = tokio::select! {
            () = outside.told_to_accept() => true,
            () = tokio::time::sleep(retry_in) => false,
        };
    }
}
