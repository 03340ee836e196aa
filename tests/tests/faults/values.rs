//! Values and fields that cannot be used: what was good stays, the reason is told, and nothing of
//! it reaches a terminal.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use cloudhosts_tests::World;
use cloudhosts_tests::daemon::STATUS;
use cloudhosts_tests::wait;
use cloudhosts_tests::world::HASH;

use crate::common::{RawConnection, Steady};

/// Values of which nothing can be used.
fn bad_values() -> Vec<Vec<u8>> {
    let many: Vec<String> = (0..100_000)
        .map(|number| format!("10.{}.{}.{}", number >> 16, number >> 8 & 255, number & 255))
        .collect();
    let mut values: Vec<Vec<u8>> = [
        b"".as_slice(),
        b" , ,",
        b"\xff\xfe\xfd",
        b"10.0.0.5\0",
        b"\0",
        b"10.0.0.5\x1b[2J\x1b]0;owned\x07",
        b"\x1b[31m",
        b"\xc2\x9b31m",
        b"\x7f",
        "\u{202e}5.0.0.01".as_bytes(),
        b"10.0.0.5\r\n10.0.0.6\r\nCONFIG GET *",
        b"localhost",
        b"x.localhost",
        b"..",
        b"a..b",
        b".",
        b"10.0.0.256",
        b"10.0.0",
        b"010.0.0.1",
        b"0x0a000001",
        b"10.0.0.5:80",
        b"10.0.0.0/8",
        b"fe80::1%eth0",
        b"[::1]",
        b"0.0.0.0",
        b"::",
        b"255.255.255.255",
        b"224.0.0.1",
        b"10.0.0.5 web",
        b"web db",
        b"pick=1",
        b"10.0.0.5 pick=-1",
        b"10.0.0.5 pick=99999999999999999999",
        b"10.0.0.5 pick=\x1b[2J",
    ]
    .map(<[u8]>::to_vec)
    .into();
    values.push(vec![b'a'; 64]);
    values.push(vec![b'1'; 300]);
    values.push(vec![0xff; 1 << 20]);
    values.push(vec![b' '; (1 << 20) + 1]);
    values.push(many.join(" ").into_bytes());
    values
}

/// Fields that name nothing.
fn bad_fields() -> Vec<Vec<u8>> {
    let mut fields: Vec<Vec<u8>> = [
        b"".as_slice(),
        b".",
        b"..",
        b"a..b",
        b"a.b..",
        b"localhost",
        b"LOCALHOST.",
        b"db.localhost",
        b"10.0.0.5",
        b"1.2.3",
        b"0x7f000001",
        b"::1",
        b"\xff\xfe",
        b"w\0b",
        b"\0",
        b"evil\x1b[2J\x1b]0;owned\x07",
        b"evil\xc2\x9b2J",
        b"evil\x7f",
        "evil\u{202e}txt".as_bytes(),
        b"a b",
        b"a\nb 2026 WARN forged line",
        b"web/",
        b"web/a/b",
        b"web/\x1b[2J",
        b"/",
        b"*",
        b"*.",
        b"**.x",
        b"a.*.b",
        b"*.localhost",
    ]
    .map(<[u8]>::to_vec)
    .into();
    fields.push(vec![b'a'; 64]);
    fields.push(b"abc.".repeat(80));
    fields.push([b"web/".as_slice(), &[b'm'; 65]].concat());
    fields.push(vec![b'\x1b'; 1 << 20]);
    fields
}

#[test]
fn bad_values_that_keep_changing_do_not_fill_the_log() {
    let mut world = World::with(&[("web", "10.0.0.5")]);
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    let fields: Vec<String> = (0..20).map(|number| format!("bad{number}")).collect();
    let mut wire = RawConnection::new(&world.redis);
    let before = world.daemon.log().lines().count();
    let (length, began) = (Duration::from_secs(6), Instant::now());
    let mut round = 0;
    while began.elapsed() < length {
        round += 1;
        // nothing of a value is in the log, so it has to be wrong in another way each time
        let value = ["no address", "10.0.0.5:80"][round % 2];
        let commands: Vec<Vec<&[u8]>> = fields
            .iter()
            .map(|field| [b"HSET", HASH.as_bytes(), field.as_bytes(), value.as_bytes()].into())
            .collect();
        wire.send(&commands);
    }
    world.sync(HASH);
    let status = world.daemon.wait_for("all are rejected", |status| {
        status["rejected"]["count"] == 20
    });
    assert_eq!(status["state"], "live");
    steady.holds(&world, "beside values that keep changing");
    let log = world.daemon.log();
    let lines = log.lines().count() - before;
    assert!(lines < 120, "{lines} lines in {:?}", began.elapsed());
    // How many they were is told once a minute, and at the end.
    world.daemon.terminate();
    let log = world.daemon.log();
    let told = log.lines().filter_map(|line| {
        let (_, line) = line.split_once("WARN suppressed ")?;
        line.split(' ').next()?.parse::<u64>().ok()
    });
    let told: u64 = told.sum();
    assert!(told > 100, "{told} suppressed lines: {log}");
}

#[test]
fn a_hash_that_comes_and_goes_does_not_fill_the_log() {
    let world = World::with(&[("web", "10.0.0.5")]);
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    world.redis.cli(&["SET", "away", "no hash"]);
    let mut wire = RawConnection::new(&world.redis);
    let before = world.daemon.log().lines().count();
    let began = Instant::now();
    let rename = |from: &'static str, to: &'static str| {
        vec![b"RENAME".as_slice(), from.as_bytes(), to.as_bytes()]
    };
    while began.elapsed() < Duration::from_secs(4) {
        for moves in [
            [(HASH, "aside"), ("away", HASH)],
            [(HASH, "away"), ("aside", HASH)],
        ] {
            let [first, second] = moves.map(|(from, to)| rename(from, to));
            wire.send(&[vec![b"MULTI"], first, second, vec![b"EXEC"]]);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    world.sync(HASH);
    steady.holds(&world, "after its hash has come and gone");
    let log = world.daemon.log();
    let lines = log.lines().count() - before;
    assert!(lines < 150, "{lines} lines in {:?}", began.elapsed());
    assert!(log.contains(HASH), "{log}");
}

#[test]
fn a_giant_value_is_left_aside() {
    let world = World::with(&[("web", "10.0.0.5"), ("db", "10.0.0.6")]);
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    let giant = "redis.call('HSET', KEYS[1], 'web', string.rep('x', 70000000))";
    world.redis.cli(&["EVAL", giant, "1", HASH]);
    world.daemon.wait_for_rejected(HASH, "web");
    let status = world.daemon.wait_for_state("live");
    let rejected = &status["rejected"]["fields"][0];
    assert_eq!(rejected["code"], "value", "{status}");
    assert_eq!(rejected["effect"], "retained", "{status}");
    world.hset(&[("db", "10.0.0.7")]);
    world.sees("db", &["10.0.0.7"]);
    steady.holds(&world, "while its value is giant");
    assert_eq!(world.daemon.status()["state"], "live");
    world.hset(&[("web", "10.0.0.8")]);
    world.sees("web", &["10.0.0.8"]);
    world.daemon.wait_for("nothing is rejected", |status| {
        status["rejected"]["count"] == 0
    });
}

/// Everything that somebody may look at, as it is written.
fn shown(world: &World) -> Vec<(&'static str, Vec<u8>)> {
    let status = world.cloudhosts(&["status"]);
    let json = world.cloudhosts(&["status", "--json"]);
    vec![
        ("the log", world.daemon.log().into_bytes()),
        (
            "status.json",
            std::fs::read(world.sandbox.outside(STATUS)).unwrap(),
        ),
        ("cloudhosts status", [status.stdout, status.stderr].concat()),
        (
            "cloudhosts status --json",
            [json.stdout, json.stderr].concat(),
        ),
    ]
}

/// No byte that a terminal obeys, nor a character that turns what is read around.
fn assert_harmless(what: &str, bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).unwrap_or_else(|_| panic!("{what} is no UTF-8"));
    for (at, c) in text.char_indices() {
        let turns = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        assert!(
            c == '\n' || !c.is_control() && !turns,
            "{what} has {c:?} at {at}: {:?}",
            text[..at].lines().next_back()
        );
    }
}

#[test]
fn what_cannot_be_used_is_told_and_what_was_good_stays() {
    let values = bad_values();
    let names: Vec<String> = (0..values.len())
        .map(|number| format!("r{number}"))
        .collect();
    let addresses: Vec<String> = (0..values.len())
        .map(|number| format!("10.1.0.{number}"))
        .collect();
    let mut pairs: Vec<(&str, &str)> = vec![("web", "10.0.0.5")];
    pairs.extend(
        names
            .iter()
            .zip(&addresses)
            .map(|(name, address)| (name.as_str(), address.as_str())),
    );
    let world = World::with(&pairs);
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    let fields = bad_fields();
    let mut wire = RawConnection::new(&world.redis);
    let spoil: Vec<Vec<&[u8]>> = names
        .iter()
        .map(String::as_bytes)
        .zip(values.iter().map(Vec::as_slice))
        .chain(
            fields
                .iter()
                .map(|field| (field.as_slice(), b"10.0.0.9".as_slice())),
        )
        .map(|(field, value)| vec![b"HSET".as_slice(), HASH.as_bytes(), field, value])
        .collect();
    for command in spoil {
        wire.send(&[command]);
    }
    world.sync(HASH);

    let mut wrong = Vec::new();
    for (number, (name, address)) in names.iter().zip(&addresses).enumerate() {
        let answer = world.look_up(name);
        if answer.addresses != [address.as_str()] {
            let value = String::from_utf8_lossy(&values[number][..values[number].len().min(40)])
                .escape_debug()
                .to_string();
            wrong.push(format!("{value}: {answer:?}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "the last good value is not retained: {wrong:#?}"
    );
    let total = (values.len() + fields.len()) as u64;
    let status = world
        .daemon
        .wait_for(&format!("{total} are rejected"), |status| {
            status["rejected"]["count"] == total
        });
    let listed = status["rejected"]["fields"].as_array().unwrap();
    assert_eq!(listed.len() as u64, total);
    for one in listed {
        assert!(!one["reason"].as_str().unwrap().is_empty(), "{one}");
        // the reason quotes some of it, and the field stands there twice, in both cases cut
        assert!(one.to_string().len() < 3000, "as short as it can be: {one}");
    }
    for name in &names {
        assert!(
            listed
                .iter()
                .any(|one| one["field"] == name.as_str() && one["effect"] == "retained"),
            "{name} is named"
        );
    }
    steady.holds(&world, "beside bad fields and values");
    for (what, bytes) in shown(&world) {
        assert_harmless(what, &bytes);
    }
    for field in fields
        .iter()
        .filter(|field| field.len() < 1000 && !field.contains(&0))
    {
        use std::os::unix::ffi::OsStrExt;
        let program = cloudhosts_tests::programs::find(cloudhosts_tests::programs::COMMAND);
        let mut command = world.sandbox.entrance().command(program);
        command
            .args(["resolve", "--"])
            .arg(std::ffi::OsStr::from_bytes(field));
        let output = cloudhosts_tests::process::run(&mut command);
        assert_harmless(
            "cloudhosts resolve",
            &[output.stdout, output.stderr].concat(),
        );
    }

    // mended, all is well
    for (name, address) in names.iter().zip(&addresses) {
        wire.send(&[vec![
            b"HSET",
            HASH.as_bytes(),
            name.as_bytes(),
            address.as_bytes(),
        ]]);
    }
    for field in &fields {
        wire.send(&[vec![b"HDEL", HASH.as_bytes(), field]]);
    }
    world.daemon.wait_for("nothing is rejected", |status| {
        status["rejected"]["count"] == 0
    });
}

#[test]
fn random_bytes_in_fields_and_values_hurt_nobody() {
    let world = World::with(&[("web", "10.0.0.5")]);
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    let pid = world.daemon.id();
    let seed = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let mut random = Random(seed.subsec_nanos().into());
    println!("seed {}", random.0);
    let mut wire = RawConnection::new(&world.redis);
    let rounds = if crate::common::soak() { 200 } else { 10 };
    for _ in 0..rounds {
        let pairs: Vec<(Vec<u8>, Vec<u8>)> =
            (0..200).map(|_| (random.bytes(), random.bytes())).collect();
        let commands: Vec<Vec<&[u8]>> = pairs
            .iter()
            // a random field may happen to be a name, but not this one
            .filter(|(field, _)| {
                !field.to_ascii_lowercase().starts_with(b"web") && !field.starts_with(b"sync")
            })
            .map(|(field, value)| vec![b"HSET".as_slice(), HASH.as_bytes(), field, value])
            .collect();
        wire.send(&commands);
        world.sync(HASH);
        steady.ran("with random neighbours");
    }
    for (what, bytes) in shown(&world) {
        assert_harmless(what, &bytes);
    }
    steady.holds(&world, "with random neighbours");
    assert_eq!(world.daemon.status()["pid"], pid, "it never died");
}

/// A small generator: xorshift.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 |= 1;
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Bytes that are often nearly what they should be.
    fn bytes(&mut self) -> Vec<u8> {
        const PIECES: [&[u8]; 18] = [
            b".",
            b"..",
            b"/",
            b"*.",
            b"10.0.0.",
            b"fd00::",
            b":",
            b" ",
            b",",
            b"pick=",
            b"=",
            b"\x1b[",
            b"\0",
            b"\xc2\x9b",
            b"localhost",
            b"a-b_c",
            b"\r\n",
            b"\xf0\x9f",
        ];
        let mut bytes = Vec::new();
        for _ in 0..self.next() % 6 {
            match self.next() % 3 {
                0 => bytes.push(self.next().to_le_bytes()[1]),
                _ => bytes.extend_from_slice(PIECES[usize::try_from(self.next() % 18).unwrap()]),
            }
        }
        bytes
    }
}

#[test]
fn twenty_thousand_bad_fields_fill_neither_status_nor_log() {
    let world = World::with(&[("web", "10.0.0.5")]);
    let mut steady = Steady::new(&world, "web", &["10.0.0.5"]);
    let fields: BTreeSet<Vec<u8>> = (0..20_000)
        .map(|number| format!("no name {number} \x1b[2J").into_bytes())
        .collect();
    let mut wire = RawConnection::new(&world.redis);
    let commands: Vec<Vec<&[u8]>> = fields
        .iter()
        .map(|field| vec![b"HSET".as_slice(), HASH.as_bytes(), field, b"10.0.0.9"])
        .collect();
    for some in commands.chunks(1_000) {
        wire.send(some);
    }
    let status = world.daemon.wait_for("all are counted", |status| {
        status["rejected"]["count"] == 20_000
    });
    assert_eq!(status["rejected"]["fields"].as_array().unwrap().len(), 100);
    // and a good one is still seen among them
    world.hset(&[("db", "10.0.0.6")]);
    world.sees("db", &["10.0.0.6"]);
    steady.holds(&world, "beside 20,000 bad fields");
    wait::until("the status is written once more", || {
        (world.daemon.status()["names"] == 2).then_some(())
    });
    for (what, bytes) in shown(&world) {
        println!("{what}: {} bytes", bytes.len());
        assert!(bytes.len() < 64 << 10, "{what}: {} bytes", bytes.len());
        assert_harmless(what, &bytes);
    }
}

#[test]
fn a_hash_beyond_max_fields_keeps_its_last_good_names() {
    let world = World::new()
        .config("max_fields", "2")
        .hash(HASH, &[("web", "10.0.0.5"), ("db", "10.0.0.6")])
        .start();
    world.sees("web", &["10.0.0.5"]);
    world.hset(&[("web", "10.0.0.7"), ("more", "10.0.0.8")]);
    let told = world.daemon.wait_for_state("unreadable");
    assert_eq!(told["hashes"][0]["unreadable_code"], "toolarge", "{told:#}");
    assert!(
        told["reason"].to_string().contains("max_fields"),
        "{told:#}"
    );
    world.sees("web", &["10.0.0.5"]);
    let doctor = world.cloudhosts(&["doctor", "--json"]);
    let said = cloudhosts_tests::process::stdout(&doctor);
    assert!(said.contains("\"too-large\""), "{said}");
    world.redis.cli(&["HDEL", HASH, "more"]);
    world.daemon.wait_for_state("live");
    world.sees("web", &["10.0.0.7"]);
}
