//! Every verb, option and key of the configuration is in its man page, and nothing else is. The
//! programs themselves say which there are.
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
    let parts = verbs_of_page(&page);
    let common = options_of_help(&help(programs::COMMAND, &[]));
    let verbs = verbs_of_help(&help(programs::COMMAND, &[]));
    let names = |map: &BTreeMap<String, String>| map.keys().cloned().collect::<Names>();
    let synopsis = synopsis_of_verbs(&page);
    assert_eq!(names(&parts), verbs, "the page, and --help");
    assert_eq!(names(&synopsis), verbs, "the synopsis, and --help");
    let listed = options_of_page(&items_of_page(&page));
    let mut options = common.clone();
    for verb in verbs.iter().filter(|verb| *verb != "help") {
        let help = help(programs::COMMAND, &[verb]);
        let own = &options_of_help(&help) - &common;
        assert_eq!(
            options_of_page(&synopsis[verb]),
            own,
            "{verb}: the options in the synopsis, and in --help"
        );
        let said = &options_of_page(&parts[verb]) | &listed;
        assert_eq!(&own - &said, Names::new(), "{verb}: what is not explained");
        let place = &synopsis[verb].contains("Ar place");
        for value in values_of_help(&help) {
            let part = if *place { &page } else { &parts[verb] };
            assert!(
                has_word(part, &value),
                "{verb}: the page does not name {value}"
            );
        }
        options.extend(own);
    }
    let strange = &options_of_page(&page) - &options;
    assert_eq!(strange, Names::new(), "options that only the page knows");
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

/// In the header or the footer, whichever of the two makes it: mandoc has the footer alone.
#[test]
fn each_page_says_of_which_version_it_is() {
    let package = format!("cloudhosts {}", env!("CARGO_PKG_VERSION"));
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../man");
    let pages = std::fs::read_dir(directory).unwrap();
    let pages: Vec<_> = pages.map(|page| page.unwrap().path()).collect();
    assert!(pages.len() > 4, "{pages:?}");
    for page in pages {
        let shown = succeed(bounded("mandoc").args(["-T", "ascii"]).arg(&page));
        let footer = shown.lines().last().unwrap();
        assert!(footer.starts_with(&package), "{}: {footer}", page.display());
        let text = read_to_string(&page).unwrap();
        let header = format!(".ds doc-volume-operating-system {package}\n");
        assert!(text.contains(&header), "{}", page.display());
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

/// What the synopsis says of each verb. A *place* stands for the options that say where a role is.
fn synopsis_of_verbs(page: &str) -> BTreeMap<String, String> {
    const PLACE: &str =
        ".Fl Fl private .Fl Fl public .Fl Fl from-metadata .Fl Fl metadata-endpoint\n";
    let entries = section(page, "SYNOPSIS").split(".Nm\n");
    let verb = |entry: &str| {
        entry
            .lines()
            .find_map(|line| line.strip_prefix(".Cm ").and_then(first_word))
    };
    entries
        .filter_map(|entry| {
            let place = if entry.contains("Ar place") {
                PLACE
            } else {
                ""
            };
            Some((verb(entry)?, format!("{entry}{place}")))
        })
        .collect()
}

/// The lines that begin an item of a list anywhere.
fn items_of_page(page: &str) -> String {
    let items = page
        .lines()
        .filter(|line| line.starts_with(".It ") || line.starts_with(".Fl Fl "));
    items.map(|line| format!("{line}\n")).collect()
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

/// The items of the outermost lists of the description that begin with a verb, and what is said
/// under each.
fn verbs_of_page(page: &str) -> BTreeMap<String, String> {
    let mut verbs: BTreeMap<String, String> = BTreeMap::new();
    let (mut depth, mut verb) = (0, None);
    for line in section(page, "DESCRIPTION").lines() {
        match line.split_whitespace().next() {
            Some(".Bl") => depth += 1,
            Some(".El") => depth -= 1,
            Some(".It") if depth == 1 => verb = line.strip_prefix(".It Cm ").and_then(first_word),
            _ => {}
        }
        if depth == 0 {
            verb = None;
        }
        if let Some(verb) = &verb {
            let part = verbs.entry(verb.clone()).or_default();
            part.push_str(line);
            part.push('\n');
        }
    }
    verbs
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
