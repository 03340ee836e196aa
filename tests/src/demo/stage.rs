//! Plays the steps: a private Redis, daemon and `/etc`, a process that keeps asking, and a check of
//! every answer.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use super::monitor::Monitor;
use super::paint::Paint;
use super::steps::{Ask, DemoChange, Step};
use super::told;
use crate::caller::Watch;
use crate::process::{run, stderr, stdout};
use crate::programs::install;
use crate::world::World;

/// Where it all happens.
pub(super) struct Stage {
    paint: Paint,
    watches: BTreeMap<&'static str, Watch>,
    monitor: Monitor,
    seen_after: Vec<Duration>,
    answers: usize,
    wrong: usize,
    number: usize,
    world: World,
}

impl Stage {
    pub(super) fn new(paint: Paint) -> Stage {
        let world = World::new().start();
        let hosts = std::fs::read("/etc/hosts").unwrap_or_default();
        std::fs::write(world.sandbox.outside("/etc/hosts"), hosts).expect("a file of our own");
        // what is typed is `redis-cli HSET ...`; this tells it where our private Redis is
        let cli = world.dir.join("redis-cli");
        let socket = world.redis.socket();
        let script = format!(
            "#!/bin/sh\nPATH=\"${{PATH#*:}}\"\nexec redis-cli -s {} \"$@\"\n",
            socket.display()
        );
        let text = world.dir.join("redis-cli.sh");
        std::fs::write(&text, script).expect("a file of our own");
        install(&text, &cli);
        Stage {
            paint,
            watches: BTreeMap::new(),
            monitor: Monitor::start(&world.redis),
            seen_after: Vec::new(),
            answers: 0,
            wrong: 0,
            number: 0,
            world,
        }
    }

    pub(super) fn introduce(&self) {
        let paint = self.paint;
        println!(
            "\n{}  names for servers that come and go",
            paint.bold("cloudhosts")
        );
        let intro = format!(
            "All in {}: a redis-server, cloudhosts-cached, and\n\
             an nsswitch.conf with \"hosts: files cloudhosts\". Programs are the machine's own.",
            self.world.dir.path().display()
        );
        println!("{}", paint.faint(intro));
    }

    /// The private `/etc/hosts` as it is now.
    pub(super) fn hosts(&self) -> Vec<u8> {
        std::fs::read(self.world.sandbox.outside("/etc/hosts")).unwrap_or_default()
    }

    pub(super) fn play(&mut self, step: &Step) {
        self.number += 1;
        println!(
            "\n{} {}",
            self.paint.faint(self.number),
            self.paint.bold(step.title)
        );
        self.change(&step.change);
        for ask in &step.asks {
            self.ask(ask);
        }
    }

    fn change(&mut self, change: &DemoChange) {
        // a process that was there before, and asks again and again
        let entrance = self.world.sandbox.entrance();
        let watch = self.watches.entry(change.name).or_insert_with(|| {
            let mut watch = Watch::start(entrance, crate::Family::Any, change.name);
            watch.until(&[]);
            watch
        });
        let said = run(&mut self.world.shell(change.command));
        assert!(
            said.status.success(),
            "{}: {}",
            change.command,
            stderr(&said)
        );
        let told_at = self.monitor.next_change();
        let seen_at = Duration::from_nanos(watch.until(change.addresses).at);
        let after = seen_at.saturating_sub(told_at);
        self.seen_after.push(after);
        let seen = format!("seen after {}", told(after));
        // beside the command where 80 columns have room for both
        let fits = "  $   ✓ ".chars().count() + change.command.len() + seen.len() <= 80;
        let between = if fits { "  " } else { "\n  " };
        let (command, mark) = (self.paint.change(change.command), self.paint.good("✓"));
        println!("  $ {command}{between}{mark} {}", self.paint.good(seen));
    }

    fn ask(&mut self, ask: &Ask) {
        let output = run(&mut self.world.shell(&ask.command));
        let said = stdout(&output);
        let right = said == ask.prints;
        let mark = if right {
            self.paint.good("✓")
        } else {
            self.paint.bad("✗")
        };
        self.answers += 1;
        println!("  $ {}", ask.command);
        for line in said.lines() {
            println!("  {mark} {line}");
        }
        if !right {
            self.wrong += 1;
            print!("  {} {}", self.paint.bad("expected:"), ask.prints);
            eprint!("{}", stderr(&output));
        }
    }

    /// The last words, and whether all went well.
    pub(super) fn finish(mut self, unchanged: bool) -> ExitCode {
        let paint = self.paint;
        let right = self.answers - self.wrong;
        self.seen_after.sort();
        let middle = self.seen_after[self.seen_after.len() / 2];
        let longest = self.seen_after[self.seen_after.len() - 1];
        let mark = |good: bool| {
            if good {
                paint.good("✓")
            } else {
                paint.bad("✗")
            }
        };
        println!();
        println!(
            "{} {right} of {} answers were right",
            mark(self.wrong == 0),
            self.answers
        );
        println!(
            "{} a running process saw each change after {} (median), {} at most",
            mark(true),
            told(middle),
            told(longest)
        );
        let hosts = if unchanged {
            "as it was, byte for byte"
        } else {
            "changed"
        };
        println!("{} /etc/hosts is {hosts}", mark(unchanged));
        if unchanged && self.wrong == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}
