//! The daemon's one loop: what follows from what happens.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use cloudhosts_registry::config::Config;
use cloudhosts_registry::follow::{Control, Event, Mode, Pass, follow};
use cloudhosts_registry::status::{Rejected, State};
use cloudhosts_table::View;
use cloudhosts_table::clock::monotonic;
use cloudhosts_table::shm::EpochPage;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Interval, interval};
use tracing::{debug, error, info, warn};

use crate::exposures::Exposures;
use crate::journal;
use crate::last_good::LastGood;
use crate::mirror::Mirror;
use crate::publisher::{Keeper, Sealed, digest};
use crate::report::Report;
use crate::server::{Server, ServerError};

/// Least time between two signs of life for systemd's watchdog.
const WATCHDOG_LEAST: Duration = Duration::from_millis(100);

/// Most problems that one pass writes to the log; all are counted in the
/// status.
const LOGGED: usize = 10;

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// The socket can't be served: nothing of this is worth starting without it.
pub async fn run(config: Config) -> Result<(), ServerError> {
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
    daemon.restore().await;

    // One place: while a pass is digested the next waits, and the follower
    // waits with it.
    let (events, mut happened) = mpsc::channel(1);
    let (control, controlled) = mpsc::channel(1);
    let following = tokio::spawn(follow(config, events, controlled));
    let mut watchdog =
        sd_notify::watchdog_enabled().map(|limit| interval((limit / 3).max(WATCHDOG_LEAST)));
    loop {
        let idle = daemon.work.is_none();
        tokio::select! {
            () = tick(&mut watchdog) => notify(&[NotifyState::Watchdog]),
            Some(event) = happened.recv(), if idle => daemon.take(event),
            done = finished(&mut daemon.work) => daemon.digested(done),
            done = finished(&mut daemon.chore) => daemon.chore_done(done),
            () = until(daemon.keeper.wakes(Instant::now())), if daemon.chore.is_none() => {}
            () = until(daemon.report.wakes(Instant::now())) => {}
            () = until(journal::due()) => journal::tell_left_out(Some(Instant::now())),
            _ = hangup.recv() => {
                info!("SIGHUP: what Redis says now is accepted");
                // Full means that one is on its way already.
                let _ = control.try_send(Control::Accept);
            }
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
        daemon.start_chore();
        daemon.report.write(Instant::now());
    }
    following.abort();
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

/// What a digestion gives back: the mirror, and the table that follows.
struct Digested {
    mirror: Mirror,
    sealed: io::Result<Option<Sealed>>,
    full: Option<Duration>,
}

/// The state of the daemon. While `work` runs, it has the mirror.
struct Daemon {
    server: Server,
    mirror: Option<Mirror>,
    work: Option<JoinHandle<Digested>>,
    keeper: Keeper,
    chore: Option<JoinHandle<io::Result<Duration>>>,
    report: Report,
    last_good: LastGood,
    exposures: Exposures,
    /// What was logged last, so that nothing is logged twice.
    problems: Rejected,
    trouble: String,
    published: bool,
    file_failing: bool,
}

impl Daemon {
    fn new(config: &Arc<Config>, server: Server) -> Daemon {
        let last_good = LastGood::new(&config.state_dir);
        Daemon {
            server,
            mirror: Some(Mirror::new(config)),
            work: None,
            keeper: Keeper::new(last_good.clone()),
            chore: None,
            report: Report::new(config.status_file.clone(), SystemTime::now()),
            last_good,
            exposures: Exposures::new(Arc::clone(config)),
            problems: Rejected::default(),
            trouble: String::new(),
            published: false,
            file_failing: false,
        }
    }

    /// Goes on from the last good table, when there is one.
    async fn restore(&mut self) {
        let path = self.last_good.path().display().to_string();
        match self.last_good.load() {
            Ok(None) => info!("there is no last good table yet at {path}"),
            Ok(Some(bytes)) => {
                if let (Ok(view), Some(mirror)) = (View::open(&bytes), &mut self.mirror) {
                    mirror.restore(&view);
                    info!("{} names restored from {path}", view.names());
                }
                self.digest(None, true);
                let done = finished(&mut self.work).await;
                self.digested(done);
            }
            Err(error) => warn!("{path} is left aside: {error}"),
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
            Event::Read(pass) => self.digest(Some(pass), false),
        }
    }

    /// Begins to work out what follows from a pass.
    fn digest(&mut self, pass: Option<Pass>, force: bool) {
        let Some(mut mirror) = self.mirror.take() else {
            return;
        };
        // What was never read anywhere is not published as if it were empty.
        let read = |pass: &Pass| pass.hashes.iter().any(|hash| hash.outcome.is_ok());
        let first = !self.published && pass.as_ref().is_some_and(read);
        self.work = Some(tokio::task::spawn_blocking(move || {
            let full = pass.as_ref().filter(|pass| pass.full).map(|pass| pass.cost);
            let sealed = digest(&mut mirror, pass, force || first);
            Digested {
                mirror,
                sealed,
                full,
            }
        }));
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
        let published = match done.sealed {
            Ok(table) => table.map_or(Ok(()), |table| self.publish(table)),
            Err(error) => Err(error),
        };
        if let Err(error) = published {
            error!("no new table can be made, the last one answers: {error}");
            self.report.failed(&error.to_string());
        }
        self.log_problems();
        let now = SystemTime::now();
        self.report.read(done.full, &self.problems, now);
        self.update();
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
        let problems = mirror.problems().list().clone();
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
        match self.report.update(mirror, SystemTime::now()) {
            Some((State::Live, _)) => info!("live"),
            Some((State::Guarded, reason)) => warn!("guarded: {reason}"),
            Some((State::Unreadable, reason)) => warn!("unreadable: {reason}"),
            Some((State::Reconnecting, _)) | None => {}
        }
    }

    fn start_chore(&mut self) {
        if self.chore.is_some() {
            return;
        }
        if let Some(chore) = self.keeper.chore(Instant::now()) {
            self.chore = Some(tokio::task::spawn_blocking(|| chore.run()));
        }
    }

    fn chore_done(&mut self, done: io::Result<io::Result<Duration>>) {
        let done = done.and_then(|done| done);
        self.keeper
            .done(Instant::now(), *done.as_ref().unwrap_or(&Duration::ZERO));
        let path = self.last_good.path().display();
        match done {
            Ok(_) if self.file_failing => info!("{path} is written again"),
            Err(ref error) if !self.file_failing => warn!(
                "can't write {path}: {error}; processes that start while there is no daemon \
                 have no names, or older ones"
            ),
            _ => {}
        }
        self.file_failing = done.is_err();
    }

    /// Leaves: clients keep what they have, and new ones take the file.
    async fn retire(mut self) {
        notify(&[NotifyState::Stopping]);
        info!("leaving");
        self.server.retire();
        if let Some(chore) = self.chore.take() {
            let _ = chore.await;
        }
        if self.published
            && let Err(error) = self.keeper.last_chore().run()
        {
            warn!("can't write {}: {error}", self.last_good.path().display());
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
