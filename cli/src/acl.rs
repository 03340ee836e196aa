//! `cloudhosts acl`: the ACL rules of the Redis users.

use cloudhosts_config::Config;
use cloudhosts_config::printable::Escaped;
use cloudhosts_registry::acl::{AclServer, AclUser, acl_server};

use crate::outcome::{Failure, Outcome};
use crate::output::print;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Replace PASSWORD, and run the lines in redis-cli as an administrator. ACL SAVE \
    preserves them across restarts of Redis. Each node of a Redis Cluster, and each replica, has users of its \
    own: run them on all.\n\n\
    Examples:\n  \
    cloudhosts acl\n  \
    cloudhosts --hash cloudhosts:private --hash cloudhosts acl\n  \
    cloudhosts --redis-url redis://redis.example.com acl"
)]
pub(crate) struct AclArgs {}

/// Prints a line for the user of each configuration. Without an answer of Redis the lines
/// are for a recent version.
pub(crate) fn run(daemon: &Config, registrar: &Config) -> Result<Outcome, Failure> {
    let server = acl_server(registrar).unwrap_or_else(|why| {
        eprintln!(
            "cloudhosts: can't find out the version of Redis, so these lines are for 7.0 and later: {why}"
        );
        AclServer::RECENT
    });
    if !server.has_users() {
        return Err(Failure::Failed(format!(
            "this is Redis {}, which has no ACLs: use 6.0 or later, or a password for all (requirepass)",
            server.version
        )));
    }
    let (reader, writer) = (daemon.login(), registrar.login());
    // A user that is configured for both is the daemon's, which must not write.
    let writer = writer.filter(|writer| Some(*writer) != reader);
    let users = [
        (AclUser::Daemon, reader, daemon),
        (AclUser::Registrar, writer, registrar),
    ];
    let lines = users.map(|(user, name, config)| {
        let name = Escaped(name.unwrap_or(user.standard_name())).to_string();
        user.line(&name, config, server) + "\n"
    });
    print(&lines.concat())?;
    Ok(Outcome::Yes)
}
