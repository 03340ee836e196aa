//! The sentinels: whether they answer, and whether the daemon follows the master
//! that they name.

use std::time::{Duration, Instant};

use cloudhosts_config::Config;
use cloudhosts_registry::{Masters, masters};

use super::code::Code;
use super::finding::Finding;
use crate::local;

const CHECK: &str = "sentinel";

/// How long the daemon may take to follow, and to write so in its status.
const FOLLOWS: Duration = Duration::from_secs(3);

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let masters = match masters(config) {
        Ok(Some(masters)) => masters,
        Ok(None) => return Vec::new(),
        Err(error) => {
            let says = "the sentinels can't be asked";
            let finding = Finding::wrong(CHECK, says, "see the limits of this user (ulimit -a)");
            return vec![finding.code(Code::NotAsked).evidence(error)];
        }
    };
    let mut findings = Vec::new();
    for (sentinel, answer) in &masters.answers {
        match answer {
            Err(why) => {
                let says = format_args!("{sentinel} gives no answer; the others are asked");
                let todo = "start it, or take it out of urls";
                let finding = Finding::warning(CHECK, says, todo).code(Code::NoAnswer);
                findings.push(finding.evidence(why));
            }
            Ok(master) if masters.believed.as_ref() != Some(master) => {
                let says = format_args!("{sentinel} names {master}, by an older configuration");
                let todo = "see whether it reaches the other sentinels";
                findings.push(Finding::warning(CHECK, says, todo).code(Code::Older));
            }
            Ok(_) => {}
        }
    }
    findings.push(followed(config, &masters));
    findings
}

/// Whether the daemon follows the master that is believed.
fn followed(config: &Config, masters: &Masters) -> Finding {
    let Some(believed) = &masters.believed else {
        let says = "no sentinel names a master; the daemon stays with the one it has";
        let todo = "check urls and sentinel of the configuration";
        return Finding::wrong(CHECK, says, todo).code(Code::NoMaster);
    };
    let end = Instant::now() + FOLLOWS;
    loop {
        match following(config) {
            Some(master) if master == *believed => {
                let says = format_args!("the master is {believed}, which is followed");
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
            // That it follows nothing is said elsewhere.
            None => return Finding::ok(CHECK, format_args!("the master is {believed}")),
        }
    }
}

/// The Redis that the daemon is connected to, by its own words.
fn following(config: &Config) -> Option<String> {
    let (_, status) = local::status(config).ok()?;
    let redis = status.redis?;
    redis.mode.is_some().then_some(redis.endpoint)
}
