//! `follow` on a thread of its own, as the daemon runs it, and what it told.

use crate::server::{Dir, PATIENCE};
use cloudhosts_registry::{Config, Control, Event, Mode, Pass, Trust, follow};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub type Contents = BTreeMap<String, String>;

pub struct Watcher {
    events: Option<mpsc::Receiver<Event>>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    control: tokio::sync::mpsc::Sender<Control>,
    thread: Option<JoinHandle<()>>,
    /// Where the kernel tells about the follower's thread.
    pub proc: PathBuf,
    log: Vec<String>,
    /// What each hash holds, as far as was told.
    pub hashes: BTreeMap<usize, Contents>,
    _dir: Dir,
}

/// A configuration of these lines (put `[redis]` lines last).
pub fn config(dir: &Dir, text: &str) -> Config {
    let file = dir.file("cloudhosts.toml", text);
    Config::load(Some(Path::new(&file))).unwrap()
}

impl Watcher {
    /// Follows the hash `cloudhosts` of the Redis at this URL.
    pub fn of(url: &str) -> Watcher {
        Watcher::with(&format!("[redis]\nurls = [\"{url}\"]\n"))
    }

    /// Follows with this configuration.
    pub fn with(text: &str) -> Watcher {
        let dir = Dir::new();
        let config = Arc::new(config(&dir, text));
        let (to, mut from) = tokio::sync::mpsc::channel(2);
        let (control, wishes) = tokio::sync::mpsc::channel(2);
        let (tell, events) = mpsc::sync_channel(0);
        let (stop, mut stopped) = tokio::sync::oneshot::channel();
        let (whoami, proc) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let itself = std::fs::read_link("/proc/thread-self").unwrap();
            whoami.send(Path::new("/proc").join(itself)).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let runtime = runtime.unwrap();
            let metrics = runtime.metrics();
            let mut following = Some(runtime.spawn(follow(config, to, wishes)));
            runtime.block_on(async {
                loop {
                    let event = tokio::select! {
                        event = from.recv() => event.expect("follow ended by itself"),
                        _ = &mut stopped => break,
                    };
                    // A slow listener: only awaiting is done on its behalf.
                    let told = tell.clone();
                    let sent = tokio::task::spawn_blocking(move || told.send(event));
                    if sent.await.unwrap().is_err() {
                        break;
                    }
                }
                drop(from);
                let ended = tokio::time::timeout(PATIENCE, following.take().unwrap()).await;
                ended
                    .expect("follow does not end")
                    .expect("follow panicked");
                // Drivers of connections are aborted, which takes a turn.
                for _ in 0..100 {
                    if metrics.num_alive_tasks() == 0 {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                panic!("{} tasks are left behind", metrics.num_alive_tasks());
            });
        });
        Watcher {
            events: Some(events),
            stop: Some(stop),
            control,
            thread: Some(thread),
            proc: proc.recv().unwrap(),
            log: Vec::new(),
            hashes: BTreeMap::new(),
            _dir: dir,
        }
    }

    pub fn accept(&self) {
        self.control.try_send(Control::Accept).unwrap();
    }

    /// The next event, which must come in time.
    pub fn event(&mut self) -> Event {
        self.event_within(PATIENCE)
            .unwrap_or_else(|| self.fail("an event"))
    }

    pub fn event_within(&mut self, limit: Duration) -> Option<Event> {
        let event = self.events.as_ref().unwrap().recv_timeout(limit).ok()?;
        self.log.push(shorten(&event));
        if let Event::Read(pass) = &event {
            for read in &pass.hashes {
                if let Ok(pairs) = &read.outcome {
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    let contents = pairs.iter().map(|(f, v)| (text(f), text(v))).collect();
                    self.hashes.insert(read.hash, contents);
                }
            }
        }
        Some(event)
    }

    /// Waits until an event gives something.
    pub fn until<T>(&mut self, what: &str, gives: impl FnMut(&Event) -> Option<T>) -> T {
        self.until_within(PATIENCE, what, gives)
    }

    /// The same with another bound.
    pub fn until_within<T>(
        &mut self,
        limit: Duration,
        what: &str,
        mut gives: impl FnMut(&Event) -> Option<T>,
    ) -> T {
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Some(event) = self.event_within(left) else {
                self.fail(what)
            };
            if let Some(given) = gives(&event) {
                return given;
            }
        }
    }

    pub fn fail(&self, what: &str) -> ! {
        let last = self.log.len().saturating_sub(30);
        panic!("never came: {what}; told so far: {:#?}", &self.log[last..]);
    }

    pub fn connected(&mut self) -> (String, Mode) {
        self.until("a connection", |event| match event {
            Event::Connected { endpoint, mode } => Some((endpoint.clone(), mode.clone())),
            _ => None,
        })
    }

    pub fn disconnected(&mut self) -> String {
        self.until("a loss of the connection", |event| match event {
            Event::Disconnected { why, .. } => Some(why.clone()),
            _ => None,
        })
    }

    /// The next pass.
    pub fn pass(&mut self) -> Pass {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Event::Read(pass) = self.event() {
                return pass;
            }
        }
        self.fail("a pass")
    }

    /// Waits until the first hash holds this; says with what trust it was read.
    pub fn until_holds(&mut self, contents: &[(&str, &str)]) -> Trust {
        self.until_hash_holds(0, contents)
    }

    pub fn until_hash_holds(&mut self, hash: usize, contents: &[(&str, &str)]) -> Trust {
        let wanted = |(f, v): &(&str, &str)| (f.to_string(), v.to_string());
        let wanted: Contents = contents.iter().map(wanted).collect();
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let Event::Read(pass) = self.event() else {
                continue;
            };
            let read = pass.hashes.iter().find(|read| read.hash == hash);
            if let Some(read) = read
                && read.outcome.is_ok()
                && self.hashes[&hash] == wanted
            {
                return read.trust;
            }
        }
        self.fail(&format!("{wanted:?}"))
    }

    /// Waits until the first hash cannot be read, and says why.
    pub fn until_unreadable(&mut self) -> String {
        self.until("an unreadable hash", |event| match event {
            Event::Read(pass) => pass.hashes[0]
                .outcome
                .as_ref()
                .err()
                .map(|why| why.why.clone()),
            _ => None,
        })
    }
}

fn shorten(event: &Event) -> String {
    let text = format!("{event:?}");
    text.chars().take(400).collect()
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop((self.events.take(), self.stop.take()));
        let ended = self.thread.take().unwrap().join();
        if !std::thread::panicking() {
            ended.expect("the follower's thread panicked");
        }
    }
}
