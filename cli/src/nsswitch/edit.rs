//! Adding the word `cloudhosts` to the `hosts:` line and removing it, on the bytes of a
//! file: removing it restores the file byte for byte.

use super::hosts::{self, HostsLine, Malformed, Service, WORD};

/// Added to a file without a `hosts:` line: glibc's default (since 2.35, which is also
/// that of distributions) with the word. The comment is above it, since glibc 2.36 takes
/// the words after a `#` on the line itself for services.
const ADDED: &str = "\
# The next line was added by \"cloudhosts nsswitch enable\"; \"disable\" takes both away.
hosts:          files cloudhosts dns
";

/// Added to a file whose last line has no newline and is, or precedes, the effective
/// line: glibc 2.36 does not read a last line without one.
const ENDED: &str = "
# \"cloudhosts nsswitch enable\" ended the line above; \"disable\" undoes that too.
";

/// The state of the effective line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostsLineState {
    /// The word is there once, before services that ask the network and before actions
    /// that end the search.
    Enabled,
    /// The word is there, but behind one of these, or more than once.
    Misplaced,
    /// The word is not there.
    Absent,
    /// glibc can't read the line.
    Malformed,
}

/// The state of a file.
pub(crate) fn state(text: &[u8]) -> HostsLineState {
    match hosts::effective(text).map(|line| line.services) {
        None => HostsLineState::Absent,
        Some(Err(Malformed)) => HostsLineState::Malformed,
        Some(Ok(services)) => match services.iter().filter(|service| service.is_ours()).count() {
            0 => HostsLineState::Absent,
            1 if unhindered(&services) => HostsLineState::Enabled,
            _ => HostsLineState::Misplaced,
        },
    }
}

/// Whether nothing before our word asks the network or may end the search.
fn unhindered(services: &[Service]) -> bool {
    services
        .iter()
        .take_while(|service| !service.is_ours())
        .all(|service| !hinders(service))
}

/// Whether our word must stand before it.
fn hinders(service: &Service) -> bool {
    service.asks_network() || service.ends_search()
}

/// The file with the word on the effective line: right after `files`, or further to the
/// front where something before that would hinder it, or first.
///
/// # Errors
/// glibc can't read the line.
pub(crate) fn enable(text: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut text = text.to_vec();
    let Some(mut line) = hosts::effective(&text) else {
        end_last_line(&mut text);
        let crlf = text.ends_with(b"\r\n");
        text.extend(with_ends(ADDED, crlf));
        return Ok(text);
    };
    if line.end == text.len() && end_last_line(&mut text) {
        line = hosts::effective(&text).unwrap_or(line);
    }
    let services = line.services.as_ref().map_err(|&malformed| malformed)?;
    if state(&text) == HostsLineState::Enabled {
        return Ok(text);
    }
    if services.iter().any(Service::is_ours) {
        remove(&mut text, &line);
        return enable(&text);
    }
    add(&mut text, &line, services);
    Ok(text)
}

/// The file without the word, on any of its `hosts:` lines, and without anything
/// else that [`enable`] added.
///
/// # Errors
/// The word stands on a line that glibc can't read.
pub(crate) fn disable(text: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut text = text.to_vec();
    for added in [with_ends(ADDED, false), with_ends(ADDED, true)] {
        if let Some(at) = find_line(&text, &added) {
            text.drain(at..at + added.len());
        }
    }
    // From the last to the first, so that what is found stays where it is.
    for line in hosts::all(&text).iter().rev() {
        let rest = text.get(line.data.clone()).unwrap_or_default();
        let has_word = rest.windows(WORD.len()).any(|part| part == WORD.as_bytes());
        if has_word && line.services.is_err() {
            return Err(Malformed);
        }
        remove(&mut text, line);
    }
    if text.ends_with(ENDED.as_bytes()) {
        text.truncate(text.len() - ENDED.len());
    }
    Ok(text)
}

/// Adds the word to a line without it. [`remove`] has a rule for each space that is added.
fn add(text: &mut Vec<u8>, line: &HostsLine, services: &[Service]) {
    let files = services.iter().position(|service| service.name == "files");
    let hindered = services.iter().position(hinders).unwrap_or(services.len());
    let place = files.map_or(0, |files| files + 1).min(hindered);
    let (at, word) = match place.checked_sub(1).and_then(|before| services.get(before)) {
        // `dns [..]mdns`: no blank is there, none is needed before the word.
        Some(before)
            if services
                .get(place)
                .is_some_and(|next| next.span.start == before.span.end) =>
        {
            (before.span.end, format!("{WORD} "))
        }
        Some(before) => (before.span.end, format!(" {WORD}")),
        None => match services.first() {
            Some(next) => (next.span.start, format!("{WORD} ")),
            None => (after_colon(text, line), format!(" {WORD}")),
        },
    };
    text.splice(at..at, word.into_bytes());
}

/// The position after the last colon of a line without services, or after its name.
fn after_colon(text: &[u8], line: &HostsLine) -> usize {
    let blanks = text.get(line.name_end..line.data.start).unwrap_or_default();
    let colon = blanks.iter().rposition(|&byte| byte == b':');
    line.name_end + colon.map_or(0, |colon| colon + 1)
}

/// Removes the word from a line, with its actions and one space: that before it, or that
/// after it where it is the first service or touches the one before.
fn remove(text: &mut Vec<u8>, line: &HostsLine) {
    let services = line.list();
    for (n, ours) in services
        .iter()
        .enumerate()
        .rev()
        .filter(|(_, one)| one.is_ours())
    {
        let before = n.checked_sub(1).and_then(|n| services.get(n));
        let touches = before.is_some_and(|before| before.span.end == ours.span.start);
        let next = services.get(n + 1);
        let next_touches = next.is_some_and(|next| next.span.start == ours.span.end);
        let (start, end) = (ours.span.start, ours.span.end);
        let span = match before {
            _ if next_touches => start..end,
            None if next.is_some() => start..end + 1,
            Some(_) if touches => start..end + usize::from(next.is_some()),
            _ => start.saturating_sub(1)..end,
        };
        text.drain(span);
    }
}

/// Ends the last line, if it has no newline. Returns whether it had none.
fn end_last_line(text: &mut Vec<u8>) -> bool {
    let open = !text.is_empty() && !text.ends_with(b"\n");
    if open {
        text.extend_from_slice(ENDED.as_bytes());
    }
    open
}

/// Our text with the line endings of the file.
fn with_ends(text: &str, crlf: bool) -> Vec<u8> {
    if crlf {
        text.replace('\n', "\r\n").into_bytes()
    } else {
        text.into()
    }
}

/// The position of whole lines in the text.
fn find_line(text: &[u8], lines: &[u8]) -> Option<usize> {
    text.windows(lines.len())
        .enumerate()
        .filter(|(_, window)| *window == lines)
        .map(|(at, _)| at)
        .find(|&at| at == 0 || text.get(at - 1) == Some(&b'\n'))
}

#[cfg(test)]
mod tests;
