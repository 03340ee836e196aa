//! The lines of a hosts(5) file that are about its own machine: a container runtime writes
//! one with the container's hostname and address, by which programs look themselves up.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use crate::replace_file;

/// The first line of an exported file, except JSON.
pub(super) const MADE: &str = "# Made by \"cloudhosts export\", which overwrites changes.";

/// The lines that every hosts(5) file needs.
pub(super) const LOOPBACK: &str =
    "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";

/// The line above the preserved lines.
const OWN: &str = "# This machine's own, from before (--keep-own):";

/// The line above the roles.
const ROLES: &str = "# The roles:";

/// The line below the roles: a runtime adds lines at the end of the file.
const END: &str = "# The end of the roles.";

/// The lines of a file that have a certain hostname.
#[derive(Debug, Default)]
pub(super) struct PreservedLines {
    /// Each once, unchanged.
    lines: Vec<Vec<u8>>,
    /// All their names, in lower case.
    names: BTreeSet<String>,
}

impl PreservedLines {
    /// The lines of a file that name this host. In an exported file these are the lines
    /// that were preserved then, and those added since, but no roles.
    ///
    /// # Errors
    /// The file can't be read.
    pub(super) fn read(path: &Path, host: &str) -> io::Result<PreservedLines> {
        match replace_file::open(path)? {
            Some(file) => PreservedLines::among(BufReader::new(file), host),
            None => Ok(PreservedLines::default()),
        }
    }

    fn among(text: impl BufRead, host: &str) -> io::Result<PreservedLines> {
        let mut own = PreservedLines::default();
        let mut among_roles = false;
        for line in text.split(b'\n') {
            let line = line?;
            match &*String::from_utf8_lossy(&line) {
                MADE | ROLES => among_roles = true,
                OWN | END => among_roles = false,
                shown if !among_roles => own.consider(&line, shown, host),
                _ => {}
            }
        }
        Ok(own)
    }

    /// Preserves a line if it names the host, and is not written anyway.
    fn consider(&mut self, line: &[u8], shown: &str, host: &str) {
        let words = shown.split('#').next().unwrap_or_default();
        let mut names = words.split_whitespace().skip(1);
        let written = LOOPBACK.lines().any(|always| always == shown);
        if written || self.lines.iter().any(|preserved| preserved == line) {
            return;
        }
        if names.any(|name| name.eq_ignore_ascii_case(host)) {
            let names = words.split_whitespace().skip(1);
            self.names.extend(names.map(str::to_ascii_lowercase));
            self.lines.push(line.to_owned());
        }
    }

    /// Whether one of them has this name, which then is not written as that of a role.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Writes them, and the line above the roles.
    pub(super) fn write_before(&self, out: &mut dyn Write) -> io::Result<()> {
        if !self.lines.is_empty() {
            writeln!(out, "{OWN}")?;
        }
        for line in &self.lines {
            out.write_all(line)?;
            out.write_all(b"\n")?;
        }
        writeln!(out, "{ROLES}")
    }

    /// Writes the line below the roles.
    pub(super) fn write_after(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{END}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(text: &str) -> Vec<String> {
        let own = PreservedLines::among(text.as_bytes(), "4fa3bc12e9d1").unwrap();
        let lines = own.lines.iter();
        lines
            .map(|line| String::from_utf8(line.clone()).unwrap())
            .collect()
    }

    #[test]
    fn the_line_of_a_runtime_is_found_in_its_file_and_in_ours() {
        let docker = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n\
                      ff02::1\tip6-allnodes\n172.17.0.2\t4fa3bc12e9d1\n";
        assert_eq!(own(docker), ["172.17.0.2\t4fa3bc12e9d1"]);
        let podman = "10.88.0.3 4FA3BC12E9D1 app # by podman\n10.0.0.1 x # 4fa3bc12e9d1\n";
        assert_eq!(own(podman), ["10.88.0.3 4FA3BC12E9D1 app # by podman"]);

        let role = "10.0.0.5\t4fa3bc12e9d1";
        let ours = format!(
            "{MADE}\n{LOOPBACK}{OWN}\n172.17.0.2\t4fa3bc12e9d1\n{ROLES}\n{role}\n{END}\n\
             172.18.0.2\t4fa3bc12e9d1\n172.17.0.2\t4fa3bc12e9d1\n"
        );
        assert_eq!(
            own(&ours),
            ["172.17.0.2\t4fa3bc12e9d1", "172.18.0.2\t4fa3bc12e9d1"]
        );
        let without = format!("{MADE}\n{LOOPBACK}{role}\n");
        assert_eq!(own(&without), [""; 0], "a role is nobody's own line");
    }

    #[test]
    fn what_is_written_anyway_is_not_kept_twice() {
        let own = PreservedLines::among(LOOPBACK.as_bytes(), "localhost").unwrap();
        assert_eq!(own.lines, [b""; 0]);
    }
}
