//! Who makes a change, for the change log.

use std::fmt;

/// Longer names are cut off.
const LONGEST: usize = 64;

/// `alice@web-1`: the user, if known, and the host. It is not authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author(String);

impl Author {
    /// A user of this machine, or whom this machine acts for: a gateway for one of its tokens.
    #[must_use]
    pub fn on_this_host(user: &str) -> Author {
        let uname = rustix::system::uname();
        Author::new(Some(&word(user)), &uname.nodename().to_string_lossy())
    }

    /// The user that runs this process, or that ran sudo.
    pub(super) fn of_this_process() -> Author {
        let variables = ["SUDO_USER", "LOGNAME", "USER"];
        let user = variables
            .iter()
            .filter_map(|name| Some(word(&std::env::var(name).ok()?)))
            .find(|user| !user.is_empty());
        let uname = rustix::system::uname();
        Author::new(user.as_deref(), &uname.nodename().to_string_lossy())
    }

    fn new(user: Option<&str>, host: &str) -> Author {
        let host = word(host);
        Author(match user {
            Some(user) => format!("{user}@{host}"),
            None => host,
        })
    }
}

/// The printable part of a name.
fn word(name: &str) -> String {
    let plain = name.chars().filter(char::is_ascii_graphic);
    plain.take(LONGEST).collect()
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_author_is_one_printable_word() {
        let shown = |user, host: &str| Author::new(user, host).to_string();
        assert_eq!(shown(Some("alice"), "web-1"), "alice@web-1");
        assert_eq!(shown(None, "web\u{1b}[31m 1"), "web[31m1");
        assert_eq!(shown(None, &"x".repeat(1000)).len(), LONGEST);
    }
}
