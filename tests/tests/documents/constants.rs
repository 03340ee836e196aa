//! Figures and paths in documents are those in the code.
//!
//! The constants are read from the source: many are private, or belong to a program, and need not be
//! public for this.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

use crate::page::document;

const CACHED: &str = "man/cloudhosts-cached.8";
const COMMAND: &str = "man/cloudhosts.1";
const MODULE: &str = "man/nss-cloudhosts.8";
const DNS: &str = "man/cloudhosts-dns.8";
const DNS_GUIDE: &str = "docs/dns.md";
const GATEWAY: &str = "man/cloudhosts-gateway.8";
const GATEWAY_CONFIG: &str = "man/gateway.toml.5";
const REGISTRY: &str = "man/cloudhosts-registry.7";
const CONFIG: &str = "man/cloudhosts.toml.5";
const ARCHITECTURE: &str = "ARCHITECTURE.md";
const GUIDE: &str = "docs/guide.md";

/// Each constant by its name (with a file before it, where several have that name), and what a
/// document says of it. In braces is the unit: seconds, milliseconds, KiB, MiB, GiB, a number with
/// (`n`) or without (`plain`) commas, one less (`n-1`), or text.
const SAID: &[(&str, &str, &str)] = &[
    // the module
    ("DEAD_AFTER", MODULE, "no heartbeat for {s} seconds"),
    (
        "DEAD_AFTER",
        COMMAND,
        "no heartbeat for more than {s} seconds",
    ),
    ("DEAD_AFTER", GUIDE, "no heartbeat for {s} seconds"),
    ("DEAD_AFTER", ARCHITECTURE, "no heartbeat for {s} s"),
    (
        "FIRST_ATTACH",
        MODULE,
        "first lookup waits for at most {ms} milliseconds",
    ),
    (
        "FIRST_ATTACH",
        ARCHITECTURE,
        "attaches (at most {ms} ms); if that fails, reads the file",
    ),
    (
        "FIRST_ATTACH",
        "SECURITY.md",
        "delay it by more than {ms} ms",
    ),
    ("FIRST_ATTACH", GUIDE, "delay them by more than {ms} ms"),
    (
        "NEW_REGION",
        ARCHITECTURE,
        "attaches to the new one (at most {ms} ms)",
    ),
    (
        "NEW_DAEMON",
        MODULE,
        "for at most {ms} milliseconds. In the meantime",
    ),
    (
        "NEW_DAEMON",
        ARCHITECTURE,
        "looks for a new daemon (at most {ms} ms)",
    ),
    ("MAX_NAMES", MODULE, "up to {n-1} of them"),
    (
        "MAX_NAMES",
        REGISTRY,
        "A lookup by address answers at most {n} names",
    ),
    ("paths.rs/SOCKET", MODULE, ".It Pa {text}"),
    ("paths.rs/SOCKET", CACHED, ".It Pa {text}"),
    ("paths.rs/SOCKET", ARCHITECTURE, "connects to `{text}`"),
    ("LAST_GOOD", MODULE, ".It Pa {text}"),
    ("LAST_GOOD", CACHED, ".It Pa {text}"),
    // the configuration
    ("CONFIG_FILE", CONFIG, ".Nm {text}"),
    ("CONFIG_FILE", CACHED, "The default is .Pa {text} ,"),
    ("CONFIG_FILE", COMMAND, "Otherwise it is .Pa {text} ,"),
    ("REGISTER_FILE", CONFIG, ".Nm {text}"),
    ("STATUS_FILE", CACHED, ".It Pa {text}"),
    ("STATUS_FILE", COMMAND, ".It Pa {text}"),
    ("STATE_DIR", CACHED, "and .Pa {text} ."),
    ("MAX_HASHES", CONFIG, "1 to {n} different keys"),
    ("MAX_KEY", CONFIG, "keys of at most {n} bytes each"),
    ("MAX_SOCKET_PATH", CONFIG, "Path of at most {n} bytes"),
    (
        "MAX_ZONE",
        CONFIG,
        "Up to {n} letters, digits, dots, hyphens and underscores",
    ),
    (
        "BYTES_A_FIELD",
        CONFIG,
        "fields and values may have {n} bytes on average",
    ),
    ("REDIS_PORT", CONFIG, "The default port is {plain}."),
    ("SENTINEL_PORT", CONFIG, "the default port is {plain}."),
    ("SENTINEL_PORT", GUIDE, "(default port {plain})"),
    // the registry
    ("MAX_LABEL", REGISTRY, "a label has at most {n} bytes"),
    ("MAX_NAME", REGISTRY, "a name at most {n}, the"),
    (
        "MAX_MEMBER",
        REGISTRY,
        "A member ID consists of 1 to {n} letters",
    ),
    (
        "value.rs/MAX_VALUE",
        REGISTRY,
        "a value of more than {MiB} MiB or",
    ),
    ("value.rs/MAX_ADDRESSES", REGISTRY, "MiB or {n} addresses"),
    (
        "value.rs/MAX_ADDRESSES",
        REGISTRY,
        "{n} addresses per family",
    ),
    ("MAX_ZONE", REGISTRY, "A zone is up to {n} letters"),
    (
        "resolve.rs/MAX_CHAIN",
        REGISTRY,
        "can itself be a pointer, up to {n} in a row",
    ),
    ("MOST_FIELDS", REGISTRY, "{n} fields and"),
    (
        "replica.rs/MOST_BYTES",
        REGISTRY,
        "fields and {GiB} GiB per hash",
    ),
    (
        "HGETALL_MAX_FIELDS",
        REGISTRY,
        "A hash of at most {n} fields is read with",
    ),
    (
        "HGETALL_MAX_FIELDS",
        GUIDE,
        "Hashes of more than {n} fields",
    ),
    (
        "scan.rs/STEP",
        REGISTRY,
        "in steps of {n}, so that it does not block Redis",
    ),
    ("claim.rs/STEP", REGISTRY, "HSCAN No in steps of {n} ."),
    ("MAX_LEN", REGISTRY, "trimmed to about {n} entries"),
    ("MAX_LEN", COMMAND, "about the last {n} changes"),
    (
        "log/mod.rs/MAX_OPERATIONS",
        REGISTRY,
        "too large to list (more than {n} fields)",
    ),
    ("OFTEN", REGISTRY, "or after {s} seconds if that is less"),
    ("OFTEN", GUIDE, "or after {s} seconds if that is less"),
    (
        "SHORTEST_LEASE",
        COMMAND,
        "outlives this machine: {s} seconds to",
    ),
    ("LONGEST_LEASE", COMMAND, "seconds to {days} day."),
    // following Redis
    ("IDLE", CACHED, "After {s} seconds without any traffic"),
    ("IDLE", ARCHITECTURE, "PING after {s} s without a byte"),
    ("ANSWERS", CACHED, "no reply within {s} seconds"),
    ("ANSWERS", ARCHITECTURE, "given up {s} s later"),
    (
        "backoff.rs/FIRST",
        CACHED,
        "over {ms} milliseconds at first",
    ),
    (
        "backoff.rs/FIRST",
        ARCHITECTURE,
        "reconnects after 0 to {ms} ms",
    ),
    ("backoff.rs/LONGEST", CACHED, "over {s} seconds at most"),
    (
        "backoff.rs/LONGEST",
        ARCHITECTURE,
        "later 0 to {s} s at random",
    ),
    (
        "backoff.rs/LONGEST",
        GUIDE,
        "spread randomly over up to {s} seconds",
    ),
    ("pacer.rs/REST", CACHED, "waits {n} times as long"),
    (
        "pacer.rs/LONGEST_REST",
        CACHED,
        "the last read took, at most {s} seconds",
    ),
    (
        "pacer.rs/LONGEST_REST",
        GUIDE,
        "as long as the read took, up to {s} seconds",
    ),
    ("MAX_REPLY", ARCHITECTURE, "{MiB} MiB for one request"),
    // the daemon
    ("RATE", CACHED, "more than {n} times a second"),
    ("RATE", ARCHITECTURE, "gets {n} replies a second"),
    ("BURST", CACHED, "a burst of {n} of a kind"),
    (
        "role_changes.rs/FEW",
        CACHED,
        "More than {n} changes at once",
    ),
    ("rejected.rs/NAMED", CACHED, "the first {n} of them"),
    ("rejected.rs/NAMED", COMMAND, "reports the first {n} fields"),
    // DNS
    ("MOST_UDP", DNS, "UDP has at most {n} bytes"),
    ("LEAST_UDP", DNS, "or {n} where the query has no EDNS"),
    (
        "FAIR_SHARE",
        DNS,
        "at most {n} times the bytes of its query",
    ),
    (
        "FAIR_SHARE",
        DNS_GUIDE,
        "at most {n} times the bytes of a query",
    ),
    ("PER_SECOND", DNS, "receives {n} answers a second"),
    ("PER_SECOND", DNS_GUIDE, "receives {n} answers a second"),
    ("MOST_CONNECTIONS", DNS, "up to {n} connections are served"),
    ("tcp.rs/DEADLINE", DNS, "A query has {s} seconds to arrive"),
    (
        "server.rs/LONGEST_REST",
        DNS,
        "at most {s} seconds if names change all the time",
    ),
    // the gateway
    ("GATEWAY_FILE", GATEWAY_CONFIG, ".Nm {text}"),
    ("GATEWAY_FILE", GATEWAY, "The default is .Pa {text} ."),
    ("LONGEST_NAME", GATEWAY_CONFIG, "1 to {n} letters, digits"),
    ("MOST_BODY", GATEWAY_CONFIG, "bytes, at most {n}"),
    ("MOST_HOSTS", GATEWAY, "Up to {n} hostnames"),
    ("MOST_HOSTS", GATEWAY, "more than {n} hostnames"),
    ("SHORTEST_LEASE", GATEWAY, "{s} seconds to"),
    // the command
    (
        "getent.rs/TIMEOUT",
        COMMAND,
        "take up to {s} seconds for each query",
    ),
    (
        "getent.rs/TIMEOUT",
        COMMAND,
        "separate process, which may take {s} seconds",
    ),
    ("MAX_VARIABLE", COMMAND, "longer than {KiB} KiB is not set"),
    (
        "exec_hook.rs/SLOW",
        COMMAND,
        "one that takes longer than {s} seconds; it is not killed",
    ),
    (
        "hosts_file.rs/MAX_SHOWN",
        COMMAND,
        "up to {n} of them are listed",
    ),
    ("MAX_OFFERED", COMMAND, "If more than {n} match"),
    (
        "authselect.rs/TIMEOUT",
        COMMAND,
        "run, for at most {s} seconds",
    ),
];

#[test]
fn figures_and_paths_are_those_in_the_code() {
    let sources = sources();
    let mut wrong = Vec::new();
    for (constant, name, says) in SAID {
        let expected = says_of(&value(&sources, constant), says);
        let text = document(name);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if !text.contains(&expected) {
            wrong.push(format!("{name} does not say {expected:?} ({constant})"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a constant is: durations in microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Number(u64),
    Text(String),
}

/// The sentence with the value in its unit.
fn says_of(value: &Value, says: &str) -> String {
    let (before, rest) = says.split_once('{').expect("a unit in braces");
    let (unit, after) = rest.split_once('}').expect("its end");
    let said = match (unit, value) {
        ("text", Value::Text(text)) => text.clone(),
        ("n", Value::Number(number)) => commas(*number),
        ("n-1", Value::Number(number)) => commas(number - 1),
        ("plain", Value::Number(number)) => number.to_string(),
        ("s", Value::Number(micros)) => part(*micros, 1_000_000),
        ("ms", Value::Number(micros)) => part(*micros, 1_000),
        ("days", Value::Number(micros)) => part(*micros, 86_400_000_000),
        ("KiB", Value::Number(bytes)) => part(*bytes, 1 << 10),
        ("MiB", Value::Number(bytes)) => part(*bytes, 1 << 20),
        ("GiB", Value::Number(bytes)) => part(*bytes, 1 << 30),
        _ => panic!("{value:?} has no {unit}"),
    };
    format!("{before}{said}{after}")
}

/// 2.8, and not 2.80.
fn part(whole: u64, unit: u64) -> String {
    let text = format!("{}.{:03}", whole / unit, whole % unit * 1_000 / unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn commas(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Every source file of what is installed.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut sources = Vec::new();
    let crates = [
        "cached",
        "cli",
        "config",
        "dns",
        "gateway",
        "nss-module",
        "nsswitch",
        "registry",
        "table",
    ];
    let mut directories: Vec<PathBuf> = crates
        .iter()
        .map(|name| root.join(name).join("src"))
        .collect();
    while let Some(directory) = directories.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else {
            continue;
        };
        for path in entries.map(|entry| entry.expect("an entry").path()) {
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = read_to_string(&path).expect("a source file");
                sources.push((path, text));
            }
        }
    }
    sources
}

/// The value of a constant, wherever it is defined.
fn value(sources: &[(PathBuf, String)], constant: &str) -> Value {
    let (file, name) = match constant.rsplit_once('/') {
        Some((file, name)) => (Some(file), name),
        None => (None, constant),
    };
    let wanted = |path: &Path| file.is_none_or(|file| path.ends_with(file));
    let start = format!("const {name}: ");
    let files = sources.iter().filter(|(path, _)| wanted(path));
    let definitions = files.flat_map(|(_, text)| text.split(&start).skip(1));
    let values: Vec<Value> = definitions
        .filter_map(|rest| Some(rest.split_once(';')?.0.split_once('=')?.1))
        .map(|expression| evaluate(expression.trim()))
        .collect();
    let first = values
        .first()
        .unwrap_or_else(|| panic!("there is no constant {constant}"));
    assert!(
        values.iter().all(|value| value == first),
        "several are called {constant}: {values:?}"
    );
    first.clone()
}

/// The few forms of expressions that constants have.
fn evaluate(expression: &str) -> Value {
    if let Some(text) = expression.strip_prefix('"') {
        return Value::Text(text.trim_end_matches('"').to_owned());
    }
    let units = [
        ("from_secs(", 1_000_000),
        ("from_millis(", 1_000),
        ("from_micros(", 1),
    ];
    for (unit, micros) in units {
        if let Some((_, inner)) = expression.split_once(unit) {
            return Value::Number(product(inner.trim_end_matches(')')) * micros);
        }
    }
    Value::Number(product(expression))
}

/// `64 * 1024` or `1 << 20`.
fn product(expression: &str) -> u64 {
    let number = |text: &str| -> u64 {
        let digits = text.trim().replace('_', "");
        digits
            .parse()
            .unwrap_or_else(|_| panic!("{text:?} in {expression:?} is not a number"))
    };
    match expression.split_once("<<") {
        Some((number_, shift)) => number(number_) << number(shift),
        None => expression.split('*').map(number).product(),
    }
}
