//! `cloudhosts hold`: in a role for as long as this program runs, or COMMAND, and
//! this machine is fit for it.
//!
//! - `supervisor`: what is done when a role is acquired, held and lost
//! - `membership`: what is asked of Redis
//! - `check`, `hooks`, `job`: what others wrote and is run for them
//! - `mortal`: a command that dies with its holder
//! - `script`: how checks and hooks are run
//! - `announce`: what people and systemd are told
//! - `awake`: waiting by a clock that goes on in a suspended machine

mod announce;
mod awake;
mod check;
mod hooks;
mod job;
mod membership;
mod mortal;
mod script;
mod supervisor;

use std::ffi::OsString;
use std::time::Duration;

use cloudhosts_registry::register::{HoldOptions, Holder, LONGEST_LEASE, SHORTEST_LEASE};

use super::signals::Signals;
use super::{Setting, block_on, member, perform, place};
use crate::completions;
use crate::outcome::{Failure, Outcome, Plain};
use announce::Announcer;
use check::{Check, Health};
use hooks::{Commands, Hooks};
use job::Job;
use membership::Membership;
pub(crate) use mortal::become_command;
use supervisor::{Rules, State, Supervisor};

/// The longest time that a setting of `hold` takes.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts hold web -- gunicorn shop:app   # in the farm while this runs\n  \
    cloudhosts hold web --check 'curl -fsS http://127.0.0.1/health'\n  \
    cloudhosts hold --exclusive scheduler -- /usr/bin/scheduler")]
pub(crate) struct Arguments {
    /// The role
    #[arg(value_name = "ROLE", add = completions::role())]
    role: String,
    #[command(flatten)]
    place: place::Addresses,
    #[command(flatten)]
    zone: place::InZone,
    /// Who of several this is [default: the name of this machine]
    #[arg(long, value_name = "ID")]
    member: Option<String>,
    /// How long the membership outlives this machine
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = lease)]
    lease: Duration,
    /// Only one holds the role; the others stand by, and one takes over when its lease ends
    #[arg(long)]
    exclusive: bool,
    /// At the end, leave the address behind where nobody else holds the role
    #[arg(long)]
    keep_last: bool,
    /// The address of a last holder that died goes after this time [default: never]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    expire_last: Option<Duration>,
    #[command(flatten)]
    check: CheckArguments,
    #[command(flatten)]
    hooks: HookArguments,
    /// The time between SIGTERM and SIGKILL for COMMAND, when the role is lost
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    stop_timeout: Duration,
    /// Print the Redis commands and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Run this, and hold the role while it runs; with --exclusive: run it while the role is held
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

#[derive(Debug, clap::Args)]
struct CheckArguments {
    /// Be a member only while this succeeds (sh -c)
    #[arg(long, value_name = "CMD")]
    check: Option<String>,
    /// From the start of one check to that of the next
    #[arg(long, value_name = "DURATION", default_value = "2s", requires = "check", value_parser = duration)]
    interval: Duration,
    /// How long a check may take; it is killed then, and has failed
    #[arg(long, value_name = "DURATION", default_value = "5s", requires = "check", value_parser = duration)]
    timeout: Duration,
    /// So many checks in a row must pass to become a member
    #[arg(long, value_name = "N", default_value = "2", requires = "check", value_parser = clap::value_parser!(u32).range(1..))]
    rise: u32,
    /// So many checks in a row must fail to be none any more
    #[arg(long, value_name = "N", default_value = "3", requires = "check", value_parser = clap::value_parser!(u32).range(1..))]
    fall: u32,
}

#[derive(Debug, clap::Args)]
struct HookArguments {
    /// Run this when the role has been acquired (sh -c), before COMMAND with --exclusive
    #[arg(long, value_name = "CMD")]
    on_acquire: Option<String>,
    /// Run this when the role is lost or left (sh -c), after COMMAND with --exclusive
    #[arg(long, value_name = "CMD")]
    on_loss: Option<String>,
    /// How long these may take; they are killed then
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    hook_timeout: Duration,
}

fn lease(text: &str) -> Result<Duration, String> {
    let lease = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if !(SHORTEST_LEASE..=LONGEST_LEASE).contains(&lease) {
        let shortest = humantime::format_duration(SHORTEST_LEASE);
        let longest = humantime::format_duration(LONGEST_LEASE);
        return Err(format!("a lease lasts from {shortest} to {longest}"));
    }
    Ok(lease)
}

/// A time that is neither nothing nor absurd.
fn duration(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    match time {
        Duration::ZERO => Err("this time must be greater than zero".into()),
        time if time > LONGEST => Err("this time is longer than a year".into()),
        time => Ok(time),
    }
}

impl CheckArguments {
    fn check(&self) -> Option<Check> {
        Some(Check {
            command: self.check.clone()?,
            interval: self.interval,
            timeout: self.timeout,
            rise: self.rise,
            fall: self.fall,
        })
    }
}

impl HookArguments {
    fn commands(&self) -> Commands {
        Commands {
            acquire: self.on_acquire.clone(),
            loss: self.on_loss.clone(),
            timeout: self.hook_timeout,
        }
    }
}

pub(crate) fn run(arguments: &Arguments, setting: &Setting) -> Result<Outcome, Failure> {
    let role = member(&arguments.role, arguments.member.as_deref())?;
    if let Some(words) = arguments.place.command() {
        return Err(Failure::Usage(format!(
            "{} is not an address; to run a command while the role is held, write -- before it: \
             cloudhosts hold ... -- {}",
            Plain(words.first().map_or("", String::as_str)),
            Plain(&words.join(" "))
        )));
    }
    // There is one holder, whom all machines must agree on.
    let zone = match arguments.exclusive {
        true => None,
        false => arguments.zone.zone(setting)?,
    };
    let source = arguments.place.source(setting)?.in_zone(zone);
    let options = HoldOptions {
        lease: arguments.lease,
        exclusive: arguments.exclusive,
        expire_last: arguments.expire_last,
        keep_last: arguments.keep_last,
    };
    if arguments.dry_run {
        let places = perform::places_of(&source, setting)?;
        let holder = Holder::new(&setting.config, role, options);
        return perform::print_lines(&holder.spelled(&places));
    }
    block_on(async {
        let signals = Signals::new(!arguments.command.is_empty());
        let signals = signals
            .map_err(|error| Failure::Unreachable(format!("can't take signals over: {error}")))?;
        let of_check = vec![("CLOUDHOSTS_ROLE", role.name().to_owned())];
        let supervisor = Supervisor {
            signals,
            health: Health::new(arguments.check.check(), of_check),
            hooks: Hooks::new(arguments.hooks.commands()),
            job: Job::new(arguments.command.clone(), arguments.exclusive),
            membership: Membership::new(Holder::new(&setting.config, role, options), source),
            announcer: Announcer::default(),
            rules: Rules {
                exclusive: arguments.exclusive,
                lease: arguments.lease,
                stop_timeout: arguments.stop_timeout,
            },
            state: State::default(),
        };
        supervisor.run().await
    })
}
