//! Lines of hosts(5): an address, and the names that are there.

use std::io::BufRead;
use std::net::IpAddr;

use cloudhosts_registry::register::{ImportedRoles, Role, Where};

use crate::outcome::Plain;

/// Most errors that are told one by one.
const MOST: usize = 20;

/// Names that every system has for itself, and that are no machine's: those of
/// Debian's and Red Hat's /etc/hosts.
const OWN: [&str; 11] = [
    "localhost",
    "localhost.localdomain",
    "localhost4",
    "localhost4.localdomain4",
    "localhost6",
    "localhost6.localdomain6",
    "ip6-localhost",
    "ip6-loopback",
    "ip6-localnet",
    "ip6-mcastprefix",
    "broadcasthost",
];

/// What the lines say.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    /// Each name once, with all its addresses.
    pub(super) roles: ImportedRoles,
    /// How many lines are about this machine alone.
    pub(super) skipped: usize,
}

/// Reads the lines of a hosts file.
///
/// # Errors
/// It can't be read; or all that is wrong, a line each, with its number.
pub(super) fn parse(file: &str, text: impl BufRead) -> Result<Hosts, String> {
    let mut skipped = 0;
    let mut mentions = Mentions::default();
    let mut errors = Errors::new(file);
    for (number, line) in (1..).zip(text.split(b'\n')) {
        let line = line.map_err(|error| format!("can't read {}: {error}", Plain(file)))?;
        let line = line.split(|&byte| byte == b'#').next().unwrap_or_default();
        let Ok(line) = std::str::from_utf8(line) else {
            errors.add(number, "this is not UTF-8 text");
            continue;
        };
        match read(line) {
            Ok(Line::Empty) => {}
            Ok(Line::Own) => skipped += 1,
            Ok(Line::Host(address, roles)) => {
                for role in roles {
                    mentions.add(role.name(), address, number);
                }
            }
            Err(why) => errors.add(number, &why),
        }
    }
    let roles = mentions.joined(&mut errors);
    errors.end().map_or(Ok(Hosts { roles, skipped }), Err)
}

/// Each name of each line, with the address of the line. A million of them take
/// little memory.
#[derive(Debug, Default)]
struct Mentions {
    /// The names, one behind the other.
    names: String,
    all: Vec<Mention>,
}

/// One of them.
#[derive(Debug, Clone, Copy)]
struct Mention {
    /// Where its name begins: later than that of those before it.
    start: usize,
    end: usize,
    address: IpAddr,
    /// The number of the line.
    line: usize,
}

impl Mentions {
    fn add(&mut self, name: &str, address: IpAddr, line: usize) {
        let start = self.names.len();
        self.names.push_str(name);
        let end = self.names.len();
        self.all.push(Mention {
            start,
            end,
            address,
            line,
        });
    }

    /// Each name once, with its addresses in the order of the lines. A name that can't be
    /// at them is told in `errors`, by its first line.
    fn joined(self, errors: &mut Errors<'_>) -> ImportedRoles {
        let Mentions { names, mut all } = self;
        let name = |one: &Mention| names.get(one.start..one.end).unwrap_or_default();
        all.sort_unstable_by(|a, b| (name(a), a.start).cmp(&(name(b), b.start)));
        let alike = all.chunk_by(|a, b| name(a) == name(b));
        let entry = |alike: &[Mention]| {
            let first = alike.first()?;
            let addresses = alike.iter().map(|one| one.address.to_string());
            let addresses = addresses.collect::<Vec<_>>().join(" ");
            let role = Role::parse(name(first)).map_err(|why| why.to_string());
            let entry = role.and_then(|role| match Where::addresses(&addresses) {
                Ok(at) => Ok((role, at)),
                Err(why) => Err(format!("{role}: {why}")),
            });
            entry.map_err(|why| errors.add(first.line, &why)).ok()
        };
        alike.filter_map(entry).collect()
    }
}

/// What one line says.
enum Line {
    Empty,
    /// Something about this machine alone.
    Own,
    Host(IpAddr, Vec<Role>),
}

fn read(line: &str) -> Result<Line, String> {
    let mut words = line.split_whitespace();
    let Some(address) = words.next() else {
        return Ok(Line::Empty);
    };
    let names: Vec<&str> = words.collect();
    if names.is_empty() {
        return Err(format!("no name after {}", Plain(address)));
    }
    let others: Vec<&str> = names.into_iter().filter(|name| !is_own(name)).collect();
    if others.is_empty() {
        return Ok(Line::Own);
    }
    let parsed: IpAddr = address
        .parse()
        .map_err(|_| format!("{} is no IP address", Plain(address)))?;
    if parsed.is_loopback() {
        return Ok(Line::Own);
    }
    Where::addresses(address).map_err(|why| why.to_string())?;
    let roles = others.into_iter().map(Role::parse);
    let roles: Result<Vec<Role>, _> = roles.collect();
    Ok(Line::Host(parsed, roles.map_err(|why| why.to_string())?))
}

fn is_own(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    OWN.contains(&name.as_str())
        || name.ends_with(".localhost")
        // ip6-allnodes, ip6-allrouters, ip6-allhosts: multicast
        || name.starts_with("ip6-all")
}

/// What is wrong, as far as anybody wants to read.
struct Errors<'f> {
    file: &'f str,
    told: Vec<(usize, String)>,
    more: usize,
}

impl Errors<'_> {
    fn new(file: &str) -> Errors<'_> {
        Errors {
            file,
            told: Vec::new(),
            more: 0,
        }
    }

    fn add(&mut self, line: usize, why: &str) {
        match self.told.len() < MOST {
            true => self.told.push((line, why.to_owned())),
            false => self.more += 1,
        }
    }

    fn end(mut self) -> Option<String> {
        if self.told.is_empty() {
            return None;
        }
        self.told.sort();
        let file = Plain(self.file);
        let lines = self
            .told
            .iter()
            .map(|(line, why)| format!("{file}:{line}: {why}"));
        let mut lines: Vec<String> = lines.collect();
        if self.more > 0 {
            lines.push(format!("{file}: {} more errors", self.more));
        }
        lines.push("nothing was imported".to_owned());
        Some(lines.join("\ncloudhosts: "))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn roles(text: &str) -> Result<Vec<String>, String> {
        let roles = parse("f", text.as_bytes())?.roles;
        let shown = roles.iter().map(|(role, at)| format!("{role}={at}"));
        Ok(shown.collect())
    }

    #[test]
    fn a_name_gets_all_its_addresses() {
        let text = "10.0.0.5 web www # comment\r\n\n# none\nfd00::5\tWeb.\n10.0.0.5 web\n";
        assert_eq!(
            roles(text).unwrap(),
            ["web=10.0.0.5 fd00::5", "www=10.0.0.5"]
        );
    }

    #[test]
    fn what_is_about_this_machine_alone_is_skipped() {
        let text = "127.0.0.1 localhost\n127.0.1.1 box\n::1 ip6-localhost ip6-loopback box\n\
                    fe80::1%lo0 localhost\nff02::1 ip6-allnodes\n10.0.0.5 localhost web\n";
        let hosts = parse("f", text.as_bytes()).unwrap();
        let roles: Vec<_> = hosts.roles.iter().collect();
        assert_eq!((roles, hosts.skipped), (vec![("web", "10.0.0.5")], 5));
    }

    #[test]
    fn all_errors_are_told_with_their_lines() {
        let text = "10.0.0.5\n10.0.0 web\n10.0.0.5 a b!\n0.0.0.0 ads\n10.0.0.6 ok\n";
        let error = roles(text).unwrap_err();
        for line in [
            "f:1: no name",
            "f:2: 10.0.0 is",
            "f:3: \"b!\"",
            "f:4: 0.0.0.0 means",
        ] {
            assert!(error.contains(line), "{line}: {error}");
        }
        assert!(error.ends_with("nothing was imported"), "{error}");
        let many = roles(&"x\n".repeat(100)).unwrap_err();
        assert!(
            many.contains("f: 80 more errors") && many.lines().count() == 22,
            "{many}"
        );
        assert!(
            parse("f", &b"10.0.0.5 \xff\n"[..])
                .unwrap_err()
                .contains("f:1: ")
        );
    }
}
