//! A private mount namespace: a world in which `/etc`, `/run` and `/var/lib` are ours.
//!
//! Root unshares the mounts alone; anyone else a user namespace too. `/etc` is a directory of our
//! own with a link for everything that is in the machine's, so that any file in it can be replaced
//! by rename, as on a real machine. A holder process keeps the namespace; commands enter it.

use std::fs::{create_dir_all, write};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::geteuid;

use crate::process::{Process, bounded, mortal, mortal_words};
use crate::programs;

const SETUP: &str = r#"
set -e
PATH="$PATH:/usr/sbin:/sbin"
mkdir "$1/machine-etc"
mount -n --rbind /etc "$1/machine-etc"
mount -n --bind "$1/etc" /etc
mount -n --bind "$1/run" /run
mount -n --bind "$1/lib" /var/lib
[ -z "$2" ] || ip link set lo up
echo ready
exec cat
"#;

/// The services that are asked for hosts, unless a test says otherwise. No DNS: a miss is prompt.
pub const FILES_THEN_CLOUDHOSTS: &str = "files cloudhosts";

/// What every machine has in its `/etc/hosts`.
pub const HOSTS: &str = "127.0.0.1 localhost\n::1 ip6-localhost\n";

/// The namespace, for as long as this lives.
#[derive(Debug)]
pub struct Sandbox {
    directory: PathBuf,
    entrance: Entrance,
    _holder: Process,
}

/// The way into a sandbox.
#[derive(Debug, Clone)]
pub struct Entrance {
    holder: u32,
    network: bool,
    modules: PathBuf,
}

impl Sandbox {
    /// Makes one in `directory`, with that `hosts:` line in `nsswitch.conf`.
    ///
    /// # Panics
    /// When the machine does not allow it, saying what to do.
    pub fn new(directory: &Path, services: &str) -> Sandbox {
        Sandbox::make(directory, services, false)
    }

    /// The same with a network of its own, of which there is the loopback device alone.
    ///
    /// # Panics
    /// As [`Sandbox::new`].
    pub fn with_network(directory: &Path, services: &str) -> Sandbox {
        Sandbox::make(directory, services, true)
    }

    fn make(directory: &Path, services: &str, network: bool) -> Sandbox {
        let modules = directory.join("modules");
        for made in [
            "etc/cloudhosts",
            "run/cloudhosts",
            "lib/cloudhosts",
            "modules",
        ] {
            create_dir_all(directory.join(made)).expect("a directory of our own");
        }
        link_machine_etc(directory);
        std::fs::copy(
            programs::find(programs::MODULE),
            modules.join("libnss_cloudhosts.so.2"),
        )
        .expect("the module is copied");

        let mut command = unshare();
        if network {
            command.arg("-n");
        }
        command
            .args([
                "setpriv",
                "--pdeathsig",
                "KILL",
                "--",
                "sh",
                "-c",
                SETUP,
                "holder",
            ])
            .arg(directory)
            .arg(if network { "network" } else { "" })
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut holder = Process::start(command);
        let mut ready = String::new();
        let output = holder.child().stdout.as_mut().expect("a pipe");
        BufReader::new(output)
            .read_line(&mut ready)
            .expect("a line");
        assert_eq!(
            ready.trim(),
            "ready",
            "a private mount namespace cannot be made here: be root, or let users have \
             namespaces of their own (sysctl kernel.unprivileged_userns_clone=1, and \
             kernel.apparmor_restrict_unprivileged_userns=0 on Ubuntu)"
        );
        let sandbox = Sandbox {
            directory: directory.to_path_buf(),
            entrance: Entrance {
                holder: holder.id(),
                network,
                modules,
            },
            _holder: holder,
        };
        sandbox.set_services(services);
        sandbox.write("etc/hosts", HOSTS);
        sandbox
    }

    /// The services that are asked for hosts from now on, by programs that start from now on.
    pub fn set_services(&self, services: &str) {
        self.write(
            "etc/nsswitch.conf",
            &format!("passwd: files\ngroup: files\nhosts: {services}\nnetworks: files\n"),
        );
    }

    /// Where a path inside is outside: those in `/etc`, `/run` and `/var/lib`.
    ///
    /// # Panics
    /// For any other path.
    pub fn outside(&self, inside: &str) -> PathBuf {
        for (root, ours) in [("/etc/", "etc"), ("/run/", "run"), ("/var/lib/", "lib")] {
            if let Some(rest) = inside.strip_prefix(root) {
                return self.directory.join(ours).join(rest);
            }
        }
        panic!("{inside} is the machine's")
    }

    fn write(&self, name: &str, text: &str) {
        write(self.directory.join(name), text).expect("a file of our own");
    }

    /// The way in.
    pub fn entrance(&self) -> &Entrance {
        &self.entrance
    }
}

impl Entrance {
    /// A program inside that is run to its end.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        self.enter(bounded("nsenter"), |command| command.arg(program))
    }

    /// A program inside that runs in the background, and dies with us.
    pub fn background(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        self.enter(Command::new("nsenter"), |command| {
            command.args(mortal_words()).arg(program)
        })
    }

    fn enter(
        &self,
        mut command: Command,
        program: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Command {
        let holder = self.holder.to_string();
        command.args(["-t", &holder, "-m"]);
        if self.network {
            command.arg("-n");
        }
        if !geteuid().is_root() {
            command.args(["-U", "--preserve-credentials"]);
        }
        command.arg("--");
        program(&mut command);
        command
            .env("LD_LIBRARY_PATH", &self.modules)
            .env("LC_ALL", "C");
        for variable in [
            "CLOUDHOSTS_SOCKET",
            "NOTIFY_SOCKET",
            "RUST_LOG",
            "HOSTALIASES",
            "LOCALDOMAIN",
            "RES_OPTIONS",
        ] {
            command.env_remove(variable);
        }
        command
    }
}

/// Everything of the machine's `/etc`, by links, but for what is ours.
fn link_machine_etc(directory: &Path) {
    let machine = directory.join("machine-etc");
    let own = directory.join("etc");
    for entry in std::fs::read_dir("/etc").expect("/etc can be read") {
        let entry = entry.expect("/etc can be read");
        let name = entry.file_name();
        if ["hosts", "nsswitch.conf", "gai.conf", "cloudhosts"]
            .iter()
            .any(|ours| name == *ours)
        {
            continue;
        }
        // a link is taken as it is: "../run/x" must mean the same as before
        let target = std::fs::read_link(entry.path()).unwrap_or_else(|_| machine.join(&name));
        symlink(target, own.join(name)).expect("a link of our own");
    }
    hide_installed_user(&own.join("passwd"));
}

/// Where cloudhosts is installed, its user is not to be taken for that of the daemon in here.
fn hide_installed_user(passwd: &Path) {
    let text = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    if text.lines().any(|line| line.starts_with("cloudhosts:")) {
        let others = text.lines().filter(|line| !line.starts_with("cloudhosts:"));
        let others: String = others.flat_map(|line| [line, "\n"]).collect();
        std::fs::remove_file(passwd).expect("a link of our own");
        write(passwd, others).expect("a file of our own");
    }
}

fn unshare() -> Command {
    let mut command = mortal("unshare");
    command.arg(if geteuid().is_root() { "-m" } else { "-Urm" });
    command
}
