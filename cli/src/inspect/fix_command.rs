//! The redis-cli command that fixes a field, quoted for a shell.

use std::fmt::Write as _;

use cloudhosts_config::Config;
use cloudhosts_config::status::{RejectedCode, RejectedField};
use cloudhosts_registry::record::{self, Value};

/// The command that fixes a field, of which `value` is the value in Redis, if it is known,
/// and `last_good` the one that is used instead.
pub(super) fn line(
    field: &RejectedField,
    value: Option<&[u8]>,
    last_good: Option<&str>,
    endpoint: &str,
) -> String {
    let cli = client(endpoint);
    let hash = field.hash.as_bytes();
    let Some(name) = field.name() else {
        let hash = quoted(hash);
        return format!("{cli} HKEYS {hash} # its field is too long to be shown here");
    };
    let good = match (field.code, value) {
        (RejectedCode::Field | RejectedCode::Pointer | RejectedCode::Spelling, _) => None,
        (RejectedCode::Value | RejectedCode::Attribute, Some(value)) => {
            record::mend(value).map(|value: Value| value.to_string())
        }
        (RejectedCode::Value | RejectedCode::Attribute, None) if last_good.is_none() => {
            return command(&cli, "HGET", &[hash, &name]);
        }
        (RejectedCode::Value | RejectedCode::Attribute, None) => None,
    };
    match good.as_deref().or(last_good) {
        Some(value) => command(&cli, "HSET", &[hash, &name, value.as_bytes()]),
        None => command(&cli, "HDEL", &[hash, &name]),
    }
}

/// `redis-cli`, told where; a password is left to `REDISCLI_AUTH`.
fn client(endpoint: &str) -> String {
    if let Some(path) = endpoint.strip_prefix("redis+unix://") {
        let (path, db) = path.split_once("?db=").unwrap_or((path, ""));
        let db = if db.is_empty() {
            String::new()
        } else {
            format!(" -n {}", quoted(db.as_bytes()))
        };
        return format!("redis-cli -s {}{db}", quoted(path.as_bytes()));
    }
    match endpoint {
        "redis://127.0.0.1:6379" => "redis-cli".into(),
        url => format!("redis-cli -u {}", quoted(url.as_bytes())),
    }
}

/// Where the Redis is that the fields are in: the one the daemon talks to, else
/// the first that is configured.
pub(super) fn endpoint(connected: Option<&str>, config: &Config) -> String {
    let configured = || config.redis.urls.first().map(ToString::to_string);
    let connected = connected.map(ToOwned::to_owned);
    connected.or_else(configured).unwrap_or_default()
}

/// A command of redis-cli; as bytes of Redis's protocol where an argument can't
/// be given to a shell in quotes.
fn command(cli: &str, verb: &str, arguments: &[&[u8]]) -> String {
    let plain = |argument: &&[u8]| argument.iter().all(|byte| (b' '..=b'~').contains(byte));
    if arguments.iter().all(plain) {
        let quoted: Vec<String> = arguments.iter().map(|one| quoted(one)).collect();
        return format!("{cli} {verb} {}", quoted.join(" "));
    }
    let quoted: Vec<String> = arguments.iter().map(|one| resp(one)).collect();
    let verb = resp(verb.as_bytes());
    let count = arguments.len() + 1;
    let all = quoted.concat();
    format!("printf %b '*{count}\\r\\n{verb}{all}' | {cli} --pipe")
}

/// A bulk string of Redis's protocol, as printf(1) reads it with %b.
fn resp(bytes: &[u8]) -> String {
    let mut text = format!("${}\\r\\n", bytes.len());
    for &byte in bytes {
        match byte {
            b'\\' | b'\'' | ..b' ' | 0x7f.. => {
                // A string takes it.
                let _ = write!(text, "\\0{byte:03o}");
            }
            byte => text.push(byte.into()),
        }
    }
    text + "\\r\\n"
}

/// One word for a shell. All bytes must be printable.
fn quoted(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let safe = |c: char| c.is_ascii_alphanumeric() || "._:/=-".contains(c);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(safe) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use cloudhosts_config::status::Effect;
    use proptest::prelude::*;

    use super::*;

    const HERE: &str = "redis://127.0.0.1:6379";

    fn field(field: impl AsRef<[u8]>, code: RejectedCode) -> RejectedField {
        RejectedField::new(
            "cloudhosts",
            field.as_ref(),
            code,
            String::new(),
            Effect::Ignored,
        )
    }

    #[test]
    fn what_was_meant_is_written_or_the_field_removed() {
        let name = RejectedCode::Field;
        for (bad, value, good, line_is) in [
            (
                field("web", RejectedCode::Value),
                Some("10.0.0.5:80"),
                None,
                "redis-cli HSET cloudhosts web 10.0.0.5",
            ),
            (
                field("web", RejectedCode::Value),
                Some("nonsense!"),
                None,
                "redis-cli HDEL cloudhosts web",
            ),
            (
                field("web", RejectedCode::Value),
                Some("!"),
                Some("10.0.0.9 pick=1"),
                "redis-cli HSET cloudhosts web '10.0.0.9 pick=1'",
            ),
            (
                field("web", RejectedCode::Value),
                None,
                Some("10.0.0.9"),
                "redis-cli HSET cloudhosts web 10.0.0.9",
            ),
            (
                field("web", RejectedCode::Value),
                None,
                None,
                "redis-cli HGET cloudhosts web",
            ),
            (
                field("a b'c", name),
                None,
                None,
                r"redis-cli HDEL cloudhosts 'a b'\''c'",
            ),
            (
                field("-x", name),
                None,
                None,
                "redis-cli HDEL cloudhosts '-x'",
            ),
            (
                field(b"w\xe9b", name),
                None,
                None,
                r"printf %b '*3\r\n$4\r\nHDEL\r\n$10\r\ncloudhosts\r\n$3\r\nw\0351b\r\n' | redis-cli --pipe",
            ),
        ] {
            assert_eq!(line(&bad, value.map(str::as_bytes), good, HERE), line_is);
        }
        let unix = line(
            &field("web", name),
            None,
            None,
            "redis+unix:///run/my redis?db=3",
        );
        assert_eq!(
            unix,
            "redis-cli -s '/run/my redis' -n 3 HDEL cloudhosts web"
        );
        let tls = line(&field("web", name), None, None, "rediss://r:6380/2");
        assert_eq!(tls, "redis-cli -u rediss://r:6380/2 HDEL cloudhosts web");
    }

    /// What a real shell makes of the line, with something in the place of redis-cli that shows
    /// what it is given.
    fn through_a_shell(line: &str) -> Vec<u8> {
        let line = match line.strip_prefix("redis-cli ") {
            Some(words) => format!("printf '%s\\0' {words}"),
            None => line.replace("| redis-cli --pipe", "| cat"),
        };
        let output = Command::new("sh").args(["-c", &line]).output();
        output.unwrap().stdout
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn a_shell_gets_the_very_bytes(name in prop::collection::vec(any::<u8>(), 1..40)) {
            let bad = field(&name, RejectedCode::Field);
            let said = through_a_shell(&line(&bad, None, None, HERE));
            let words = [b"HDEL\0cloudhosts\0", &name[..], b"\0"].concat();
            let head = format!("*3\r\n$4\r\nHDEL\r\n$10\r\ncloudhosts\r\n${}\r\n", name.len());
            let protocol = [head.as_bytes(), &name[..], b"\r\n"].concat();
            prop_assert!(said == words || said == protocol, "{}", said.escape_ascii());
        }
    }
}
