//! What is written to `cloudhosts.toml`.

use std::fmt::Write as _;

/// A configuration: keys as in the documentation, those of `[redis]` as `redis.KEY`, those of
/// `[dns]` as `dns.KEY`.
#[derive(Debug, Clone, Default)]
pub struct Config {
    keys: Vec<(String, String)>,
}

impl Config {
    /// Sets a key to a literal of TOML.
    pub fn set(&mut self, key: &str, literal: impl Into<String>) {
        self.keys.retain(|(known, _)| known != key);
        self.keys.push((key.to_owned(), literal.into()));
    }

    /// Whether a key was set.
    pub fn has(&self, key: &str) -> bool {
        self.keys.iter().any(|(known, _)| known == key)
    }

    /// The file.
    pub fn text(&self) -> String {
        let [mut top, mut redis, mut dns] = ["", "\n[redis]\n", "\n[dns]\n"].map(String::from);
        for (key, literal) in &self.keys {
            let (table, key) = match key.split_once('.') {
                Some(("redis", key)) => (&mut redis, key),
                Some(("dns", key)) => (&mut dns, key),
                _ => (&mut top, key.as_str()),
            };
            writeln!(table, "{key} = {literal}").expect("a string takes it");
        }
        if self.keys.iter().any(|(key, _)| key.starts_with("dns.")) {
            redis += &dns;
        }
        top + &redis
    }
}

/// A string of TOML.
pub fn quote(text: &str) -> String {
    assert!(
        !text.contains(['\'', '\n']),
        "{text}: needs more than quotes"
    );
    format!("'{text}'")
}

/// A list of strings of TOML.
pub fn list(texts: &[&str]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| quote(text)).collect();
    format!("[{}]", quoted.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_redis_are_in_their_section_and_the_last_one_set_wins() {
        let mut config = Config::default();
        config.set("redis.urls", list(&["redis://a", "redis://b"]));
        config.set("domain", quote("x"));
        config.set("domain", quote("y"));
        assert_eq!(
            config.text(),
            "domain = 'y'\n\n[redis]\nurls = ['redis://a', 'redis://b']\n"
        );
    }
}
