//! `cloudhosts export`.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use cloudhosts_tests::World;
use cloudhosts_tests::process::{run, stderr, stdout, succeed};
use serde_json::Value;

use crate::background::{Background, printed};

fn world() -> World {
    World::new()
        .config("domain", "\"prod.example.com\"")
        .hash(
            "cloudhosts",
            &[
                ("web", "10.0.0.5 fd00::5"),
                ("www", "web"),
                ("*.apps.internal", "10.0.2.1"),
                ("lost", "nobody"),
            ],
        )
        .start()
}

#[test]
fn as_hosts_it_is_what_glibc_reads() {
    let world = world();
    let output = world.cloudhosts(&["export"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let said = stdout(&output);
    assert!(
        said.starts_with("# ") && said.contains("127.0.0.1\tlocalhost\n"),
        "{said}"
    );
    let lines: Vec<&str> = said.lines().skip(3).collect();
    assert_eq!(
        lines,
        [
            "10.0.0.5\tweb web.prod.example.com",
            "fd00::5\tweb web.prod.example.com",
            "10.0.0.5\twww www.prod.example.com",
            "fd00::5\twww www.prod.example.com",
        ]
    );
    fs::write(world.sandbox.outside("/etc/hosts"), &said).unwrap();
    world.sandbox.set_services("files");
    let told = world.prints("getent", &["ahosts", "www.prod.example.com"]);
    assert!(
        told.contains("10.0.0.5") && told.contains("fd00::5"),
        "{told}"
    );
    assert!(
        world
            .prints("getent", &["hosts", "localhost"])
            .contains("localhost")
    );
}

#[test]
fn dnsmasq_takes_what_is_written_for_it_and_json_is_json() {
    let world = world();
    let file = world.dir.join("dnsmasq.conf");
    let path = file.display().to_string();
    let output = world.cloudhosts(&["export", "--format", "dnsmasq", "--output", &path]);
    assert_eq!(
        (output.status.code(), stdout(&output).as_str()),
        (Some(0), "")
    );
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("host-record=web,web.prod.example.com,fd00::5\n"),
        "{text}"
    );
    assert!(text.contains("address=/apps.internal/10.0.2.1\n"), "{text}");
    succeed(&mut world.shell(&format!("dnsmasq --test --conf-file={path} 2>&1")));

    let output = world.cloudhosts(&["export", "--format", "json"]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["roles"].as_array().unwrap().len(), 3);
    assert_eq!(said["roles"][1]["addresses"][0], "10.0.0.5");
}

#[test]
fn a_file_is_replaced_keeps_its_mode_and_is_written_only_when_it_changes() {
    let world = world();
    let file = world.dir.join("hosts");
    let path = file.display().to_string();
    fs::write(&file, "old").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    let before = fs::metadata(&file).unwrap().ino();
    assert_eq!(
        world
            .cloudhosts(&["export", "--output", &path])
            .status
            .code(),
        Some(0)
    );
    let after = fs::metadata(&file).unwrap();
    assert_ne!(after.ino(), before);
    assert_eq!(after.mode() & 0o7777, 0o640);
    world.cloudhosts(&["export", "--output", &path]);
    assert_eq!(fs::metadata(&file).unwrap().ino(), after.ino());

    world.hset(&[("more", "10.0.0.9")]);
    world.sync("cloudhosts");
    let output = world.cloudhosts(&["export", "--output", &path, "--in-place"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(fs::metadata(&file).unwrap().ino(), after.ino());
    assert!(
        fs::read_to_string(&file)
            .unwrap()
            .contains("10.0.0.9\tmore ")
    );
}

#[test]
fn what_is_mounted_is_only_written_in_place() {
    let world = world();
    let file = world.dir.join("mounted");
    fs::write(
        &file,
        "127.0.0.1 something that is longer than what comes ".repeat(20),
    )
    .unwrap();
    let program = cloudhosts_tests::programs::find("cloudhosts");
    let line = format!(
        "mount -n --bind {0} {0} || exit 9; {1} export --output {0} && exit 8; {1} export --output {0} --in-place",
        file.display(),
        program.display()
    );
    let output = run(&mut world.shell(&line));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("--in-place"),
        "{}",
        stderr(&output)
    );
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("10.0.0.5\tweb ") && !text.contains("something"),
        "{text}"
    );
}

#[test]
fn a_container_keeps_its_own_line() {
    let world = world();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let host = host.trim();
    world.hset(&[(host, "10.0.9.9")]);
    world.sync("cloudhosts");
    // as Docker writes it, and mounts it
    let file = world.sandbox.outside("/etc/hosts");
    let own = format!("172.17.0.2\t{host}");
    let docker = format!("127.0.0.1\tlocalhost\nff02::1\tip6-allnodes\n{own}\n");
    fs::write(&file, docker).unwrap();
    world.sandbox.set_services("files");
    let program = cloudhosts_tests::programs::find("cloudhosts");
    let line = format!(
        "mount -n --bind /etc/hosts /etc/hosts && {} export --in-place --keep-own --output /etc/hosts \
         && getent ahosts {host} && getent ahosts web",
        program.display()
    );
    let output = run(&mut world.shell(&line));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told = stdout(&output);
    assert!(
        told.contains("172.17.0.2") && !told.contains("10.0.9.9") && told.contains("10.0.0.5"),
        "{told}"
    );
    let first = fs::read_to_string(&file).unwrap();

    // again, and then after the runtime has added a line for another network
    let export = [
        "export",
        "--in-place",
        "--keep-own",
        "--output",
        "/etc/hosts",
    ];
    world.cloudhosts(&export);
    assert_eq!(fs::read_to_string(&file).unwrap(), first);
    let added = format!("172.18.0.2\t{host}");
    fs::write(&file, format!("{first}{added}\n")).unwrap();
    world.cloudhosts(&export);
    let text = fs::read_to_string(&file).unwrap();
    let names_host = |line: &&str| line.split_whitespace().any(|word| word == host);
    let lines: Vec<&str> = text.lines().filter(names_host).collect();
    assert_eq!(lines, [own.as_str(), added.as_str()], "{text}");

    // from outside the container by its name; and only in hosts(5) there are such lines
    let copy = world.dir.join("hosts").display().to_string();
    fs::write(&copy, "10.88.0.3 4fa3bc12e9d1 app\n10.0.0.1 other\n").unwrap();
    world.cloudhosts(&["export", "--keep-own=app", "--output", &copy]);
    let text = fs::read_to_string(&copy).unwrap();
    assert!(
        text.contains("10.88.0.3 4fa3bc12e9d1 app\n") && !text.contains("other"),
        "{text}"
    );
    let json = [
        "export",
        "--keep-own",
        "--format",
        "json",
        "--output",
        &copy,
    ];
    assert_eq!(world.cloudhosts(&json).status.code(), Some(2));
    assert_eq!(fs::read_to_string(&copy).unwrap(), text);
}

#[test]
fn what_is_no_file_is_refused_and_not_waited_for() {
    let world = world();
    let fifo = world.dir.join("fifo").display().to_string();
    succeed(&mut world.shell(&format!("mkfifo {fifo}")));
    for way in [&["--output", &fifo][..], &["--output", &fifo, "--in-place"]] {
        let output = world.cloudhosts(&[&["export"], way].concat());
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(&fifo), "{}", stderr(&output));
    }
    let output = world.cloudhosts(&["nsswitch", "enable", "--file", &fifo]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&fifo), "{}", stderr(&output));
}

#[test]
fn an_empty_table_overwrites_nothing_unless_it_may() {
    let world = World::with(&[]);
    let file = world.dir.join("hosts");
    let path = file.display().to_string();
    fs::write(&file, "precious").unwrap();
    let output = world.cloudhosts(&["export", "--output", &path]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("--allow-empty"),
        "{}",
        stderr(&output)
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    let output = world.cloudhosts(&["export", "--output", &path, "--allow-empty"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(fs::read_to_string(&file).unwrap().contains("localhost"));
    let output = world.cloudhosts(&["export", "--watch"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_watch_keeps_the_file_up_to_date_and_waits_for_what_it_needs() {
    let mut world = world();
    let directory = world.dir.join("later");
    let file = directory.join("hosts");
    let path = file.display().to_string();
    let watch = Background::start(&world, &["export", "--watch", "--output", &path]);
    watch.prints("can't write");
    fs::create_dir(&directory).unwrap();
    printed(&file, "10.0.0.5\tweb ");
    world.hset(&[("web", "10.0.0.6")]);
    let text = printed(&file, "10.0.0.6\tweb ");
    assert!(!text.contains("10.0.0.5"), "{text}");
    world.daemon.terminate();
    world.daemon.start();
    world.daemon.wait_for_state("live");
    world.hset(&[("web", "10.0.0.7")]);
    printed(&file, "10.0.0.7\tweb ");
    // all roles gone: the file stays
    world.redis.cli(&["DEL", "cloudhosts"]);
    watch.prints("--allow-empty");
    assert!(
        fs::read_to_string(&file)
            .unwrap()
            .contains("10.0.0.7\tweb ")
    );
}
