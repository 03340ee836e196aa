//! A manual page, as its source has it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::read_to_string;
use std::path::Path;

use crate::help::Syntax;

/// A page in mdoc(7).
#[derive(Debug)]
pub(crate) struct Page {
    text: String,
}

/// One place where a page names an option.
#[derive(Debug)]
pub(crate) struct Mention {
    pub(crate) option: String,
    /// What follows it; none where that is an example (`Fl Fl wait Ar 5s`), or where the option is
    /// only referred to.
    pub(crate) syntax: Option<Syntax>,
    /// What is said there: to the end of the option's item, or to where the next option is named.
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn read(name: &str) -> Page {
        Page {
            text: document(&format!("man/{name}")),
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn section(&self, name: &str) -> &str {
        let start = self.text.find(&format!(".Sh {name}\n"));
        let rest = &self.text[start.expect("the section is there") + 4..];
        &rest[..rest.find("\n.Sh ").unwrap_or(rest.len())]
    }

    /// Each entry of the synopsis by its command; the empty name where there is none.
    pub(crate) fn synopsis(&self) -> BTreeMap<String, String> {
        let entries = self.section("SYNOPSIS").split(".Nm\n").skip(1);
        entries
            .map(|entry| {
                let command = entry.lines().find_map(|line| line.strip_prefix(".Cm "));
                let command = command.and_then(|line| line.split(' ').next());
                (command.unwrap_or_default().to_owned(), entry.to_owned())
            })
            .collect()
    }

    /// What the description says of each command; under the empty name, what it says of several.
    pub(crate) fn commands(&self) -> BTreeMap<String, String> {
        let mut commands: BTreeMap<String, String> = BTreeMap::new();
        let (mut depth, mut command) = (0, String::new());
        for line in self.section("DESCRIPTION").lines() {
            match line.split(' ').next() {
                Some(".Bl") => depth += 1,
                Some(".El") => depth -= 1,
                Some(".It") if depth == 1 => {
                    let name = line
                        .strip_prefix(".It Cm ")
                        .and_then(|rest| rest.split(' ').next());
                    command = name.unwrap_or_default().to_owned();
                }
                _ => {}
            }
            if depth == 0 {
                command.clear();
            }
            let text = commands.entry(command.clone()).or_default();
            text.push_str(line);
            text.push('\n');
        }
        commands
    }

    /// `.It 0` of EXIT STATUS.
    pub(crate) fn exit_codes(&self) -> BTreeSet<String> {
        let lines = self.section("EXIT STATUS").lines();
        lines
            .filter_map(|line| line.strip_prefix(".It ").map(str::to_owned))
            .collect()
    }

    /// `.It Ev A , B` of ENVIRONMENT.
    pub(crate) fn environment(&self) -> BTreeSet<String> {
        variables(self.section("ENVIRONMENT"))
    }

    /// All variables that are named anywhere.
    pub(crate) fn all_variables(&self) -> BTreeSet<String> {
        variables(&self.text)
    }
}

fn variables(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| line.starts_with('.'));
    let words = lines
        .filter_map(|line| line.split_once("Ev "))
        .flat_map(|(_, rest)| rest.split(' '));
    words
        .filter(|word| word.len() > 3 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
        .map(str::to_owned)
        .collect()
}

/// Where this text names options.
pub(crate) fn mentions(text: &str) -> Vec<Mention> {
    let lines: Vec<&str> = text.lines().collect();
    let mut mentions = Vec::new();
    for (at, line) in lines
        .iter()
        .enumerate()
        .filter(|(_, line)| line.starts_with('.'))
    {
        let words: Vec<&str> = line.trim_start_matches('.').split_whitespace().collect();
        let starts = (0..words.len()).filter(|&word| words[word..].starts_with(&["Fl", "Fl"]));
        for start in starts {
            let Some(option) = words.get(start + 2) else {
                continue;
            };
            let in_item = line.starts_with(".It Fl ");
            mentions.push(Mention {
                option: (*option).to_owned(),
                syntax: syntax(&words[start + 3..]),
                text: if line.starts_with(".It ") && !in_item {
                    (*line).to_owned()
                } else {
                    said(&lines[at..], in_item)
                },
            });
        }
    }
    mentions
}

/// What follows the name of an option in a line.
fn syntax(words: &[&str]) -> Option<Syntax> {
    let is_name = |word: &&&str| word.starts_with(|c: char| c.is_ascii_lowercase());
    match words {
        ["Ns", "Oo", "=", "Ns", "Ar", name, ..] => Some(Syntax::Optional((*name).to_owned())),
        ["Ar", name, "...", ..] => Some(Syntax::Words((*name).to_owned())),
        ["Ar", name, ..] => Some(name)
            .filter(is_name)
            .map(|name| Syntax::Value((*name).to_owned())),
        ["Cm", first, "|", rest @ ..] => {
            let others = rest
                .iter()
                .take_while(|word| is_name(word) || **word == "|");
            let words = others.filter(|word| **word != "|").chain([first]);
            Some(Syntax::Choice(
                words.map(|word| (*word).to_owned()).collect(),
            ))
        }
        _ => None,
    }
}

/// What is said from the first of these lines on.
fn said(lines: &[&str], in_item: bool) -> String {
    let mut depth = 0;
    let mut text = lines[0].to_owned();
    for line in &lines[1..] {
        let ends = match line.split(' ').next() {
            Some(".Sh" | ".Ss") => true,
            Some(".It" | ".El") => depth == 0,
            Some(".Pp") => !in_item,
            _ => !in_item && line.contains("Fl Fl "),
        };
        if ends {
            break;
        }
        depth += i32::from(line.starts_with(".Bl")) - i32::from(line.starts_with(".El"));
        text.push(' ');
        text.push_str(line);
    }
    text
}

/// A document of the project.
pub(crate) fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
