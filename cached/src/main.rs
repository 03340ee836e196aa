//! `cloudhosts-cached`: reads the command line and the configuration, and runs
//! the daemon.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use cloudhosts_cached::{daemon, journal};
use cloudhosts_config::{Account, Unit};
use cloudhosts_config::{Config, ConfigError, Exposure, hide_passwords};

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
    /// The configuration. Passwords and certificates are read when it is only
    /// to be checked: the daemon reads them at each connect, and those that are
    /// not there yet may come.
    fn config(&self) -> Result<Config, ConfigError> {
        let load = match self.check_config {
            true => Config::load,
            false => Config::load_without_secrets,
        };
        let mut config = load(self.config.as_deref())?;
        config.override_with(&self.redis_urls, &self.hashes)?;
        Ok(config)
    }
}

/// Says whether the configuration is right, for the user who runs the daemon:
/// root, who asks, may read what that user may not.
fn check(arguments: &Arguments, on_command_line: Option<Exposure>) -> ExitCode {
    let unit = Unit::installed().unwrap_or_default();
    let account = Account::of_unit(&unit);
    let read = match &account {
        Some(account) => account.act(|| arguments.config()),
        None => Ok(arguments.config()),
    };
    // Who may not become that user sees for itself.
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
    // Everybody attaches to the socket and reads the files, whatever the mask
    // this was started with.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    // One thread: the daemon mostly sleeps, and what takes time is done on
    // threads that come and go.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => {
            let done = runtime.block_on(daemon::run(config, || arguments.config()));
            // A name look-up of Redis's host may still be waiting for DNS.
            runtime.shutdown_background();
            done.map_err(|error| error.to_string())
        }
        Err(error) => Err(format!("can't start: {error}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
