//! `cloudhosts hold`: in a role for as long as this program runs, or COMMAND, and
//! this machine is fit for it.
//!
//! - `supervisor`: what is done when a role is acquired, held and lost
//! - `membership`: what is asked of Redis
//! - `check`, `hooks`, `job`: what others wrote and is run for them
//! - `parent_death`: a command that dies with its holder
//! - `script`: how checks and hooks are run
//! - `announce`: what people and systemd are told
//! - `boottime`: waiting by a clock that goes on in a suspended machine

mod announce;
mod boottime;
mod check;
mod hooks;
mod job;
mod membership;
mod parent_death;
mod script;
mod supervisor;

use std::ffi::OsString;
use std::time::Duration;

use cloudhosts_registry::register::{HoldOptions, Holder, LONGEST_LEASE, SHORTEST_LEASE};

use super::addresses::{AddressArgs, ZoneArgs};
use super::apply::{places, print_lines};
use super::signals::Signals;
use super::{RegisterContext, member};
use crate::completions;
use crate::escape::Escaped;
use crate::outcome::{Failure, Outcome};
use crate::runtime::block_on;
use announce::Announcer;
use check::{Check, HealthMonitor};
use hooks::{HookCommands, Hooks};
use job::Job;
use membership::Membership;
pub(crate) use parent_death::become_command;
use supervisor::{HoldPolicy, Supervisor, SupervisorState};

/// The longest time that a setting of `hold` takes.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts hold web -- gunicorn shop:app   # in the farm while this runs\n  \
    cloudhosts hold web --check 'curl -fsS http://127.0.0.1/health'\n  \
    cloudhosts hold --exclusive scheduler -- /usr/bin/scheduler")]
pub(crate) struct HoldArgs {
    /// The role
    #[arg(value_name = "ROLE", add = completions::role())]
    role: String,
    #[command(flatten)]
    addresses: AddressArgs,
    #[command(flatten)]
    zone: ZoneArgs,
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
    check: CheckArgs,
    #[command(flatten)]
    hooks: HookArgs,
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
struct CheckArgs {
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
struct HookArgs {
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

impl CheckArgs {
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

impl HookArgs {
    fn commands(&self) -> HookCommands {
        HookCommands {
            acquire: self.on_acquire.clone(),
            loss: self.on_loss.clone(),
            timeout: self.hook_timeout,
        }
    }
}

pub(crate) fn run(args: &HoldArgs, context: &RegisterContext) -> Result<Outcome, Failure> {
    let role = member(&args.role, args.member.as_deref())?;
    if let Some(words) = args.addresses.command() {
        return Err(Failure::Usage(format!(
            "{} is not an address; to run a command while the role is held, write -- before it: \
             cloudhosts hold ... -- {}",
            Escaped(words.first().map_or("", String::as_str)),
            Escaped(&words.join(" "))
        )));
    }
    // There is one holder, whom all machines must agree on.
    let zone = match args.exclusive {
        true => None,
        false => args.zone.zone(context)?,
    };
    let source = args.addresses.source(context)?.in_zone(zone);
    let options = HoldOptions {
        lease: args.lease,
        exclusive: args.exclusive,
        expire_last: args.expire_last,
        keep_last: args.keep_last,
    };
    if args.dry_run {
        let places = places(&source, context)?;
        let holder = Holder::new(&context.config, role, options);
        return print_lines(&holder.spelled(&places));
    }
    block_on(async {
        let signals = Signals::new(!args.command.is_empty());
        let signals = signals
            .map_err(|error| Failure::Unreachable(format!("can't take signals over: {error}")))?;
        let of_check = vec![("CLOUDHOSTS_ROLE", role.name().to_owned())];
        let supervisor = Supervisor {
            signals,
            health: HealthMonitor::new(args.check.check(), of_check),
            hooks: Hooks::new(args.hooks.commands()),
            job: Job::new(args.command.clone(), args.exclusive),
            membership: Membership::new(Holder::new(&context.config, role, options), source),
            announcer: Announcer::default(),
            policy: HoldPolicy {
                exclusive: args.exclusive,
                lease: args.lease,
                stop_timeout: args.stop_timeout,
            },
            state: SupervisorState::default(),
        };
        supervisor.run().await
    })
}
