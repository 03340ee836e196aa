//! nscd in front of all services: glibc asks it before it reads nsswitch.conf.

use std::fs::{create_dir_all, write};
use std::path::PathBuf;
use std::process::Stdio;

use crate::process::{Process, run};
use crate::programs;
use crate::sandbox::{Entrance, Sandbox};
use crate::wait;

/// It keeps what it was told for an hour, and forgets it when it is told to ([`Nscd::forget`]).
const CONFIG: &str = "\
    enable-cache hosts yes\n\
    positive-time-to-live hosts 3600\n\
    negative-time-to-live hosts 20\n\
    persistent hosts no\n\
    shared hosts no\n\
    enable-cache passwd no\n\
    enable-cache group no\n\
    enable-cache services no\n\
    enable-cache netgroup no\n";

/// An nscd that answers for a sandbox.
#[derive(Debug)]
pub struct Nscd {
    process: Process,
    program: PathBuf,
    entrance: Entrance,
}

impl Nscd {
    /// Starts it and waits until it listens; none where there is no nscd on this machine.
    pub fn start(sandbox: &Sandbox) -> Option<Nscd> {
        let Some(program) = programs::nscd() else {
            eprintln!(
                "without nscd: there is none, and tests/deps.sh can unpack one on Debian and \
                 Ubuntu only"
            );
            return None;
        };
        create_dir_all(sandbox.outside("/run/nscd")).expect("a directory of our own");
        let config = sandbox.outside("/run/nscd.conf");
        write(config, CONFIG).expect("a file of our own");
        let mut command = sandbox.entrance().background(&program);
        command
            .args(["-F", "-f", "/run/nscd.conf"])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let process = Process::start(command);
        let socket = sandbox.outside("/run/nscd/socket");
        wait::until("nscd listens", || socket.exists().then_some(()));
        Some(Nscd {
            process,
            program,
            entrance: sandbox.entrance().clone(),
        })
    }

    /// Has it forget what it keeps of hosts.
    pub fn forget(&self) {
        run(self.entrance.command(&self.program).args(["-i", "hosts"]));
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.process.ended().is_none()
    }
}
