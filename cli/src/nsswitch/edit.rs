//! The word `cloudhosts` put onto the `hosts:` line and taken off again, on the
//! bytes of a file: what was there before comes back byte for byte.

use super::hosts::{self, HostsLine, Malformed, Service, WORD};

/// What is added to a file without a `hosts:` line: glibc's default (since 2.35,
/// which is also what distributions write) with the word in it. What it is stands
/// above it, since glibc 2.36 takes the words behind a `#` on the line itself for
/// services.
const ADDED: &str = "\
# The next line was added by \"cloudhosts nsswitch enable\"; \"disable\" takes both away.
hosts:          files cloudhosts dns
";

/// What is added to a file whose last line has no end and is, or precedes, the
/// line that must count: glibc 2.36 does not read a last line without one.
const ENDED: &str = "
# \"cloudhosts nsswitch enable\" ended the line above; \"disable\" undoes that too.
";

/// How the line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// The word is there once and is asked before the network and before
    /// whatever ends the search.
    Enabled,
    /// The word is there, but behind what should follow it, or more than once.
    Misplaced,
    /// The word is not there.
    Absent,
    /// glibc can't read the line.
    Malformed,
}

/// How the line that counts stands.
pub(crate) fn state(text: &[u8]) -> State {
    match hosts::effective(text).map(|line| line.services) {
        None => State::Absent,
        Some(Err(Malformed)) => State::Malformed,
        Some(Ok(services)) => match services.iter().filter(|service| service.is_ours()).count() {
            0 => State::Absent,
            1 if unhindered(&services) => State::Enabled,
            _ => State::Misplaced,
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

/// The file with the word on the line that counts: right after `files`, or
/// earlier where something before that would hinder it, or first.
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
    if state(&text) == State::Enabled {
        return Ok(text);
    }
    if services.iter().any(Service::is_ours) {
        take_off(&mut text, &line);
        return enable(&text);
    }
    put_on(&mut text, &line, services);
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
        take_off(&mut text, line);
    }
    if text.ends_with(ENDED.as_bytes()) {
        text.truncate(text.len() - ENDED.len());
    }
    Ok(text)
}

/// Puts the word on a line that has it not. Whichever blank is added, there is a
/// rule in [`take_off`] that finds it again.
fn put_on(text: &mut Vec<u8>, line: &HostsLine, services: &[Service]) {
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

/// Behind the last colon of a line without services, or behind its name.
fn after_colon(text: &[u8], line: &HostsLine) -> usize {
    let blanks = text.get(line.name_end..line.data.start).unwrap_or_default();
    let colon = blanks.iter().rposition(|&byte| byte == b':');
    line.name_end + colon.map_or(0, |colon| colon + 1)
}

/// Takes the word off a line, with its actions and one blank: the one before it,
/// or the one behind it where it is the first service or touches the one before.
fn take_off(text: &mut Vec<u8>, line: &HostsLine) {
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

/// Ends the last line where it has no end; whether that was so.
fn end_last_line(text: &mut Vec<u8>) -> bool {
    let open = !text.is_empty() && !text.ends_with(b"\n");
    if open {
        text.extend_from_slice(ENDED.as_bytes());
    }
    open
}

/// Text of ours with the ends of lines that the file has.
fn with_ends(text: &str, crlf: bool) -> Vec<u8> {
    match crlf {
        true => text.replace('\n', "\r\n").into_bytes(),
        false => text.into(),
    }
}

/// Where whole lines stand in the text.
fn find_line(text: &[u8], lines: &[u8]) -> Option<usize> {
    text.windows(lines.len())
        .enumerate()
        .filter(|(_, window)| *window == lines)
        .map(|(at, _)| at)
        .find(|&at| at == 0 || text.get(at - 1) == Some(&b'\n'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn enabled(text: &str) -> String {
        String::from_utf8(enable(text.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn the_word_goes_where_it_is_asked_in_time() {
        for (before, after) in [
            ("files dns", "files cloudhosts dns"),
            ("files", "files cloudhosts"),
            (
                "files mdns4_minimal [NOTFOUND=return] dns mymachines",
                "files cloudhosts mdns4_minimal [NOTFOUND=return] dns mymachines",
            ),
            (
                "mymachines resolve [!UNAVAIL=return] files myhostname dns",
                "mymachines cloudhosts resolve [!UNAVAIL=return] files myhostname dns",
            ),
            (
                "files [NOTFOUND=return] dns",
                "cloudhosts files [NOTFOUND=return] dns",
            ),
            (
                "files [SUCCESS=return] dns",
                "files [SUCCESS=return] cloudhosts dns",
            ),
            ("dns files", "cloudhosts dns files"),
            (
                "nis [NOTFOUND=return] files",
                "cloudhosts nis [NOTFOUND=return] files",
            ),
            ("myhostname", "cloudhosts myhostname"),
            (
                "files\t\tdns  # cloudhosts",
                "files cloudhosts\t\tdns  # cloudhosts",
            ),
            ("files#", "files cloudhosts#"),
            (
                "files[SUCCESS=return]dns",
                "files[SUCCESS=return]cloudhosts dns",
            ),
            // the word is there: moved only where it is not asked in time
            ("cloudhosts files dns", "cloudhosts files dns"),
            (
                "files myhostname cloudhosts dns",
                "files myhostname cloudhosts dns",
            ),
            ("files dns cloudhosts", "files cloudhosts dns"),
            (
                "dns [NOTFOUND=return] cloudhosts [NOTFOUND=return]",
                "cloudhosts dns [NOTFOUND=return]",
            ),
            ("files cloudhosts cloudhosts dns", "files cloudhosts dns"),
        ] {
            let (before, after) = (format!("hosts: {before}\n"), format!("hosts: {after}\n"));
            assert_eq!(enabled(&before), after);
            assert_eq!(state(after.as_bytes()), State::Enabled, "{after}");
        }
    }

    #[test]
    fn only_the_line_that_counts_is_touched() {
        let before =
            "# hosts: files\nhosts: files dns\r\npasswd: files\n\thosts\t:\tfiles dns\r\ngroup: x";
        let after = "# hosts: files\nhosts: files dns\r\npasswd: files\n\thosts\t:\tfiles cloudhosts dns\r\ngroup: x";
        assert_eq!(enabled(before), after);
    }

    #[test]
    fn a_missing_line_is_added_and_taken_away() {
        for before in [
            "",
            "passwd: files\n",
            "passwd: files",
            "passwd: files\r\n",
            "x\r\ny\r",
        ] {
            let after = enabled(before);
            assert_eq!(state(after.as_bytes()), State::Enabled, "{after:?}");
            assert!(after.ends_with("files cloudhosts dns\n") || after.ends_with("dns\r\n"));
            assert_eq!(disable(after.as_bytes()).unwrap(), before.as_bytes());
            // lines that others add behind ours stay
            let more = format!("{after}group: files\n");
            let left = String::from_utf8(disable(more.as_bytes()).unwrap()).unwrap();
            assert!(left.starts_with(before) && left.ends_with("group: files\n"));
            assert!(!left.contains("cloudhosts dns"), "{left}");
        }
    }

    #[test]
    fn a_last_line_without_an_end_gets_one_for_as_long() {
        let after = enabled("hosts: files");
        assert!(after.starts_with("hosts: files cloudhosts\n") && after.ends_with('\n'));
        assert_eq!(disable(after.as_bytes()).unwrap(), b"hosts: files");
    }

    #[test]
    fn what_glibc_cannot_read_is_left_alone() {
        for text in [
            "hosts: files [",
            "hosts: [x] cloudhosts",
            "hosts: a [b=c] cloudhosts\n",
        ] {
            assert_eq!(enable(text.as_bytes()), Err(Malformed));
            assert_eq!(state(text.as_bytes()), State::Malformed);
        }
        assert!(disable(b"hosts: a [b=c] cloudhosts\n").is_err());
        assert_eq!(disable(b"hosts: files [\n").unwrap(), b"hosts: files [\n");
    }

    #[test]
    fn a_word_put_there_by_hand_goes_with_its_actions() {
        assert_eq!(
            disable(b"hosts: files cloudhosts[TRYAGAIN=return]dns"),
            Ok(b"hosts: files dns".into())
        );
        let left =
            disable(b"hosts: files cloudhosts [NOTFOUND=return] dns\nhosts: cloudhosts").unwrap();
        assert_eq!(left, b"hosts: files dns\nhosts:");
    }

    /// Parts of a file: lines, blanks, services, actions, and noise.
    fn files() -> impl Strategy<Value = Vec<u8>> {
        let part = prop::sample::select(vec![
            "hosts:",
            "hosts",
            "\nhosts:",
            "\r\nhosts: ",
            "\n",
            "\r\n",
            "\n\n",
            " ",
            "\t",
            "  ",
            "\x0b",
            ":",
            "#",
            "# hosts:",
            "files",
            " files ",
            "dns",
            " dns",
            "resolve",
            "mdns4_minimal",
            "myhostname",
            " [NOTFOUND=return]",
            "[!UNAVAIL=return]",
            "[SUCCESS=return]",
            " [ notfound = continue ] ",
            "[",
            "]",
            "[x]",
            "passwd: files\n",
            "\0",
            "\u{e9}",
            "\r",
        ]);
        let parts =
            prop::collection::vec(part, 0..24).prop_map(|parts| parts.concat().into_bytes());
        let noise = prop::collection::vec(any::<u8>(), 0..80);
        prop_oneof![8 => parts, 1 => noise]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn disabling_gives_back_the_very_bytes(text in files()) {
            if let Ok(after) = enable(&text) {
                prop_assert_eq!(state(&after), State::Enabled);
                prop_assert_eq!(disable(&after), Ok(text));
            }
        }

        #[test]
        fn enabling_twice_is_enabling_once(text in files()) {
            if let Ok(after) = enable(&text) {
                prop_assert_eq!(enable(&after), Ok(after.clone()));
            }
        }

        #[test]
        fn all_other_services_stay_in_their_order(text in files()) {
            let list = |text: &[u8]| -> Vec<(String, hosts::Returns)> {
                let line = hosts::effective(text);
                let all = line.iter().flat_map(HostsLine::list);
                let others = all.filter(|service| !service.is_ours());
                others.map(|service| (service.name.clone(), service.returns)).collect()
            };
            if let (Ok(after), Some(_)) = (enable(&text), hosts::effective(&text)) {
                prop_assert_eq!(list(&after), list(&text));
            }
        }

        #[test]
        fn a_word_that_was_there_is_taken_off(text in files(), at in any::<prop::sample::Index>()) {
            let mut text = text;
            let at = at.index(text.len() + 1);
            text.splice(at..at, *b" cloudhosts ");
            if let Ok(left) = disable(&text) {
                let lines = hosts::all(&left);
                prop_assert!(!lines.iter().flat_map(HostsLine::list).any(Service::is_ours));
            }
        }
    }
}
