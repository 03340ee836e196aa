//! `--wait 5s`: the time as an argument of its own.
//!
//! The argument after `--wait` may also be a role or an address, so clap accepts a time
//! only as `--wait=5s`. An argument that parses as a time is joined to the option before clap
//! sees it. No address does; a role of such a name can precede `--wait`, or follow
//! `--wait=10s`.

use std::ffi::{OsStr, OsString};

use clap::Command;

/// The option.
const OPTION: &str = "--wait";

/// The arguments of a command line, with the time joined to the option.
pub(crate) fn join(command: &Command, words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut words = words.peekable();
    let mut joined: Vec<OsString> = words.next().into_iter().collect();
    let mut in_subcommand = false;
    while let Some(word) = words.next() {
        if word == "--" {
            joined.push(word);
            break;
        }
        if !in_subcommand {
            if let Some(subcommand) = command.find_subcommand(&word) {
                if !takes_wait(subcommand) {
                    joined.push(word);
                    break;
                }
                in_subcommand = true;
            }
            let value = takes_value(command, &word).then(|| words.next()).flatten();
            joined.push(word);
            joined.extend(value);
            continue;
        }
        let time = words.next_if(|next| word == OPTION && is_time(next));
        joined.push(match time {
            Some(time) => {
                let mut both = word;
                both.push("=");
                both.push(time);
                both
            }
            None => word,
        });
    }
    joined.extend(words);
    joined
}

fn takes_wait(subcommand: &Command) -> bool {
    subcommand
        .get_arguments()
        .any(|argument| argument.get_long() == OPTION.strip_prefix("--"))
}

/// Whether a global option has its value in the next argument.
fn takes_value(command: &Command, word: &OsStr) -> bool {
    let name = word.to_str().and_then(|word| word.strip_prefix("--"));
    name.is_some_and(|name| {
        command.get_arguments().any(|argument| {
            argument.get_long() == Some(name) && argument.get_action().takes_values()
        })
    })
}

fn is_time(word: &OsStr) -> bool {
    word.to_str().is_some_and(|word| {
        word.starts_with(|first: char| first.is_ascii_digit())
            && humantime::parse_duration(word).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(line: &str) -> String {
        let words = line.split(' ').map(OsString::from);
        let words = join(&crate::command(), words);
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        words.join(" ")
    }

    #[test]
    fn a_time_is_joined_and_nothing_else() {
        for (line, wanted) in [
            ("c claim web --wait 5s", "c claim web --wait=5s"),
            (
                "c --config claim import --wait 1m -",
                "c --config claim import --wait=1m -",
            ),
            (
                "c --hash h claim --wait 500ms web 10.0.0.1",
                "c --hash h claim --wait=500ms web 10.0.0.1",
            ),
        ] {
            assert_eq!(joined(line), wanted);
        }
        for line in [
            "c claim web --wait",
            "c claim --wait web 10.0.0.1",
            "c claim web --wait 10.0.0.1",
            "c claim web --wait fd00::5",
            "c claim web --wait=5s 10.0.0.1",
            "c watch --exec curl --wait 5s",
            "c hold web -- curl --wait 5s",
            "c",
        ] {
            assert_eq!(joined(line), line);
        }
    }
}
