//! What a new configuration changes in a running daemon.

use std::path::Path;

use cloudhosts_config::{Config, Redis};

/// The keys in which a new configuration differs from the one in effect.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Those that take effect at once.
    pub(crate) applied: Vec<&'static str>,
    /// Those that take effect when the daemon is restarted.
    pub(crate) pending: Vec<&'static str>,
}

impl Difference {
    /// Compares a new configuration with the one in effect, and resets in it
    /// the keys that cannot be changed at run time.
    #[must_use]
    pub(crate) fn settle(old: &Config, new: &mut Config) -> Difference {
        let mut pending = ChangedKeys::default();
        pending.note("socket", replace(&mut new.socket, &old.socket));
        pending.note("state_dir", replace(&mut new.state_dir, &old.state_dir));
        pending.note(
            "status_file",
            replace(&mut new.status_file, &old.status_file),
        );
        let mut applied = ChangedKeys::default();
        applied.note("hashes", old.hashes != new.hashes);
        applied.note("domain", old.domain != new.domain);
        applied.note("zone", old.zone != new.zone);
        applied.note("allow", old.allow != new.allow);
        applied.note("max_fields", old.max_fields != new.max_fields);
        applied.note(
            "resync_interval",
            old.resync_interval != new.resync_interval,
        );
        applied.note("poll_interval", old.poll_interval != new.poll_interval);
        applied.note("stale_max", old.stale_max != new.stale_max);
        applied.note("order", old.order != new.order);
        applied.note("reverse", old.reverse != new.reverse);
        let (old, new) = (&old.redis, &new.redis);
        applied.note("redis.urls", old.urls != new.urls);
        applied.note("redis.username", old.username != new.username);
        applied.note(
            "redis.password_file",
            old.password_file != new.password_file,
        );
        applied.note(
            "redis.password_command",
            old.password_command != new.password_command,
        );
        applied.note("redis.ca_file", old.ca_file != new.ca_file);
        applied.note("redis.cert_file", cert_file(old) != cert_file(new));
        applied.note("redis.key_file", key_file(old) != key_file(new));
        applied.note("redis.server_name", old.server_name != new.server_name);
        applied.note("redis.sentinel", old.sentinel != new.sentinel);
        applied.note("redis.master_scheme", old.master_tls != new.master_tls);
        applied.note(
            "redis.connect_timeout",
            old.connect_timeout != new.connect_timeout,
        );
        Difference {
            applied: applied.keys,
            pending: pending.keys,
        }
    }
}

fn cert_file(redis: &Redis) -> Option<&Path> {
    Some(&redis.certificate.as_ref()?.certificate)
}

fn key_file(redis: &Redis) -> Option<&Path> {
    Some(&redis.certificate.as_ref()?.key)
}

/// The keys that differ.
#[derive(Default)]
struct ChangedKeys {
    keys: Vec<&'static str>,
}

impl ChangedKeys {
    fn note(&mut self, key: &'static str, differs: bool) {
        if differs {
            self.keys.push(key);
        }
    }
}

/// Resets a new value to the one in effect; true if they differ.
fn replace<T: Clone + PartialEq>(new: &mut T, old: &T) -> bool {
    let differs = new != old;
    new.clone_from(old);
    differs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        let name = format!("reload-{}.toml", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        let config = Config::load_without_secrets(Some(&path)).unwrap();
        std::fs::remove_file(path).unwrap();
        config
    }

    #[test]
    fn another_source_of_the_password_is_named() {
        let old = config("[redis]\npassword_file = '/p'\n");
        let mut new = config("[redis]\npassword_command = ['/c']\n");
        let difference = Difference::settle(&old, &mut new);
        let keys = ["redis.password_file", "redis.password_command"];
        assert_eq!(difference.applied, keys);
    }

    #[test]
    fn each_key_that_differs_is_named() {
        let old = config("");
        let mut same = config("");
        assert_eq!(Difference::settle(&old, &mut same), Difference::default());

        let all = "hashes = ['h']\ndomain = 'd.example'\nzone = 'z'\nallow = ['a*']\n\
                   max_fields = 7\nsocket = '/s'\n\
                   state_dir = '/d'\nstatus_file = '/f'\nresync_interval = '1s'\n\
                   poll_interval = '1s'\nstale_max = '1s'\norder = 'fixed'\nreverse = false\n[redis]\n\
                   urls = ['redis://s']\nusername = 'u'\npassword_file = '/p'\nca_file = '/c'\n\
                   cert_file = '/c'\nkey_file = '/k'\nserver_name = 's.example'\n\
                   sentinel = 'm'\nmaster_scheme = 'rediss'\nconnect_timeout = '1s'\n";
        let mut new = config(all);
        let difference = Difference::settle(&old, &mut new);
        let keys = |text: &str| -> Vec<String> {
            let keys = text.lines().filter_map(|line| line.split_once(" ="));
            keys.map(|(key, _)| key.to_owned()).collect()
        };
        let mut named: Vec<&str> = difference.applied.clone();
        named.extend(&difference.pending);
        let named = |key: &String| {
            named
                .iter()
                .any(|name| name.trim_start_matches("redis.") == key)
        };
        assert!(keys(all).iter().all(named), "{difference:?}");
        assert_eq!(difference.pending, ["socket", "state_dir", "status_file"]);
        assert_eq!(new.socket, old.socket, "what is in effect stays");
        assert_eq!(new.hashes, ["h"]);
    }
}
