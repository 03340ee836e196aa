//! The daemon's one loop: what follows from what happens.

mod begin;
mod following;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use cloudhosts_config::Counted;
use cloudhosts_config::status::{Rejected, State as Standing};
use cloudhosts_config::{Config, ConfigError};
use cloudhosts_registry::follow::{Attribution, Baseline, Batch, Checkpoint, Event, Mode};
use cloudhosts_table::Snapshot;
use cloudhosts_table::client::touch_interval;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::{Interval, interval};
use tracing::{debug, error, info, warn};

use crate::exposures::Exposures;
use crate::journal;
use crate::keeper::{Done, Files, Keeper};
use crate::mirror::Mirror;
use crate::publisher::{Published, Publisher};
use crate::report::Report;
use crate::server::{Server, ServerError};
use crate::state::State;
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
        what: "take the signals for",
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
            Some(event) = happened(&mut daemon.following), if idle => daemon.take(event),
            done = finished(&mut daemon.work) => daemon.digested(done),
            done = finished(&mut daemon.chore) => daemon.chore_done(done),
            () = until(daemon.keeper.wakes(Instant::now())), if idle && daemon.chore.is_none() => {}
            () = until(daemon.report.wakes(Instant::now())) => {}
            () = until(journal::due()) => journal::tell_left_out(Some(Instant::now())),
            _ = hangup.recv(), if idle => daemon.reload(reload()),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
        daemon.start_chore();
        if daemon.report.write(Instant::now()) {
            daemon.tell_status();
        }
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

/// The mirror, and the one that publishes what is in it.
struct Tools {
    mirror: Mirror,
    publisher: Publisher,
}

/// What a digestion gives back: the tools, and what follows from it.
struct Digested {
    tools: Tools,
    /// What is published now, where that is something else.
    published: io::Result<Option<Published>>,
    /// How long the last full read took, where this was one.
    full: Option<Duration>,
    /// The state of Redis that the mirror stands for now.
    checkpoint: Checkpoint,
    /// Who changed what, as far as the change log says so.
    attributions: Vec<Attribution>,
    /// What a new follower is to start from, where one is to be started.
    baseline: Option<Baseline>,
}

/// The state of the daemon. While `work` runs, it has the tools.
struct Daemon {
    config: Arc<Config>,
    server: Server,
    following: Option<Following>,
    tools: Option<Tools>,
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
    /// What the service manager was told last of how it is.
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
            tools: Some(Tools {
                mirror: Mirror::new(config),
                publisher: Publisher::default(),
            }),
            work: None,
            keeper: Keeper::new(files.clone(), touch_interval(config.stale_max)),
            chore: None,
            report: Report::new(config, SystemTime::now()),
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

    /// Has something done with the tools on a thread of its own.
    fn work_on(&mut self, work: impl FnOnce(Tools, Checkpoint) -> Digested + Send + 'static) {
        if let Some(tools) = self.tools.take() {
            let checkpoint = self.checkpoint.clone();
            self.work = Some(tokio::task::spawn_blocking(move || work(tools, checkpoint)));
        }
    }

    /// Tells systemd that processes can attach.
    fn ready(&mut self) {
        notify(&[NotifyState::Ready]);
        self.exposures.look();
        self.report.write_now();
        self.tell_status();
    }

    /// Tells systemd how it is, if that has changed. As often as the file is
    /// written, at most.
    fn tell_status(&mut self) {
        let line = self.report.line();
        if self.told != line {
            notify(&[NotifyState::Status(&line)]);
            self.told = line;
        }
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
                fault,
                retry_in,
            } => {
                // The same trouble at each attempt is one event.
                let trouble = format!("{endpoint}: {fault}");
                if self.trouble != trouble {
                    warn!("no connection to {trouble}; trying again in {retry_in:.1?}");
                    self.trouble = trouble;
                }
                self.report.disconnected(&endpoint, &fault.why, now);
                self.update();
            }
            Event::Changes(batch) => self.digest(batch),
        }
    }

    /// Begins to work out what follows from a batch.
    fn digest(&mut self, batch: Batch) {
        // What was never read anywhere is not published as if it were empty.
        let first = !self.published && batch.hashes.iter().any(|hash| hash.outcome.is_ok());
        let anew = first || self.failing;
        self.work_on(move |mut tools, _| {
            let changed = tools.mirror.apply(&batch);
            let published = tools.publisher.publish(&tools.mirror, &changed, anew);
            let hashes = batch.hashes.into_iter();
            let read = hashes.filter_map(|hash| hash.outcome.ok());
            Digested {
                attributions: read.flat_map(|changes| changes.attributions).collect(),
                tools,
                published,
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
        self.tools = Some(done.tools);
        self.checkpoint = done.checkpoint;
        self.failing = done.published.is_err();
        match done.published {
            // The mirror is ahead of what is published.
            Err(error) => {
                error!("changes can't be published, what was there answers: {error}");
                self.report.failed(&error.to_string());
            }
            Ok(published) => {
                if let Some(published) = published {
                    // What it begins with is told as a whole.
                    if self.published && done.baseline.is_none() {
                        let names = published.facts.names;
                        published.roles.log(&done.attributions, names);
                    }
                    self.publish(published);
                }
                if self.published {
                    self.keeper.state_changed();
                }
            }
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

    /// Makes known what was published.
    fn publish(&mut self, published: Published) {
        if let Some(region) = published.region {
            self.server.publish(region);
        }
        let facts = published.facts;
        self.report.published(&facts);
        self.keeper.table_changed();
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
        let Some(tools) = &self.tools else { return };
        let problems = tools.mirror.rejected();
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

    /// Brings the status up to date, and logs when the state has changed.
    fn update(&mut self) {
        let Some(tools) = &self.tools else { return };
        let Some((state, reason)) = self.report.update(&tools.mirror, SystemTime::now()) else {
            return;
        };
        let line = match reason {
            "" => state.to_string(),
            reason => format!("{state}: {reason}"),
        };
        match state {
            Standing::Live => info!("{line}"),
            Standing::Guarded | Standing::Unreadable => warn!("{line}"),
            // Why there is no connection is logged as it happens.
            Standing::Reconnecting => {}
        }
    }

    fn start_chore(&mut self) {
        let Some(tools) = self.tools.as_ref().filter(|_| self.chore.is_none()) else {
            return;
        };
        let checkpoint = &self.checkpoint;
        let newest = || newest(tools, checkpoint);
        if let Some(chore) = self.keeper.chore(Instant::now(), newest) {
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
        let failure = written.as_ref().err();
        self.report.unwritten(failure, SystemTime::now());
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

    /// Exits: clients keep what they have, and new ones take the file.
    async fn retire(mut self) {
        notify(&[NotifyState::Stopping]);
        info!("exiting");
        self.server.retire();
        if let Some(work) = self.work.take()
            && let Ok(done) = work.await
        {
            if matches!(done.published, Ok(Some(_))) {
                self.keeper.table_changed();
            }
            self.checkpoint = done.checkpoint;
            self.tools = Some(done.tools);
        }
        if let Some(chore) = self.chore.take()
            && let Ok(done) = chore.await
        {
            // What it could not do is tried once more.
            let _ = self.keeper.done(Instant::now(), done);
        }
        if self.published
            && let Some(tools) = &self.tools
            && let chore = self.keeper.last_chore(|| newest(tools, &self.checkpoint))
            && let Err(failure) = chore.run().outcome
        {
            warn!("{failure}");
        }
        self.report.stopped(SystemTime::now());
        journal::tell_left_out(None);
    }
}

/// What the files are to hold.
fn newest(tools: &Tools, checkpoint: &Checkpoint) -> (Option<Snapshot>, State) {
    let state = State {
        checkpoint: checkpoint.clone(),
        written: tools.mirror.written(),
    };
    (tools.publisher.snapshot(), state)
}

/// Tells systemd, where it listens.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!("can't notify the service manager: {error}");
    }
}
