//! Passwords on the command line, which all users can see in the list of processes:
//! they are overwritten there.

use std::fs::{File, OpenOptions, read, read_to_string};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use crate::endpoint::Endpoint;
use crate::exposure::Exposure;
use crate::printable::reason;

/// Where the arguments begin in memory, as a field of `/proc/PID/stat`
/// (`arg_start` in proc_pid_stat(5)), counted from the third, which is the
/// first behind the program's name.
const ARGUMENTS: usize = 48 - 3;

/// Overwrites the passwords in these values of `--redis-url` where others see
/// them. `None`: there are none.
///
/// The kernel shows others the memory of the process itself, so that memory is
/// overwritten, through `/proc/self/mem`: Rust has no access to it, and holds no
/// reference to it. Call this after the arguments are parsed, since later readers
/// of them get what is there then.
#[must_use]
pub fn hide_passwords(urls: &[String]) -> Option<Exposure> {
    let secret = |url: &&String| Endpoint::parse(url).is_ok_and(|url| url.password.is_some());
    let secrets: Vec<&String> = urls.iter().filter(secret).collect();
    if secrets.is_empty() {
        return None;
    }
    Some(match overwrite(&secrets) {
        Ok(()) => Exposure::CommandLineHidden,
        Err(error) => Exposure::CommandLine(reason(&error.to_string())),
    })
}

fn overwrite(urls: &[&String]) -> io::Result<()> {
    let line = read("/proc/self/cmdline")?;
    let start = start_of_arguments()?;
    let memory = OpenOptions::new().write(true).open("/proc/self/mem")?;
    for url in urls {
        for at in found(&line, url.as_bytes()) {
            hide(&memory, start + at as u64, url)?;
        }
    }
    let line = read("/proc/self/cmdline")?;
    if urls
        .iter()
        .any(|url| !found(&line, url.as_bytes()).is_empty())
    {
        Err(io::Error::other("it is still there"))
    } else {
        Ok(())
    }
}

fn start_of_arguments() -> io::Result<u64> {
    let stat = read_to_string("/proc/self/stat")?;
    let start = stat
        .rsplit_once(") ")
        .and_then(|(_, fields)| fields.split(' ').nth(ARGUMENTS)?.parse().ok());
    start.ok_or_else(|| io::Error::other("/proc/self/stat does not say where it is"))
}

fn hide(memory: &File, start: u64, url: &str) -> io::Result<()> {
    for part in secret_parts(url) {
        let stars = vec![b'*'; part.len()];
        memory.write_all_at(&stars, start + part.start as u64)?;
    }
    Ok(())
}

/// Where `part` stands in `whole`.
fn found(whole: &[u8], part: &[u8]) -> Vec<usize> {
    let places = whole.windows(part.len().max(1)).enumerate();
    let is_it = |(at, window): (usize, &[u8])| (window == part).then_some(at);
    places.filter_map(is_it).collect()
}

/// The parts of a URL that must not be seen: the password before the host, and
/// that among the parameters; all of it where neither is found.
fn secret_parts(url: &str) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    if let Some(start) = url.find("://").map(|at| at + 3) {
        let authority = url[start..]
            .split(['/', '?', '#', '\\'])
            .next()
            .unwrap_or_default();
        if let Some(end) = authority.rfind('@')
            && let Some(colon) = authority[..end].find(':')
        {
            parts.push(start + colon + 1..start + end);
        }
    }
    let mut at = url.find('?').map_or(url.len(), |at| at + 1);
    for parameter in url[at..].split('&') {
        if parameter.starts_with("pass=") {
            parts.push(at + "pass=".len()..at + parameter.len());
        }
        at += parameter.len() + 1;
    }
    parts.retain(|part| !part.is_empty());
    // Written in a way that the URL parser understands and this code does not.
    if parts.is_empty() {
        parts.push(0..url.len());
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_is_hidden() {
        for (url, hidden) in [
            ("redis://:secret@h:1/2", "redis://:******@h:1/2"),
            ("rediss://user:secret@h", "rediss://user:******@h"),
            ("redis://user:a:b@c@h", "redis://user:*****@h"),
            ("redis://[::1]:7/0?pass=x", "redis://[::1]:7/0?pass=*"),
            (
                "redis+unix:///s?db=1&pass=secret&user=u",
                "redis+unix:///s?db=1&pass=******&user=u",
            ),
            ("unix:/s?p%61ss=secret", "*********************"),
        ] {
            let mut bytes = url.as_bytes().to_vec();
            for part in secret_parts(url) {
                bytes[part].fill(b'*');
            }
            assert_eq!(String::from_utf8(bytes).unwrap(), hidden);
        }
    }

    #[test]
    fn every_occurrence_is_found() {
        assert_eq!(found(b"a\0bab\0ab", b"ab"), [3, 6]);
        assert!(found(b"", b"ab").is_empty());
    }
}
