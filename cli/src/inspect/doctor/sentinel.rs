//! The sentinels: whether they answer, and whether the daemon follows their master.

use std::time::{Duration, Instant};

use cloudhosts_config::Config;
use cloudhosts_registry::{Masters, masters};

use super::code::Code;
use super::finding::Finding;
use crate::local_daemon;

const CHECK: &str = "sentinel";

/// How long the daemon may take to follow, and to update its status.
const TIMEOUT: Duration = Duration::from_secs(3);

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let masters = match masters(config) {
        Ok(Some(masters)) => masters,
        Ok(None) => return Vec::new(),
        Err(error) => {
            let says = "the sentinels can't be asked";
            let finding = Finding::wrong(CHECK, says, "check the limits of this user: ulimit -a");
            return vec![finding.code(Code::NotAsked).evidence(error)];
        }
    };
    let mut findings = Vec::new();
    for (sentinel, answer) in &masters.answers {
        match answer {
            Err(why) => {
                let says = format_args!("{sentinel} does not answer; the others are asked");
                let todo = "start it, or remove it from urls";
                let finding = Finding::warning(CHECK, says, todo).code(Code::NoAnswer);
                findings.push(finding.evidence(why));
            }
            Ok(master) if masters.believed.as_ref() != Some(master) => {
                let says =
                    format_args!("{sentinel} names {master}, by an older configuration epoch");
                let todo = "check that it reaches the other sentinels";
                findings.push(Finding::warning(CHECK, says, todo).code(Code::Older));
            }
            Ok(_) => {}
        }
    }
    findings.push(followed(config, &masters));
    findings
}

/// Whether the daemon follows the master that the sentinels agree on.
fn followed(config: &Config, masters: &Masters) -> Finding {
    let Some(believed) = &masters.believed else {
        let says = "no sentinel names a master; the daemon stays with the one it has";
        let todo = "check urls and sentinel in the configuration";
        return Finding::wrong(CHECK, says, todo).code(Code::NoMaster);
    };
    let end = Instant::now() + TIMEOUT;
    loop {
        match following(config) {
            Some(master) if master == *believed => {
                let says = format_args!("the daemon follows the master {believed}");
                return Finding::ok(CHECK, says);
            }
            Some(master) if Instant::now() >= end => {
                return Finding::wrong(
                    CHECK,
                    format_args!("the daemon follows {master}, but the master is {believed}"),
                    "run: systemctl restart cloudhosts-cached",
                )
                .code(Code::NotFollowed);
            }
            Some(_) => std::thread::sleep(Duration::from_millis(50)),
            // That it is not connected is reported elsewhere.
            None => return Finding::ok(CHECK, format_args!("the master is {believed}")),
        }
    }
}

/// The Redis that the daemon is connected to, by its status.
fn following(config: &Config) -> Option<String> {
    let (_, status) = local_daemon::status(config).ok()?;
    let redis = status.redis?;
    redis.mode.is_some().then_some(redis.endpoint)
}
