//! The file that has a resolver ask cloudhosts-dns. It is a file of its own, so removing it
//! gives back what was before.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use cloudhosts_config::Config;
use cloudhosts_table::Name;
use xxhash_rust::xxh3::xxh3_64;

use super::resolver::Kind;
use crate::outcome::Failure;
use crate::replace_file;

/// The domain in the templates: they are examples, valid as they stand.
const EXAMPLE_DOMAIN: &str = "prod.example.com";

/// The server in the templates.
const EXAMPLE_SERVER: &str = "127.0.0.153";

/// What separates the paragraphs of a template.
const BETWEEN: &str = "\n\n";

/// The first line. By the second it is told whether the rest is as it was written.
const MADE: &str =
    "# Made by \"cloudhosts dns enable\"; \"cloudhosts dns disable\" removes this file.\n";

/// The beginning of the second line.
const CHECKSUM: &str = "# Checksum: ";

/// What is asked of cloudhosts-dns, and where it listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    /// The zones: that of the domain first.
    pub(crate) zones: Vec<Name>,
    /// The address that programs of this machine ask.
    pub(crate) server: SocketAddr,
}

impl Route {
    /// By the configuration. None where that has no domain.
    pub(crate) fn of(config: &Config) -> Option<Route> {
        let mut zones = vec![config.domain?];
        zones.extend(config.dns.zones.iter().copied());
        let listen = &config.dns.listen;
        let local = listen.iter().find(|address| address.ip().is_loopback());
        let server = *local.or(listen.first())?;
        Some(Route { zones, server })
    }

    /// The file of this kind.
    fn file(&self, kind: Kind) -> String {
        let body = self.fill(kind.template(), &kind.server(self.server));
        let checksum = xxh3_64(body.as_bytes());
        format!("{MADE}{CHECKSUM}{checksum:016x}\n{body}")
    }

    /// A template with this route in place of the example's. A paragraph with the domain is
    /// there once for each zone.
    fn fill(&self, template: &str, server: &str) -> String {
        let mut paragraphs: Vec<String> = Vec::new();
        for paragraph in template.trim_end().split(BETWEEN) {
            let paragraph = paragraph.replace(EXAMPLE_SERVER, server);
            if paragraph.contains(EXAMPLE_DOMAIN) {
                let zones = self.zones.iter();
                paragraphs
                    .extend(zones.map(|zone| paragraph.replace(EXAMPLE_DOMAIN, zone.as_str())));
            } else {
                paragraphs.push(paragraph);
            }
        }
        paragraphs.join(BETWEEN) + "\n"
    }
}

/// What stands at the place of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing.
    Absent,
    /// What the configuration asks for.
    Enabled,
    /// What another configuration or release asked for, as it was written.
    Outdated,
    /// What somebody else has written or changed.
    Changed,
}

impl State {
    /// One word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            State::Absent => "absent",
            State::Enabled => "enabled",
            State::Outdated => "outdated",
            State::Changed => "changed",
        }
    }
}

/// One file, which may be missing.
#[derive(Debug)]
pub(crate) struct DropIn {
    kind: Kind,
    path: PathBuf,
    text: Option<Vec<u8>>,
}

impl DropIn {
    /// Reads it in this root directory.
    ///
    /// # Errors
    /// It can't be read.
    pub(crate) fn read(kind: Kind, root: &Path) -> Result<DropIn, Failure> {
        let path = kind.path(root);
        let text = replace_file::read(&path).map_err(|error| {
            let path = path.display();
            Failure::Failed(format!("can't read {path}: {error}"))
        })?;
        Ok(DropIn { kind, path, text })
    }

    /// Its kind.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is something.
    pub(crate) fn exists(&self) -> bool {
        self.text.is_some()
    }

    /// What it is. Without a route nothing is enabled.
    pub(crate) fn state(&self, route: Option<&Route>) -> State {
        let Some(text) = &self.text else {
            return State::Absent;
        };
        let wanted = route.map(|route| route.file(self.kind));
        if wanted.is_some_and(|wanted| wanted.as_bytes() == text) {
            State::Enabled
        } else if is_as_written(text) {
            State::Outdated
        } else {
            State::Changed
        }
    }

    /// Has the file say this. Returns whether that changed it.
    ///
    /// # Errors
    /// It is somebody else's, and `force` is not set; or it can't be written.
    pub(crate) fn enable(&mut self, route: &Route, force: bool) -> Result<bool, Failure> {
        match self.state(Some(route)) {
            State::Enabled => return Ok(false),
            State::Changed if !force => return Err(self.foreign("replaces")),
            _ => {}
        }
        let text = route.file(self.kind).into_bytes();
        self.make_directory()?;
        replace_file::replace(&self.path, &text).map_err(|error| self.unwritten(&error))?;
        self.text = Some(text);
        Ok(true)
    }

    /// Removes the file. Returns whether it was there.
    ///
    /// # Errors
    /// It is somebody else's, and `force` is not set; or it can't be removed.
    pub(crate) fn disable(&mut self, force: bool) -> Result<bool, Failure> {
        match self.state(None) {
            State::Absent => return Ok(false),
            State::Changed if !force => return Err(self.foreign("removes")),
            _ => {}
        }
        fs::remove_file(&self.path).map_err(|error| self.unwritten(&error))?;
        self.text = None;
        if let (true, Some(directory)) = (self.kind.makes_directory(), self.path.parent()) {
            // One that has other files stays.
            let _ = fs::remove_dir(directory);
        }
        Ok(true)
    }

    fn make_directory(&self) -> Result<(), Failure> {
        let Some(directory) = self.path.parent() else {
            return Ok(());
        };
        if self.kind.makes_directory() && directory.parent().is_some_and(Path::is_dir) {
            return match fs::create_dir(directory) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    Err(self.unwritten(&error))
                }
                _ => Ok(()),
            };
        }
        if directory.is_dir() {
            return Ok(());
        }
        let (resolver, directory) = (self.kind.resolver().word(), directory.display());
        Err(Failure::Failed(format!(
            "there is no {directory}, so {resolver} is not installed here, or does not read files \
             there; install it, or name another resolver with --for"
        )))
    }

    fn foreign(&self, does: &str) -> Failure {
        let path = self.path.display();
        Failure::Refused(format!(
            "{path} is unchanged: it is not as \"cloudhosts dns enable\" wrote it, so somebody else \
             has written or changed it; look at it, and --force {does} it"
        ))
    }

    fn unwritten(&self, error: &io::Error) -> Failure {
        let path = self.path.display();
        let hint = match error.kind() {
            io::ErrorKind::PermissionDenied => "; run this as root",
            _ => "",
        };
        Failure::Failed(format!("{path} is unchanged: {error}{hint}"))
    }
}

/// Whether a file is one of ours that nobody has changed.
fn is_as_written(text: &[u8]) -> bool {
    let body = || {
        let text = std::str::from_utf8(text).ok()?;
        let (checksum, body) = text.strip_prefix(MADE)?.split_once('\n')?;
        Some((checksum.strip_prefix(CHECKSUM)?, body))
    };
    body().is_some_and(|(checksum, body)| checksum == format!("{:016x}", xxh3_64(body.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(zones: &[&str], server: &str) -> Route {
        let zones = zones.iter().map(|zone| Name::parse(zone.as_bytes()));
        Route {
            zones: zones.collect::<Result<_, _>>().unwrap(),
            server: server.parse().unwrap(),
        }
    }

    /// The examples that the packages install are what the command writes.
    #[test]
    fn the_examples_route_is_the_example() {
        let route = route(&[EXAMPLE_DOMAIN], "127.0.0.153:53");
        for kind in Kind::ALL {
            let template = kind.template();
            assert_eq!(route.fill(template, &kind.server(route.server)), template);
            assert!(template.contains(EXAMPLE_DOMAIN) && template.contains(EXAMPLE_SERVER));
        }
    }

    #[test]
    fn each_zone_has_what_the_domain_has() {
        let route = route(&["eu.example.org", "10.in-addr.arpa"], "[::1]:5353");
        for kind in Kind::ALL {
            let file = route.file(kind);
            assert!(!file.contains(EXAMPLE_DOMAIN) && !file.contains(EXAMPLE_SERVER));
            assert!(file.contains(&kind.server(route.server)), "{file}");
            let count = |zone: &str| file.matches(zone).count();
            assert_eq!(count("eu.example.org"), count("10.in-addr.arpa"), "{file}");
            assert!(is_as_written(file.as_bytes()));
            assert!(!is_as_written(file.replace("::1", "::2").as_bytes()));
            assert!(!is_as_written(format!("{file}\n").as_bytes()));
        }
        assert!(!is_as_written(b""));
        assert!(!is_as_written(MADE.as_bytes()));
    }
}
