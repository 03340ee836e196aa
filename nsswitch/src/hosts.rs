//! The `hosts:` lines of nsswitch.conf(5), parsed by glibc's rules (`nss/nss_database.c` and
//! `nss/nss_action_parse.c`): the last line is effective, the colon is optional, `\r` is white
//! space, and a service may be followed by one group of actions.

use std::fmt;
use std::ops::Range;

/// The name of the cloudhosts module on the line.
pub const WORD: &str = "cloudhosts";

/// The services that ask the network, but for those of Avahi, which begin with `mdns`.
const NETWORK: [&str; 9] = [
    "dns", "resolve", "sss", "ldap", "nis", "nisplus", "hesiod", "wins", "winbind",
];

/// One `hosts:` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostsLine {
    /// Where the word `hosts` ends.
    pub name_end: usize,
    /// From after the white space and colons to the end of the line or a comment.
    pub data: Range<usize>,
    /// Where the next line begins.
    pub end: usize,
    /// The services, in order; or an error, at which glibc ignores the whole file.
    pub services: Result<Vec<Service>, Malformed>,
}

/// A service and its actions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name, as written.
    pub name: String,
    /// Where the name begins and the actions end.
    pub span: Range<usize>,
    /// The results at which the search ends here.
    pub returns: Returns,
}

/// The results of a service at which the search ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Returns([bool; 4]);

/// The results, in the order of [`Returns`].
const STATUSES: [&str; 4] = ["SUCCESS", "NOTFOUND", "UNAVAIL", "TRYAGAIN"];

/// A line that is not a list of services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the [brackets] on its hosts: line do not follow nsswitch.conf(5), so glibc ignores \
             the whole file",
        )
    }
}

impl Service {
    /// Whether it is cloudhosts.
    pub fn is_ours(&self) -> bool {
        self.name == WORD
    }

    /// Whether it asks the network, or a cache in front of it, such as systemd-resolved
    /// (`resolve`) and sssd (`sss`). Such services belong after cloudhosts.
    pub fn asks_network(&self) -> bool {
        NETWORK.contains(&self.name.as_str()) || self.name.starts_with("mdns")
    }

    /// Whether the search may end here for a name that it does not have.
    pub fn ends_search(&self) -> bool {
        self.returns.without_answer().next().is_some()
    }
}

impl Returns {
    const DEFAULT: Returns = Returns([true, false, false, false]);

    /// The results other than success at which the search ends.
    pub fn without_answer(self) -> impl Iterator<Item = &'static str> {
        let all = STATUSES.into_iter().zip(self.0);
        all.skip(1)
            .filter_map(|(status, ends)| ends.then_some(status))
    }
}

impl HostsLine {
    /// The services; empty if the line is malformed.
    pub fn list(&self) -> &[Service] {
        self.services.as_deref().unwrap_or_default()
    }
}

/// The effective line: the last one.
pub fn effective(text: &[u8]) -> Option<HostsLine> {
    all(text).into_iter().next_back()
}

/// All the `hosts:` lines of a file.
pub fn all(text: &[u8]) -> Vec<HostsLine> {
    let mut at = 0;
    let mut found = Vec::new();
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        found.extend(parse_line(text, at..at + line.len()));
        at += line.len();
    }
    found
}

fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == b'\x0b'
}

/// Parses a line; none if it is for another database.
fn parse_line(text: &[u8], line: Range<usize>) -> Option<HostsLine> {
    let is_end = |&byte: &u8| matches!(byte, b'#' | b'\0' | b'\n');
    let shown = text.get(line.clone())?;
    let stop = line.start + shown.iter().position(is_end).unwrap_or(shown.len());
    let run = |from: usize, of: &dyn Fn(u8) -> bool| {
        let rest = text.get(from..stop).unwrap_or_default();
        from + rest.iter().take_while(|&&byte| of(byte)).count()
    };
    let name = run(line.start, &is_blank);
    let name_end = run(name, &|byte| !is_blank(byte) && byte != b':');
    if text.get(name..name_end)? != b"hosts" {
        return None;
    }
    let data = run(name_end, &|byte| is_blank(byte) || byte == b':');
    // A name without anything after it, not even a newline, is not a line.
    if name_end == stop && text.get(stop) != Some(&b'\n') {
        return None;
    }
    let data = data..stop;
    Some(HostsLine {
        name_end,
        end: line.end,
        services: services(text, data.clone()),
        data,
    })
}

fn services(text: &[u8], data: Range<usize>) -> Result<Vec<Service>, Malformed> {
    let mut reader = Reader {
        text: text.get(..data.end).unwrap_or_default(),
        at: data.start,
    };
    let mut services = Vec::new();
    loop {
        reader.skip_blanks();
        if reader.peek().is_none() {
            return Ok(services);
        }
        let start = reader.at;
        let name = reader.word(b"[");
        if name.is_empty() {
            return Err(Malformed);
        }
        let name = String::from_utf8_lossy(name).into_owned();
        let mut end = reader.at;
        reader.skip_blanks();
        let mut returns = Returns::DEFAULT;
        if reader.take(b'[') {
            returns = reader.actions()?;
            end = reader.at;
        }
        services.push(Service {
            name,
            span: start..end,
            returns,
        });
    }
}

/// A position in the list of services.
struct Reader<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(is_blank) {
            self.at += 1;
        }
    }

    /// The text up to white space or one of these.
    fn word(&mut self, stops: &[u8]) -> &'t [u8] {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let stop = |byte: &u8| is_blank(*byte) || stops.contains(byte);
        let len = rest.iter().position(stop).unwrap_or(rest.len());
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }

    /// The actions after a `[`, up to the `]`.
    fn actions(&mut self) -> Result<Returns, Malformed> {
        let mut returns = Returns::DEFAULT.0;
        self.skip_blanks();
        loop {
            let but = self.take(b'!');
            let status = self.word(b"=]");
            let is_it = |name: &str| name.as_bytes().eq_ignore_ascii_case(status);
            let status = STATUSES.iter().position(|name| is_it(name));
            let status = status.ok_or(Malformed)?;
            self.skip_blanks();
            if !self.take(b'=') {
                return Err(Malformed);
            }
            self.skip_blanks();
            let ends = match self.word(b"=]").to_ascii_lowercase().as_slice() {
                b"return" => true,
                b"continue" | b"merge" => false,
                _ => return Err(Malformed),
            };
            for (n, returns) in returns.iter_mut().enumerate() {
                if (n == status) != but {
                    *returns = ends;
                }
            }
            self.skip_blanks();
            if self.take(b']') {
                return Ok(Returns(returns));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The services of the effective line, with `!` after those that end the search.
    fn seen(text: &str) -> String {
        let Some(line) = effective(text.as_bytes()) else {
            return "no line".into();
        };
        let Ok(services) = line.services else {
            return "malformed".into();
        };
        let show = |service: Service| {
            if service.ends_search() {
                service.name + "!"
            } else {
                service.name
            }
        };
        services.into_iter().map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn lines_are_read_as_glibc_reads_them() {
        for (text, services) in [
            ("hosts: files dns\n", "files dns"),
            ("  hosts\t :: files\x0b\x0cdns\r\n", "files dns"),
            ("hosts files\n", "files"),
            ("hosts: a\nhosts: b\n", "b"),
            ("hosts: a\n#hosts: b\n# hosts: c\n", "a"),
            ("Hosts: a\npasswd: b\n :hosts: c\nhostsx: d\n", "no line"),
            ("", "no line"),
            ("hosts", "no line"),
            ("hosts\n", ""),
            ("hosts:", ""),
            ("hosts: # files", ""),
            ("hosts: files#dns", "files"),
            ("hosts: files\0dns\n", "files"),
            ("hosts: files[NOTFOUND=return]dns", "files! dns"),
            ("hosts: a [ !unavail = Return ] dns", "a! dns"),
            ("hosts: a [! UNAVAIL=return] dns", "malformed"),
            ("hosts: a [!UNAVAIL=return] b [UNAVAIL=return]", "a! b!"),
            (
                "hosts: a [SUCCESS=merge] b [success=continue TRYAGAIN=return] c",
                "a b! c",
            ),
            (
                "hosts: a [!UNAVAIL=return NOTFOUND=continue TRYAGAIN=continue] b",
                "a b",
            ),
            ("hosts: a [NOTFOUND=return", "malformed"),
            ("hosts: a []", "malformed"),
            ("hosts: a [NOTFOUND=stop]", "malformed"),
            ("hosts: a [NOTFOUND=return] [UNAVAIL=return]", "malformed"),
            ("hosts: [NOTFOUND=return] a", "malformed"),
        ] {
            assert_eq!(seen(text), services, "{text:?}");
        }
    }

    #[test]
    fn the_answers_that_end_the_search_are_told() {
        let line = effective(b"hosts: resolve [!UNAVAIL=return]").unwrap();
        let ends: Vec<_> = line.list()[0].returns.without_answer().collect();
        assert_eq!(ends, ["NOTFOUND", "TRYAGAIN"]);
    }
}
