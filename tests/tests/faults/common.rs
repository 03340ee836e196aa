//! What all faults are held against.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cloudhosts_tests::busy::Busy;
use cloudhosts_tests::caller::{Answer, Caller, Watch};
use cloudhosts_tests::process::{Process, succeed};
use cloudhosts_tests::sandbox::Entrance;
use cloudhosts_tests::{Redis, World, wait};

/// What may be seen of a look-up before it counts as hanging. The contract is 100 ms, for the first
/// one of a process; the rest is for a machine that is busy.
const HANGS: Duration = Duration::from_secs(5);

/// Whether the long forms run.
pub(crate) fn soak() -> bool {
    std::env::var_os("CLOUDHOSTS_SOAK").is_some_and(|value| value != "0")
}

/// A name that must be answered the same all along: by a process that asks ten thousand times a
/// second, by one that asks now and then, and by those that start meanwhile.
pub(crate) struct Steady {
    name: String,
    addresses: Vec<String>,
    watch: Watch,
    running: Caller,
    from: usize,
    worst: Duration,
}

impl Steady {
    /// Begins to watch, and waits until the name is there. `addresses` are sorted.
    pub(crate) fn new(world: &World, name: &str, addresses: &[&str]) -> Steady {
        let mut watch = world.watch(name);
        watch.until(addresses);
        let from = watch.history().len() - 1;
        let steady = Steady {
            name: name.to_owned(),
            addresses: addresses.iter().map(|&one| one.to_owned()).collect(),
            watch,
            running: world.caller(),
            from,
            worst: Duration::ZERO,
        };
        assert_eq!(steady.running.by_name(name).sorted(), steady.addresses);
        steady
    }

    /// Sees that nothing has changed for those that run, nor for one that starts now.
    pub(crate) fn holds(&mut self, world: &World, when: &str) {
        self.ran(when);
        let (answer, took) = Nest::of(world).newcomer(&self.name);
        self.took(took, when);
        assert_eq!(
            answer.sorted(),
            self.addresses,
            "one that starts, {when}: {answer:?}"
        );
    }

    /// Sees that nothing has changed for those that run.
    pub(crate) fn ran(&mut self, when: &str) {
        let asked = Instant::now();
        let answer = self.running.by_name(&self.name);
        self.took(asked.elapsed(), when);
        assert_eq!(
            answer.sorted(),
            self.addresses,
            "one that runs, {when}: {answer:?}"
        );
        for seen in &self.watch.history()[self.from..] {
            assert!(
                seen.code == "ok" && seen.addresses == self.addresses,
                "one that asks all the time, {when}: {seen:?}"
            );
        }
    }

    fn took(&mut self, time: Duration, when: &str) {
        self.worst = self.worst.max(time);
        assert!(time < HANGS, "{when}: a look-up took {time:?}");
    }
}

impl Drop for Steady {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            println!("{}: the slowest look-up took {:?}", self.name, self.worst);
        }
    }
}

/// What processes need that start: the way in, and where the last good table is, from outside.
#[derive(Clone)]
pub(crate) struct Nest {
    entrance: Entrance,
    file: PathBuf,
}

impl Nest {
    pub(crate) fn of(world: &World) -> Nest {
        Nest {
            entrance: world.sandbox.entrance().clone(),
            file: world.sandbox.outside("/var/lib/cloudhosts/last-good.table"),
        }
    }

    /// What a process that starts now is told, and how long its look-up took.
    ///
    /// A first look-up waits 50 ms for the daemon. Where there is no file either, a process that
    /// gets no turn for so long on a busy machine is told nothing; then the next one is asked.
    pub(crate) fn newcomer(&self, name: &str) -> (Answer, Duration) {
        const WAITS: Duration = Duration::from_millis(45);
        let mut stalled = 0;
        loop {
            let fresh = Caller::start(&self.entrance);
            let asked = Instant::now();
            let answer = fresh.by_name(name);
            let took = asked.elapsed();
            let excused = !self.file.exists() && took > WAITS && stalled < 5;
            if answer.code == "ok" || !excused {
                return (answer, took);
            }
            stalled += 1;
            println!("{name}: a process that starts got no turn for {took:?}");
        }
    }
}

/// Processes that start one after the other, as long as this lives, and all look one name up.
pub(crate) struct Newcomers {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u32>,
}

impl Newcomers {
    /// Begins.
    pub(crate) fn start(world: &World, name: &str, address: &str) -> Newcomers {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let nest = Nest::of(world);
        let (name, address) = (name.to_owned(), address.to_owned());
        let thread = std::thread::spawn(move || {
            let mut count = 0;
            while !stopped.load(Ordering::Relaxed) {
                let (answer, _) = nest.newcomer(&name);
                assert_eq!(
                    answer.addresses,
                    [address.as_str()],
                    "process {count}: {answer:?}"
                );
                count += 1;
            }
            count
        });
        Newcomers { stop, thread }
    }

    /// Ends; each of them was answered. How many there were.
    pub(crate) fn finish(self) -> u32 {
        self.stop.store(true, Ordering::Relaxed);
        let count = self.thread.join().expect("each was answered");
        assert!(count > 0, "nobody came");
        count
    }
}

/// Names of a hash that was filled change with HSET, a thousand a second, as long as this lives.
pub(crate) fn churn(redis: &Redis, hash: &'static str, fields: u64) -> Busy {
    let mut wire = RawConnection::new(redis);
    Busy::start(move |count| {
        let fields: Vec<String> = (0..10)
            .map(|nth| format!("bulk-{}", (count * 10 + nth) * 7919 % fields))
            .collect();
        let [.., high, middle, low] = count.to_be_bytes();
        let value = format!("10.{high}.{middle}.{low}");
        let commands: Vec<Vec<&[u8]>> = fields
            .iter()
            .map(|field| {
                vec![
                    b"HSET".as_slice(),
                    hash.as_bytes(),
                    field.as_bytes(),
                    value.as_bytes(),
                ]
            })
            .collect();
        wire.send(&commands);
        std::thread::sleep(Duration::from_millis(10));
    })
}

/// Puts so many fields into a hash: `bulk-0`, and so on.
pub(crate) fn fill(redis: &Redis, hash: &str, fields: u64) {
    let commands: String = (0..fields)
        .map(|number| {
            let (high, middle, low) = (number >> 16, number >> 8 & 255, number & 255);
            format!("HSET {hash} bulk-{number} 10.{high}.{middle}.{low}\n")
        })
        .collect();
    redis.pipeline(&commands);
}

/// Starts a daemon by these words, in place of the world's own; its log and status are where the
/// world's would be.
pub(crate) fn launch(world: &World, words: &[&str]) -> Process {
    let log = File::options()
        .create(true)
        .append(true)
        .open(world.sandbox.outside("/run/daemon.log"))
        .unwrap();
    let _ = std::fs::remove_file(world.sandbox.outside(cloudhosts_tests::daemon::STATUS));
    let mut command = world.sandbox.entrance().background(words[0]);
    command
        .args(&words[1..])
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    Process::start(command)
}

/// Runs a program inside, which must succeed.
pub(crate) fn inside(world: &World, words: &[&str]) -> String {
    succeed(world.sandbox.entrance().command(words[0]).args(&words[1..]))
}

/// Waits until the log holds that text.
pub(crate) fn wait_for_log(world: &World, text: &str) {
    wait::until(&format!("the daemon's log says {text:?}"), || {
        world.daemon.log().contains(text).then_some(())
    });
}

/// A connection to Redis for commands of any bytes.
pub(crate) struct RawConnection(UnixStream);

impl RawConnection {
    /// Connects.
    pub(crate) fn new(redis: &Redis) -> RawConnection {
        let stream = UnixStream::connect(redis.socket()).unwrap();
        stream.set_read_timeout(Some(wait::DEADLINE)).unwrap();
        RawConnection(stream)
    }

    /// Sends commands all at once; what Redis answered, which is no error.
    pub(crate) fn send(&mut self, commands: &[Vec<&[u8]>]) -> String {
        const END: &[u8] = b"$7\r\nthe-end\r\n";
        let mut bytes = Vec::new();
        let end: Vec<&[u8]> = vec![b"ECHO", b"the-end"];
        for command in commands.iter().chain([&end]) {
            write!(bytes, "*{}\r\n", command.len()).unwrap();
            for word in command {
                write!(bytes, "${}\r\n", word.len()).unwrap();
                bytes.extend_from_slice(word);
                bytes.extend_from_slice(b"\r\n");
            }
        }
        self.0.write_all(&bytes).unwrap();
        let (mut answer, mut chunk) = (Vec::new(), [0; 16 * 1024]);
        while !answer.ends_with(END) {
            let count = self.0.read(&mut chunk).expect("Redis answers");
            assert_ne!(count, 0, "Redis has gone");
            answer.extend_from_slice(&chunk[..count]);
        }
        let text = String::from_utf8_lossy(&answer).into_owned();
        assert!(!text.starts_with('-') && !text.contains("\n-"), "{text}");
        text
    }

    /// A number of `INFO`.
    pub(crate) fn info(&mut self, section: &str, key: &str) -> Option<u64> {
        let text = self.send(&[vec![b"INFO", section.as_bytes()]]);
        text.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(':')?.parse().ok())
    }
}

/// A number of kB in `/proc/PID/status`, in bytes.
pub(crate) fn memory(pid: u32, key: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let number = text.lines().find_map(|line| {
        let rest = line.strip_prefix(key)?.strip_prefix(':')?;
        rest.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    });
    number.expect("a line of /proc") * 1024
}
