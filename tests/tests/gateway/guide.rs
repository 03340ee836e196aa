//! docs/gateway.md, followed line by line: the authority, the certificate, the configuration and the
//! tokens are made as it says, and curl, ddclient and inadyn register with the files that it shows.

use std::fs::{File, read_to_string, write};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use cloudhosts_tests::dir::Dir;
use cloudhosts_tests::process::{Process, run, stderr, stdout};
use cloudhosts_tests::sandbox::{FILES_THEN_CLOUDHOSTS, HOSTS, Sandbox};
use cloudhosts_tests::{Redis, programs, wait};
use rustix::process::getegid;

/// The address of this machine, which is the gateway and all of its clients.
const ADDRESS: &str = "192.0.2.7";
const ANOTHER: &str = "192.0.2.8";

/// The document.
struct Guide(String);

impl Guide {
    fn read() -> Guide {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/gateway.md");
        Guide(read_to_string(file).unwrap())
    }

    /// The blocks of one language below a heading.
    fn blocks(&self, heading: &str, language: &str) -> Vec<&str> {
        let (_, section) = self.0.split_once(&format!("\n{heading}\n")).expect(heading);
        let section = section.split("\n## ").next().unwrap();
        let section = section.split("\n### ").next().unwrap();
        let parts: Vec<&str> = section.split("```").skip(1).step_by(2).collect();
        let parts = parts.into_iter().filter_map(|part| part.split_once('\n'));
        parts
            .filter(|(said, _)| *said == language)
            .map(|(_, text)| text)
            .collect()
    }

    /// The commands that make tokens, by the name of the token.
    fn token_command(&self, name: &str) -> &str {
        let start = format!("    $ cloudhosts gateway-token {name} ");
        let line = self.0.lines().find(|line| line.starts_with(&start));
        line.expect(name).strip_prefix("    $ ").unwrap()
    }
}

/// A machine with a network of its own, on which the programs are installed.
struct Machine {
    sandbox: Sandbox,
    path: String,
    dir: Dir,
}

impl Machine {
    fn new() -> Machine {
        let dir = Dir::new();
        let sandbox = Sandbox::with_network(dir.path(), FILES_THEN_CLOUDHOSTS);
        let bin = programs::find(programs::COMMAND);
        let bin = bin.parent().unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let machine = Machine { sandbox, path, dir };
        // the group that the package makes: here it is ours
        let groups = read_to_string("/etc/group").unwrap();
        let others = groups.lines();
        let others = others.filter(|line| !line.starts_with("cloudhosts-gateway:"));
        let others: String = others.flat_map(|line| [line, "\n"]).collect();
        let ours = format!("cloudhosts-gateway:x:{}:\n", getegid().as_raw());
        std::fs::remove_file(machine.outside("group")).unwrap();
        write(machine.outside("group"), others + &ours).unwrap();
        machine.ok(
            "ip link add eth0 type veth peer name far; ip link set far up; ip link set eth0 up",
        );
        machine.is_at(ADDRESS);
        machine
    }

    /// Gives it this address, and the gateway's name.
    fn is_at(&self, address: &str) {
        self.ok(&format!(
            "ip addr flush dev eth0; ip addr add {address}/24 dev eth0"
        ));
        let hosts = format!("{HOSTS}{address} gateway.example.com\n");
        write(self.outside("hosts"), hosts).unwrap();
    }

    /// A file in `/etc`.
    fn outside(&self, file: &str) -> PathBuf {
        self.sandbox.outside(&format!("/etc/{file}"))
    }

    fn shell(&self, mut command: Command, line: &str) -> Command {
        command
            .env("PATH", &self.path)
            .env("CURL_CA_BUNDLE", "/etc/cloudhosts/gateway-ca.crt")
            // whoever enters a namespace is in its root directory
            .args(["-ec", &format!("cd \"$0\"\n{line}")])
            .arg(self.dir.path());
        command
    }

    fn run(&self, line: &str) -> Output {
        let command = self.sandbox.entrance().command("sh");
        run(&mut self.shell(command, line))
    }

    fn ok(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(output.status.success(), "{line}: {}", stderr(&output));
        stdout(&output)
    }

    fn start(&self, line: &str) -> Process {
        let log = File::create(self.dir.join("gateway.log")).unwrap();
        let command = self.sandbox.entrance().background("sh");
        let mut command = self.shell(command, line);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        Process::start(command)
    }

    /// Does what a block says; there is no systemd.
    fn follow(&self, block: &str) {
        let lines = block.lines().filter(|line| !line.starts_with("systemctl "));
        self.ok(&lines.collect::<Vec<_>>().join("\n"));
    }

    /// Makes a token as the guide says: its secret, and its table.
    fn token(&self, guide: &Guide, name: &str) -> (String, String) {
        let said = self.ok(guide.token_command(name));
        let (first, table) = said.split_once('\n').unwrap();
        let secret = first.strip_prefix("secret = ").unwrap();
        (secret.to_owned(), table.to_owned())
    }

    /// Writes a file of the guide with a secret in it, for its owner only.
    fn file(&self, name: &str, text: &str, secret: &str) {
        assert!(text.contains("chg_REPLACE"), "{text}");
        write(self.dir.join(name), text.replace("chg_REPLACE", secret)).unwrap();
        self.ok(&format!("chmod 600 {name}"));
    }

    /// A gateway for this Redis, with two tokens, that is there.
    fn gateway(&self, guide: &Guide, redis: &Redis) -> (Process, [String; 2]) {
        for block in guide.blocks("### Certificate", "sh") {
            self.follow(block);
        }
        self.ok("cp gateway-ca.crt /etc/cloudhosts/");
        let (web, web_table) = self.token(guide, "web-1");
        let (home, home_table) = self.token(guide, "home");
        let config = guide.blocks("### Configuration", "toml")[0];
        let config = config.replace("rediss://redis.example.com:6380", &redis.unix_url());
        let config = format!("{config}{web_table}{home_table}");
        write(self.outside("cloudhosts/gateway.toml"), config).unwrap();
        write(self.outside("cloudhosts/gateway.password"), "secret\n").unwrap();
        let blocks = guide.blocks("### Configuration", "sh");
        self.follow(blocks[0]);
        let command = blocks[1].split_once("cloudhosts-gateway --clear-groups ");
        let (as_its_user, command) = command.expect("how to start it without systemd");
        assert!(as_its_user.starts_with("setpriv "), "{as_its_user}");
        let process = self.start(&format!("exec {}", command.trim().trim_end_matches(" &")));
        let health = "curl -fsS https://gateway.example.com:8443/v1/health";
        assert!(guide.0.contains(&format!("    $ {health}\n")));
        wait::until_seen(
            "the gateway is well",
            || self.ok(&format!("{health} 2>&1 || cat gateway.log")),
            |said| said.trim() == "{\"status\":\"ok\"}",
        );
        (process, [web, home])
    }
}

#[test]
fn who_follows_the_guide_has_a_gateway_that_clients_can_use() {
    let (guide, machine) = (Guide::read(), Machine::new());
    let redis = Redis::builder(machine.dir.join("redis"))
        .user("user registrar on >secret ~* &* +@all")
        .start();
    let (_gateway, [web, home]) = machine.gateway(&guide, &redis);
    let at = |field: &str| redis.cli(&["HGET", "cloudhosts", field]).trim().to_owned();

    machine.file("web-1.curl", guide.blocks("### curl", "")[0], &web);
    let lines: Vec<&str> = guide.blocks("### curl", "sh")[0].lines().collect();
    let [join, hold, leave] = lines.as_slice() else {
        panic!("three lines: {lines:?}")
    };
    machine.ok(join);
    assert_eq!(at("web/web-1"), ADDRESS);
    machine.ok(leave);
    assert_eq!(at("web/web-1"), "");
    machine.ok(hold);
    machine.ok(hold);
    assert_eq!(at("web/web-1"), ADDRESS);
    let held = redis.cli(&["HEXISTS", "cloudhosts:held", "web/web-1"]);
    assert_eq!(held.trim(), "1");

    let conf = guide.blocks("### ddclient", "")[0];
    machine.file("ddclient.conf", conf, &home);
    machine.ok("ddclient -daemon=0 -noquiet -file ddclient.conf -cache ddclient.cache");
    assert_eq!(at("home"), ADDRESS);

    machine.is_at(ANOTHER);
    let conf = guide.blocks("### inadyn", "")[0];
    machine.file("inadyn.conf", conf, &home);
    machine.ok("inadyn -1 -n -f inadyn.conf --cache-dir $PWD");
    assert_eq!(at("home"), ANOTHER);

    // the command, with the token in its file, and as systemd passes it to a unit
    let config = guide.blocks("### The command", "toml")[0];
    write(machine.outside("cloudhosts/cloudhosts.toml"), config).unwrap();
    let token = machine.outside("cloudhosts/gateway.token");
    write(&token, format!("{web}\n")).unwrap();
    machine.ok("cloudhosts leave web --member web-1");
    assert_eq!(at("web/web-1"), "");
    machine.ok("cloudhosts join web --member web-1");
    assert_eq!(at("web/web-1"), ANOTHER);
    machine.ok("mkdir credentials");
    std::fs::rename(&token, machine.dir.join("credentials/gateway-token")).unwrap();
    let leave_web = "cloudhosts leave web --member web-1";
    assert_eq!(machine.run(leave_web).status.code(), Some(2), "no token");
    machine.ok(&format!(
        "CREDENTIALS_DIRECTORY=$PWD/credentials {leave_web}"
    ));
    assert_eq!(at("web/web-1"), "");

    // what it says that a token cannot do
    let other = join.replace("/members/web-1", "/members/web-2");
    for forbidden in [
        other,
        join.replace("/roles/web/", "/roles/db/"),
        join.replace("web-1\"", "web-1?address=192.0.2.9\""),
        join.replace("/members/web-1", ""),
    ] {
        let forbidden = forbidden.replace("-fsS", "-sS -w '%{http_code}'");
        let said = machine.ok(&forbidden);
        assert!(said.ends_with("403"), "{forbidden}: {said}");
    }
    assert!(
        !said_secret(&machine, &[&web, &home]),
        "secrets are not logged"
    );
}

/// Whether the log has a secret.
fn said_secret(machine: &Machine, secrets: &[&str]) -> bool {
    let log = read_to_string(machine.dir.join("gateway.log")).unwrap();
    assert!(log.contains("web-1"), "a line for each change: {log}");
    secrets.iter().any(|secret| log.contains(secret))
}
