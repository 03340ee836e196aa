//! `cloudhosts doctor`: walks the way from a program to Redis, and says what is
//! wrong on it and what mends it.
//!
//! - [`finding`]: one thing that was found; [`code`]: what it is, for programs;
//!   [`paint`]: how it is printed; [`report`]: all of them;
//! - [`switch`]: nsswitch.conf; [`cache`]: nscd in front of it;
//! - [`module`]: what glibc loads;
//! - [`mod@unit`]: what starts the daemon;
//! - [`configuration`]: whether the daemon can read it, and has;
//! - [`daemon`]: the socket, the status, the table; [`file`](mod@file): the table's
//!   file;
//! - [`rights`]: who gets at these;
//! - [`password`]: who gets at the password;
//! - [`redis`]: Redis, as the daemon sees it; [`faults`]: why it can't be visited;
//!   [`acl`]: what the daemon's user may do there;
//! - [`sentinel`]: the sentinels, and whether their master is followed;
//! - [`urls`]: whether the names in Redis cover the host of Redis;
//! - [`names`]: what comes of all that.

mod acl;
mod cache;
mod code;
mod configuration;
mod daemon;
mod faults;
mod file;
mod finding;
mod module;
mod names;
mod paint;
mod password;
mod redis;
mod report;
mod rights;
mod sentinel;
mod switch;
mod unit;
mod urls;

use cloudhosts_config::{Account, Config, ConfigError, Unit};

use crate::outcome::{Failure, Outcome};
use code::Code;
use daemon::Life;
use report::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts doctor\n  \
    cloudhosts doctor --json | jq '.checks[] | select(.verdict != \"ok\")'")]
pub(crate) struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(
    arguments: &Arguments,
    config: Result<Config, ConfigError>,
) -> Result<Outcome, Failure> {
    let mut report = Report::new(arguments.json);
    report.add(switch::look())?;
    report.add([module::look()])?;
    let unit = Unit::installed();
    report.add(unit::look(unit.as_ref()))?;
    match config {
        Err(error) => report.add([configuration::invalid(&error)])?,
        Ok(config) => with(&mut report, config, unit.unwrap_or_default())?,
    }
    report.end()
}

/// What can be looked at with a configuration.
fn with(report: &mut Report, mut config: Config, unit: Unit) -> Result<(), Failure> {
    let life = Life::of(&config);
    let account = account(&life, &unit);
    config.adopt_credential(&unit);
    report.add(configuration::look(&config, &life, account.as_ref()))?;
    report.add(daemon::socket(&config, &life))?;
    report.add(daemon::status(&life))?;
    report.add(daemon::table(&config, &life))?;
    report.add(file::look(&config, &life))?;
    report.add([rights::look(&config)])?;
    report.add(password::look(&config))?;
    report.add(redis::look(&config, &unit, account.as_ref()))?;
    report.add(sentinel::look(&config))?;
    report.add(urls::look(&config))?;
    report.add([cache::look()])?;
    let names = names::look(&config).into_iter();
    report.add(names.map(|name| name.code_by_verdict(Code::Shadowed, Code::Mismatch)))
}

/// Who runs the daemon: by its process, or else by what would start it.
fn account(life: &Life, unit: &Unit) -> Option<Account> {
    let running = life.process().and_then(Account::of_daemon);
    running.or_else(|| Account::of_unit(unit))
}
