//! What the documents say of the gateway: each key of its configuration with its default, each code
//! of an error with its status, and configurations that it takes as they are shown.

use std::collections::BTreeMap;
use std::fs::write;

use cloudhosts_config::gateway::{GatewayConfig, ProblemCode, TokenVerb};
use cloudhosts_tests::dir::Dir;

use crate::page::{Page, document};
use crate::{Names, keys_of_page, keys_of_toml, names};

/// A file with what has to be in each, as text before the first table, and a token to its name.
const LEAST: &str = "listen = [\"127.0.0.1:8080\"]\n";
const TOKEN: &str = "[[token]]\nname = \"a\"\nroles = [\"web\"]\nverbs = [\"join\"]\n\
    sha256 = \"00000000000000000000000000000000000000000000000000000000000000af\"\n";

/// The keys that are in a table.
const LIMITS: [&str; 8] = [
    "rate",
    "burst",
    "connections",
    "connections_per_address",
    "header_timeout",
    "request_timeout",
    "idle_timeout",
    "body",
];
const DEFAULTS_OF_TOKEN: [&str; 1] = ["addresses"];

#[test]
fn each_key_is_in_the_page_with_its_default() {
    let page = Page::read("gateway.toml.5");
    let items = page.text().lines();
    let items = items.filter_map(|line| line.strip_prefix(".It Cm ")?.split(' ').next());
    let said: Names = items.map(str::to_owned).collect();
    assert_eq!(said, keys_of_program());

    let defaults = keys_of_page(page.text());
    assert_eq!(
        loaded(&format!("{LEAST}{TOKEN}")),
        loaded(&spelled_out(&defaults)),
        "{defaults:?}"
    );
}

#[test]
fn the_example_that_is_shipped_names_each_key_with_its_default() {
    let shipped = document("packaging/gateway.toml");
    let lines = shipped.lines().map(|line| match line.strip_prefix('#') {
        Some(key) if key.starts_with(|first: char| first.is_ascii_lowercase()) => key,
        _ => line,
    });
    let said: String = lines.map(|line| format!("{line}\n")).collect();
    let mut keys = keys_of_toml(&said);
    for of_redis in ["urls", "username", "password_file"] {
        keys.remove(of_redis).expect(of_redis);
    }
    assert_eq!(names(&keys), keys_of_program());
    for (key, default) in keys_of_page(&document("man/gateway.toml.5")) {
        let is_default = shipped.contains(&format!("\n#{key} = {default}\n"));
        let is_set = shipped.contains(&format!("\n{key} = "));
        assert!(is_default || is_set, "{key} = {default}");
    }
    assert_eq!(loaded(&shipped), loaded(&said));
}

#[test]
fn the_configurations_that_are_shown_are_right() {
    let page = Page::read("gateway.toml.5");
    let (_, example) = page.section("EXAMPLES").split_once(".Bd ").unwrap();
    let example = example.split_once('\n').unwrap().1;
    loaded(example.split("\n.Ed").next().unwrap());
    let guide = document("docs/gateway.md");
    let blocks = guide.split("```toml\n").skip(1);
    let blocks = blocks.map(|rest| rest.split("```").next().unwrap());
    let ours: Vec<_> = blocks.filter(|block| block.contains("listen")).collect();
    assert_eq!(ours.len(), 2, "the set-up, and behind a proxy");
    for block in ours {
        loaded(block);
    }
}

#[test]
fn each_code_of_an_error_is_in_the_page_and_in_the_description_of_requests() {
    let page = Page::read("cloudhosts-gateway.8");
    let rows = page.text().lines();
    let rows = rows.filter_map(|line| line.strip_prefix(".It ")?.split_once(" Ta "));
    let rows: BTreeMap<&str, &str> = rows.collect();
    let described = document("docs/openapi.yaml");
    let (_, described) = described
        .split_once("        code:\n          enum:\n")
        .unwrap();
    let described: Names = described
        .lines()
        .map_while(|line| line.strip_prefix("            - "))
        .map(str::to_owned)
        .collect();
    let codes = ProblemCode::ALL.map(|code| code.name().to_owned());
    assert_eq!(described, Names::from(codes));
    for code in ProblemCode::ALL {
        let row = rows.get(code.name()).unwrap_or(&"");
        let status = code.status().to_string();
        assert!(row.starts_with(&status), "{}: {row}", code.name());
    }
}

#[test]
fn each_verb_of_a_token_is_in_the_pages() {
    for (page, key) in [
        (Page::read("gateway.toml.5"), ".It Cm verbs\n"),
        (Page::read("cloudhosts.1"), ".It Fl Fl verb Ar verb\n"),
    ] {
        let (_, said) = page.text().split_once(key).unwrap();
        let said = said.split("\n.It ").next().unwrap();
        let words: Names = said.split_whitespace().map(str::to_owned).collect();
        for verb in TokenVerb::ALL {
            assert!(words.contains(verb.name()), "{key}{}", verb.name());
        }
    }
}

/// The file with what the page calls the defaults.
fn spelled_out(defaults: &BTreeMap<String, String>) -> String {
    let (mut top, mut limits, mut token) = (String::new(), String::new(), String::new());
    for (key, default) in defaults {
        let table = if LIMITS.contains(&key.as_str()) {
            &mut limits
        } else if DEFAULTS_OF_TOKEN.contains(&key.as_str()) {
            &mut token
        } else {
            &mut top
        };
        table.push_str(&format!("{key} = {default}\n"));
    }
    format!("{LEAST}{top}[limits]\n{limits}{TOKEN}{token}")
}

/// What the gateway understands of a file.
fn loaded(text: &str) -> String {
    let directory = Dir::new();
    let file = directory.join("gateway.toml");
    write(&file, text).unwrap();
    let config = GatewayConfig::load_without_secrets(Some(&file));
    let config = config.unwrap_or_else(|error| panic!("{error}: {text}"));
    format!("{config:#?}").replace(&file.display().to_string(), "")
}

/// What the gateway names when it meets a key that it does not know. The table `[redis]` is that of
/// `cloudhosts.toml`, and explained there.
fn keys_of_program() -> Names {
    let mut keys = Names::new();
    let directory = Dir::new();
    let file = directory.join("gateway.toml");
    for table in ["", "[limits]\n", "[[token]]\n"] {
        write(&file, format!("{table}no_such_key = 1\n")).unwrap();
        let refused = GatewayConfig::load_without_secrets(Some(&file));
        let said = refused.expect_err("an unknown key").to_string();
        let (_, expected) = said.split_once("expected one of").expect("it names them");
        keys.extend(expected.split('`').skip(1).step_by(2).map(str::to_owned));
    }
    // the tables themselves
    for table in ["redis", "limits", "token"] {
        keys.remove(table);
    }
    keys
}
