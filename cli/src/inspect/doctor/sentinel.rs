//! The sentinels: whether they answer, and whether the daemon follows the master
//! that they name.

use std::time::{Duration, Instant};

use cloudhosts_registry::{Config, Masters, masters};

use super::finding::Finding;
use crate::local;

const CHECK: &str = "sentinel";

/// How long the daemon may take to follow, and to write so in its status.
const FOLLOWS: Duration = Duration::from_secs(3);

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let masters = match masters(config) {
        Ok(Some(masters)) => masters,
        Ok(None) => return Vec::new(),
        Err(error) => return vec![Finding::wrong(CHECK, error, "")],
    };
    let mut findings = Vec::new();
    for (sentinel, said) in &masters.said {
        match said {
            Err(why) => findings.push(Finding::warning(
                CHECK,
                format_args!("{sentinel}: {why}"),
                "the others are asked meanwhile; is it meant to be in urls?",
            )),
            Ok(master) if masters.believed.as_ref() != Some(master) => {
                findings.push(Finding::warning(
                    CHECK,
                    format_args!("{sentinel} names {master}, and has an older configuration"),
                    "see whether it reaches the other sentinels",
                ));
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
        return Finding::wrong(CHECK, says, "check urls and sentinel of the configuration");
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
                );
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
