//! `cloudhosts hold`: holds a role while this program or COMMAND runs and the
//! machine is healthy.
//!
//! - `supervisor`: what happens when a role is acquired, held and lost
//! - `membership`: the requests to Redis
//! - `check`, `hooks`, `job`: the health check, the hooks, COMMAND
//! - `parent_death`: a command that dies with its holder
//! - `script`: how checks and hooks are run
//! - `signals`: the signals that are handled
//! - `announce`: messages on standard error and to systemd
//! - `boottime`: waiting by a clock that keeps running while the machine is suspended

mod announce;
mod boottime;
mod check;
mod hooks;
mod job;
mod membership;
mod parent_death;
mod script;
mod signals;
mod supervisor;

use std::ffi::OsString;
use std::time::Duration;

use announce::Announcer;
use check::{Check, HealthMonitor};
use cloudhosts_config::printable::Escaped;
use cloudhosts_registry::register::{
    HoldOptions, Holder, HolderNonce, LONGEST_LEASE, LeaseRequest, SHORTEST_LEASE,
};
use hooks::{HookCommands, Hooks};
use job::Job;
use membership::Membership;
pub(crate) use parent_death::become_command;
use signals::Signals;
use supervisor::{HoldPolicy, Supervisor, SupervisorState};

use super::addresses::{AddressArgs, ZoneArgs};
use super::apply::{places, print_lines};
use super::gateway::GatewayRequest;
use super::store::Store;
use super::{RegisterContext, member};
use crate::completions;
use crate::outcome::{Failure, Outcome};
use crate::runtime::block_on;

/// The longest time that an option takes.
const MAX_DURATION: Duration = Duration::from_secs(366 * 24 * 3600);

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts hold web -- gunicorn shop:app   # a member while this runs\n  \
    cloudhosts hold web --check 'curl -fsS http://127.0.0.1/health'\n  \
    cloudhosts hold --exclusive scheduler -- /usr/bin/scheduler")]
pub(crate) struct HoldArgs {
    /// Role name
    #[arg(value_name = "ROLE", add = completions::role())]
    role: String,
    #[command(flatten)]
    addresses: AddressArgs,
    #[command(flatten)]
    zone: ZoneArgs,
    /// Member ID [default: this machine's hostname]
    #[arg(long, value_name = "ID")]
    member: Option<String>,
    /// How long the membership lasts if this machine dies
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = lease)]
    lease: Duration,
    /// Allow a single holder; the others stand by, and one takes over when the lease ends
    #[arg(long)]
    exclusive: bool,
    /// On exit, keep the address registered if nobody else holds the role
    #[arg(long)]
    keep_last: bool,
    /// Remove the address of the last holder this long after it died [default: never]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    expire_last: Option<Duration>,
    #[command(flatten)]
    check: CheckArgs,
    #[command(flatten)]
    hooks: HookArgs,
    /// Time between SIGTERM and SIGKILL for COMMAND when the role is lost
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    stop_timeout: Duration,
    /// Print the Redis commands (or that of curl, for a gateway) without running them
    #[arg(long)]
    dry_run: bool,
    /// Command to run while the role is held; without --exclusive, the role is held while it runs
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

#[derive(Debug, clap::Args)]
struct CheckArgs {
    /// Be a member only while this command succeeds (sh -c)
    #[arg(long, value_name = "CMD")]
    check: Option<String>,
    /// Time from the start of one check to the start of the next
    #[arg(long, value_name = "DURATION", default_value = "2s", requires = "check", value_parser = duration)]
    interval: Duration,
    /// Kill a check after this time and count it as failed
    #[arg(long, value_name = "DURATION", default_value = "5s", requires = "check", value_parser = duration)]
    timeout: Duration,
    /// Consecutive checks that must pass to become a member
    #[arg(long, value_name = "N", default_value = "2", requires = "check", value_parser = clap::value_parser!(u32).range(1..))]
    rise: u32,
    /// Consecutive checks that must fail to stop being a member
    #[arg(long, value_name = "N", default_value = "3", requires = "check", value_parser = clap::value_parser!(u32).range(1..))]
    fall: u32,
}

#[derive(Debug, clap::Args)]
struct HookArgs {
    /// Command to run when the role is acquired (sh -c); with --exclusive, before COMMAND
    #[arg(long, value_name = "CMD")]
    on_acquire: Option<String>,
    /// Command to run when the role is lost or left (sh -c); with --exclusive, after COMMAND
    #[arg(long, value_name = "CMD")]
    on_loss: Option<String>,
    /// Kill a hook after this time
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    hook_timeout: Duration,
}

/// Why an option's time is refused.
#[derive(Debug, thiserror::Error)]
enum TimeError {
    #[error(transparent)]
    Syntax(#[from] humantime::DurationError),
    #[error(
        "a lease lasts from {} to {}",
        humantime::format_duration(SHORTEST_LEASE),
        humantime::format_duration(LONGEST_LEASE)
    )]
    Lease,
    #[error("this time must be greater than zero")]
    Zero,
    #[error("this time is longer than a year")]
    TooLong,
}

fn lease(text: &str) -> Result<Duration, TimeError> {
    let lease = humantime::parse_duration(text)?;
    if (SHORTEST_LEASE..=LONGEST_LEASE).contains(&lease) {
        Ok(lease)
    } else {
        Err(TimeError::Lease)
    }
}

/// A time that is neither zero nor absurdly long.
fn duration(text: &str) -> Result<Duration, TimeError> {
    match humantime::parse_duration(text)? {
        Duration::ZERO => Err(TimeError::Zero),
        time if time > MAX_DURATION => Err(TimeError::TooLong),
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
    // All machines must agree on a single holder, whatever their zones.
    let zone = if args.exclusive {
        None
    } else {
        args.zone.zone(context)?
    };
    let source = args.addresses.source(context)?.in_zone(zone);
    let zone = source.zone_of_local();
    let store = Store::for_lease(&context.config, zone.clone(), args.lease);
    let holder = Holder::with_store(store, role, args.options());
    if args.dry_run {
        let places = places(&source, context)?;
        return print_lines(&match &context.config.gateway {
            Some(access) => {
                let request = LeaseRequest::new(HolderNonce::random(), &args.options());
                let zone = zone.as_ref();
                GatewayRequest::of_holder(holder.role(), &places, zone, request).as_curl(access)
            }
            None => holder.spelled(&places),
        });
    }
    block_on(async {
        args.supervisor(Membership::new(holder, source))?
            .run()
            .await
    })
}

impl HoldArgs {
    fn options(&self) -> HoldOptions {
        HoldOptions {
            lease: self.lease,
            exclusive: self.exclusive,
            expire_last: self.expire_last,
            keep_last: self.keep_last,
        }
    }

    /// Prepares everything that runs while the role is held.
    ///
    /// # Errors
    /// The system gives no handlers for signals.
    fn supervisor(&self, membership: Membership) -> Result<Supervisor, Failure> {
        let signals = Signals::new(!self.command.is_empty())
            .map_err(|error| Failure::Unreachable(format!("can't handle signals: {error}")))?;
        let environment = vec![("CLOUDHOSTS_ROLE", membership.role().name().to_owned())];
        Ok(Supervisor {
            signals,
            health: HealthMonitor::new(self.check.check(), environment),
            hooks: Hooks::new(self.hooks.commands()),
            job: Job::new(self.command.clone(), self.exclusive),
            membership,
            announcer: Announcer::default(),
            policy: HoldPolicy {
                exclusive: self.exclusive,
                lease: self.lease,
                stop_timeout: self.stop_timeout,
            },
            state: SupervisorState::default(),
        })
    }
}
