//! `cloudhosts hold` through the gateway.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use cloudhosts_tests::gateway::{GatewayServer, secret, token};
use cloudhosts_tests::process::{Process, Signal, bounded, mortal, stderr, succeed};
use cloudhosts_tests::{programs, wait};

use super::ALL;
use super::client::Client;

/// What a holder says when it has the role.
const HELD: &str = "held at";
/// What it says when another one has it.
const STANDBY: &str = "standing by";

/// When this field was renewed last, by the clock of Redis.
fn renewed(client: &Client, field: &str) -> u64 {
    let role = field.split('/').next().unwrap();
    let key = format!("cloudhosts:held:{role}");
    let score = client.server.redis.cli(&["ZSCORE", &key, field]);
    score.parse().unwrap_or(0)
}

/// Waits until it has been renewed so often.
fn until_renewed(client: &Client, field: &str, times: usize) {
    let mut last = renewed(client, field);
    for _ in 0..times {
        wait::eventually("the lease is renewed", || renewed(client, field) > last);
        last = renewed(client, field);
    }
}

#[test]
fn a_member_is_renewed_and_leaves_with_its_holder() {
    let client = Client::new();
    let mut holder = client.hold(&["web", "10.0.0.5", "--member=a", "--lease=3s"]);
    holder.says(HELD, 1);
    assert_eq!(client.server.value("web/a"), "10.0.0.5");
    until_renewed(&client, "web/a", 6);
    assert_eq!(holder.end(Signal::TERM), Some(0), "{}", holder.said());
    assert_eq!(client.server.value("web/a"), "");
    assert_eq!(client.server.redis.cli(&["KEYS", "*"]), "cloudhosts:log");
    let mut holder = client.hold(&["web", "10.0.0.5", "--member=b", "--keep-last"]);
    holder.says(HELD, 1);
    assert_eq!(holder.end(Signal::TERM), Some(0), "{}", holder.said());
    assert_eq!(client.server.value("web/b"), "10.0.0.5");
}

#[test]
fn a_holder_that_dies_is_gone_after_its_lease() {
    let client = Client::new();
    let mut dead = client.hold(&["web", "10.0.0.5", "--member=a", "--lease=3s"]);
    let other = client.hold(&["web", "10.0.0.6", "--member=b", "--lease=3s"]);
    dead.says(HELD, 1);
    other.says(HELD, 1);
    dead.process.kill();
    client.until("web/a", "");
    assert_eq!(client.server.value("web/b"), "10.0.0.6");
}

#[test]
fn a_claim_ends_a_holder() {
    let client = Client::new();
    let mut holder = client.hold(&["web", "10.0.0.5", "--member=a", "--lease=3s"]);
    holder.says(HELD, 1);
    let output = client.run(&["claim", "web", "10.0.0.9"]);
    assert!(output.status.success());
    let said = stderr(&output);
    assert!(said.contains("web/a"), "who was ended is said: {said}");
    assert_eq!(holder.process.wait().code(), Some(4), "{}", holder.said());
    let said = holder.said();
    assert!(said.contains("claim"), "{said}");
    assert_eq!(client.server.value("web/a"), "");
    assert_eq!(client.server.value("web"), "10.0.0.9");
}

#[test]
fn one_holds_alone_and_the_next_has_a_later_term() {
    let client = Client::new();
    let candidate = |member: &str, at: &str| {
        let terms = client.server.dir.join(format!("term-{member}"));
        let command = format!("echo $CLOUDHOSTS_TERM > {}; sleep 600", terms.display());
        let member = format!("--member={member}");
        let options = [
            "--exclusive",
            "db",
            at,
            &member,
            "--lease=3s",
            "--",
            "sh",
            "-c",
            &command,
        ];
        (client.hold(&options), terms)
    };
    let (mut one, first) = candidate("a", "10.0.0.1");
    one.says(HELD, 1);
    let (mut two, second) = candidate("b", "10.0.0.2");
    two.says(STANDBY, 1);
    let term = |file| {
        wait::until("the command runs", || {
            let text = std::fs::read_to_string(file).ok()?;
            text.trim().parse::<u64>().ok()
        })
    };
    let first = term(&first);
    assert!(!second.exists(), "a standby runs nothing");
    assert_eq!(client.server.value("db/a"), "10.0.0.1");
    assert_eq!(one.end(Signal::TERM), Some(143), "{}", one.said());
    two.says(HELD, 1);
    assert!(term(&second) > first);
    assert_eq!(client.server.value("db/b"), "10.0.0.2");
    // a claim makes a standby of it, which is not held again
    client.prints(&["claim", "db", "10.0.0.9"]);
    two.says(STANDBY, 1);
    client.until("db/b", "");
    two.end(Signal::TERM);
}

#[test]
fn a_gateway_that_is_restarted_costs_nobody_the_role() {
    let mut client = Client::new();
    let mut shared = client.hold(&["web", "10.0.0.5", "--member=a", "--lease=6s"]);
    let mut alone = client.hold(&["--exclusive", "db", "10.0.0.5", "--member=a", "--lease=6s"]);
    shared.says(HELD, 1);
    alone.says(HELD, 1);
    for _ in 0..2 {
        client.stops_gateway();
        client.starts_gateway();
        until_renewed(&client, "web/a", 2);
        until_renewed(&client, "db/a", 2);
        assert_eq!(client.server.value("web/a"), "10.0.0.5");
        assert_eq!(client.server.value("db/a"), "10.0.0.5");
    }
    let said = alone.said();
    let terms: BTreeSet<&str> = said
        .lines()
        .filter_map(|line| line.split("term ").nth(1))
        .collect();
    assert_eq!(terms.len(), 1, "{said}");
    assert!(!said.contains("given up"), "{said}");
    for holder in [&mut shared, &mut alone] {
        assert_eq!(holder.end(Signal::TERM), Some(0), "{}", holder.said());
    }
}

#[test]
fn a_command_ends_before_the_lease_where_the_gateway_stays_away() {
    let mut client = Client::new();
    let alive = client.server.dir.join("alive");
    // it goes on for as long as it can
    let command = format!(
        "trap '' TERM; while :; do echo >> {}; sleep 0.05; done",
        alive.display()
    );
    let mut holder = client.hold(&[
        "--exclusive",
        "db",
        "10.0.0.5",
        "--member=a",
        "--lease=6s",
        "--",
        "sh",
        "-c",
        &command,
    ]);
    holder.says(HELD, 1);
    wait::eventually("the command runs", || alive.exists());
    client.stops_gateway();
    // The last renewal was before this.
    let gone = Instant::now();
    holder.says("given up", 1);
    let last = || std::fs::metadata(&alive).unwrap().len();
    let mut seen = (last(), Instant::now());
    while seen.1.elapsed() < Duration::from_secs(1) {
        std::thread::sleep(Duration::from_millis(20));
        if last() != seen.0 {
            seen = (last(), Instant::now());
        }
    }
    let ran = seen.1.duration_since(gone);
    assert!(
        ran < Duration::from_secs(6),
        "it ran {ran:?} on: {}",
        holder.said()
    );
    // and is started again when it holds the role again
    client.starts_gateway();
    holder.says(HELD, 2);
    wait::eventually("the command runs again", || last() != seen.0);
    holder.process.kill();
}

#[test]
fn redis_away_behind_the_gateway_is_waited_for() {
    let mut client = Client::new();
    client.server.redis.kill();
    let mut holder = client.hold(&["web", "10.0.0.5", "--member=a", "--lease=3s"]);
    holder.says("not held yet", 1);
    client.server.redis.restart();
    holder.says(HELD, 1);
    client.server.redis.kill();
    holder.says("not renewed", 1);
    client.server.redis.restart();
    client.until("web/a", "10.0.0.5");
    assert_eq!(holder.end(Signal::TERM), Some(0), "{}", holder.said());
    assert_eq!(client.server.value("web/a"), "");
}

#[test]
fn a_token_that_is_replaced_is_read_again() {
    let mut client = Client::new();
    let mut holder = client.hold(&["web", "10.0.0.5", "--member=a", "--lease=3s"]);
    holder.says(HELD, 1);
    let hash = |name| {
        let lines = token(name, "");
        let digits = lines.split("sha256 = \"").nth(1).unwrap();
        digits.split('"').next().unwrap().to_owned()
    };
    let text = client.server.config().replace(&hash("all"), &hash("next"));
    client.server.write_config(&text);
    client.server.reload("read again");
    holder.says("not renewed", 1);
    client.has_token(&secret("next"));
    until_renewed(&client, "web/a", 2);
    assert_eq!(client.server.value("web/a"), "10.0.0.5");
    assert_eq!(holder.end(Signal::TERM), Some(0), "{}", holder.said());
    assert_eq!(client.server.value("web/a"), "");
}

/// What sets the clock of a program, as faketime does. That runs it as a child, which no signal
/// would reach.
fn clock(offset: &str) -> [(&'static str, String); 2] {
    let asked = ["-f", offset, "sh", "-c", "printf %s \"$LD_PRELOAD\""];
    let library = succeed(bounded("faketime").args(asked));
    assert!(library.contains("faketime"), "{library}");
    [("LD_PRELOAD", library), ("FAKETIME", offset.to_owned())]
}

#[test]
fn clocks_that_are_wrong_cost_nobody_the_role() {
    // A certificate would not be valid then.
    let builder = GatewayServer::builder().plain().token("all", ALL);
    let mut client = Client::of(builder, "all");
    client.stops_gateway();
    let mut gateway = mortal(programs::find(programs::GATEWAY));
    gateway
        .envs(clock("-400d"))
        .arg("--config")
        .arg(client.server.dir.join("gateway.toml"));
    let _gateway = Process::start(gateway);
    client.awaits_gateway();
    let options = ["--exclusive", "db", "10.0.0.5", "--member=a", "--lease=3s"];
    let mut ahead = client.hold_with(clock("+30d"), &options);
    ahead.says(HELD, 1);
    let options = ["--exclusive", "db", "10.0.0.6", "--member=b", "--lease=3s"];
    let mut behind = client.hold_with(clock("-30d"), &options);
    behind.says(STANDBY, 1);
    until_renewed(&client, "db/a", 6);
    assert_eq!(client.server.value("db/a"), "10.0.0.5");
    assert_eq!(ahead.said().matches(HELD).count(), 1, "{}", ahead.said());
    assert_eq!(behind.said().matches(HELD).count(), 0, "{}", behind.said());
    assert_eq!(ahead.end(Signal::TERM), Some(0), "{}", ahead.said());
    behind.says(HELD, 1);
    assert_eq!(client.server.value("db/b"), "10.0.0.6");
    behind.end(Signal::TERM);
}
