//! The subcommands that register: they write to Redis, or ask a gateway to.
//!
//! - [`change`]: claim, join, leave, point and release, as the command line asks for them;
//!   [`mod@apply`]: making such a change and reporting it
//! - [`store`]: Redis, or the [`gateway`] in front of it
//! - [`addresses`]: the addresses of a role; [`cloud_metadata`]: those that a cloud assigned
//! - [`hold`]: a membership that lasts as long as a process
//! - [`import`]: many roles at once, from a [`hosts_file`]
//! - [`accept`]: fields that Redis has lost are given up
//! - [`wait`]: waiting until the daemon has published a change

mod accept;
mod addresses;
mod apply;
mod change;
mod cloud_metadata;
pub(crate) mod gateway;
mod hold;
mod hosts_file;
mod import;
mod store;
mod wait;

use apply::apply;
use cloudhosts_config::printable::Escaped;
use cloudhosts_config::{Config, GatewayAccess};
use cloudhosts_registry::register::{RegisterError, Role, Views};
pub(crate) use hold::become_command;

use crate::outcome::{Failure, Outcome};

/// What a terminal shows while Redis is asked.
const WAITING_FOR_REDIS: &str = "Waiting for Redis...";

#[derive(Debug, clap::Subcommand)]
pub(crate) enum RegisterCommand {
    /// Claim a role: replace all its holders in one atomic step
    Claim(change::ClaimArgs),
    /// Add a member to a role
    Join(change::JoinArgs),
    /// Remove a member from a role
    Leave(change::LeaveArgs),
    /// Point a role at another name (an alias)
    Point(change::PointArgs),
    /// Remove a role and all its members
    Release(change::ReleaseArgs),
    /// Be a member of a role until this program or COMMAND exits, or the machine dies
    Hold(Box<hold::HoldArgs>),
    /// Import the lines of a hosts(5) file, all or none
    Import(import::ImportArgs),
    /// Accept that Redis has lost fields: no daemon retains them any longer
    Accept(accept::AcceptArgs),
}

impl RegisterCommand {
    /// Whether it keeps trying until Redis can be reached. A missing password file
    /// is then waited for as well.
    pub(crate) fn waits(&self) -> bool {
        matches!(self, RegisterCommand::Hold(_))
    }
}

/// The configuration, and what the command line says about the hashes.
pub(crate) struct RegisterContext {
    config: Config,
    /// The hashes given with `--hash`.
    given_hashes: Vec<String>,
}

pub(crate) fn run(
    command: &RegisterCommand,
    config: Config,
    given_hashes: &[String],
) -> Result<Outcome, Failure> {
    let context = RegisterContext {
        config,
        given_hashes: given_hashes.to_vec(),
    };
    let (request, options) = match command {
        RegisterCommand::Claim(args) => (args.request(&context)?, &args.options),
        RegisterCommand::Join(args) => (args.request(&context)?, &args.options),
        RegisterCommand::Leave(args) => (args.request(&context)?, &args.options),
        RegisterCommand::Point(args) => {
            context.needs_redis("point")?;
            (args.request(&context)?, &args.options)
        }
        RegisterCommand::Release(args) => (args.request(&context)?, &args.options),
        RegisterCommand::Hold(args) => return hold::run(args, &context),
        RegisterCommand::Import(args) => {
            context.needs_redis("import")?;
            return import::run(args, &context);
        }
        RegisterCommand::Accept(args) => {
            context.needs_redis("accept")?;
            return accept::run(args, &context);
        }
    };
    apply(request, options, &context)
}

/// Refuses a subcommand that a gateway cannot carry out.
///
/// # Errors
/// A gateway is configured.
pub(crate) fn needs_redis(subcommand: &str, access: Option<&GatewayAccess>) -> Result<(), Failure> {
    match access {
        None => Ok(()),
        Some(access) => Err(Failure::Usage(format!(
            "{subcommand} needs Redis, and this machine is configured for the gateway {}; run it where \
             there is a Redis user for it, or pass --redis-url",
            access.url
        ))),
    }
}

impl RegisterContext {
    /// Refuses a subcommand that a gateway cannot carry out.
    ///
    /// # Errors
    /// A gateway is configured.
    fn needs_redis(&self, subcommand: &str) -> Result<(), Failure> {
        needs_redis(subcommand, self.config.gateway.as_ref())
    }

    /// The hashes to write to: those of `--hash`, else the only one configured.
    ///
    /// # Errors
    /// Several are configured: they are views, and it is not clear which one to write to.
    fn hashes(&self) -> Result<Vec<String>, Failure> {
        match self.config.hashes.as_slice() {
            all if self.given_hashes.is_empty() && all.len() > 1 => Err(Failure::Usage(format!(
                "several hashes are configured ({}); pass --hash for the one to write to, or --private \
                 and --public",
                Escaped(&all.join(", "))
            ))),
            all => Ok(all.to_vec()),
        }
    }

    /// The hashes in which machines look up what a role points at: those that are
    /// written to, and those of the configuration.
    fn views(&self, written: &[String]) -> Views {
        let mirrored = &self.config.mirrored;
        let others = written.iter().filter(|hash| !mirrored.contains(hash));
        Views {
            hashes: others.chain(mirrored).cloned().collect(),
            domain: self.config.domain,
        }
    }

    /// The hashes of the private and of the public view.
    ///
    /// # Errors
    /// More than one hash was given to derive them from.
    fn sides(&self) -> Result<(String, String), Failure> {
        let base = match self.given_hashes.as_slice() {
            [] => "cloudhosts",
            [one] => one,
            _ => {
                return Err(Failure::Usage(
                    "--private, --public and --from-metadata take at most one --hash: they write \
                     KEY:private and KEY:public"
                        .into(),
                ));
            }
        };
        Ok((format!("{base}:private"), format!("{base}:public")))
    }
}

/// Parses a role.
fn role(name: &str) -> Result<Role, Failure> {
    Role::parse(name).map_err(|error| Failure::Usage(error.to_string()))
}

/// Parses a role with a member, which is this machine's hostname by default.
fn member(name: &str, member: Option<&str>) -> Result<Role, Failure> {
    let role = role(name)?;
    let uname = rustix::system::uname();
    let (member, origin) = match member {
        Some(member) => (member.into(), "--member"),
        None => (
            uname.nodename().to_string_lossy(),
            "this machine's hostname; pass --member",
        ),
    };
    role.with_member(&member)
        .map_err(|error| Failure::Usage(format!("{origin}: {error}")))
}

impl From<RegisterError> for Failure {
    fn from(trouble: RegisterError) -> Failure {
        match trouble {
            RegisterError::Differs(why) => Failure::Failed(why),
            RegisterError::Dangling(why) => {
                Failure::Refused(format!("{why}; register the target first, or pass --force"))
            }
            RegisterError::Unanswered(_) => Failure::Unreachable(trouble.to_string()),
            RegisterError::Away(_) | RegisterError::Refused(_) => {
                Failure::Unreachable(format!("nothing was changed: {trouble}"))
            }
        }
    }
}
