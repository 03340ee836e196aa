//! `follow` on a thread of its own, as the daemon runs it, and what it told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cloudhosts_config::Config;
use cloudhosts_config::status::MasterLink;
use cloudhosts_registry::log::DropScope;
use cloudhosts_registry::{
    Baseline, Batch, Changes, Checkpoint, Event, Fault, FaultCode, Mode, Pairs, follow,
};

use crate::server::{Dir, PATIENCE};

pub type Contents = BTreeMap<String, String>;

/// A mirror of one hash, as the daemon keeps it.
#[derive(Debug, Clone, Default)]
pub struct Mirrored {
    /// What Redis has.
    pub fields: Contents,
    /// What it lost.
    pub retained: Contents,
    pub unreadable: Option<String>,
}

impl Mirrored {
    /// Both: what is answered.
    pub fn answered(&self) -> Contents {
        let mut answered = self.retained.clone();
        answered.extend(self.fields.clone());
        answered
    }

    fn take(&mut self, changes: &Changes) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let set: Vec<String> = changes.set.iter().map(|(field, _)| text(field)).collect();
        let gone = changes.removed.iter().chain(&changes.lost);
        let mut told: Vec<String> = gone.map(|field| text(field)).chain(set).collect();
        let fields = told.len();
        told.sort();
        told.dedup();
        assert_eq!(told.len(), fields, "a field is told twice: {changes:?}");
        for scope in &changes.dropped {
            let role = |field: &str| field.split('/').next().unwrap().to_owned();
            self.retained.retain(|field, _| match scope {
                DropScope::All => false,
                DropScope::Role(name) => role(field) != *name,
            });
        }
        for field in &changes.removed {
            self.fields.remove(&text(field));
            self.retained.remove(&text(field));
        }
        for field in &changes.lost {
            let field = text(field);
            if let Some(value) = self.fields.remove(&field) {
                self.retained.insert(field, value);
            }
        }
        for (field, value) in changes.set.iter() {
            self.retained.remove(&text(field));
            self.fields.insert(text(field), text(value));
        }
    }
}

/// What a watcher knew when it ended.
pub struct Past {
    pub hashes: Vec<Mirrored>,
    pub checkpoint: Checkpoint,
}

impl Past {
    fn baseline(&self) -> Baseline {
        let pairs = |hash: &Mirrored| {
            let mut pairs = Pairs::new();
            for (field, value) in &hash.fields {
                pairs.push(field.as_bytes(), value.as_bytes()).unwrap();
            }
            pairs
        };
        // It is saved as text.
        let checkpoint = serde_json::to_string(&self.checkpoint).unwrap();
        Baseline {
            hashes: self.hashes.iter().map(pairs).collect(),
            checkpoint: serde_json::from_str(&checkpoint).unwrap(),
        }
    }
}

pub struct Watcher {
    events: Option<mpsc::Receiver<Event>>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Where the kernel tells about the follower's thread.
    pub proc: PathBuf,
    log: Vec<String>,
    /// What each hash holds, as far as was told.
    pub hashes: Vec<Mirrored>,
    pub checkpoint: Checkpoint,
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
        Watcher::from(text, Baseline::default())
    }

    /// Follows on from what another watcher knew.
    pub fn since(past: &Past, text: &str) -> Watcher {
        let mut watcher = Watcher::from(text, past.baseline());
        watcher.hashes.clone_from(&past.hashes);
        watcher
    }

    /// Ends, as a daemon does, and leaves what it knew.
    pub fn end(self) -> Past {
        Past {
            hashes: self.hashes.clone(),
            checkpoint: self.checkpoint.clone(),
        }
    }

    fn from(text: &str, baseline: Baseline) -> Watcher {
        let dir = Dir::new();
        let config = Arc::new(config(&dir, text));
        let hashes = vec![Mirrored::default(); config.hashes.len()];
        let (to, mut from) = tokio::sync::mpsc::channel(2);
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
            let mut following = Some(runtime.spawn(follow(config, baseline, to)));
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
            thread: Some(thread),
            proc: proc.recv().unwrap(),
            log: Vec::new(),
            hashes,
            checkpoint: Checkpoint::default(),
            _dir: dir,
        }
    }

    /// The next event, which must come in time.
    pub fn event(&mut self) -> Event {
        self.event_within(PATIENCE)
            .unwrap_or_else(|| self.fail("an event"))
    }

    pub fn event_within(&mut self, limit: Duration) -> Option<Event> {
        let event = self.events.as_ref().unwrap().recv_timeout(limit).ok()?;
        self.log.push(shorten(&event));
        if let Event::Changes(batch) = &event {
            self.take(batch);
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
            Event::Disconnected { fault, .. } => Some(fault.why.clone()),
            _ => None,
        })
    }

    /// Why the connection is lost next.
    pub fn fault(&mut self) -> Fault {
        self.until("a loss of the connection", |event| match event {
            Event::Disconnected { fault, .. } => Some(fault.clone()),
            _ => None,
        })
    }

    /// Why the connection is lost, once it is for this reason.
    pub fn until_fault(&mut self, code: FaultCode) -> Fault {
        self.until(&format!("a fault {code:?}"), |event| match event {
            Event::Disconnected { fault, .. } if fault.code == code => Some(fault.clone()),
            _ => None,
        })
    }

    /// Waits until the link of the replica to its master is so.
    pub fn until_link(&mut self, expected: Option<MasterLink>) {
        self.until(&format!("the link {expected:?}"), |event| match event {
            Event::MasterLink(link) if *link == expected => Some(()),
            _ => None,
        });
    }

    fn take(&mut self, batch: &Batch) {
        self.checkpoint = batch.checkpoint.clone();
        for told in &batch.hashes {
            let hash = &mut self.hashes[told.hash];
            hash.unreadable = told.outcome.as_ref().err().map(|why| why.why.clone());
            if let Ok(changes) = &told.outcome {
                hash.take(changes);
            }
        }
    }

    /// The next batch.
    pub fn batch(&mut self) -> Batch {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Event::Changes(batch) = self.event() {
                return batch;
            }
        }
        self.fail("a batch")
    }

    /// The next batch for which everything was read.
    pub fn full(&mut self) -> Batch {
        loop {
            let batch = self.batch();
            if batch.full.is_some() {
                return batch;
            }
        }
    }

    /// Waits until the mirror is as wanted.
    pub fn until_mirror(&mut self, what: &str, is: impl Fn(&[Mirrored]) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is(&self.hashes) {
            if Instant::now() >= end {
                self.fail(what);
            }
            self.event();
        }
    }

    /// Waits until the first hash holds this, and nothing is retained.
    pub fn until_holds(&mut self, contents: &[(&str, &str)]) {
        self.until_hash_holds(0, contents);
    }

    pub fn until_hash_holds(&mut self, hash: usize, contents: &[(&str, &str)]) {
        let wanted = wanted(contents);
        self.until_mirror(&format!("{wanted:?}"), |hashes| {
            hashes[hash].fields == wanted && hashes[hash].retained.is_empty()
        });
    }

    /// Waits until the first hash holds this, and that is retained.
    pub fn until_retains(&mut self, contents: &[(&str, &str)], retained: &[(&str, &str)]) {
        let (contents, retained) = (wanted(contents), wanted(retained));
        self.until_mirror(&format!("{contents:?}, retained {retained:?}"), |hashes| {
            hashes[0].fields == contents && hashes[0].retained == retained
        });
    }

    /// Waits until the first hash cannot be read, and says why.
    pub fn until_unreadable(&mut self) -> String {
        self.until_mirror("an unreadable hash", |hashes| {
            hashes[0].unreadable.is_some()
        });
        self.hashes[0].unreadable.clone().unwrap()
    }
}

fn wanted(contents: &[(&str, &str)]) -> Contents {
    let wanted = |(f, v): &(&str, &str)| (f.to_string(), v.to_string());
    contents.iter().map(wanted).collect()
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
