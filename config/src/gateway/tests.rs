use super::*;

const HASH: &str = "sha256 = '00000000000000000000000000000000000000000000000000000000000000aF'";

fn parse(text: &str) -> Result<GatewayConfig, String> {
    let parsed = GatewayConfig::parse(Path::new("/x/g.toml"), text.to_owned());
    parsed
        .map(|(config, _)| config)
        .map_err(|error| error.to_string())
}

#[test]
fn little_has_to_be_written() {
    let config = parse(&format!(
        "listen = ['127.0.0.1:8080', '[::1]:8080']\n[[token]]\nname = 'a'\n{HASH}\nroles = ['Web.']\n\
         verbs = ['join']\n"
    ));
    let config = config.unwrap();
    assert_eq!(config.listen.len(), 2);
    assert_eq!(config.certificate, None);
    assert_eq!(config.registry.hashes, ["cloudhosts"]);
    let urls = &config.registry.redis.urls;
    assert_eq!(urls[0].to_string(), "redis://127.0.0.1:6379");
    assert_eq!(config.limits, LimitsTable::default().into());
    let token = &config.tokens[0];
    assert!(token.allows_role("web") && !token.allows_role("web-1"));
    assert!(token.allows_verb(TokenVerb::Join) && !token.allows_verb(TokenVerb::Hold));
    assert!(token.allows_member("any") && token.literal_member().is_none());
    assert_eq!(token.views, ["cloudhosts"]);
    assert_eq!(token.sha256.0[31], 0xaf);
    let [here, there] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().unwrap());
    assert!(token.allows_address(here, here) && !token.allows_address(there, here));
}

#[test]
fn every_key_is_read() {
    let config = parse(&format!(
        r#"
        listen = ["[::]:8443"]
        cert = "/c.crt"
        key = "/c.key"
        trusted_proxies = ["10.0.0.0/8", "fd00::1"]
        hashes = ["cloudhosts:private", "cloudhosts:public"]
        domain = "Prod.Example.com."
        [limits]
        rate = 2
        burst = 3
        connections = 4
        connections_per_address = 5
        header_timeout = "6s"
        request_timeout = "7s"
        idle_timeout = "8s"
        body = 9
        [[token]]
        name = "web-1"
        {HASH}
        roles = ["web", "web-*"]
        verbs = ["claim", "join", "leave", "release", "hold"]
        member = "i-*"
        addresses = ["source", "192.0.2.0/24"]
        views = ["cloudhosts:public"]
        [redis]
        urls = ["redis://r"]
        username = "gateway"
        "#
    ));
    let config = config.unwrap();
    let files = config.certificate.unwrap();
    assert_eq!(files.certificate, Path::new("/c.crt"));
    assert_eq!(files.key, Path::new("/c.key"));
    assert!(config.trusted_proxies[1].contains("fd00::1".parse().unwrap()));
    assert_eq!(config.registry.hashes.len(), 2);
    assert_eq!(config.registry.mirrored, config.registry.hashes);
    assert_eq!(config.registry.domain.unwrap().as_str(), "prod.example.com");
    assert_eq!(config.registry.redis.username.as_deref(), Some("gateway"));
    assert_eq!((config.limits.burst, config.limits.body), (3, 9));
    assert_eq!(config.limits.idle_timeout.as_secs(), 8);
    let token = &config.tokens[0];
    assert!(
        token.allows_role("web-2") && token.allows_member("i-1") && !token.allows_member("I-1")
    );
    let [source, public] = ["10.0.0.1", "192.0.2.7"].map(|text| text.parse().unwrap());
    assert!(token.allows_address(public, source) && token.allows_address(source, source));
    assert!(token.allows_view("cloudhosts:public") && !token.allows_view("cloudhosts:private"));
}

#[test]
fn every_error_names_the_line_and_what_to_do() {
    let token = |rest: &str| format!("listen = ['[::1]:1']\n[[token]]\nname = 'a'\n{rest}\n");
    for (text, line, why) in [
        ("".to_owned(), 0, "listen"),
        ("listen = []".to_owned(), 1, "at least one"),
        ("\nlisten = ['x']".to_owned(), 2, "[::]:8443"),
        ("listen = ['[::]:8443']".to_owned(), 1, "cert and key"),
        ("listen = ['[::1]:1', '[::1]:1']".to_owned(), 1, "twice"),
        (
            "listen = ['[::1]:1']\ntokens = 1".to_owned(),
            2,
            "unknown field",
        ),
        ("listen = ['[::1]:1']\ncert = '/c'".to_owned(), 0, "key"),
        (
            "listen = ['[::1]:1']\ntrusted_proxies = ['x']".to_owned(),
            2,
            "10.0.0.0/8",
        ),
        (
            "listen = ['[::1]:1']\n[limits]\nrate = 0".to_owned(),
            3,
            "without quotes",
        ),
        (
            "listen = ['[::1]:1']\n[limits]\nburst = 0".to_owned(),
            3,
            "from 1 on",
        ),
        (
            "listen = ['[::1]:1']\n[limits]\nbody = 0".to_owned(),
            3,
            "bytes",
        ),
        (
            "listen = ['[::1]:1']\n[limits]\nidle = '1s'".to_owned(),
            3,
            "unknown field",
        ),
        (
            "listen = ['[::1]:1']\n[redis]\nurl = 'x'".to_owned(),
            3,
            "unknown field",
        ),
        (token("sha256 = 'ab'"), 4, "64 hexadecimal"),
        (token(HASH), 2, "roles"),
        (
            token(&format!("{HASH}\nroles = []")),
            5,
            "at least one role",
        ),
        (token(&format!("{HASH}\nroles = ['a b']")), 5, "\"a b\""),
        (token(&format!("{HASH}\nroles = ['a']")), 2, "verbs"),
        (
            token(&format!("{HASH}\nroles = ['a']\nverbs = []")),
            6,
            "hold",
        ),
        (
            token(&format!("{HASH}\nroles = ['a']\nverbs = ['x']")),
            6,
            "hold",
        ),
        (
            token(&format!(
                "{HASH}\nroles = ['a']\nverbs = ['join']\nmember = ''"
            )),
            7,
            "glob",
        ),
        (
            token(&format!(
                "{HASH}\nroles = ['a']\nverbs = ['join']\naddresses = []"
            )),
            7,
            "source",
        ),
        (
            token(&format!(
                "{HASH}\nroles = ['a']\nverbs = ['join']\naddresses = ['x']"
            )),
            7,
            "source",
        ),
        (
            token(&format!(
                "{HASH}\nroles = ['a']\nverbs = ['join']\nviews = ['x']"
            )),
            7,
            "hashes",
        ),
        (
            token(&format!(
                "{HASH}\nroles = ['a']\nverbs = ['join']\nviews = []"
            )),
            7,
            "at least",
        ),
        (token(&format!("{HASH}\nrole = ['a']")), 5, "unknown field"),
        (
            "listen = ['[::1]:1']\n[[token]]\nname = 'a b'".to_owned(),
            3,
            "64 letters",
        ),
    ] {
        let error = parse(&text).unwrap_err();
        let place = match line {
            0 => "/x/g.toml: ".to_owned(),
            line => format!("/x/g.toml:{line}: "),
        };
        assert!(
            error.starts_with("/x/g.toml") && error.contains(why),
            "{text:?}: {error}"
        );
        assert!(line == 0 || error.starts_with(&place), "{text:?}: {error}");
    }
}

#[test]
fn names_and_secrets_are_of_one_token_and_views_are_said() {
    let token = |name: &str, hash: &str| {
        format!("[[token]]\nname = '{name}'\n{hash}\nroles = ['a']\nverbs = ['join']\n")
    };
    let other = HASH.replace("aF", "b0");
    let file = |first: &str, second: &str| format!("listen = ['[::1]:1']\n{first}{second}");
    assert!(parse(&file(&token("a", HASH), &token("b", &other))).is_ok());
    let error = parse(&file(&token("a", HASH), &token("a", &other))).unwrap_err();
    assert!(error.starts_with("/x/g.toml:8: "), "{error}");
    let same = HASH.replace('F', "f");
    let error = parse(&file(&token("a", HASH), &token("b", &same))).unwrap_err();
    assert!(error.starts_with("/x/g.toml:9: "), "{error}");
    let error = parse(&file("hashes = ['a', 'b']\n", &token("a", HASH))).unwrap_err();
    assert!(
        error.starts_with("/x/g.toml:4: ") && error.contains("views"),
        "{error}"
    );
}

#[test]
fn a_code_is_named_as_it_is_written() {
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error as ValueError, StrDeserializer};
    for code in ProblemCode::ALL {
        let text: StrDeserializer<'_, ValueError> = code.name().into_deserializer();
        assert_eq!(ProblemCode::deserialize(text), Ok(code));
        assert_eq!(Problem::new(code, "why").status, code.status());
    }
}
