//! `cloudhosts accept`: what Redis has lost is lost, on all machines.

use std::collections::BTreeMap;
use std::sync::Arc;

use cloudhosts_registry::register::{Accept, Registrar, Role};
use serde_json::json;

use super::wait::{self, Waited};
use super::{REDIS, Setting, block_on, perform, role};
use crate::completions;
use crate::outcome::{Failure, Outcome, Plain, print};
use crate::progress::Progress;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cloudhosts accept             # a flush was meant: forget what was lost\n  \
    cloudhosts accept db-master   # of this role only\n  \
    cloudhosts accept --wait      # and return when this machine has done so")]
pub(crate) struct Arguments {
    /// The roles, members and all [default: all roles]
    #[arg(value_name = "ROLE", add = completions::role())]
    roles: Vec<String>,
    #[command(flatten)]
    options: perform::Options,
}

pub(crate) fn run(arguments: &Arguments, setting: &Setting) -> Result<Outcome, Failure> {
    let accept = Accept {
        hashes: setting.config.hashes.clone(),
        roles: arguments.roles()?,
    };
    let options = &arguments.options;
    if options.dry_run {
        print(&(accept.spelled().join("\n") + "\n"))?;
        return Ok(Outcome::Yes);
    }
    block_on(async {
        let _progress = Progress::waiting(REDIS);
        let mut registrar = Registrar::new(Arc::new(setting.config.clone()));
        accept.run(&mut registrar).await.map_err(Failure::from)
    })?;
    if !options.json {
        print(&told(&accept))?;
    }
    let waited = options
        .wait
        .map(|patience| wait::until_published(wait::of_accept(&accept), patience, &setting.config));
    if options.json {
        let (published, unpublished) = Waited::describe(waited.as_ref());
        let roles: Vec<&str> = accept.roles.iter().map(Role::name).collect();
        let object = json!({
            "verb": "accept",
            "roles": roles,
            "hashes": accept.hashes,
            "published": published,
            "unpublished": unpublished,
        });
        print(&format!("{object}\n"))?;
    }
    Waited::outcome(waited)
}

impl Arguments {
    /// The roles that are meant, each once.
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
fn told(accept: &Accept) -> String {
    let roles: Vec<&str> = accept.roles.iter().map(Role::name).collect();
    let what = if roles.is_empty() {
        "accepted all losses".to_owned()
    } else {
        format!("accepted the loss of {}", roles.join(", "))
    };
    let line = |hash: &String| format!("{what} in {}\n", Plain(hash));
    accept.hashes.iter().map(line).collect()
}
