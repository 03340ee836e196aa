//! The event loop of the daemon.

mod begin;
mod follower_task;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use cloudhosts_config::Counted;
use cloudhosts_config::status::{Rejected, State};
use cloudhosts_config::{Config, ConfigError};
use cloudhosts_registry::follow::{Attribution, Baseline, Batch, Checkpoint, Event, Mode};
use cloudhosts_table::Snapshot;
use cloudhosts_table::client::touch_interval;
use follower_task::{FollowerTask, next_event};
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::{Interval, interval};
use tracing::{debug, error, info, warn};

use crate::exposures::Exposures;
use crate::journal;
use crate::mirror::Mirror;
use crate::persistence::{Files, Persistence, SaveDone};
use crate::publisher::{Published, Publisher};
use crate::server::{Server, ServerError};
use crate::state::SavedState;
use crate::status_file::StatusFile;

/// Least time between two notifications of systemd's watchdog.
const WATCHDOG_LEAST: Duration = Duration::from_millis(100);

/// A batch of more fields than this is applied in another thread. A smaller one takes less time than
/// the other thread takes to wake up.
const SMALL_BATCH: usize = 64;

/// Most problems of one batch that are logged; the status counts all.
const LOGGED: usize = 10;

/// Runs until SIGTERM or SIGINT. On SIGHUP `reload` reads the configuration
/// again.
///
/// # Errors
/// The socket can't be served, without which the daemon is of no use.
pub(crate) async fn run(
    config: Config,
    reload: impl Fn() -> Result<Config, ConfigError>,
) -> Result<(), ServerError> {
    let system = |error| ServerError::System {
        what: "handle signals for",
        path: config.socket.clone(),
        error,
    };
    let mut terminate = signal(SignalKind::terminate()).map_err(system)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(system)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(system)?;
    let server = Server::start(&config.socket)?;
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
            Some(event) = next_event(&mut daemon.following), if idle => daemon.take(event),
            done = finished(&mut daemon.work) => daemon.applied(done),
            done = finished(&mut daemon.save) => daemon.save_done(done),
            () = until(daemon.persistence.wakes(Instant::now())), if idle && daemon.save.is_none() => {}
            () = until(daemon.status.wakes(Instant::now())) => {}
            () = until(journal::due()) => journal::tell_suppressed(Some(Instant::now())),
            _ = hangup.recv(), if idle => daemon.reload(reload()),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
        daemon.start_save();
        if daemon
            .status
            .write(daemon.server.attaches(), Instant::now())
        {
            daemon.tell_status();
        }
    }
    daemon.following = None;
    daemon.retire().await;
    Ok(())
}

/// Waits for a task; for ever where there is none.
async fn finished<T>(task: &mut Option<JoinHandle<T>>) -> io::Result<T> {
    let Some(running) = task else {
        return std::future::pending().await;
    };
    let done = running.await;
    *task = None;
    done.map_err(io::Error::other)
}

/// Waits for the next tick of a timer; for ever where there is none.
async fn tick(clock: &mut Option<Interval>) {
    match clock {
        Some(clock) => drop(clock.tick().await),
        None => std::future::pending().await,
    }
}

/// Waits until a moment; for ever where there is none.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

/// From changes to the region: the mirror, and the publisher of what is in it.
struct Pipeline {
    mirror: Mirror,
    publisher: Publisher,
}

/// The result of work on the pipeline, which it gives back.
struct Applied {
    pipeline: Pipeline,
    /// What is published now, where that is something else.
    published: io::Result<Option<Published>>,
    /// How long the full read took, if this was one.
    full: Option<Duration>,
    /// How long Redis took to reply, if something was read.
    latency: Option<Duration>,
    /// The state of Redis that the mirror reflects now.
    checkpoint: Checkpoint,
    /// Who changed what, as far as the change log says.
    attributions: Vec<Attribution>,
    /// Where a new follower starts from, if one is to be started.
    baseline: Option<Baseline>,
}

/// The daemon. While `work` runs, it has the pipeline.
struct Daemon {
    config: Arc<Config>,
    server: Server,
    following: Option<FollowerTask>,
    pipeline: Option<Pipeline>,
    work: Option<JoinHandle<Applied>>,
    persistence: Persistence,
    save: Option<JoinHandle<SaveDone>>,
    status: StatusFile,
    exposures: Exposures,
    files: Files,
    /// The state of Redis that the mirror reflects.
    checkpoint: Checkpoint,
    /// What was logged last, to log nothing twice.
    problems: Rejected,
    trouble: String,
    /// The last status sent to the service manager.
    told: String,
    published: bool,
    /// The last change could not be published.
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
            pipeline: Some(Pipeline {
                mirror: Mirror::new(config),
                publisher: Publisher::default(),
            }),
            work: None,
            persistence: Persistence::new(files.clone(), touch_interval(config.stale_max)),
            save: None,
            status: StatusFile::new(config, SystemTime::now()),
            exposures: Exposures::new(Arc::clone(config)),
            files,
            checkpoint: Checkpoint::default(),
            problems: Rejected::default(),
            trouble: String::new(),
            told: String::new(),
            published: false,
            failing: false,
            unwritten: None,
        }
    }

    /// Runs work on the pipeline in another thread.
    fn work_on(&mut self, work: impl FnOnce(Pipeline, Checkpoint) -> Applied + Send + 'static) {
        if let Some(pipeline) = self.pipeline.take() {
            let checkpoint = self.checkpoint.clone();
            self.work = Some(tokio::task::spawn_blocking(move || {
                work(pipeline, checkpoint)
            }));
        }
    }

    /// Notifies systemd that processes can attach.
    fn ready(&mut self) {
        notify(&[NotifyState::Ready]);
        self.exposures.look();
        self.status.write_now();
        self.tell_status();
    }

    /// Sends the status to systemd if it has changed; at most as often as the file
    /// is written.
    fn tell_status(&mut self) {
        let line = self.status.line();
        if self.told != line {
            notify(&[NotifyState::Status(&line)]);
            self.told = line;
        }
    }

    /// Handles an event of the follower.
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
                self.status.connected(&endpoint, &mode, now);
                self.update();
            }
            Event::Disconnected {
                endpoint,
                fault,
                retry_in,
            } => {
                // The same failure at each attempt is logged once.
                let trouble = format!("{endpoint}: {fault}");
                if self.trouble != trouble {
                    warn!("no connection to {trouble}; retrying in {retry_in:.1?}");
                    self.trouble = trouble;
                }
                self.status.disconnected(&endpoint, &fault.why, now);
                self.update();
            }
            Event::MasterLink(link) => {
                self.status.master_link(link);
                self.update();
            }
            Event::Changes(batch) => self.apply(batch),
        }
    }

    /// Starts to apply a batch.
    fn apply(&mut self, batch: Batch) {
        // A hash that was never read is not published as if it were empty.
        let first = !self.published && batch.hashes.iter().any(|hash| hash.outcome.is_ok());
        let anew = first || self.failing;
        let small = !anew && batch.fields() <= SMALL_BATCH;
        let apply = move |mut pipeline: Pipeline, _| {
            let changed = pipeline.mirror.apply(&batch);
            let published = pipeline.publisher.publish(&pipeline.mirror, &changed, anew);
            let hashes = batch.hashes.into_iter();
            let read = hashes.filter_map(|hash| hash.outcome.ok());
            Applied {
                attributions: read.flat_map(|changes| changes.attributions).collect(),
                pipeline,
                published,
                full: batch.full,
                latency: Some(batch.latency),
                checkpoint: batch.checkpoint,
                baseline: None,
            }
        };
        if !small {
            self.work_on(apply);
        } else if let Some(pipeline) = self.pipeline.take() {
            self.applied(Ok(apply(pipeline, Checkpoint::default())));
        }
    }

    /// Takes the result of work on the pipeline.
    fn applied(&mut self, done: io::Result<Applied>) {
        let done = match done {
            Ok(done) => done,
            Err(error) => {
                // The mirror is gone with it. The service manager restarts the
                // daemon, which restores the last good table.
                error!("the worker thread failed, exiting: {error}");
                std::process::exit(1);
            }
        };
        self.pipeline = Some(done.pipeline);
        self.checkpoint = done.checkpoint;
        self.failing = done.published.is_err();
        match done.published {
            // The mirror is ahead of what is published.
            Err(error) => {
                error!("cannot publish changes, the previous table remains in use: {error}");
                self.status.failed(&error.to_string());
            }
            Ok(published) => {
                if let Some(published) = published {
                    // The first table is not logged role by role.
                    if self.published && done.baseline.is_none() {
                        let names = published.facts.names;
                        published.roles.log(&done.attributions, names);
                    }
                    self.publish(published);
                }
                if self.published {
                    self.persistence.state_changed();
                }
            }
        }
        self.log_problems();
        let now = SystemTime::now();
        self.status
            .read(done.full, done.latency, &self.problems, now);
        self.update();
        if let Some(baseline) = done.baseline {
            self.following = Some(FollowerTask::start(&self.config, baseline));
            notify(&[NotifyState::Ready]);
        }
    }

    /// Announces what was published.
    fn publish(&mut self, published: Published) {
        if let Some(region) = published.region {
            self.server.publish(region);
        }
        let facts = published.facts;
        self.status.published(&facts);
        self.persistence.table_changed();
        if self.published {
            let names = Counted::new(facts.names, "name");
            debug!("published generation {}: {names}", facts.generation);
        } else {
            info!(
                "published generation {}: {}, {}, {} bytes",
                facts.generation,
                Counted::new(facts.names, "name"),
                Counted::new(facts.addresses, "address"),
                facts.bytes
            );
        }
        self.published = true;
    }

    /// Logs what can't be used and was not logged before.
    fn log_problems(&mut self) {
        let Some(pipeline) = &self.pipeline else {
            return;
        };
        let problems = pipeline.mirror.rejected();
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
                "{} can't be used as they are; the status names the first {}",
                Counted::new(problems.count as u64, "field"),
                problems.fields.len()
            );
        }
        self.problems = problems;
    }

    /// Updates the status, and logs a change of the state.
    fn update(&mut self) {
        let Some(pipeline) = &self.pipeline else {
            return;
        };
        let now = SystemTime::now();
        let changed = self.status.update(&pipeline.mirror, &self.checkpoint, now);
        let Some((state, reason)) = changed else {
            return;
        };
        let line = match reason {
            "" => state.to_string(),
            reason => format!("{state}: {reason}"),
        };
        match state {
            State::Live => info!("{line}"),
            State::Guarded | State::Unreadable | State::Stale => warn!("{line}"),
            // The reason is logged when the connection is lost.
            State::Reconnecting => {}
        }
    }

    fn start_save(&mut self) {
        let Some(pipeline) = self.pipeline.as_ref().filter(|_| self.save.is_none()) else {
            return;
        };
        let checkpoint = &self.checkpoint;
        let newest = || newest(pipeline, checkpoint);
        if let Some(save) = self.persistence.save_job(Instant::now(), newest) {
            self.save = Some(tokio::task::spawn_blocking(|| save.run()));
        }
    }

    fn save_done(&mut self, done: io::Result<SaveDone>) {
        let written = match done {
            Ok(done) => self.persistence.done(Instant::now(), done),
            Err(error) => {
                error!("cannot write to the state directory: {error}");
                return;
            }
        };
        let failure = written.as_ref().err();
        self.status.unwritten(failure, SystemTime::now());
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

    /// Shuts down: clients retain their table, and new ones take the file.
    async fn retire(mut self) {
        notify(&[NotifyState::Stopping]);
        info!("exiting");
        self.server.retire();
        if let Some(work) = self.work.take()
            && let Ok(done) = work.await
        {
            if matches!(done.published, Ok(Some(_))) {
                self.persistence.table_changed();
            }
            self.checkpoint = done.checkpoint;
            self.pipeline = Some(done.pipeline);
        }
        if let Some(save) = self.save.take()
            && let Ok(done) = save.await
        {
            // What failed is tried once more below.
            let _ = self.persistence.done(Instant::now(), done);
        }
        if self.published
            && let Some(pipeline) = &self.pipeline
            && let save = self
                .persistence
                .last_save(|| newest(pipeline, &self.checkpoint))
            && let Err(failure) = save.run().outcome
        {
            warn!("{failure}");
        }
        self.status.stopped(SystemTime::now());
        journal::tell_suppressed(None);
    }
}

/// The newest content of the files.
fn newest(pipeline: &Pipeline, checkpoint: &Checkpoint) -> (Option<Snapshot>, SavedState) {
    let state = SavedState {
        checkpoint: checkpoint.clone(),
        raw_values: pipeline.mirror.raw_values(),
    };
    (pipeline.publisher.snapshot(), state)
}

/// Notifies systemd, if it runs the daemon.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!("can't notify the service manager: {error}");
    }
}
