//! The command as a client of the gateway, where `[gateway]` is configured.

use std::fs::File;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use cloudhosts_tests::gateway::{GatewayBuilder, GatewayServer, secret};
use cloudhosts_tests::process::{Process, Signal, bounded, mortal, run, stderr, stdout};
use cloudhosts_tests::{programs, wait};

use super::ALL;

/// A gateway, and a machine that is configured for it.
pub(crate) struct Client {
    pub(crate) server: GatewayServer,
    config: PathBuf,
    holders: AtomicU32,
}

impl Client {
    /// One whose token may do everything.
    pub(crate) fn new() -> Client {
        Client::of(GatewayServer::builder().token("all", ALL), "all")
    }

    /// One with this token.
    pub(crate) fn of(builder: GatewayBuilder, token: &str) -> Client {
        let server = builder.start();
        let client = Client {
            config: server.dir.join("cloudhosts.toml"),
            holders: AtomicU32::new(0),
            server,
        };
        client.has_token(&secret(token));
        client.is_configured("");
        client
    }

    /// Writes the file of the token.
    pub(crate) fn has_token(&self, secret: &str) {
        self.server.dir.file("token", &format!("{secret}\n"));
    }

    /// Writes the configuration, with more lines of `[gateway]`.
    fn is_configured(&self, lines: &str) {
        let token = self.server.dir.join("token");
        let ca = self.server.tls.as_ref().map(|tls| &tls.authority);
        let ca = ca.map(|file| format!("ca_file = '{}'\n", file.display()));
        let ca = ca.filter(|_| !lines.contains("ca_file"));
        let text = format!(
            "socket = '{0}/no.sock'\nstatus_file = '{0}/no.json'\n[gateway]\nurl = '{1}'\n\
             token_file = '{2}'\n{3}{lines}\n",
            self.server.dir.path().display(),
            self.server.url(),
            token.display(),
            ca.unwrap_or_default(),
        );
        std::fs::write(&self.config, text).unwrap();
    }

    /// The command, with these arguments.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = bounded(programs::find(programs::COMMAND));
        command.arg("--config").arg(&self.config).args(arguments);
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        run(&mut self.command(arguments))
    }

    /// Runs it; it must succeed. What it prints.
    pub(crate) fn prints(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            stderr(&output)
        );
        stdout(&output)
    }

    /// Runs it; it must fail with that exit code. What it says.
    pub(crate) fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        said
    }

    /// Starts `cloudhosts hold` in the background.
    pub(crate) fn hold(&self, arguments: &[&str]) -> Holding {
        self.hold_with([], arguments)
    }

    /// The same with variables in its environment.
    pub(crate) fn hold_with<const N: usize>(
        &self,
        variables: [(&str, String); N],
        arguments: &[&str],
    ) -> Holding {
        let number = self.holders.fetch_add(1, Ordering::Relaxed);
        let log = self.server.dir.join(format!("said-{number}"));
        let file = File::create(&log).unwrap();
        let mut command = mortal(programs::find(programs::COMMAND));
        command
            .arg("--config")
            .arg(&self.config)
            .arg("hold")
            .args(arguments)
            .envs(variables)
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file);
        Holding {
            process: Process::start(command),
            log,
        }
    }

    /// Waits until a field has that value; an empty one means that there is no such field.
    pub(crate) fn until(&self, field: &str, value: &str) {
        wait::until_seen(
            &format!("{field} is {value:?}"),
            || self.server.value(field),
            |now| now == value,
        );
    }

    /// Ends the gateway at once.
    pub(crate) fn stops_gateway(&mut self) {
        self.server.signal(Signal::KILL);
        self.server.wait();
    }

    /// Starts the gateway again, and waits until it listens.
    pub(crate) fn starts_gateway(&mut self) {
        self.server.launch();
        self.awaits_gateway();
    }

    /// Waits until it listens.
    pub(crate) fn awaits_gateway(&self) {
        let address = self.server.address();
        wait::eventually("the gateway listens again", || {
            TcpStream::connect(address).is_ok()
        });
    }
}

/// A `cloudhosts hold` that runs.
pub(crate) struct Holding {
    pub(crate) process: Process,
    log: PathBuf,
}

impl Holding {
    /// All it has said.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until it has said that, so many times.
    pub(crate) fn says(&self, text: &str, times: usize) {
        wait::until_seen(
            &format!("a holder says {text:?} {times} times"),
            || self.said(),
            |said| said.matches(text).count() >= times,
        );
    }

    /// Ends it with a signal; its exit code.
    pub(crate) fn end(&mut self, signal: Signal) -> Option<i32> {
        self.process.signal(signal);
        self.process.wait().code()
    }
}

/// Three hashes, and a token for all of them.
fn with_views() -> Client {
    let views = "['cloudhosts', 'cloudhosts:private', 'cloudhosts:public']";
    let builder = GatewayServer::builder()
        .keys(&format!("hashes = {views}"))
        .token("all", &format!("{ALL}\nviews = {views}"));
    Client::of(builder, "all")
}

#[test]
fn every_verb_ends_and_prints_as_it_does_with_redis() {
    let client = with_views();
    let redis = client.server.redis.unix_url();
    let commands: &[&[&str]] = &[
        &["claim", "Db.", "10.0.0.5", "fd00::5", "--json"],
        &["claim", "db", "10.0.0.5", "fd00::5"],
        &["claim", "db", "10.0.0.6", "--if", "10.0.0.4"],
        &["claim", "db", "10.0.0.6", "--if", ""],
        &["claim", "db", "10.0.0.6", "--if", "other"],
        &[
            "claim",
            "db",
            "10.0.0.6",
            "--if",
            "fd00::5 10.0.0.5",
            "--json",
        ],
        &["claim", "new", "10.0.0.6", "--if", "", "--json"],
        &["claim", "new", "10.0.0.6", "10.0.0.7", "pick=1"],
        &[
            "join", "web", "10.0.1.1", "--member", "a", "--zone", "EU-1a", "--json",
        ],
        &["join", "web", "10.0.1.2", "--member", "b"],
        &["join", "web", "10.0.1.2", "--member", "b", "--json"],
        &["claim", "*.dev", "10.0.0.9"],
        &["leave", "web", "--member", "a", "--json"],
        &["leave", "web", "--member", "a"],
        &["claim", "web", "10.0.2.1", "--json"],
        &["release", "web", "--json"],
        &["release", "web"],
        &[
            "claim",
            "edge",
            "--private",
            "10.0.0.1",
            "--public",
            "192.0.2.1",
            "--json",
        ],
        &[
            "--hash",
            "cloudhosts:private",
            "--hash",
            "cloudhosts:public",
            "release",
            "edge",
        ],
        &["claim", "late", "10.0.0.5", "--wait=1s"],
        &["claim", "bad name", "10.0.0.5"],
        &["claim", "bad", "10.0.0.5:80"],
        &["join", "web", "10.0.0.5", "--member", "a/b"],
    ];
    let all = |first: &[&str]| -> Vec<(Option<i32>, String, String)> {
        let each = commands.iter().map(|command| {
            let output = client.run(&[first, command].concat());
            (output.status.code(), stdout(&output), stderr(&output))
        });
        let all = each.collect();
        client.server.redis.cli(&["FLUSHALL"]);
        all
    };
    let (of_redis, of_gateway) = (all(&["--redis-url", &redis]), all(&[]));
    let codes: Vec<_> = of_redis.iter().map(|(code, ..)| code.unwrap()).collect();
    for code in [0, 1, 2, 3] {
        assert!(codes.contains(&code), "{code}: {of_redis:?}");
    }
    for ((command, redis), gateway) in commands.iter().zip(of_redis).zip(of_gateway) {
        assert_eq!(redis, gateway, "{command:?}");
    }
}

#[test]
fn an_address_that_is_not_given_is_the_one_that_the_gateway_sees() {
    let client = Client::new();
    let said = client.prints(&["join", "web", "--member", "a", "--zone", "eu-1a", "--json"]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["places"][0]["value"], "127.0.0.1 zone=eu-1a");
    assert_eq!(client.server.value("web/a"), "127.0.0.1 zone=eu-1a");
    let said = client.prints(&["claim", "web"]);
    assert!(said.contains("127.0.0.1"), "{said}");
    assert_eq!(client.server.value("web"), "127.0.0.1");
    let holder = client.hold(&["app", "--member", "a"]);
    holder.says("held at 127.0.0.1", 1);
    assert_eq!(client.server.value("app/a"), "127.0.0.1");
}

#[test]
fn what_cannot_be_reached_or_refuses_is_3() {
    let mut client = Client::new();
    client.server.redis.kill();
    let said = client.fails(3, &["claim", "web", "10.0.0.5"]);
    assert!(said.contains("nothing was changed"), "{said}");
    client.server.redis.restart();
    client.has_token("chg_unknown");
    let said = client.fails(3, &["claim", "web", "10.0.0.5"]);
    assert!(said.contains(&client.server.url()), "{said}");
    assert!(!said.contains("chg_unknown"), "{said}");
    client.has_token(&secret("all"));
    client.prints(&["claim", "web", "10.0.0.5"]);
    client.stops_gateway();
    let said = client.fails(3, &["claim", "web", "10.0.0.6"]);
    assert!(said.contains("nothing was changed"), "{said}");
    let output = client.run(&["hold", "web", "10.0.0.6", "--lease=3s", "--", "false"]);
    assert_eq!(output.status.code(), Some(1), "the command runs anyway");
    assert!(stderr(&output).contains("not held"), "{}", stderr(&output));
    assert_eq!(client.server.value("web"), "10.0.0.5");
}

#[test]
fn a_certificate_of_an_unknown_authority_is_not_accepted() {
    let client = Client::new();
    let other = client.server.dir.join("other");
    std::fs::create_dir(&other).unwrap();
    let other = cloudhosts_tests::tls::Tls::new(&other).authority;
    client.is_configured(&format!("ca_file = '{}'", other.display()));
    let said = client.fails(3, &["claim", "web", "10.0.0.5"]);
    assert!(said.contains("TLS") && said.contains("ca_file"), "{said}");
    assert_eq!(client.server.value("web"), "");
}

#[test]
fn what_the_token_does_not_allow_is_said() {
    let rules = "roles = ['web']\nverbs = ['claim', 'join', 'hold']\nmember = 'a'\n\
                 addresses = ['10.0.0.0/8']";
    let client = Client::of(GatewayServer::builder().token("web", rules), "web");
    for (arguments, key) in [
        (&["claim", "db", "10.0.0.5"][..], "roles"),
        (&["release", "web"], "verbs"),
        (&["join", "web", "10.0.0.5", "--member", "b"], "member"),
        (&["join", "web", "192.0.2.1", "--member", "a"], "addresses"),
        (&["--hash", "other", "claim", "web", "10.0.0.5"], "views"),
        (&["hold", "web", "10.0.0.5", "--member", "b"], "member"),
    ] {
        let said = client.fails(3, arguments);
        assert!(said.contains(key), "{arguments:?}: {said}");
    }
    // a name that another holder has, where the token has no other
    let holder = client.hold(&["web", "10.0.0.5", "--member", "a"]);
    holder.says("held at", 1);
    let said = client.fails(3, &["hold", "web", "10.0.0.6", "--member", "a"]);
    assert!(said.contains("member") && said.contains("a-"), "{said}");
    assert_eq!(client.server.value("web/a"), "10.0.0.5");
}

#[test]
fn what_needs_redis_says_so() {
    let client = Client::new();
    let redis = client.server.redis.unix_url();
    let hosts = client.server.dir.file("hosts", "10.0.0.1 a\n");
    let hosts = hosts.to_str().unwrap();
    for arguments in [
        &["point", "www", "web"][..],
        &["import", hosts],
        &["accept"],
        &["history"],
    ] {
        let said = client.fails(2, arguments);
        assert!(
            said.contains("Redis") && said.contains(&client.server.url()),
            "{said}"
        );
        let all = [&["--redis-url", &redis], arguments].concat();
        client.prints(&all);
    }
}

#[test]
fn a_file_that_is_wrong_is_2() {
    let client = Client::new();
    client.has_token("two words");
    let said = client.fails(2, &["claim", "web", "10.0.0.5"]);
    assert!(
        said.contains("token_file") && said.contains("cloudhosts.toml:"),
        "{said}"
    );
    client.is_configured("ca_file = '/nowhere'");
    client.has_token(&secret("all"));
    let said = client.fails(2, &["claim", "web", "10.0.0.5"]);
    assert!(said.contains("/nowhere"), "{said}");
}

#[test]
fn what_a_dry_run_prints_does_it() {
    let client = Client::new();
    client.prints(&["claim", "web", "10.0.0.4"]);
    for (arguments, field, value) in [
        (
            &["claim", "web", "10.0.0.5", "--if", "10.0.0.4"][..],
            "web",
            "10.0.0.5",
        ),
        (
            &["join", "web", "--member=a", "--zone=b"],
            "web/a",
            "127.0.0.1 zone=b",
        ),
        (&["leave", "web", "--member=a"], "web/a", ""),
        (
            &["hold", "web", "10.0.0.7", "--member=h"],
            "web/h",
            "10.0.0.7",
        ),
        (&["release", "web"], "web", ""),
    ] {
        let before = client.server.redis.cli(&["HGETALL", "cloudhosts"]);
        let dry = [arguments, &["--dry-run"]].concat();
        let script = client.prints(&dry);
        assert!(!script.contains(&secret("all")), "{script}");
        assert_eq!(client.server.redis.cli(&["HGETALL", "cloudhosts"]), before);
        let done = run(bounded("sh").arg("-c").arg(&script));
        assert!(done.status.success(), "{script}: {}", stderr(&done));
        assert_eq!(
            client.server.value(field),
            value,
            "{script}: {}",
            stdout(&done)
        );
    }
}

/// The verdict and the code of the doctor's check of the gateway.
fn diagnosis(client: &Client) -> (String, String) {
    let said = stdout(&client.run(&["doctor", "--json"]));
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    let checks = said["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["check"] == "gateway");
    let found = found.expect("the gateway is checked");
    let word = |key: &str| found[key].as_str().unwrap().to_owned();
    (word("verdict"), word("code"))
}

#[test]
fn the_doctor_visits_the_gateway() {
    let mut client = Client::new();
    let is = |client: &Client, verdict: &str, code: &str| {
        assert_eq!(diagnosis(client), (verdict.to_owned(), code.to_owned()));
    };
    is(&client, "ok", "ok");
    client.has_token("chg_unknown");
    is(&client, "wrong", "login-refused");
    client.has_token("");
    is(&client, "wrong", "file-unusable");
    client.has_token(&secret("all"));
    client.server.redis.kill();
    is(&client, "wrong", "disconnected");
    client.server.redis.restart();
    let other = client.server.dir.join("other");
    std::fs::create_dir(&other).unwrap();
    let other = cloudhosts_tests::tls::Tls::new(&other).authority;
    client.is_configured(&format!("ca_file = '{}'", other.display()));
    is(&client, "wrong", "unknown-authority");
    client.is_configured("");
    client.stops_gateway();
    is(&client, "wrong", "refused");
}

#[test]
fn what_the_gateway_wrote_is_waited_for_at_the_daemon() {
    let client = Client::new();
    let directory = client.server.dir.path();
    let gateway = std::fs::read_to_string(&client.config).unwrap();
    let (_, gateway) = gateway.split_once("[gateway]").unwrap();
    let text = format!(
        "socket = '{0}/s'\nstatus_file = '{0}/status.json'\nstate_dir = '{0}/state'\n\
         [redis]\nurls = ['{1}']\n[gateway]{gateway}",
        directory.display(),
        client.server.redis.unix_url(),
    );
    std::fs::create_dir(directory.join("state")).unwrap();
    std::fs::write(&client.config, text).unwrap();
    let mut daemon = mortal(programs::find(programs::DAEMON));
    daemon.arg("--config").arg(&client.config);
    let _daemon = Process::start(daemon);
    wait::eventually("the daemon is live", || {
        client.run(&["status"]).status.success()
    });
    // the value is that which the gateway answers
    for arguments in [
        &["claim", "web", "--wait=60s", "--json"][..],
        &[
            "join",
            "web",
            "--member=a",
            "--zone=b",
            "--wait=60s",
            "--json",
        ],
        &["leave", "app", "--member=a", "--wait=60s", "--json"],
    ] {
        let said: serde_json::Value = serde_json::from_str(&client.prints(arguments)).unwrap();
        assert_eq!(said["published"], true, "{arguments:?}: {said}");
    }
    assert!(client.prints(&["resolve", "web"]).contains("127.0.0.1"));
    // the daemon's Redis is there to be read
    assert!(client.prints(&["history", "web"]).contains("all@"));
}
