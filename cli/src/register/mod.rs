//! The verbs that register: they write to Redis.
//!
//! Each verb says what is to be done (a [`Change`](cloudhosts_registry::register::Change)); `place` finds out where,
//! `perform` has it done and tells what came of it, `wait` waits for the daemon.

mod accept;
mod claim;
mod hold;
mod hosts;
mod import;
mod join;
mod leave;
mod metadata;
mod perform;
mod place;
mod point;
mod release;
mod signals;
mod wait;

use std::future::Future;

pub(crate) use hold::become_command;

use cloudhosts_config::Config;
use cloudhosts_registry::register::{RegisterError, Role, Views};

use crate::outcome::{Failure, Outcome};

/// What is said on a terminal while Redis is asked.
const REDIS: &str = "Waiting for Redis...";

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Take a role: this is now its only holder, in one step
    Claim(claim::Arguments),
    /// Join a role beside its other members
    Join(join::Arguments),
    /// Leave a role; its other members stay
    Leave(leave::Arguments),
    /// Let a role point at another entry
    Point(point::Arguments),
    /// Remove a role, members and all
    Release(release::Arguments),
    /// Join a role, and leave it when this program or COMMAND ends, or the machine dies
    Hold(Box<hold::Arguments>),
    /// Register the lines of a hosts(5) file, all or none
    Import(import::Arguments),
    /// Accept that Redis has lost fields: no machine answers them any longer
    Accept(accept::Arguments),
}

impl Verb {
    /// Whether it goes on trying until Redis can be reached. A password that is
    /// not there yet is then waited for, like a Redis that is not.
    pub(crate) fn waits(&self) -> bool {
        matches!(self, Verb::Hold(_))
    }
}

/// What all of them are given.
pub(crate) struct Setting {
    config: Config,
    /// The hashes of the command line.
    given: Vec<String>,
}

pub(crate) fn run(verb: &Verb, config: Config, given: &[String]) -> Result<Outcome, Failure> {
    let given = given.to_vec();
    let setting = Setting { config, given };
    match verb {
        Verb::Claim(arguments) => claim::run(arguments, &setting),
        Verb::Join(arguments) => join::run(arguments, &setting),
        Verb::Leave(arguments) => leave::run(arguments, &setting),
        Verb::Point(arguments) => point::run(arguments, &setting),
        Verb::Release(arguments) => release::run(arguments, &setting),
        Verb::Hold(arguments) => hold::run(arguments, &setting),
        Verb::Import(arguments) => import::run(arguments, &setting),
        Verb::Accept(arguments) => accept::run(arguments, &setting),
    }
}

impl Setting {
    /// The hashes to write to: those of `--hash`, else the only one configured.
    ///
    /// # Errors
    /// Several are configured: they are views, and which is meant nobody knows.
    fn hashes(&self) -> Result<Vec<String>, Failure> {
        match self.config.hashes.as_slice() {
            all if self.given.is_empty() && all.len() > 1 => Err(Failure::Usage(format!(
                "hashes in the configuration has several ({}); say with --hash which to write to, \
                 or pass --private and --public",
                crate::outcome::Plain(&all.join(", "))
            ))),
            all => Ok(all.to_vec()),
        }
    }

    /// Where machines look for what a role points at: in the hashes that are
    /// written to, and in those of the configuration.
    fn views(&self, written: &[String]) -> Views {
        let mirrored = &self.config.mirrored;
        let others = written.iter().filter(|hash| !mirrored.contains(hash));
        Views {
            hashes: others.chain(mirrored).cloned().collect(),
            domain: self.config.domain,
        }
    }

    /// The hashes of those inside and of those outside.
    ///
    /// # Errors
    /// More than one hash was given to derive them from.
    fn sides(&self) -> Result<(String, String), Failure> {
        let base = match self.given.as_slice() {
            [] => "cloudhosts",
            [one] => one,
            _ => {
                return Err(Failure::Usage(
                    "with --private, --public or --from-metadata one --hash at most: KEY:private \
                     and KEY:public are written"
                        .into(),
                ));
            }
        };
        Ok((format!("{base}:private"), format!("{base}:public")))
    }
}

/// Reads a role.
fn role(name: &str) -> Result<Role, Failure> {
    Role::parse(name).map_err(|error| Failure::Usage(error.to_string()))
}

/// Reads a member of a role; without one it is this machine's name.
fn member(name: &str, member: Option<&str>) -> Result<Role, Failure> {
    let role = role(name)?;
    let uname = rustix::system::uname();
    let (member, whence) = match member {
        Some(member) => (member.into(), "--member"),
        None => (
            uname.nodename().to_string_lossy(),
            "the name of this machine; pass --member",
        ),
    };
    role.with_member(&member)
        .map_err(|error| Failure::Usage(format!("{whence}: {error}")))
}

/// Runs what talks to Redis, on this one thread. A look-up of the host that
/// outlives its timeout is left behind.
///
/// # Errors
/// As `work`; or the system gives no descriptor.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Unreachable(format!("can't start: {error}")))?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    done
}

impl From<RegisterError> for Failure {
    fn from(trouble: RegisterError) -> Failure {
        match trouble {
            RegisterError::Differs(why) => Failure::Failed(why),
            RegisterError::Dangling(why) => Failure::Refused(format!(
                "{why}; register what it is to point at first, or pass --force"
            )),
            RegisterError::Unanswered(_) => Failure::Unreachable(trouble.to_string()),
            RegisterError::Away(_) | RegisterError::Refused(_) => {
                Failure::Unreachable(format!("nothing was changed: {trouble}"))
            }
        }
    }
}
