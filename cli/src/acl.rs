//! `cloudhosts acl`: the lines that give the users of Redis their rights.

use cloudhosts_config::Config;
use cloudhosts_registry::acl::{AclDialect, AclUser, redis_version};

use crate::outcome::{Failure, Outcome, Plain, print};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Put a password in place of PASSWORD, and give the lines to redis-cli as an \
    administrator; ACL SAVE, there, makes them outlast a restart.\n\n\
    Examples:\n  \
    cloudhosts acl\n  \
    cloudhosts --hash cloudhosts:private --hash cloudhosts acl\n  \
    cloudhosts --redis-url redis://redis.example.com acl"
)]
pub(crate) struct Arguments {}

/// Prints a line for the user of each configuration. A Redis that does not tell its
/// version is taken for a new one.
pub(crate) fn run(daemon: &Config, registrar: &Config) -> Result<Outcome, Failure> {
    let dialect = match redis_version(registrar) {
        Ok(version) => AclDialect::of(version).ok_or_else(|| {
            Failure::Failed(format!(
                "this is Redis {version}, which has no users: take 6.0 or later, or a password for \
                 all (requirepass)"
            ))
        })?,
        Err(why) => {
            eprintln!(
                "cloudhosts: the version of Redis is not known, so these lines are for 7.0 and \
                 later: {why}"
            );
            AclDialect::Redis70
        }
    };
    let (reader, writer) = (daemon.login(), registrar.login());
    // One that is configured for both is the daemon's, which must not write.
    let writer = writer.filter(|writer| Some(*writer) != reader);
    let users = [
        (AclUser::Daemon, reader, daemon),
        (AclUser::Registrar, writer, registrar),
    ];
    let lines = users.map(|(user, name, config)| {
        let name = Plain(name.unwrap_or(user.standard_name())).to_string();
        user.line(&name, config, dialect) + "\n"
    });
    print(&lines.concat())?;
    Ok(Outcome::Yes)
}
