//! The daemon's one loop: what follows from what happens.

mod begin;
mod following;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use cloudhosts_registry::config::{Config, ConfigError};
use cloudhosts_registry::follow::{Baseline, Batch, Checkpoint, Event, Mode};
use cloudhosts_registry::status::{Rejected, State};
use cloudhosts_table::clock::monotonic;
use cloudhosts_table::shm::EpochPage;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::{Interval, interval};
use tracing::{debug, error, info, warn};

use crate::exposures::Exposures;
use crate::journal;
use crate::mirror::Mirror;
use crate::publisher::{Done, Files, Keeper, Sealed, digest};
use crate::report::Report;
use crate::server::{Server, ServerError};
use following::{Following, happened};

/// Least time between two signs of life for systemd's watchdog.
const WATCHDOG_LEAST: Duration = Duration::from_millis(100);

/// Most problems that one batch writes to the log; all are counted in the
/// status.
const LOGGED: usize = 10;

/// Runs until SIGTERM or SIGINT. On SIGHUP `reload` reads the configuration
/// again.
///
/// # Errors
/// The socket can't be served: nothing of this is worth starting without it.
pub async fn run(
    config: Config,
    reload: impl Fn() -> Result<Config, ConfigError>,
) -> Result<(), ServerError> {
    let system = |error| ServerError::System {
        what: "make the epoch or the signals for",
        path: config.socket.clone(),
        error,
    };
    let mut terminate = signal(SignalKind::terminate()).map_err(system)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(system)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(system)?;
    let epoch = EpochPage::new(monotonic()).map_err(system)?;
    let server = Server::start(&config.socket, epoch)?;
    let config = Arc::new(config);
    let mut daemon = Daemon::new(&config, server);
    daemon.ready();
    daemon.restore();
    let mut watchdog =
        sd_notify::watchdog_enabled().map(|limit| interval((limit / 3).max(WATCHDOG_LEAST)));
    loop {
        let idle = daemon.work.is_none();
        tokio::select! {
            () = tick(&mut watchdog) => notify(&[NotifyState::Watchdog]),
            Some(event) = happened(&mut daemon.following), if idle => daemon.take(event),
            done = finished(&mut daemon.work) => daemon.digested(done),
            done = finished(&mut daemon.chore) => daemon.chore_done(done),
            () = until(daemon.keeper.wakes(Instant::now())), if daemon.chore.is_none() => {}
            () = until(daemon.report.wakes(Instant::now())) => {}
            () = until(journal::due()) => journal::tell_left_out(Some(Instant::now())),
            _ = hangup.recv(), if idle => daemon.reload(reload()),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
        daemon.start_chore();
        daemon.report.write(Instant::now());
    }
    daemon.following = None;
    daemon.retire().await;
    Ok(())
}

/// Waits for a task that may not be there.
async fn finished<T>(task: &mut Option<JoinHandle<T>>) -> io::Result<T> {
    let Some(running) = task else {
        return std::future::pending().await;
    };
    let done = running.await;
    *task = None;
    done.map_err(io::Error::other)
}

/// Waits for the next tick of a clock that may not be there.
async fn tick(clock: &mut Option<Interval>) {
    match clock {
        Some(clock) => drop(clock.tick().await),
        None => std::future::pending().await,
    }
}

/// Waits until a moment that may not be set.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

/// What a digestion gives back: the mirror, and what follows from it.
struct Digested {
    mirror: Mirror,
    /// The new table, where there is one.
    sealed: io::Result<Option<Sealed>>,
    /// How long the last full read took, where this was one.
    full: Option<Duration>,
    /// The state of Redis that the mirror stands for now.
    checkpoint: Checkpoint,
    /// What a new follower is to start from, where one is to be started.
    baseline: Option<Baseline>,
}

/// The state of the daemon. While `work` runs, it has the mirror.
struct Daemon {
    config: Arc<Config>,
    server: Server,
    following: Option<Following>,
    mirror: Option<Mirror>,
    work: Option<JoinHandle<Digested>>,
    keeper: Keeper,
    chore: Option<JoinHandle<Done>>,
    report: Report,
    exposures: Exposures,
    files: Files,
    /// The state of Redis that the mirror stands for.
    checkpoint: Checkpoint,
    /// What was logged last, so that nothing is logged twice.
    problems: Rejected,
    trouble: String,
    published: bool,
    /// The last table could not be made.
    failing: bool,
    /// The file that could not be written last.
    unwritten: Option<PathBuf>,
}

impl Daemon {
    fn new(config: &Arc<Config>, server: Server) -> Daemon {
        let files = Files::new(&config.state_dir);
        Daemon {
            config: Arc::clone(config),
            server,
            following: None,
            mirror: Some(Mirror::new(config)),
            work: None,
            keeper: Keeper::new(files.clone()),
            chore: None,
            report: Report::new(config.status_file.clone(), SystemTime::now()),
            exposures: Exposures::new(Arc::clone(config)),
            files,
            checkpoint: Checkpoint::default(),
            problems: Rejected::default(),
            trouble: String::new(),
            published: false,
            failing: false,
            unwritten: None,
        }
    }

    /// Has something done with the mirror on a thread of its own.
    fn work_on(&mut self, work: impl FnOnce(Mirror, Checkpoint) -> Digested + Send + 'static) {
        if let Some(mirror) = self.mirror.take() {
            let checkpoint = self.checkpoint.clone();
            self.work = Some(tokio::task::spawn_blocking(move || {
                work(mirror, checkpoint)
            }));
        }
    }

    /// Tells systemd that processes can attach.
    fn ready(&mut self) {
        notify(&[NotifyState::Ready]);
        self.exposures.look();
        self.report.write_now();
    }

    /// Takes in what the follower tells.
    fn take(&mut self, event: Event) {
        let now = SystemTime::now();
        match event {
            Event::Connected { endpoint, mode } => {
                let mode = match mode {
                    Mode::Tracking => "tracking".into(),
                    Mode::Polling { why } => format!("polling: {why}"),
                };
                info!("connected to {endpoint}, {mode}");
                self.exposures.look();
                self.trouble.clear();
                self.report.connected(&endpoint, &mode, now);
                self.update();
            }
            Event::Disconnected {
                endpoint,
                why,
                retry_in,
            } => {
                // The same trouble at each attempt is one event.
                let trouble = format!("{endpoint}: {why}");
                if self.trouble != trouble {
                    warn!("no connection to {trouble}; trying again in {retry_in:.1?}");
                    self.trouble = trouble;
                }
                self.report.disconnected(&endpoint, &why, now);
                self.update();
            }
            Event::Changes(batch) => self.digest(batch),
        }
    }

    /// Begins to work out what follows from a batch.
    fn digest(&mut self, batch: Batch) {
        // What was never read anywhere is not published as if it were empty.
        let first = !self.published && batch.hashes.iter().any(|hash| hash.outcome.is_ok());
        let force = first || self.failing;
        self.work_on(move |mut mirror, _| {
            let sealed = digest(&mut mirror, Some(&batch), force);
            Digested {
                mirror,
                sealed,
                full: batch.full,
                checkpoint: batch.checkpoint,
                baseline: None,
            }
        });
    }

    /// Publishes what was worked out.
    fn digested(&mut self, done: io::Result<Digested>) {
        let done = match done {
            Ok(done) => done,
            Err(error) => {
                // The mirror went with it. Starting anew from the last good
                // table is what is left, and the service manager does that.
                error!("the mirror is lost: {error}");
                std::process::exit(1);
            }
        };
        self.mirror = Some(done.mirror);
        self.checkpoint = done.checkpoint;
        let published = match done.sealed {
            Ok(table) => table.map_or(Ok(()), |table| self.publish(table)),
            Err(error) => Err(error),
        };
        self.failing = published.is_err();
        match published {
            // The mirror is ahead of the tables that are there.
            Err(error) => {
                error!("no new table can be made, the last one answers: {error}");
                self.report.failed(&error.to_string());
            }
            Ok(()) if self.published => self.keeper.keep_checkpoint(self.checkpoint.clone()),
            Ok(()) => {}
        }
        self.log_problems();
        let now = SystemTime::now();
        self.report.read(done.full, &self.problems, now);
        self.update();
        if let Some(baseline) = done.baseline {
            self.following = Some(Following::start(&self.config, baseline));
            notify(&[NotifyState::Ready]);
        }
    }

    fn publish(&mut self, table: Sealed) -> io::Result<()> {
        let facts = table.facts;
        self.server.publish(table.descriptor()?, facts.generation);
        self.report.published(&facts);
        self.keeper.keep(table.file);
        if self.published {
            debug!(
                "published generation {}: {} names",
                facts.generation, facts.names
            );
        } else {
            info!(
                "published generation {}: {} names, {} addresses, {} bytes",
                facts.generation, facts.names, facts.addresses, facts.bytes
            );
        }
        self.published = true;
        Ok(())
    }

    /// Logs what can't be used and was not logged before.
    fn log_problems(&mut self) {
        let Some(mirror) = &self.mirror else { return };
        let problems = mirror.rejected();
        let known = &self.problems.fields;
        let mut new = problems
            .fields
            .iter()
            .filter(|field| !known.contains(field));
        for field in new.by_ref().take(LOGGED) {
            warn!(
                "{} in {}: {} ({})",
                field.field, field.hash, field.reason, field.effect
            );
        }
        let more = new.count();
        if more > 0 || problems.count > problems.fields.len() && problems != self.problems {
            warn!(
                "{} fields can't be used as they are; the status names the first {}",
                problems.count,
                problems.fields.len()
            );
        }
        self.problems = problems;
    }

    /// Brings the status up to date, and logs when the state has changed.
    fn update(&mut self) {
        let Some(mirror) = &self.mirror else { return };
        let Some((state, reason)) = self.report.update(mirror, SystemTime::now()) else {
            return;
        };
        let word = match state {
            State::Live => "live",
            State::Guarded => "guarded",
            State::Unreadable => "unreadable",
            State::Reconnecting => "reconnecting",
        };
        let line = match reason {
            "" => word.to_owned(),
            reason => format!("{word}: {reason}"),
        };
        match state {
            State::Live => info!("{line}"),
            State::Guarded | State::Unreadable => warn!("{line}"),
            // Why there is no connection is logged as it happens.
            State::Reconnecting => {}
        }
        notify(&[NotifyState::Status(&line)]);
    }

    fn start_chore(&mut self) {
        if self.chore.is_some() {
            return;
        }
        if let Some(chore) = self.keeper.chore(Instant::now()) {
            self.chore = Some(tokio::task::spawn_blocking(|| chore.run()));
        }
    }

    fn chore_done(&mut self, done: io::Result<Done>) {
        let written = match done {
            Ok(done) => self.keeper.done(Instant::now(), done),
            Err(error) => {
                error!("what was to be written to the state directory is not: {error}");
                return;
            }
        };
        match (written, self.unwritten.take()) {
            (Ok(()), Some(path)) => info!("{} is written again", path.display()),
            (Ok(()), None) => {}
            (Err(failure), before) => {
                if before.as_ref() != Some(&failure.path) {
                    warn!("{failure}");
                }
                self.unwritten = Some(failure.path);
            }
        }
    }

    /// Leaves: clients keep what they have, and new ones take the file.
    async fn retire(mut self) {
        notify(&[NotifyState::Stopping]);
        info!("leaving");
        self.server.retire();
        if let Some(chore) = self.chore.take()
            && let Ok(done) = chore.await
        {
            // What it could not do is tried once more.
            let _ = self.keeper.done(Instant::now(), done);
        }
        if self.published
            && let Err(failure) = self.keeper.last_chore().run().outcome
        {
            warn!("{failure}");
        }
        self.report.stopped(SystemTime::now());
        journal::tell_left_out(None);
    }
}

/// Tells systemd, where it listens.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!("can't notify the service manager: {error}");
    }
}
