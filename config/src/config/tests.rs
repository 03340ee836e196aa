use super::*;

fn parse(text: &str) -> Result<Config, String> {
    let parsed = Config::parse(Path::new("/x/c.toml"), text.to_owned());
    let checked = parsed.and_then(|(config, source)| {
        secrets::check(&config.redis, &source)?;
        Ok(config)
    });
    checked.map_err(|error| error.to_string())
}

#[test]
fn nothing_written_is_the_defaults_of_the_contract() {
    let config = parse("").unwrap();
    assert_eq!(config.hashes, ["cloudhosts"]);
    assert!(config.domain.is_none() && config.allow.allows("any.name"));
    assert_eq!(config.socket, Path::new("/run/cloudhosts/cached.sock"));
    assert_eq!(config.state_dir, Path::new("/var/lib/cloudhosts"));
    assert_eq!(config.status_file, Path::new("/run/cloudhosts/status.json"));
    assert_eq!(config.resync_interval, Duration::from_secs(60));
    assert_eq!(config.poll_interval, Duration::from_secs(2));
    assert_eq!(config.stale_max, Some(Duration::from_secs(86_400)));
    assert_eq!(config.order, Order::Rotate);
    assert_eq!(config.redis.urls[0].to_string(), "redis://127.0.0.1:6379");
    assert_eq!(config.redis.connect_timeout, Duration::from_secs(2));
    assert!(config.redis.sentinel.is_none() && config.redis.username.is_none());
}

#[test]
fn every_key_is_read() {
    let config = parse(
        r#"
        hashes = ["cloudhosts:private", "cloudhosts"]
        domain = "Prod.Example.com."
        allow = ["web*", "*.Internal"]
        max_fields = 7
        socket = "/tmp/s"
        state_dir = "/tmp/d"
        status_file = "/tmp/j"
        resync_interval = "5m"
        poll_interval = "500ms"
        stale_max = "0"
        order = "fixed"
        [redis]
        urls = ["redis://s1", "rediss://s2:1"]
        username = "cloudhosts"
        password_file = ""
        ca_file = ""
        cert_file = ""
        key_file = ""
        server_name = "redis.example.com"
        sentinel = "main"
        master_scheme = "rediss"
        connect_timeout = "1s"
        "#,
    )
    .unwrap();
    assert_eq!(config.hashes, ["cloudhosts:private", "cloudhosts"]);
    assert_eq!(config.domain.unwrap().as_str(), "prod.example.com");
    assert!(config.allow.allows("a.b.internal") && !config.allow.allows("db"));
    assert_eq!((config.stale_max, config.max_fields), (None, 7));
    assert_eq!(config.poll_interval, Duration::from_millis(500));
    assert_eq!(config.order, Order::Fixed);
    let urls: Vec<String> = config.redis.urls.iter().map(ToString::to_string).collect();
    assert_eq!(urls, ["redis://s1:26379", "rediss://s2:1"]);
    assert_eq!(config.redis.username.as_deref(), Some("cloudhosts"));
    assert_eq!(config.redis.certificate, None);
    let name = config.redis.server_name.unwrap();
    assert_eq!(name.to_str(), "redis.example.com");
    assert_eq!(config.redis.master_tls, Some(true));
}

#[test]
fn every_error_names_the_line_and_what_to_do() {
    for (text, line, why) in [
        ("hashs = []", 1, "unknown field"),
        ("\n[redis]\nurl = 1", 3, "unknown field"),
        ("\n\nhashes = []", 3, "at least one"),
        ("hashes = [\"a\", \"a\"]", 1, "twice"),
        ("hashes = [\"\"]", 1, "empty"),
        ("hashes = \"a\"", 1, "[\"cloudhosts\"]"),
        ("\nallow = \"web\"", 2, "write a list"),
        ("\ndomain = \"a b\"", 2, "prod.example.com"),
        ("\nzone = \"a b\"", 2, "eu-1a"),
        ("zone = 1", 1, "a zone in quotes"),
        ("allow = []", 1, "[\"*\"]"),
        (
            "domain = \"\"\nallow = [\"db-*\", \"[\"]",
            2,
            "\"[\" matches no name",
        ),
        ("allow = [\"web,db\"]", 1, "\"web,db\""),
        ("socket = \"run/x\"", 1, "absolute"),
        ("state_dir = 5", 1, "path in quotes"),
        ("\n\nresync_interval = 60", 3, "\"60s\""),
        ("resync_interval = \"0s\"", 1, "greater than zero"),
        ("poll_interval = \"1 parsec\"", 1, "\"500ms\""),
        ("stale_max = \"99y\"", 1, "longer than a year"),
        ("order = \"random\"", 1, "\"fixed\""),
        (
            "\n[redis]\nurls = [\n\"redis://h\",\n\"ftp://h\"]",
            5,
            "redis+unix://",
        ),
        ("[redis]\nurls = []", 2, "at least one"),
        (
            "[redis]\nsentinel = \"m\"\nurls = [\"unix:///s\"]",
            3,
            "sentinels",
        ),
        ("[redis]\nconnect_timeout = \"0\"", 2, "greater than zero"),
        ("[redis]\npassword_file = \"/nowhere/p\"", 2, "/nowhere/p"),
        ("[redis]\n\nca_file = \"/nowhere/c\"", 3, "/nowhere/c"),
        ("[redis]\nca_file = \"/etc/hostname\"", 2, "certificate"),
        ("max_fields = 0", 1, "10000000"),
        ("max_fields = \"7\"", 1, "without quotes"),
        ("[redis]\ncert_file = \"/c\"", 2, "key_file"),
        ("[redis]\npassword_command = \"token\"", 2, "list"),
        ("[redis]\npassword_command = [\"token\"]", 2, "absolute"),
        (
            "[redis]\npassword_command = [\"/nowhere/t\"]",
            2,
            "/nowhere/t",
        ),
        (
            "[redis]\npassword_command = [\"/etc/passwd\"]",
            2,
            "program",
        ),
        (
            "[redis]\npassword_file = \"/p\"\npassword_command = [\"/c\"]",
            3,
            "password_file",
        ),
        (
            "[redis]\ncert_file = \"\"\nkey_file = \"/k\"",
            3,
            "cert_file",
        ),
        (
            "[redis]\ncert_file = \"/nowhere/c\"\nkey_file = \"/nowhere/k\"",
            2,
            "/nowhere/c",
        ),
        ("[redis]\nserver_name = \"a b\"", 2, "redis.example.com"),
        ("[redis]\nmaster_scheme = \"rediss\"", 2, "sentinel"),
        (
            "[redis]\nsentinel = \"m\"\nmaster_scheme = \"tls\"",
            3,
            "rediss",
        ),
        ("x = = 1", 1, ""),
    ] {
        let error = parse(text).unwrap_err();
        let place = format!("/x/c.toml:{line}: ");
        assert!(
            error.starts_with(&place) && error.contains(why),
            "{text:?}: {error}"
        );
    }
    let keys: Vec<String> = (0..129).map(|n| format!("\"{n}\"")).collect();
    let many = parse(&format!("hashes = [{}]", keys.join(","))).unwrap_err();
    assert!(many.contains("more than 128 hashes"), "{many}");
    let long = parse(&format!("hashes = [\"{}\"]", "k".repeat(256))).unwrap_err();
    assert!(long.contains("more than 255 bytes"), "{long}");
    let socket = format!("socket = \"/{}\"", "s".repeat(107));
    assert!(parse(&socket).unwrap_err().contains("107"));
}

#[test]
fn options_win_and_their_errors_name_them() {
    let mut config = parse("hashes = [\"a\"]").unwrap();
    config.override_with(&[], &[]).unwrap();
    assert_eq!(config.hashes, ["a"]);
    let url = "redis://u:secret@h:1".to_owned();
    config.override_with(&[url], &["b".to_owned()]).unwrap();
    assert_eq!(config.hashes, ["b"]);
    assert_eq!(config.redis.urls[0].to_string(), "redis://h:1");
    assert!(!format!("{config:?}").contains("secret"));
    let error = config.override_with(&["h:1".to_owned()], &[]).unwrap_err();
    assert!(error.to_string().starts_with("--redis-url: "), "{error}");
    let twice = ["b".to_owned(), "b".to_owned()];
    let error = config.override_with(&[], &twice).unwrap_err();
    assert!(error.to_string().starts_with("--hash: "), "{error}");
}

#[test]
fn a_named_file_must_be_there() {
    let error = Config::load(Some(Path::new("/nowhere/c.toml"))).unwrap_err();
    assert!(
        error.to_string().starts_with("/nowhere/c.toml: "),
        "{error}"
    );
}
