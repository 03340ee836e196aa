//! The documents say what the programs do: every command, option, value, default, variable and exit
//! code is in the manual page and nothing else is, figures are those in the code, and links lead
//! somewhere. The programs themselves say which there are.
//!
//! - [`help`]: what a program says of itself
//! - [`page`]: a manual page, as its source has it
//! - [`constants`]: figures and paths
//! - [`gateway`]: the configuration of the gateway, and its errors
//! - [`links`]: links between documents

mod constants;
mod gateway;
mod help;
mod links;
mod page;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{read_to_string, write};
use std::path::Path;

use cloudhosts_config::Config;
use cloudhosts_tests::dir::Dir;
use cloudhosts_tests::process::{bounded, run, stderr, succeed};
use cloudhosts_tests::programs;
use help::{Entry, Help, Syntax};
use page::{Mention, Page, document, mentions};

type Names = BTreeSet<String>;

/// The options that say where a role is; a synopsis has the word *place* for them.
const PLACE: [&str; 4] = ["private", "public", "from-metadata", "metadata-endpoint"];

#[test]
fn each_command_has_its_options_in_the_synopsis() {
    let page = Page::read("cloudhosts.1");
    let program = Help::of(programs::COMMAND, &[]);
    let mut synopsis = page.synopsis();
    synopsis.remove("");
    assert_eq!(
        names(&synopsis),
        program.commands(),
        "the synopsis, and --help"
    );
    for (command, entry) in synopsis.iter().filter(|(name, _)| *name != "help") {
        let help = Help::of(programs::COMMAND, &[command]);
        let mut expected = syntaxes(&help.own());
        if entry.contains("Ar place") {
            expected.retain(|option, _| !PLACE.contains(&option.as_str()));
        }
        let said = mentions(entry).into_iter();
        let said = said.map(|mention| (mention.option, mention.syntax.unwrap_or(Syntax::Flag)));
        assert_eq!(
            said.collect::<BTreeMap<_, _>>(),
            expected,
            "{command}: the synopsis, and --help"
        );
        for choice in help.choices() {
            let words = choice.iter().cloned().collect::<Vec<_>>();
            assert!(
                choices_of(entry).contains(&choice),
                "{command}: the synopsis does not say {}",
                words.join(" | ")
            );
        }
    }
}

#[test]
fn each_option_of_a_command_is_explained_with_its_value_and_default() {
    let page = Page::read("cloudhosts.1");
    let parts = page.commands();
    let common = &parts[""];
    let mut known: BTreeMap<String, Vec<Syntax>> = BTreeMap::new();
    let commands = Help::of(programs::COMMAND, &[]).commands();
    let described = names(&parts).into_iter().filter(|name| !name.is_empty());
    assert_eq!(
        described.collect::<Names>(),
        commands,
        "the description, and --help"
    );
    for command in commands.iter().filter(|command| *command != "help") {
        let help = Help::of(programs::COMMAND, &[command]);
        let said: Vec<Mention> = mentions(&format!("{}{common}", parts[command]));
        for (option, entry) in help
            .own()
            .into_iter()
            .chain(help.options("Global options:"))
        {
            explained(command, &option, &entry, &said);
            known.entry(option).or_default().push(entry.syntax);
        }
    }
    for option in ["help", "version"] {
        known
            .entry(option.to_owned())
            .or_default()
            .push(Syntax::Flag);
    }
    nothing_else(&page, &known);
}

#[test]
fn each_option_of_a_server_is_explained_with_its_value_and_default() {
    for (page, name, program) in [
        ("cloudhosts-cached.8", "cloudhosts-cached", programs::DAEMON),
        ("cloudhosts-dns.8", "cloudhosts-dns", programs::DNS),
        (
            "cloudhosts-gateway.8",
            "cloudhosts-gateway",
            programs::GATEWAY,
        ),
    ] {
        let page = Page::read(page);
        let options = Help::of(program, &[]).options("Options:");
        let said = mentions(page.section("DESCRIPTION"));
        for (option, entry) in &options {
            explained(name, option, entry, &said);
        }
        let synopsis = mentions(page.section("SYNOPSIS")).into_iter();
        let synopsis =
            synopsis.map(|mention| (mention.option, mention.syntax.unwrap_or(Syntax::Flag)));
        assert_eq!(
            synopsis.collect::<BTreeMap<_, _>>(),
            syntaxes(&options),
            "{name}: the synopsis, and --help"
        );
        let known = options.into_iter();
        nothing_else(
            &page,
            &known
                .map(|(option, entry)| (option, vec![entry.syntax]))
                .collect(),
        );
    }
}

#[test]
fn the_exit_codes_are_in_the_page() {
    let page = Page::read("cloudhosts.1").exit_codes();
    assert_eq!(page, Help::of(programs::COMMAND, &[]).exit_codes());
    assert_eq!(
        page,
        exit_codes_of(&source_of("cli")),
        "the page, and the code"
    );
    for (page, part) in [
        ("cloudhosts-cached.8", "cached"),
        ("cloudhosts-dns.8", "dns"),
        ("cloudhosts-gateway.8", "gateway"),
    ] {
        assert_eq!(
            Page::read(page).exit_codes(),
            exit_codes_of(&source_of(part)),
            "{page}, and the code"
        );
    }
}

/// The codes that are written as such: `ExitCode::from(2)`, `ExitCode::SUCCESS`.
fn exit_codes_of(source: &str) -> Names {
    let uses = source.split("ExitCode::").skip(1);
    let codes = uses.filter_map(|rest| {
        if rest.starts_with("SUCCESS") {
            Some("0")
        } else if rest.starts_with("FAILURE") {
            Some("1")
        } else {
            let code = rest.strip_prefix("from(")?.split_once(')')?.0;
            code.chars().all(|c| c.is_ascii_digit()).then_some(code)
        }
    });
    codes.map(str::to_owned).collect()
}

/// Variables by which the programs talk to themselves or to a shell.
const INTERNAL: [&str; 3] = ["CLOUDHOSTS_COMPLETE", "PATH", "TERM"];

#[test]
fn the_variables_that_are_read_or_set_are_in_the_pages() {
    let programs = [
        ("cloudhosts.1", &["cli", "config", "registry"][..]),
        (
            "cloudhosts-cached.8",
            &["cached", "config", "registry/src/config"][..],
        ),
        ("cloudhosts-dns.8", &["dns"][..]),
        ("cloudhosts-gateway.8", &["gateway"][..]),
        ("nss-cloudhosts.8", &["nss-module"][..]),
    ];
    for (page, crates) in programs {
        let page_name = page;
        let page = Page::read(page);
        let source: String = crates.iter().map(|name| source_of(name)).collect();
        let mut used = used_variables(&source);
        used.retain(|name| !INTERNAL.contains(&name.as_str()));
        let missing: Names = &used - &page.all_variables();
        assert_eq!(missing, Names::new(), "{page_name} does not name these");
        for variable in page.environment() {
            // sd-notify reads those of systemd, and all names of the user are in one list
            let systemd =
                ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"].contains(&variable.as_str());
            let read = source.contains(&format!("\"{variable}\""));
            assert!(read || systemd, "{page_name}: nothing reads {variable}");
        }
    }
}

#[test]
fn each_key_is_in_the_page_with_its_default() {
    let page = keys_of_page(&document("man/cloudhosts.toml.5"));
    assert_eq!(page.keys().cloned().collect::<Names>(), keys_of_program());
    // what the page calls the defaults, spelled out, is the same configuration as nothing at all
    let directory = Dir::new();
    let file = directory.join("cloudhosts.toml");
    let load = |text: &str| {
        write(&file, text).unwrap();
        format!("{:#?}", Config::load(Some(&file)).expect(text))
    };
    let spelled = spelled_out(&page);
    assert_eq!(load("[redis]\n"), load(&spelled), "{spelled}");
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

#[test]
fn the_packages_that_are_to_be_installed_are_of_this_version() {
    let version = env!("CARGO_PKG_VERSION");
    for name in ["README.md", "docs/guide.md"] {
        let text = document(name);
        for package in [
            format!("cloudhosts_{version}-1_amd64.deb"),
            format!("cloudhosts-{version}-1.x86_64.rpm"),
        ] {
            assert!(text.contains(&package), "{name}: {package}");
        }
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

/// The page explains the option: with the value it takes and, if there is one, its default.
fn explained(command: &str, option: &str, entry: &Entry, said: &[Mention]) {
    let said: Vec<&Mention> = said
        .iter()
        .filter(|mention| mention.option == option)
        .collect();
    assert!(!said.is_empty(), "{command}: --{option} is not explained");
    if let Some(short) = &entry.short {
        let both = format!("Fl {short} , Fl Fl {option}");
        assert!(
            said.iter().any(|mention| mention.text.contains(&both)),
            "{command}: -{short}"
        );
    }
    let with_value = said
        .iter()
        .filter(|mention| mention.syntax.as_ref() == Some(&entry.syntax));
    let with_value: Vec<&str> = with_value.map(|mention| mention.text.as_str()).collect();
    if entry.syntax == Syntax::Flag {
        assert_eq!(entry.default, None, "{command}: --{option} is a flag");
        return;
    }
    assert!(
        !with_value.is_empty(),
        "{command}: the page does not explain --{option} as {:?}",
        entry.syntax
    );
    let defaults: Vec<&&str> = with_value
        .iter()
        .filter(|text| text.contains("default"))
        .collect();
    let Some(default) = &entry.default else {
        assert!(
            defaults.is_empty(),
            "{command}: --{option} has no default in --help: {defaults:?}"
        );
        return;
    };
    assert!(
        !defaults.is_empty(),
        "{command}: the page has no default of --{option}: {default}"
    );
    let default = match entry.syntax {
        Syntax::Choice(_) => Some(default.clone()),
        _ => in_words(default),
    };
    if let Some(default) = default {
        let agree = defaults.iter().any(|text| has_words(text, &default));
        assert!(
            agree,
            "{command}: the default of --{option} is {default}, not: {defaults:?}"
        );
    }
}

/// A default as a page says it: a time, a number or a URL. None of what is said in words.
fn in_words(default: &str) -> Option<String> {
    let digits = default.trim_end_matches(|c: char| c.is_ascii_lowercase());
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit()) {
        return default.starts_with("http").then(|| default.to_owned());
    }
    let unit = match &default[digits.len()..] {
        "" => return Some(digits.to_owned()),
        "ms" => "milliseconds",
        "s" => "seconds",
        "m" => "minutes",
        "h" => "hours",
        unit => panic!("a unit that no default has had so far: {unit}"),
    };
    Some(format!("{digits} {unit}"))
}

fn has_words(text: &str, words: &str) -> bool {
    let bounded = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric());
    text.match_indices(words).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + words.len()..]);
        bounded(before.chars().next_back()) && bounded(after.chars().next())
    })
}

/// The page names no option that there is not, and none with another value.
fn nothing_else(page: &Page, known: &BTreeMap<String, Vec<Syntax>>) {
    for mention in mentions(page.text()) {
        let Some(syntaxes) = known.get(&mention.option) else {
            panic!("only the page knows --{}", mention.option);
        };
        let Some(syntax) = &mention.syntax else {
            continue;
        };
        assert!(
            syntaxes.contains(syntax),
            "--{}: the page says {syntax:?}, and --help {syntaxes:?}",
            mention.option
        );
    }
}

fn syntaxes(options: &BTreeMap<String, Entry>) -> BTreeMap<String, Syntax> {
    let options = options.iter();
    options
        .map(|(option, entry)| (option.clone(), entry.syntax.clone()))
        .collect()
}

/// Each `.Cm a | b | c` of a synopsis.
fn choices_of(entry: &str) -> Vec<Names> {
    let lines = entry.lines().filter_map(|line| line.strip_prefix(".Cm "));
    lines
        .map(|line| line.split(" | ").map(str::to_owned).collect())
        .collect()
}

fn names<T>(map: &BTreeMap<String, T>) -> Names {
    map.keys().cloned().collect()
}

/// All source files of a crate, or of a directory of one, without their tests.
fn source_of(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    let root = if root.join("src").is_dir() {
        root.join("src")
    } else {
        root
    };
    let mut directories = vec![root];
    let mut source = String::new();
    while let Some(directory) = directories.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else {
            continue;
        };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = read_to_string(&path).unwrap();
                source.push_str(text.split("#[cfg(test)]").next().unwrap());
            }
        }
    }
    source
}

/// `"CLOUDHOSTS_..."` wherever it is, and the literals that `var` and `var_os` are called with.
fn used_variables(source: &str) -> Names {
    let ours = source
        .split("\"CLOUDHOSTS_")
        .skip(1)
        .map(|rest| format!("CLOUDHOSTS_{}", word(rest)));
    let read = ["env::var(\"", "env::var_os(\""];
    let read = read
        .iter()
        .flat_map(|call| source.split(call).skip(1))
        .map(|rest| word(rest).to_owned());
    ours.chain(read).collect()
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_uppercase() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

/// The keys as a file that sets each of them.
fn spelled_out(keys: &BTreeMap<String, String>) -> String {
    let tables = [
        (
            "redis",
            &[
                "urls",
                "username",
                "password_file",
                "password_command",
                "ca_file",
                "cert_file",
                "key_file",
                "server_name",
                "sentinel",
                "master_scheme",
                "connect_timeout",
            ][..],
        ),
        ("gateway", &["url", "token_file", "ca_file"]),
        ("dns", &["listen", "ttl", "zones"]),
    ];
    let (mut top, mut text) = (keys.clone(), String::new());
    for (table, its_keys) in tables {
        text.push_str(&format!("[{table}]\n"));
        for &key in its_keys {
            // Two tables have `ca_file`.
            top.remove(key);
            let default = keys.get(key).expect(key);
            text.push_str(&format!("{key} = {default}\n"));
        }
    }
    let top = top
        .iter()
        .map(|(key, default)| format!("{key} = {default}\n"));
    top.collect::<String>() + &text
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
    for table in ["", "[redis]\n", "[gateway]\n", "[dns]\n"] {
        let (_, said) = check(&format!("{table}no_such_key = 1\n"));
        let (_, expected) = said.split_once("expected one of").expect("it names them");
        // `hashes`, `domain`, ...
        keys.extend(expected.split('`').skip(1).step_by(2).map(str::to_owned));
    }
    // the tables themselves
    for table in ["redis", "gateway", "dns"] {
        keys.remove(table);
    }
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
