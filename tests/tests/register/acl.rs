//! `cloudhosts acl`: the rights of the users of Redis.

use std::collections::BTreeSet;
use std::fs::write;
use std::process::Stdio;

use cloudhosts_tests::config::{list, quote};
use cloudhosts_tests::process::{Process, Signal, run, stderr, stdout};
use cloudhosts_tests::redis::version;
use cloudhosts_tests::{Redis, World, programs, wait};

/// The lines that it prints, of a Redis that tells its version.
fn lines(world: &World) -> Vec<String> {
    let output = world.cloudhosts(&["acl"]);
    assert_eq!(
        (output.status.code(), stderr(&output).as_str()),
        (Some(0), "")
    );
    stdout(&output).lines().map(str::to_owned).collect()
}

/// The commands that a line allows.
fn allowed(line: &str) -> BTreeSet<String> {
    let words = line.split(' ').filter_map(|word| word.strip_prefix('+'));
    words.map(str::to_owned).collect()
}

/// The commands that Redis has executed since its statistics were reset.
fn executed(redis: &Redis) -> BTreeSet<String> {
    let statistics = redis.cli(&["INFO", "commandstats"]);
    let lines = statistics.lines();
    lines
        .filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(':'))
        .filter(|(_, what)| !what.starts_with("calls=0,"))
        .map(|(name, _)| match name {
            // before Redis 7.0 subcommands are not counted by themselves
            "client" => "client|tracking".to_owned(),
            _ => name.to_owned(),
        })
        .collect()
}

/// A world of two users, of whom Redis does not know yet.
fn world() -> World {
    let start = World::new();
    let redis = Redis::builder(start.directory().join("redis"))
        .tcp()
        .start();
    let urls = list(&[&redis.tcp_url()]);
    let world = start
        .redis(redis)
        .config("redis.urls", urls)
        .login("mirror", "PASSWORD")
        .build();
    let register = format!(
        "[redis]\nusername = 'writer'\npassword_file = {}\n",
        quote(&world.dir.join("password").display().to_string())
    );
    write(
        world.sandbox.outside("/etc/cloudhosts/register.toml"),
        register,
    )
    .unwrap();
    world
}

/// Sets the lines, as an administrator does.
fn grant(world: &World, lines: &[String]) {
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(world.redis.cli(&words), "OK", "{line}");
    }
}

#[test]
fn what_it_prints_is_enough_for_all_and_all_of_it_is_used() {
    let mut world = world();
    let lines = lines(&world);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("ACL SETUSER mirror on >PASSWORD "));
    assert!(lines[1].starts_with("ACL SETUSER writer on >PASSWORD "));
    grant(&world, &lines);
    // until now nobody could log in
    world.redis.cli(&["ACL", "LOG", "RESET"]);
    world.redis.cli(&["CONFIG", "RESETSTAT"]);
    world.daemon.start();
    world.daemon.wait_for_state("live");
    let does = |arguments: &[&str]| {
        let output = world.cloudhosts(arguments);
        let said = stderr(&output) + &stdout(&output);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        said
    };
    does(&["claim", "web", "10.0.0.1", "--wait=60s"]);
    does(&[
        "claim",
        "web",
        "--private",
        "10.0.0.1",
        "--public",
        "1.1.1.1",
    ]);
    does(&["join", "farm", "10.0.0.2", "--member", "a", "--wait=60s"]);
    does(&["point", "www", "web", "--wait=60s"]);
    does(&["leave", "farm", "--member", "a", "--wait=60s"]);
    does(&["release", "www", "--wait=60s"]);
    does(&["hold", "--exclusive", "app", "10.0.0.3", "--", "true"]);
    import(&world);
    holds(&world);
    does(&["accept", "--wait=60s"]);
    assert!(does(&["history"]).contains("claim"));
    assert!(does(&["list", "--held"]).contains("held/"));
    does(&["explain", "held"]);
    follows_the_log(&world);
    leaves_a_giant_aside(&world);
    wait::until("the daemon asks an idle Redis whether it is alive", || {
        executed(&world.redis).contains("ping").then_some(())
    });
    let unused: Vec<String> = lines
        .iter()
        .flat_map(|line| &allowed(line) - &executed(&world.redis))
        .collect();
    assert_eq!(unused, [""; 0], "granted, and never asked");
    let refused = world.redis.cli(&["ACL", "LOG"]);
    assert!(
        !refused.contains("mirror") && !refused.contains("writer"),
        "{refused}"
    );
    assert!(
        world.daemon.status()["redis"]["mode"] == "tracking",
        "{}",
        world.daemon.status()
    );
}

/// Two hold a role and one of them dies, so that the other removes it; it goes on.
fn holds(world: &World) {
    let hold = |member: &str| {
        let program = programs::find(programs::COMMAND);
        let mut command = world.sandbox.entrance().background(program);
        command.args([
            "hold", "held", "10.0.0.4", "--lease", "3s", "--member", member,
        ]);
        Process::start(command)
    };
    let has = |field: &str| world.redis.cli(&["HEXISTS", "cloudhosts", field]) == "1";
    let (mut one, mut two) = (hold("a"), hold("b"));
    wait::until("both hold it", || {
        (has("held/a") && has("held/b")).then_some(())
    });
    two.kill();
    wait::until("the one that died is removed", || {
        (!has("held/b")).then_some(())
    });
    one.signal(Signal::TERM);
    assert_eq!(one.wait().code(), Some(0));
    // one that stays for those who want to know who holds what
    let mut stays = hold("c");
    wait::until("it holds the role", || has("held/c").then_some(()));
    stays.kill();
}

/// Few lines, more than the log lists, and none.
fn import(world: &World) {
    let hosts = world.dir.join("hosts");
    let many = (0..2_000).fold(String::new(), |text, n| {
        format!("{text}10.1.{}.{} host-{n}\n", n / 250, 1 + n % 250)
    });
    for text in ["10.0.0.9 nine\n", &many, ""] {
        write(&hosts, text).unwrap();
        let arguments = [
            "import",
            "--replace",
            "--allow-empty",
            hosts.to_str().unwrap(),
        ];
        let output = world.cloudhosts(&arguments);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
}

/// `history --follow`, until it waits for what comes.
fn follows_the_log(world: &World) {
    let program = programs::find(programs::COMMAND);
    let mut command = world.sandbox.entrance().background(program);
    command.args(["history", "--follow"]).stdout(Stdio::null());
    let _following = Process::start(command);
    wait::until("it waits for changes", || {
        executed(&world.redis).contains("xread").then_some(())
    });
}

/// What is too large is measured; what is removed from under the daemon is told from a loss.
fn leaves_a_giant_aside(world: &World) {
    let large = world.dir.join("large");
    // more than the daemon takes in one answer
    write(&large, "x".repeat(70_000_000)).unwrap();
    let line = format!(
        "redis-cli -s {} -x HSET cloudhosts giant <{}",
        world.redis.socket().display(),
        large.display()
    );
    assert_eq!(stdout(&run(&mut world.shell(&line))).trim(), "1");
    wait::until("the daemon names it", || {
        let status = world.daemon.status().to_string();
        status.contains("giant").then_some(())
    });
}

#[test]
fn of_a_cluster_a_slot_that_moves_may_be_asked_for() {
    let start = World::new();
    let node = Redis::builder(start.directory().join("node"))
        .cluster()
        .start();
    node.add_slots(0..16_384);
    wait::until("the cluster is up", || {
        let info = node.cli(&["CLUSTER", "INFO"]);
        info.contains("cluster_state:ok").then_some(())
    });
    let urls = list(&[&node.tcp_url()]);
    let world = start.redis(node).config("redis.urls", urls).build();
    for line in lines(&world) {
        assert!(allowed(&line).contains("asking"), "{line}");
        world.redis.cli(&line.split(' ').collect::<Vec<_>>());
    }
    let apart = ["--redis-url", "redis://127.0.0.1:1", "acl"];
    assert!(!stdout(&world.cloudhosts(&apart)).contains("asking"));
}

#[test]
fn without_redis_the_lines_are_for_a_new_one_and_it_says_so() {
    let world = world();
    let with_redis = lines(&world);
    let url = ["--redis-url", "redis+unix:///no/such/socket", "acl"];
    let output = world.cloudhosts(&url);
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("7.0"), "{}", stderr(&output));
    let without: Vec<String> = stdout(&output).lines().map(str::to_owned).collect();
    let older = |line: &String| line.replace("%R~", "~");
    let oldest = |line: &String| older(line).replace(" resetchannels", "") + " +hello";
    let expected: Vec<String> = match version() {
        (7.., _) => without.clone(),
        (6, 2..) => without.iter().map(older).collect(),
        _ => without.iter().map(oldest).collect(),
    };
    assert_eq!(with_redis, expected);
    assert!(without[0].contains(" %R~cloudhosts %R~cloudhosts:* "));
    // another database is one right more, other hashes are other keys
    let other = ["--redis-url", "redis://127.0.0.1:1/3", "--hash", "a", "acl"];
    let said = stdout(&world.cloudhosts(&other));
    for line in said.lines() {
        assert!(line.ends_with(" +select"), "{line}");
        assert!(
            line.contains("~a ") && !line.contains("cloudhosts:"),
            "{line}"
        );
    }
}
