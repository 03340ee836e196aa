//! What a program says of itself with `--help`.

use std::collections::{BTreeMap, BTreeSet};

use cloudhosts_tests::process::{bounded, succeed};
use cloudhosts_tests::programs;

/// What follows the name of an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// Nothing: `--json`.
    Flag,
    /// A value: `--lease <DURATION>`.
    Value(String),
    /// A value or nothing: `--wait[=<DURATION>]`.
    Optional(String),
    /// All words that follow: `--exec <COMMAND>...`.
    Words(String),
    /// One of these.
    Choice(BTreeSet<String>),
}

/// One option or argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) syntax: Syntax,
    /// Its one-letter form.
    pub(crate) short: Option<String>,
    /// `[default: ...]`.
    pub(crate) default: Option<String>,
}

/// The help of a program, or of one of its commands.
#[derive(Debug)]
pub(crate) struct Help {
    text: String,
}

impl Help {
    /// Of `program command --help`.
    pub(crate) fn of(program: &str, command: &[&str]) -> Help {
        let mut run = bounded(programs::find(program));
        // wide enough that nothing is wrapped
        let text = succeed(run.args(command).arg("--help").env("COLUMNS", "1000"));
        Help { text }
    }

    /// The commands of the program.
    pub(crate) fn commands(&self) -> BTreeSet<String> {
        let lines = self.section("Commands:").into_iter();
        lines
            .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
            .collect()
    }

    /// The options of this command alone, but for `--help` and `--version`.
    pub(crate) fn own(&self) -> BTreeMap<String, Entry> {
        let mut own = entries(&self.section("Options:"));
        own.remove("help");
        own.remove("version");
        own
    }

    /// The options under a heading, all of them.
    pub(crate) fn options(&self, heading: &str) -> BTreeMap<String, Entry> {
        entries(&self.section(heading))
    }

    /// What an argument may be, for each argument that can only be one of several words.
    pub(crate) fn choices(&self) -> Vec<BTreeSet<String>> {
        let arguments = entries(&self.section("Arguments:"));
        let choices = arguments.into_values().map(|entry| entry.syntax);
        choices
            .filter_map(|syntax| match syntax {
                Syntax::Choice(words) => Some(words),
                _ => None,
            })
            .collect()
    }

    /// The numbers in `Exit codes: 0 success; 1 ...; 2 ...`.
    pub(crate) fn exit_codes(&self) -> BTreeSet<String> {
        let codes = self
            .text
            .lines()
            .find_map(|line| line.split_once("Exit codes: "));
        let (_, codes) = codes.expect("the help lists the exit codes");
        let words = codes.split("; ").filter_map(|code| code.split(' ').next());
        words.map(str::to_owned).collect()
    }

    fn section(&self, heading: &str) -> Vec<&str> {
        let lines = self
            .text
            .lines()
            .skip_while(|line| *line != heading)
            .skip(1);
        lines
            .take_while(|line| line.is_empty() || line.starts_with(' '))
            .collect()
    }
}

/// `      --lease <DURATION>` and `  [ADDR]...`, each with the lines that belong to it.
fn entries(lines: &[&str]) -> BTreeMap<String, Entry> {
    let mut entries: Vec<(&str, String)> = Vec::new();
    for line in lines {
        let line = line.trim_start();
        if line.starts_with("--")
            || is_short(line)
            || line.starts_with(['<', '[']) && !line.starts_with("[default")
        {
            let (head, rest) = line.split_once("  ").unwrap_or((line, ""));
            entries.push((head, rest.trim_start().to_owned()));
        } else if let Some((_, text)) = entries.last_mut() {
            text.push('\n');
            text.push_str(line);
        }
    }
    entries
        .into_iter()
        .map(|(head, text)| entry(head, &text))
        .collect()
}

/// `-h, --help`
fn is_short(line: &str) -> bool {
    let mut chars = line.chars();
    chars.next() == Some('-') && chars.next().is_some_and(|c| c.is_ascii_alphabetic())
}

fn entry(head: &str, text: &str) -> (String, Entry) {
    let (short, long) = match head.split_once(", ") {
        Some((short, long)) => (Some(short.trim_start_matches('-').to_owned()), long),
        None => (None, head),
    };
    let long = long.trim_start_matches('-');
    let end = long.find(|c: char| !c.is_ascii_lowercase() && c != '-');
    let (name, rest) = long.split_at(end.unwrap_or(long.len()));
    let value = |text: &str| {
        text.trim_matches(['<', '>', '[', ']', '=', '.'])
            .to_lowercase()
    };
    let choice: BTreeSet<String> = text
        .lines()
        .filter_map(|line| Some(line.strip_prefix("- ")?.split_once(':')?.0.to_owned()))
        .collect();
    let syntax = match rest.trim() {
        _ if !choice.is_empty() => Syntax::Choice(choice),
        "" => Syntax::Flag,
        rest if rest.starts_with("[=") => Syntax::Optional(value(rest)),
        rest if rest.ends_with("...") => Syntax::Words(value(rest)),
        rest => Syntax::Value(value(rest)),
    };
    let default = text.split_once("[default: ");
    let default = default.and_then(|(_, rest)| Some(rest.split_once(']')?.0.to_owned()));
    // an argument has no name but that of its value
    let name = if name.is_empty() {
        value(rest)
    } else {
        name.to_owned()
    };
    (
        name,
        Entry {
            syntax,
            short,
            default,
        },
    )
}
