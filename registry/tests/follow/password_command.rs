//! Passwords that a command prints.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cloudhosts_registry::FaultCode;

use crate::server::{Dir, Redis, wait_for};
use crate::watcher::Watcher;

/// What the command is told: nothing of it may be expanded.
const WORDS: &str = "$(touch expanded); *";

/// A command that notes each run in the file `runs`, and then does this.
fn command(dir: &Dir, does: &str) {
    let text = format!(
        "#!/bin/sh\necho \"$1\" >> {}\n{does}\n",
        dir.join("runs").display()
    );
    // A program that is being written can't be executed.
    let made = dir.file("command.new", &text);
    fs::set_permissions(&made, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(made, dir.join("command")).unwrap();
}

fn runs(dir: &Dir) -> usize {
    let runs = fs::read_to_string(dir.join("runs")).unwrap_or_default();
    assert!(runs.lines().all(|line| line == WORDS), "{runs}");
    runs.lines().count()
}

fn text(redis: &Redis, dir: &Dir) -> String {
    format!(
        "[redis]\nurls = [\"{}\"]\nusername = \"cloudhosts\"\n\
         password_command = [\"{}\", \"{WORDS}\"]\n",
        redis.url(),
        dir.join("command").display()
    )
}

/// A Redis with a user of that password.
fn start(password: &str) -> Redis {
    let mut redis = Redis::start(&[]);
    redis.run(&format!("ACL SETUSER cloudhosts on >{password} ~* +@all"));
    redis.run("HSET cloudhosts a 1");
    redis
}

#[test]
fn the_password_of_a_command_is_kept_until_it_is_refused() {
    let (mut redis, dir) = (start("first"), Dir::new());
    let token = dir.file("token", "first\nand more\n");
    command(&dir, &format!("cat {}", token.display()));
    let mut watcher = Watcher::with(&text(&redis, &dir));
    watcher.until_holds(&[("a", "1")]);
    for _ in 0..3 {
        redis.run("CLIENT KILL USER cloudhosts");
        watcher.connected();
    }
    assert_eq!(runs(&dir), 1);

    redis.run("ACL SETUSER cloudhosts resetpass >second");
    dir.file("token", "second\n");
    redis.run("CLIENT KILL USER cloudhosts");
    // It has just run, so at first there is no other password.
    let fault = watcher.until_fault(FaultCode::LoginRefused);
    assert!(!fault.why.contains("first"), "{fault}");
    watcher.connected();
    assert_eq!(runs(&dir), 2);
    redis.run("HSET cloudhosts a 2");
    watcher.until_holds(&[("a", "2")]);
}

#[test]
fn what_a_command_does_wrong_is_told_and_tried_again_after_a_rest() {
    let redis = start("secret");
    let cases = [
        ("echo secret; exit 3", "status: 3"),
        ("echo", "empty"),
        ("printf '\\377\\n'", "UTF-8"),
        ("while echo secret; do :; done", "64 KiB"),
    ];
    let mut all: Vec<(Dir, Watcher)> = cases
        .iter()
        .map(|(does, told)| {
            let dir = Dir::new();
            command(&dir, does);
            let mut watcher = Watcher::with(&text(&redis, &dir));
            let fault = watcher.until_fault(FaultCode::PasswordCommand);
            assert!(fault.why.contains(told), "{does}: {fault}");
            assert!(!fault.why.contains("secret"), "{does}: {fault}");
            assert_eq!(fault.path, Some(dir.join("command")));
            // At once it is not run again.
            watcher.until_fault(FaultCode::PasswordCommand);
            assert_eq!(runs(&dir), 1, "{does}");
            command(&dir, "echo secret");
            (dir, watcher)
        })
        .collect();
    for (dir, watcher) in &mut all {
        watcher.connected();
        assert_eq!(runs(dir), 2);
    }
}

#[test]
fn a_command_that_hangs_is_killed_with_its_children() {
    let (redis, dir) = (start("secret"), Dir::new());
    let child = dir.join("child");
    command(
        &dir,
        &format!("sleep 1000 & echo $! > {}\nwait", child.display()),
    );
    let mut watcher = Watcher::with(&text(&redis, &dir));
    let fault = watcher.until_fault(FaultCode::PasswordCommand);
    assert!(fault.why.contains("10 s"), "{fault}");
    let number = fs::read_to_string(child).unwrap();
    let process = Path::new("/proc").join(number.trim());
    wait_for("the child is gone", || {
        let status = fs::read_to_string(process.join("status")).unwrap_or_default();
        status.is_empty() || status.contains("State:\tZ")
    });
    command(&dir, "echo secret");
    watcher.until_holds(&[("a", "1")]);
}
