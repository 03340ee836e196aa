//! Parsing of hosts(5) files: lines of an address and its names.

use std::io::{self, BufRead};
use std::net::IpAddr;

use cloudhosts_config::printable::Escaped;
use cloudhosts_registry::register::{ImportedRoles, Role, RoleError, Where, WhereError};

/// Most errors that are shown one by one.
const MAX_SHOWN: usize = 20;

/// Names that every system has for itself, from Debian's and Red Hat's /etc/hosts.
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

/// The content of a hosts file.
#[derive(Debug, Default)]
pub(super) struct HostsFile {
    /// Each name once, with all its addresses.
    pub(super) roles: ImportedRoles,
    /// How many lines are about this machine alone.
    pub(super) skipped: usize,
}

/// Reads the lines of a hosts file.
///
/// # Errors
/// It can't be read, or lines of it can't be used.
pub(super) fn parse(text: impl BufRead) -> Result<HostsFile, HostsFileError> {
    let mut skipped = 0;
    let mut mentions = Mentions::default();
    let mut errors = Vec::new();
    for (number, line) in (1..).zip(text.split(b'\n')) {
        match parse_line(&line.map_err(HostsFileError::Read)?) {
            Ok(ParsedLine::Empty) => {}
            Ok(ParsedLine::Own) => skipped += 1,
            Ok(ParsedLine::Host(address, roles)) => {
                for role in roles {
                    mentions.add(role.name(), address, number);
                }
            }
            Err(error) => errors.push((number, error)),
        }
    }
    let roles = mentions.into_entries(&mut errors);
    if errors.is_empty() {
        Ok(HostsFile { roles, skipped })
    } else {
        errors.sort_by_key(|(number, _)| *number);
        Err(HostsFileError::Lines(errors))
    }
}

/// Why nothing of a hosts file is imported.
#[derive(Debug)]
pub(super) enum HostsFileError {
    /// It can't be read.
    Read(io::Error),
    /// Lines that can't be used, with their numbers.
    Lines(Vec<(usize, LineError)>),
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error("this is not UTF-8 text")]
    NotUtf8,
    #[error("no name after {}", Escaped(.0))]
    NoName(String),
    #[error("{} is not an IP address", Escaped(.0))]
    NotAnAddress(String),
    #[error(transparent)]
    Address(#[from] WhereError),
    #[error(transparent)]
    Role(#[from] RoleError),
    /// All the addresses of a name together.
    #[error("{0}: {1}")]
    Addresses(Role, WhereError),
}

impl HostsFileError {
    /// The message, for a file of that name: a line for each error.
    pub(super) fn in_file(&self, file: &str) -> String {
        let file = Escaped(file);
        match self {
            HostsFileError::Read(error) => format!("can't read {file}: {error}"),
            HostsFileError::Lines(errors) => {
                let shown = errors.iter().take(MAX_SHOWN);
                let shown = shown.map(|(number, error)| format!("{file}:{number}: {error}"));
                let mut lines: Vec<String> = shown.collect();
                if let Some(more @ 1..) = errors.len().checked_sub(MAX_SHOWN) {
                    lines.push(format!("{file}: {more} more errors"));
                }
                lines.push("nothing was imported".to_owned());
                lines.join("\ncloudhosts: ")
            }
        }
    }
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

    /// Each name once, with its addresses in the order of the lines. Where these can't
    /// be those of one role, that is an error of its first line.
    fn into_entries(self, errors: &mut Vec<(usize, LineError)>) -> ImportedRoles {
        let Mentions { names, mut all } = self;
        let name = |one: &Mention| names.get(one.start..one.end).unwrap_or_default();
        all.sort_unstable_by(|a, b| (name(a), a.start).cmp(&(name(b), b.start)));
        let same_name = all.chunk_by(|a, b| name(a) == name(b));
        let entry = |mentions: &[Mention]| {
            let first = mentions.first()?;
            let entry = entry(name(first), mentions);
            entry.map_err(|error| errors.push((first.line, error))).ok()
        };
        same_name.filter_map(entry).collect()
    }
}

fn entry(name: &str, mentions: &[Mention]) -> Result<(Role, Where), LineError> {
    let role = Role::parse(name)?;
    let addresses = mentions.iter().map(|one| one.address.to_string());
    let addresses: Vec<String> = addresses.collect();
    match Where::addresses(&addresses.join(" ")) {
        Ok(at) => Ok((role, at)),
        Err(error) => Err(LineError::Addresses(role, error)),
    }
}

/// What one line says.
enum ParsedLine {
    Empty,
    /// Something about this machine alone.
    Own,
    Host(IpAddr, Vec<Role>),
}

fn parse_line(line: &[u8]) -> Result<ParsedLine, LineError> {
    let line = line.split(|&byte| byte == b'#').next().unwrap_or_default();
    let line = std::str::from_utf8(line).map_err(|_| LineError::NotUtf8)?;
    let mut words = line.split_whitespace();
    let Some(address) = words.next() else {
        return Ok(ParsedLine::Empty);
    };
    let names: Vec<&str> = words.collect();
    if names.is_empty() {
        return Err(LineError::NoName(address.to_owned()));
    }
    let others: Vec<&str> = names.into_iter().filter(|name| !is_own(name)).collect();
    if others.is_empty() {
        return Ok(ParsedLine::Own);
    }
    let not_an_address = |_| LineError::NotAnAddress(address.to_owned());
    let parsed: IpAddr = address.parse().map_err(not_an_address)?;
    if parsed.is_loopback() {
        return Ok(ParsedLine::Own);
    }
    Where::addresses(address)?;
    let roles: Result<Vec<Role>, _> = others.into_iter().map(Role::parse).collect();
    Ok(ParsedLine::Host(parsed, roles?))
}

fn is_own(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    OWN.contains(&name.as_str())
        || name.ends_with(".localhost")
        // ip6-allnodes, ip6-allrouters, ip6-allhosts: multicast
        || name.starts_with("ip6-all")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(text: &str) -> Vec<String> {
        let roles = parse(text.as_bytes()).unwrap().roles;
        let shown = roles.iter().map(|(role, at)| format!("{role}={at}"));
        shown.collect()
    }

    fn errors(text: &[u8]) -> Vec<(usize, LineError)> {
        match parse(text).unwrap_err() {
            HostsFileError::Lines(errors) => errors,
            HostsFileError::Read(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_name_gets_all_its_addresses() {
        let text = "10.0.0.5 web www # comment\r\n\n# none\nfd00::5\tWeb.\n10.0.0.5 web\n";
        assert_eq!(roles(text), ["web=10.0.0.5 fd00::5", "www=10.0.0.5"]);
    }

    #[test]
    fn what_is_about_this_machine_alone_is_skipped() {
        let text = "127.0.0.1 localhost\n127.0.1.1 box\n::1 ip6-localhost ip6-loopback box\n\
                    fe80::1%lo0 localhost\nff02::1 ip6-allnodes\n10.0.0.5 localhost web\n";
        let hosts = parse(text.as_bytes()).unwrap();
        let roles: Vec<_> = hosts.roles.iter().collect();
        assert_eq!((roles, hosts.skipped), (vec![("web", "10.0.0.5")], 5));
    }

    #[test]
    fn all_errors_are_found_with_their_lines() {
        let text =
            b"10.0.0.5\n10.0.0 web\n10.0.0.5 a b!\n0.0.0.0 ads\n10.0.0.6 ok\n10.0.0.5 \xff\n";
        let errors = errors(text);
        assert!(
            matches!(
                errors.as_slice(),
                [
                    (1, LineError::NoName(_)),
                    (2, LineError::NotAnAddress(_)),
                    (3, LineError::Role(_)),
                    (4, LineError::Address(_)),
                    (6, LineError::NotUtf8),
                ]
            ),
            "{errors:?}"
        );
    }

    #[test]
    fn a_message_has_a_line_for_each_error_up_to_a_limit() {
        let error = parse("x\n".repeat(100).as_bytes()).unwrap_err();
        assert_eq!(error.in_file("f").lines().count(), MAX_SHOWN + 2);
        let error = parse("x\n".repeat(MAX_SHOWN).as_bytes()).unwrap_err();
        assert_eq!(error.in_file("f").lines().count(), MAX_SHOWN + 1);
    }
}
