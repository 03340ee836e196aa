//! More changes than can be followed, and more daemons than should come at once.

use std::time::{Duration, Instant};

use cloudhosts_tests::world::HASH;
use cloudhosts_tests::{Daemon, World, machine, wait};
use serde_json::Value;

use crate::common::{RawConnection, Steady, memory, soak};

const ROLES: usize = 5_000;

#[test]
fn a_storm_of_changes_costs_little_and_its_last_state_is_right() {
    let world = World::with(&[("web", "10.0.0.5")]);
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    let length = Duration::from_secs(if soak() { 20 } else { 2 });
    let pid = world.daemon.id();
    let mut wire = RawConnection::new(&world.redis);
    let mut last = vec![String::new(); ROLES];
    // all roles are there before anything is measured
    change(&mut wire, &mut last, 0..ROLES);
    world.sync(HASH);
    let spent_before = (world_cpu(pid), redis_time(&mut wire));
    let (began, mut sent, mut sizes) = (Instant::now(), 0, Vec::new());
    while began.elapsed() < length {
        change(&mut wire, &mut last, sent..sent + 100);
        sent += 100;
        if sent % 2_000 == 0 {
            sizes.push(memory(pid, "VmRSS"));
            steady.ran("in the storm");
        }
        // ten thousand a second
        let due = began + Duration::from_micros(100) * u32::try_from(sent).unwrap();
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    let took = began.elapsed();
    let spent = (
        world_cpu(pid) - spent_before.0,
        redis_time(&mut wire) - spent_before.1,
    );
    world.sync(HASH);
    for (number, address) in last.iter().enumerate() {
        assert_eq!(
            world.look_up(&format!("role-{number}")).addresses,
            [address.as_str()]
        );
    }
    steady.holds(&world, "after the storm");
    let (first, most) = (sizes[0], *sizes.iter().max().unwrap());
    let share = spent.1.as_secs_f64() / took.as_secs_f64();
    println!(
        "{sent} changes in {took:.1?}: the daemon used {:?} of processor, Redis {:?} ({:.1} %) to be read; \
         memory {} kB, then {} kB at most",
        spent.0,
        spent.1,
        share * 100.0,
        first >> 10,
        most >> 10
    );
    assert!(share <= 0.1, "reading took {share} of Redis's time");
    assert!(
        most < first + (24 << 20),
        "memory grew from {first} to {most}"
    );
}

fn change(wire: &mut RawConnection, last: &mut [String], numbers: std::ops::Range<usize>) {
    let mut commands = Vec::new();
    let fields: Vec<String> = numbers
        .clone()
        .map(|number| format!("role-{}", number % ROLES))
        .collect();
    for number in numbers.clone() {
        let [_, high, middle, low] = u32::try_from(number + 1).unwrap().to_be_bytes();
        last[number % ROLES] = format!("10.{high}.{middle}.{low}");
    }
    for (number, field) in numbers.zip(&fields) {
        let value = last[number % ROLES].as_bytes();
        commands.push(vec![
            b"HSET".as_slice(),
            HASH.as_bytes(),
            field.as_bytes(),
            value,
        ]);
    }
    wire.send(&commands);
}

/// Processor time of a process.
fn world_cpu(pid: u32) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = text.rsplit_once(')').unwrap();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

/// What reading has cost Redis.
fn redis_time(wire: &mut RawConnection) -> Duration {
    let text = wire.send(&[vec![b"INFO", b"commandstats"]]);
    let spent = |command: &str| -> u64 {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:")));
        let usec =
            line.and_then(|line| line.split(',').find_map(|part| part.strip_prefix("usec=")));
        usec.map_or(0, |usec| usec.parse().unwrap())
    };
    Duration::from_micros(spent("hgetall") + spent("hscan"))
}

#[test]
fn many_daemons_come_back_spread_out_and_right() {
    let daemons = if soak() { 200 } else { 20 };
    let mut world = World::new().hash(HASH, &[("web", "10.0.0.5")]).build();
    let fleet: Vec<Daemon> = (0..daemons)
        .map(|number| machine::daemon(&world, &format!("machine-{number}"), world.config.clone()).0)
        .collect();
    let all = |what: &str, good: &dyn Fn(&Value) -> bool| {
        for daemon in &fleet {
            daemon.wait_for(what, good);
        }
    };
    all("each is live", &|status| status["state"] == "live");
    world.redis.cli(&["SAVE"]);
    world.redis.kill();
    all("each has noticed", &|status| {
        status["state"] == "reconnecting"
    });
    // let them back off, as they would in a real outage
    let outage = Instant::now();
    while outage.elapsed() < Duration::from_secs(4) {
        std::thread::sleep(Duration::from_millis(50));
    }
    world.redis.restart();
    let restarted = Instant::now();
    let mut wire = RawConnection::new(&world.redis);
    wire.send(&[vec![b"HSET", HASH.as_bytes(), b"db", b"10.0.0.6"]]);
    let mut came: Vec<(Duration, u64)> = Vec::new();
    let mut right = vec![None; fleet.len()];
    wait::until("each is right again", || {
        let count = wire.info("stats", "total_connections_received").unwrap();
        came.push((restarted.elapsed(), count));
        for (right, daemon) in right.iter_mut().zip(&fleet) {
            let now = right.is_none().then(|| daemon.status());
            if now.is_some_and(|now| now["state"] == "live" && now["names"] == 2) {
                *right = Some(restarted.elapsed());
            }
        }
        right.iter().all(Option::is_some).then_some(())
    });
    let slowest = right.iter().flatten().max().unwrap();
    // what had come before the first look counts as if it had come at once
    let peak = came
        .iter()
        .map(|&(at, count)| {
            let window = at.saturating_sub(Duration::from_millis(100));
            let before = came.iter().take_while(|(time, _)| *time <= window).last();
            count - before.map_or(0, |(_, count)| *count)
        })
        .max()
        .unwrap();
    println!(
        "{daemons} daemons: right again after {slowest:.1?} at most; at most {peak} connections in 100 ms"
    );
    assert!(*slowest < Duration::from_secs(45), "{slowest:?}");
    assert!(peak <= daemons / 2, "{peak} came at once");
}
