//! A whole Debian of our own: a root directory unpacked from an archive, in namespaces that end
//! with us. Either nothing runs in it, as in a container or a chroot, or it is booted and systemd
//! runs.

use std::fs::{create_dir, read_to_string};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use cloudhosts_tests::dir::Dir;
use cloudhosts_tests::process::{Process, bounded, mortal, run, stderr, stdout, succeed};
use cloudhosts_tests::wait;
use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::built;

/// In namespaces of mounts and processes: nothing but `/proc` is mounted, so that whatever is
/// written is in the tree. The pipe's end is the machine's.
const HOLD: &str = r#"
set -e
mount --make-rprivate /
mount -t proc proc "$0/proc"
cat
"#;

/// A Debian.
#[derive(Debug)]
pub(crate) struct Debian {
    root: PathBuf,
    /// A process inside.
    leader: u32,
    booted: bool,
    _holder: Process,
    _directory: Dir,
}

/// A systemd whose systemd-nspawn is killed goes on by itself, so it is killed first; with it goes
/// all that runs inside.
impl Drop for Debian {
    fn drop(&mut self) {
        let leader = i32::try_from(self.leader).ok().and_then(Pid::from_raw);
        if let (true, Some(leader)) = (self.booted, leader) {
            // It may have ended already.
            let _ = kill_process(leader, Signal::KILL);
        }
    }
}

impl Debian {
    /// One in which nothing runs.
    pub(crate) fn new(name: &str) -> Debian {
        let (directory, root) = unpacked(name);
        let mut command = mortal("unshare");
        command
            .args([
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "sh",
                "-c",
                HOLD,
            ])
            .arg(&root)
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        let holder = Process::start(command);
        let leader = wait::until("the holder of the namespaces starts", || {
            child(holder.id(), "sh")
        });
        let machine = Debian {
            root,
            leader,
            booted: false,
            _holder: holder,
            _directory: directory,
        };
        wait::until("/proc is mounted", || {
            machine
                .run("test -e /proc/self")
                .status
                .success()
                .then_some(())
        });
        machine
    }

    /// One in which systemd has come up.
    pub(crate) fn booted(name: &str) -> Debian {
        let (directory, root) = unpacked(name);
        let log = std::fs::File::create(directory.join("console")).expect("a file of our own");
        let mut command = mortal("systemd-nspawn");
        command
            .args([
                "--quiet",
                "--register=no",
                "--keep-unit",
                "--boot",
                "--console=pipe",
            ])
            .args(["--resolv-conf=off", "--timezone=off", "--link-journal=no"])
            .arg("-D")
            .arg(&root)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a descriptor"))
            .stderr(log);
        let mut holder = Process::start(command);
        let console = directory.join("console");
        let leader = wait::until("systemd-nspawn starts systemd", || {
            let ended = holder.ended();
            assert!(
                ended.is_none(),
                "systemd-nspawn: {:?}",
                read_to_string(&console)
            );
            child(holder.id(), "systemd")
        });
        let machine = Debian {
            root,
            leader,
            booted: true,
            _holder: holder,
            _directory: directory,
        };
        wait::until_seen(
            "systemd has come up",
            || stdout(&machine.run("systemctl is-system-running")),
            |state| ["running\n", "degraded\n"].contains(&state.as_str()),
        );
        machine
    }

    /// Where a path inside is outside.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside.trim_start_matches('/'))
    }

    /// The root directory, as it is seen outside.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Puts a file in, at the root.
    pub(crate) fn bring(&self, file: &Path) -> String {
        let name = file.file_name().expect("a file").to_string_lossy();
        std::fs::copy(file, self.root.join(&*name)).expect("a file of our own");
        format!("/{name}")
    }

    /// The text of a file inside.
    pub(crate) fn read(&self, inside: &str) -> String {
        read_to_string(self.path(inside)).unwrap_or_else(|error| panic!("{inside}: {error}"))
    }

    /// Writes a file inside.
    pub(crate) fn write(&self, inside: &str, text: &str) {
        std::fs::write(self.path(inside), text).expect("a file of our own");
    }

    /// Whether something is there; a link that leads nowhere is.
    pub(crate) fn has(&self, inside: &str) -> bool {
        self.path(inside).symlink_metadata().is_ok()
    }

    /// Runs a script inside, by `sh -e`.
    pub(crate) fn run(&self, script: &str) -> Output {
        run(&mut self.enter(bounded("nsenter"), script))
    }

    /// Runs a script that must succeed; what it printed.
    pub(crate) fn ok(&self, script: &str) -> String {
        let output = self.run(script);
        let (said, errors) = (stdout(&output), stderr(&output));
        assert!(
            output.status.success(),
            "{script}: {}\n{said}{errors}",
            output.status
        );
        said
    }

    /// A script inside that goes on beside us.
    pub(crate) fn background(&self, script: &str) -> Process {
        let mut command = self.enter(mortal("nsenter"), script);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Process::start(command)
    }

    /// A command outside, to which the mounts and the processes of the inside are shown.
    pub(crate) fn beside(&self, program: &str) -> Command {
        let mut command = bounded("nsenter");
        let leader = self.leader.to_string();
        command.args(["-t", &leader, "-m", "-p", "--", program]);
        command
    }

    fn enter(&self, mut command: Command, script: &str) -> Command {
        command.args(["-t", &self.leader.to_string()]);
        if self.booted {
            command.args(["-m", "-p", "-i", "-u", "-C", "-r", "-w", "--"]);
        } else {
            command.args(["-m", "-p", "--", "chroot"]).arg(&self.root);
        }
        // the one inside, where our PATH means nothing
        command
            .args([
                "/usr/bin/env",
                "-i",
                "LC_ALL=C",
                "HOME=/root",
                "DEBIAN_FRONTEND=noninteractive",
            ])
            .arg("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .args(["sh", "-ec", script]);
        command
    }
}

/// The directory that goes with us, and the root in it.
fn unpacked(name: &str) -> (Dir, PathBuf) {
    assert!(
        geteuid().is_root(),
        "installing packages takes a root directory with users of its own: run this as root"
    );
    let directory = Dir::new();
    let root = directory.join("root");
    create_dir(&root).expect("a directory of our own");
    let mut tar = bounded("tar");
    tar.args(["--numeric-owner", "--xattrs", "-xpf"])
        .arg(built::root(name))
        .arg("-C");
    succeed(tar.arg(&root));
    // nobody pulls the plug, and waiting for the disk takes longer than all else
    let quick = root.join("etc/dpkg/dpkg.cfg.d/quick");
    std::fs::write(quick, "force-unsafe-io\n").expect("a file of our own");
    (directory, root)
}

/// The child of a process that runs the program.
fn child(process: u32, program: &str) -> Option<u32> {
    let children = read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
    children.split_whitespace().find_map(|child| {
        let runs = read_to_string(format!("/proc/{child}/comm")).ok()?;
        (runs.trim() == program).then(|| child.parse().ok())?
    })
}
