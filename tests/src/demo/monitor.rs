//! When Redis was told: its own clock, from its `MONITOR` command.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::process::{Process, mortal};
use crate::redis::Redis;

/// Listens to every command a Redis is given.
#[derive(Debug)]
pub(super) struct Monitor {
    _process: Process,
    lines: Receiver<String>,
}

impl Monitor {
    pub(super) fn start(redis: &Redis) -> Monitor {
        let mut command = mortal("redis-cli");
        command
            .arg("-s")
            .arg(redis.socket())
            .arg("MONITOR")
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut process = Process::start(command);
        let output = process.child().stdout.take().expect("a pipe");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let Ok(line) = line else { break };
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let ready = lines.recv_timeout(crate::wait::DEADLINE);
        assert_eq!(ready.as_deref(), Ok("OK"), "MONITOR begins");
        Monitor {
            _process: process,
            lines,
        }
    }

    /// When the next HSET or HDEL came: time since 1970.
    pub(super) fn next_change(&self) -> Duration {
        loop {
            let line = self
                .lines
                .recv_timeout(crate::wait::DEADLINE)
                .expect("Redis was told");
            if let Some(at) = time_of_change(&line) {
                return at;
            }
        }
    }
}

/// The time in `1795333393.092091 [0 unix:/x] "HSET" "cloudhosts" ...`
fn time_of_change(line: &str) -> Option<Duration> {
    let (time, rest) = line.split_once(' ')?;
    if !rest.contains("] \"HSET\" ") && !rest.contains("] \"HDEL\" ") {
        return None;
    }
    let (seconds, micros) = time.split_once('.')?;
    Some(Duration::from_secs(seconds.parse().ok()?) + Duration::from_micros(micros.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_has_a_time() {
        let line = "1795333393.092091 [0 unix:/tmp/x] \"HSET\" \"cloudhosts\" \"web\" \"10.0.0.5\"";
        assert_eq!(
            time_of_change(line),
            Some(Duration::from_micros(1_795_333_393_092_091))
        );
        assert_eq!(time_of_change(&line.replace("HSET", "HGETALL")), None);
        assert_eq!(time_of_change("OK"), None);
    }
}
