//! Rights, and a Redis that says no or nothing at all.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use cloudhosts_tests::dir::Dir;
use cloudhosts_tests::process::{Signal, stdout};
use cloudhosts_tests::tls::Tls;
use cloudhosts_tests::{Redis, rights, wait};

use crate::common::{LOG, Registry, map, word};

/// The rights of the documentation.
fn documented_user() -> String {
    format!("user registrar on >secret {}", rights::of_registrar())
}

fn with_user(line: &str, name: &str) -> Registry {
    let dir = Dir::new();
    let password = dir.join("password");
    std::fs::write(&password, "secret\n").unwrap();
    let redis = Redis::builder(dir.join("redis")).user(line).start();
    let lines = format!(
        "[redis]\nurls = ['{}']\nusername = '{name}'\npassword_file = '{}'\n",
        redis.unix_url(),
        password.display()
    );
    Registry::with(dir, redis, &lines)
}

#[test]
fn the_documented_rights_are_enough() {
    let registry = with_user(&documented_user(), "registrar");
    registry.prints(&["claim", "web", "10.0.0.1"]);
    registry.prints(&[
        "claim",
        "web",
        "--private",
        "10.0.0.1",
        "--public",
        "1.1.1.1",
    ]);
    registry.prints(&["join", "web", "10.0.0.2", "--member", "a"]);
    registry.prints(&["leave", "web", "--member", "a"]);
    registry.prints(&["point", "www", "web"]);
    // an end beside others, an end as the last one, and a lease that runs out
    let mut one = registry.hold(&["app", "10.0.0.3", "--member", "a", "--lease", "3s"]);
    let mut two = registry.hold(&["app", "10.0.0.4", "--member", "b", "--lease", "3s"]);
    let mut three = registry.hold(&["app", "10.0.0.5", "--member", "c", "--lease", "3s"]);
    for holder in [&one, &two, &three] {
        holder.says(word::HELD);
    }
    three.process.kill();
    wait::until("the lease ends", || {
        (!registry.hash().contains_key("app/c")).then_some(())
    });
    assert_eq!(one.end(Signal::TERM), Some(0));
    assert_eq!(two.end(Signal::TERM), Some(0));
    registry.prints(&["release", "web"]);
    let hosts = registry.dir.join("hosts");
    std::fs::write(&hosts, "10.0.0.9 nine\n").unwrap();
    let hosts = hosts.to_str().unwrap();
    registry.prints(&["import", hosts]);
    registry.prints(&["import", "--replace", hosts]);
    std::fs::write(hosts, "").unwrap();
    registry.prints(&["import", "--replace", "--allow-empty", hosts]);
    std::fs::write(hosts, many_lines()).unwrap();
    registry.prints(&["import", "--replace", hosts]);
    registry.prints(&["import", hosts]);
    std::fs::write(hosts, "").unwrap();
    registry.prints(&["import", "--replace", "--allow-empty", hosts]);
    registry.prints(&["accept"]);
    registry.prints(&["accept", "web"]);
    registry.prints(&["history"]);
    let mut following = registry.background(&["history", "--follow"], &[]);
    registry.prints(&["claim", "late", "10.0.0.1"]);
    following.says("late = 10.0.0.1");
    following.process.kill();
    assert!(
        !registry.redis.cli(&["ACL", "LOG"]).contains("registrar"),
        "nothing was refused"
    );
}

#[test]
fn the_rights_of_the_daemon_and_a_replica_are_enough_to_read_the_history() {
    let dir = Dir::new();
    let master = Redis::builder(dir.join("master")).tcp().start();
    let password = dir.join("password");
    std::fs::write(&password, "secret\n").unwrap();
    let replica = Redis::builder(dir.join("replica"))
        .replica_of(master.port())
        .user(&format!(
            "user cloudhosts on >secret {}",
            rights::of_daemon()
        ))
        .start();
    cloudhosts_tests::redis::wait_for_replica(&master);
    let lines = format!(
        "[redis]\nurls = ['{}']\nusername = 'cloudhosts'\npassword_file = '{}'\n",
        replica.unix_url(),
        password.display()
    );
    let registry = Registry::with(dir, replica, &lines);
    master.cli(&["XADD", LOG, "*", "+web", "10.0.0.1", ".verb", "claim"]);
    wait::until("the replica has it", || {
        let output = registry.run(&["history"]);
        stdout(&output).contains("web = 10.0.0.1").then_some(())
    });
}

/// More names than one entry of the log lists.
fn many_lines() -> String {
    (0..2_000).fold(String::new(), |text, n| {
        format!("{text}10.1.{}.{} host-{n}\n", n / 250, 1 + n % 250)
    })
}

#[test]
fn each_documented_right_is_needed() {
    let line = documented_user();
    let registry = with_user(&line, "registrar");
    for right in line.split(' ').filter_map(|word| word.strip_prefix('+')) {
        // by one of these; which it is, the test above has shown
        let used = registry.redis.cli(&["COMMAND", "INFO", right]);
        assert!(!used.trim().is_empty(), "{right} is no command");
    }
    let needed = [
        "eval",
        "evalsha",
        "time",
        "hset",
        "hdel",
        "hscan",
        "zcount",
        "xadd",
        "xlen",
        "xrange",
        "xrevrange",
        "xread",
        "rename",
        "multi",
        "exec",
    ];
    for right in needed {
        registry
            .redis
            .cli(&["ACL", "SETUSER", "registrar", &format!("-{right}")]);
        let hosts = registry.dir.join("hosts");
        std::fs::write(&hosts, many_lines()).unwrap();
        let hosts = hosts.to_str().unwrap();
        registry.redis.cli(&["DEL", "cloudhosts"]);
        registry.is_refused(
            right,
            &[
                &["claim", "web", "10.0.0.1"],
                &["leave", "web", "--member", "x"],
                &["import", "--replace", hosts],
                &["hold", "web", "10.0.0.1", "--", "true"],
                &["history"],
                &["history", "--follow"],
            ],
        );
        registry
            .redis
            .cli(&["ACL", "SETUSER", "registrar", &format!("+{right}")]);
    }
}

impl Registry {
    /// One of these fails for want of a right, and says what to do.
    fn is_refused(&self, right: &str, commands: &[&[&str]]) {
        let refused = commands.iter().any(|command| {
            let output = self.run(command);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            output.status.code() == Some(3) && said.contains("cloudhosts acl")
        });
        assert!(refused, "without {right}");
    }
}

#[test]
fn a_redis_that_says_no_is_quoted_with_what_to_do() {
    let registry = with_user(
        "user reader on >secret %R~* &* -@all +hgetall +hlen",
        "reader",
    );
    for verb in [
        &["claim", "web", "10.0.0.1"][..],
        &["hold", "web", "10.0.0.1"],
    ] {
        let said = registry.fails(3, verb);
        assert!(
            said.contains("NOPERM") && said.contains("cloudhosts acl"),
            "{said}"
        );
    }
    std::fs::write(registry.dir.join("password"), "wrong\n").unwrap();
    let said = registry.fails(3, &["claim", "web", "10.0.0.1"]);
    assert!(
        said.contains("WRONGPASS") && said.contains("password_file"),
        "{said}"
    );
    assert!(!said.contains("wrong\n"), "{said}");
    std::fs::remove_file(registry.dir.join("password")).unwrap();
    let said = registry.fails(2, &["claim", "web", "10.0.0.1"]);
    assert!(
        said.contains("password_file") && said.contains("cloudhosts.toml:"),
        "{said}"
    );

    let plain = Registry::new();
    plain.redis.cli(&["CONFIG", "SET", "requirepass", "secret"]);
    let said = plain.fails(3, &["claim", "web", "10.0.0.1"]);
    assert!(
        said.contains("NOAUTH") && said.contains("password_file"),
        "{said}"
    );
}

#[test]
fn a_redis_that_is_away_or_silent_is_not_waited_for() {
    let mut registry = Registry::new();
    let start = Instant::now();
    registry.redis.signal(Signal::STOP);
    let said = registry.fails(3, &["claim", "web", "10.0.0.1"]);
    assert!(said.contains(&registry.redis.unix_url()), "{said}");
    registry.redis.signal(Signal::CONT);
    registry.redis.kill();
    let said = registry.fails(3, &["claim", "web", "10.0.0.1"]);
    assert!(said.contains(&registry.redis.unix_url()), "{said}");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    let said = registry.fails(3, &["--redis-url", &url, "claim", "web", "10.0.0.1"]);
    assert!(said.contains(&url), "{said}");
    assert!(
        start.elapsed() < Duration::from_secs(40),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_replica_is_not_written_to_and_the_next_url_is_tried() {
    let dir = Dir::new();
    let master = Redis::builder(dir.join("master")).tcp().start();
    let replica = Redis::builder(dir.join("replica"))
        .tcp()
        .replica_of(master.port())
        .start();
    let urls = [
        "--redis-url",
        &replica.tcp_url(),
        "--redis-url",
        &master.tcp_url(),
    ]
    .map(str::to_owned);
    let registry = Registry::with(dir, master, "");
    let both: Vec<&str> = urls.iter().map(String::as_str).collect();
    registry.prints(&[&both[..], &["claim", "web", "10.0.0.1"]].concat());
    assert_eq!(registry.hash(), map(&[("web", "10.0.0.1")]));
    let said = registry.fails(3, &[&both[..2], &["claim", "web", "10.0.0.2"]].concat());
    assert!(said.contains("replica") && said.contains("urls"), "{said}");
}

#[test]
fn over_tls_and_in_another_database() {
    let dir = Dir::new();
    let tls = Tls::new(dir.path());
    let redis = Redis::builder(dir.join("redis")).tls(tls.clone()).start();
    let lines = format!(
        "[redis]\nurls = ['{}/3']\nca_file = '{}'\n",
        redis.tls_url(),
        tls.authority.display()
    );
    let registry = Registry::with(dir, redis, &lines);
    registry.prints(&["claim", "web", "10.0.0.1"]);
    assert_eq!(
        registry
            .redis
            .cli(&["-n", "3", "HGET", "cloudhosts", "web"]),
        "10.0.0.1"
    );
    let said = registry.fails(2, &["claim", "web"]);
    assert!(said.contains("127.0.0.1"), "{said}");
}
