//! `cloudhosts doctor`: checks everything between a program and Redis, and reports what is
//! wrong and what fixes it.
//!
//! - [`finding`]: the result of a check; [`code`]: its code, for programs; [`paint`]: how it
//!   is printed; [`report`]: all of them;
//! - [`nsswitch`]: nsswitch.conf; [`nscd`]: nscd, which answers before it;
//! - [`module`]: what glibc loads;
//! - [`mod@unit`]: the systemd unit of the daemon;
//! - [`configuration`]: whether the daemon can read it, and has read it;
//! - [`daemon`]: the socket, the status, the table; [`last_good`]: the table's
//!   file;
//! - [`permissions`]: whether all users can access these;
//! - [`password`]: whether others can read the password;
//! - [`redis`]: Redis, as the daemon sees it; [`faults`]: why it can't be reached;
//!   [`acl`]: what the daemon's user may do there;
//! - [`sentinel`]: the sentinels, and whether the daemon follows their master;
//! - [`gateway`]: the gateway to register through, and whether it accepts the token;
//! - [`urls`]: whether the names in Redis cover the host of Redis;
//! - [`names`]: whether programs get what the table has;
//! - [`dns`]: whether cloudhosts-dns answers, and the resolver of this machine asks it.

mod acl;
mod code;
mod configuration;
mod daemon;
mod dns;
mod faults;
mod finding;
mod gateway;
mod last_good;
mod module;
mod names;
mod nscd;
mod nsswitch;
mod paint;
mod password;
mod permissions;
mod redis;
mod report;
mod sentinel;
mod unit;
mod urls;

use cloudhosts_config::{Account, Config, ConfigError, Unit};
use code::Code;
use daemon::DaemonHealth;
use report::DoctorReport;

use crate::outcome::{Failure, Outcome};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts doctor\n  \
    cloudhosts doctor --json | jq '.checks[] | select(.verdict != \"ok\")'")]
pub(crate) struct DoctorArgs {
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(
    args: &DoctorArgs,
    config: Result<Config, ConfigError>,
) -> Result<Outcome, Failure> {
    let mut report = DoctorReport::new(args.json);
    report.add(nsswitch::look())?;
    report.add([module::look()])?;
    let unit = Unit::installed();
    report.add(unit::look(unit.as_ref()))?;
    match config {
        Err(error) => report.add([configuration::invalid(&error)])?,
        Ok(config) => with(&mut report, config, unit.unwrap_or_default())?,
    }
    report.end()
}

/// The checks that need the configuration.
fn with(report: &mut DoctorReport, mut config: Config, unit: Unit) -> Result<(), Failure> {
    let health = DaemonHealth::of(&config);
    let account = account(&health, &unit);
    config.adopt_credential(&unit);
    report.add(configuration::look(&config, &health, account.as_ref()))?;
    report.add(daemon::socket(&config, &health))?;
    report.add(daemon::status(&health))?;
    report.add(daemon::table(&config, &health))?;
    report.add(last_good::look(&config, &health))?;
    report.add([permissions::look(&config)])?;
    report.add(password::look(&config))?;
    report.add(redis::look(&config, &unit, account.as_ref()))?;
    report.add(sentinel::look(&config))?;
    report.add(gateway::look(&config))?;
    report.add(urls::look(&config))?;
    report.add([nscd::look()])?;
    let names = names::look(&config).into_iter();
    report.add(names.map(|name| name.code_by_verdict(Code::Shadowed, Code::Mismatch)))?;
    report.add(dns::look(&config))
}

/// The user of the daemon: of its process, else of its unit.
fn account(health: &DaemonHealth, unit: &Unit) -> Option<Account> {
    let running = health.process().and_then(Account::of_daemon);
    running.or_else(|| Account::of_unit(unit))
}
