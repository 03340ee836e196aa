//! `cloudhosts-cached`, the daemon, one on each machine: mirrors Redis hashes of
//! role names, and hands the table that follows from them to every process.
//!
//! The parts, in the order in which data passes them:
//!
//! - [`mirror`]: what the hashes hold, as far as it can be trusted and used;
//! - [`publisher`]: the region that they are written into, as they change;
//! - [`server`]: the socket at which processes fetch it, and [`admission`] who
//!   is served there.
//!
//! [`persistence`] writes the files that outlive the daemon, [`last_good`] and
//! [`state`]; [`status_file`] is the status document, [`journal`] the log,
//! [`role_changes`] what it says of roles, [`reload`] what another configuration
//! changes, [`exposures`] warns of passwords that others can read, and [`daemon`]
//! is the loop that ties them together.
#![forbid(unsafe_code)]

mod admission;
mod daemon;
mod exposures;
mod journal;
mod last_good;
mod mirror;
mod persistence;
mod publisher;
mod reload;
mod role_changes;
mod server;
mod state;
mod status_file;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use cloudhosts_config::{Account, Unit};
use cloudhosts_config::{Config, ConfigError, Exposure, hide_passwords};
use cloudhosts_registry::check_client_certificate;

/// Mirrors Redis hashes of role names, and hands them to every process that
/// resolves a name.
#[derive(Debug, Parser)]
#[command(name = "cloudhosts-cached", version)]
struct Arguments {
    /// The configuration [default: /etc/cloudhosts/cloudhosts.toml, if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only say whether the configuration is right
    #[arg(long)]
    check_config: bool,
    /// Where Redis is, in place of what the configuration says; repeat it for
    /// others to try in turn
    #[arg(long = "redis-url", value_name = "URL")]
    redis_urls: Vec<String>,
    /// A hash to mirror, in place of what the configuration says; repeat it
    /// for others, the deciding one first
    #[arg(long = "hash", value_name = "KEY")]
    hashes: Vec<String>,
}

impl Arguments {
    /// The configuration. Passwords and certificates are read only for
    /// --check-config: the daemon reads them at each connect, and they may be
    /// created later.
    fn config(&self) -> Result<Config, ConfigError> {
        let load = if self.check_config {
            Config::load
        } else {
            Config::load_without_secrets
        };
        let mut config = load(self.config.as_deref())?;
        config.override_with(&self.redis_urls, &self.hashes)?;
        Ok(config)
    }
}

/// Checks the configuration as the user who runs the daemon: root may read what
/// that user may not.
fn check(arguments: &Arguments, on_command_line: Option<Exposure>) -> ExitCode {
    let unit = Unit::installed().unwrap_or_default();
    let account = Account::of_unit(&unit);
    let read = match &account {
        Some(account) => account.act(|| arguments.config()),
        None => Ok(arguments.config()),
    };
    // Without the privilege to become that user it is checked as this one.
    let mut config = match read.unwrap_or_else(|_| arguments.config()) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("cloudhosts-cached: {error}");
            if let Some((account, file)) = account.zip(error.denied()) {
                let remedy = account.grant(file);
                let name = account.name;
                eprintln!("cloudhosts-cached: the daemon's user is {name}; run: {remedy}");
            }
            return ExitCode::from(2);
        }
    };
    let fits = || check_client_certificate(&config.redis);
    let checked = account.as_ref().map(|account| account.act(fits));
    if let Err(fault) = checked.and_then(Result::ok).unwrap_or_else(fits) {
        eprintln!("cloudhosts-cached: {fault}");
        return ExitCode::from(2);
    }
    config.adopt_credential(&unit);
    let lacks = config.lacks_password() && unit.credential.is_none();
    if rustix::process::geteuid().is_root() && lacks {
        eprintln!(
            "cloudhosts-cached: there is a username but no password: set password_file, or \
             hand it to the daemon as the credential redis-password"
        );
    }
    for exposure in on_command_line.into_iter().chain(config.exposures()) {
        eprintln!("cloudhosts-cached: {exposure}; {}", exposure.remedy());
    }
    println!("the configuration is right");
    ExitCode::SUCCESS
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let on_command_line = hide_passwords(&arguments.redis_urls);
    let level = match journal::level() {
        Ok(level) => level,
        Err(error) => {
            eprintln!("cloudhosts-cached: {error}");
            return ExitCode::from(2);
        }
    };
    if arguments.check_config {
        return check(&arguments, on_command_line);
    }
    let config = match arguments.config() {
        Ok(config) => config,
        Err(error) => {
            eprintln!("cloudhosts-cached: {error}");
            return ExitCode::from(2);
        }
    };
    journal::start(level);
    if let Some(exposure) = on_command_line {
        tracing::warn!("{exposure}; {}", exposure.remedy());
    }
    // Every user may attach to the socket and read the files, whatever the umask
    // of whoever started the daemon.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    // One thread: the daemon mostly sleeps, and long work runs on threads of its
    // own.
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(daemon::run(config, || arguments.config()));
    // A lookup of Redis's host may still be waiting for DNS.
    runtime.shutdown_background();
    if let Err(error) = done {
        tracing::error!("{error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
