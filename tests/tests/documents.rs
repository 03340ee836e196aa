//! Every verb, option and key of the configuration is in its man page, and nothing else is. The
//! programs themselves say which there are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{read_to_string, write};
use std::path::Path;

use cloudhosts_tests::dir::Dir;
use cloudhosts_tests::process::{bounded, run, stderr, succeed};
use cloudhosts_tests::programs;

type Names = BTreeSet<String>;

#[test]
fn each_verb_and_its_options_are_in_the_page() {
    let page = document("man/cloudhosts.1");
    let mut documented = items_of_page(&page);
    let shared = documented.remove(SHARED).unwrap_or_default();
    let mut options = options_of_help(&help(programs::COMMAND, &[]));
    let verbs = verbs_of_help(&help(programs::COMMAND, &[]));
    assert_eq!(
        documented.keys().cloned().collect::<Names>(),
        verbs,
        "the page, and --help"
    );
    for verb in verbs.iter().filter(|verb| *verb != "help") {
        let part = &documented[verb];
        let help = help(programs::COMMAND, &[verb]);
        let own = options_of_help(&help);
        let told: Names = &options_of_page(part) | &options_of_page(&shared);
        assert_eq!(&own - &told, Names::new(), "{verb}: what the page lacks");
        let head = options_of_page(part.lines().next().unwrap_or_default());
        assert_eq!(&head - &own, Names::new(), "{verb}: only the page knows");
        for value in values_of_help(&help) {
            let told = has_word(part, &value) || has_word(&shared, &value);
            assert!(told, "{verb}: the page does not name {value}");
        }
        options.extend(own);
    }
    let strange = &options_of_page(&page) - &options;
    assert_eq!(strange, Names::new(), "options that only the page knows");
    let synopsis = section(&page, "SYNOPSIS");
    for verb in &verbs {
        assert!(has_word(synopsis, verb), "{verb} is not in the synopsis");
    }
}

#[test]
fn each_option_of_the_daemon_is_in_the_page() {
    let page = document("man/cloudhosts-cached.8");
    let options = options_of_help(&help(programs::DAEMON, &[]));
    assert_eq!(options_of_page(&page), options);
    assert_eq!(options_of_page(section(&page, "SYNOPSIS")), options);
}

#[test]
fn each_key_is_in_the_page_and_in_the_readme_with_its_default() {
    let page = keys_of_page(&document("man/cloudhosts.toml.5"));
    assert_eq!(page.keys().cloned().collect::<Names>(), keys_of_program());
    let readme = document("README.md");
    let block = readme
        .split("```toml")
        .find(|block| block.contains("connect_timeout"))
        .expect("the README lists all keys");
    let block = block.split("```").next().expect("it ends");
    assert_eq!(
        keys_of_toml(block),
        page,
        "the README, and cloudhosts.toml(5)"
    );
}

#[test]
fn the_configuration_that_is_shipped_names_each_key_with_its_default() {
    let shipped = document("packaging/cloudhosts.toml");
    let lines = shipped.lines().map(|line| match line.strip_prefix('#') {
        Some(key) if key.starts_with(|first: char| first.is_ascii_lowercase()) => key,
        _ => line,
    });
    let said: String = lines.map(|line| format!("{line}\n")).collect();
    assert_eq!(
        keys_of_toml(&said),
        keys_of_page(&document("man/cloudhosts.toml.5"))
    );
    for text in [shipped, said] {
        assert_eq!(check(&text), (Some(0), String::new()), "{text}");
    }
}

/// A document of the project.
fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What a program says it can do.
fn help(program: &str, verb: &[&String]) -> String {
    succeed(bounded(programs::find(program)).args(verb).arg("--help"))
}

fn verbs_of_help(help: &str) -> Names {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = lines.take_while(|line| !line.is_empty());
    // a description may go on in a line of its own, which begins further in
    let lines = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    lines
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect()
}

fn options_of_help(help: &str) -> Names {
    let lines = help
        .lines()
        .map(str::trim_start)
        .filter(|line| line.starts_with('-'));
    lines
        .filter_map(|line| {
            let (_, option) = line.split_once("--")?;
            let end = option.find(|c: char| !c.is_ascii_lowercase() && c != '-');
            Some(option[..end.unwrap_or(option.len())].to_owned())
        })
        .collect()
}

/// The values an argument may have: `- hosts: ...`.
fn values_of_help(help: &str) -> Vec<String> {
    let lines = help
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("- "));
    lines
        .filter_map(|line| Some(line.split_once(':')?.0.to_owned()))
        .collect()
}

/// Stands for the options that the page describes for several verbs at once.
const SHARED: &str = "--";

/// The items of the outermost lists of the description that begin with a verb, and what is said
/// under each; those that begin with an option together, under [`SHARED`].
fn items_of_page(page: &str) -> BTreeMap<String, String> {
    let mut items: BTreeMap<String, String> = BTreeMap::new();
    let (mut depth, mut item) = (0, None);
    let description = section(page, "DESCRIPTION");
    for line in description
        .split("\n.Ss JSON")
        .next()
        .unwrap_or_default()
        .lines()
    {
        match line.split_whitespace().next() {
            Some(".Bl") => depth += 1,
            Some(".El") => depth -= 1,
            Some(".It") if depth == 1 && line.starts_with(".It Fl ") => {
                item = Some(SHARED.to_owned())
            }
            Some(".It") if depth == 1 => item = line.strip_prefix(".It Cm ").and_then(first_word),
            _ => {}
        }
        if depth == 0 {
            item = None;
        }
        if let Some(item) = &item {
            let part = items.entry(item.clone()).or_default();
            part.push_str(line);
            part.push('\n');
        }
    }
    items
}

fn first_word(text: &str) -> Option<String> {
    text.split_whitespace().next().map(str::to_owned)
}

/// The long options: `Fl Fl config`.
fn options_of_page(page: &str) -> Names {
    let words: Vec<&str> = page
        .split_whitespace()
        .map(|word| word.trim_start_matches('.'))
        .collect();
    let options = words.windows(3).filter(|three| three[..2] == ["Fl", "Fl"]);
    options.map(|three| three[2].to_owned()).collect()
}

fn section<'page>(page: &'page str, name: &str) -> &'page str {
    let start = page
        .find(&format!(".Sh {name}\n"))
        .expect("the section is there");
    let rest = &page[start + 4..];
    &rest[..rest.find("\n.Sh ").unwrap_or(rest.len())]
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .any(|has| has == word)
}

/// The keys and their defaults: `.It Cm order No = Li \(dqrotate\(dq`.
fn keys_of_page(page: &str) -> BTreeMap<String, String> {
    let items = page
        .lines()
        .filter_map(|line| line.strip_prefix(".It Cm ")?.split_once(" No = Li "));
    items
        .map(|(key, default)| (key.to_owned(), default.replace("\\(dq", "\"")))
        .collect()
}

/// The keys and values of lines as `order = "rotate"  # how ...`.
fn keys_of_toml(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    pairs
        .map(|(key, value)| {
            let value = value.split(" #").next().unwrap_or(value);
            (key.trim().to_owned(), value.trim().to_owned())
        })
        .collect()
}

/// What the daemon names when it meets a key that it does not know.
fn keys_of_program() -> Names {
    let mut keys = Names::new();
    for table in ["", "[redis]\n"] {
        let (_, said) = check(&format!("{table}no_such_key = 1\n"));
        let (_, expected) = said.split_once("expected one of").expect("it names them");
        // `hashes`, `domain`, ...
        keys.extend(expected.split('`').skip(1).step_by(2).map(str::to_owned));
    }
    // the table itself
    keys.remove("redis");
    keys
}

/// How `--check-config` ends, and what it objects to.
fn check(text: &str) -> (Option<i32>, String) {
    let directory = Dir::new();
    let file = directory.join("cloudhosts.toml");
    write(&file, text).unwrap();
    let mut daemon = bounded(programs::find(programs::DAEMON));
    let output = run(daemon.arg("--check-config").arg("--config").arg(&file));
    (output.status.code(), stderr(&output))
}
