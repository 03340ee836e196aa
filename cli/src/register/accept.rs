//! `cloudhosts accept`: all machines drop the fields that Redis has lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use cloudhosts_config::printable::Escaped;
use cloudhosts_registry::register::{Accept, Registrar, Role};
use serde_json::json;

use super::apply::{WriteOptions, print_lines};
use super::wait;
use super::{RegisterContext, WAITING_FOR_REDIS, role};
use crate::completions;
use crate::outcome::{Failure, Outcome};
use crate::progress::Progress;
use crate::runtime::block_on;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts accept             # the flush was intended: drop everything lost\n  \
    cloudhosts accept db-master   # this role only\n  \
    cloudhosts accept --wait      # wait until this machine has done so")]
pub(crate) struct AcceptArgs {
    /// Roles, with all their members [default: all roles]
    #[arg(value_name = "ROLE", add = completions::role())]
    roles: Vec<String>,
    #[command(flatten)]
    options: WriteOptions,
}

pub(crate) fn run(args: &AcceptArgs, context: &RegisterContext) -> Result<Outcome, Failure> {
    let accept = Accept {
        hashes: context.config.hashes.clone(),
        roles: args.roles()?,
    };
    if args.options.dry_run {
        return print_lines(&accept.spelled());
    }
    block_on(async {
        let _progress = Progress::waiting(WAITING_FOR_REDIS);
        let mut registrar = Registrar::new(Arc::new(context.config.clone()));
        accept.run(&mut registrar).await.map_err(Failure::from)
    })?;
    let roles: Vec<&str> = accept.roles.iter().map(Role::name).collect();
    let object = json!({
        "verb": "accept",
        "roles": roles,
        "hashes": accept.hashes,
    });
    let expected = wait::after_accept(&accept);
    let text = as_text(&accept.hashes, &roles);
    args.options
        .report(&text, object, expected, &context.config)
}

impl AcceptArgs {
    /// The roles, each once.
    fn roles(&self) -> Result<Vec<Role>, Failure> {
        let mut roles = BTreeMap::new();
        for name in &self.roles {
            let role = role(name)?;
            roles.insert(role.name().to_owned(), role);
        }
        if roles.len() > Accept::MAX_ROLES {
            return Err(Failure::Usage(format!(
                "{} roles are too many for one entry of the log: name at most {} at once, or none \
                 for all",
                roles.len(),
                Accept::MAX_ROLES
            )));
        }
        Ok(roles.into_values().collect())
    }
}

/// A line for each hash.
fn as_text(hashes: &[String], roles: &[&str]) -> String {
    let what = if roles.is_empty() {
        "accepted all losses".to_owned()
    } else {
        format!("accepted the loss of {}", roles.join(", "))
    };
    let line = |hash: &String| format!("{what} in {}\n", Escaped(hash));
    hashes.iter().map(line).collect()
}
