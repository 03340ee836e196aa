//! `cloudhosts nsswitch`, on the `nsswitch.conf` of the sandbox, and what glibc makes of it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::PathBuf;

use cloudhosts_tests::World;
use cloudhosts_tests::process::{run, stderr, stdout};
use serde_json::Value;

const NSSWITCH: &str = "/etc/nsswitch.conf";

/// Runs `cloudhosts nsswitch`; its exit code and what it prints.
fn nsswitch(world: &World, arguments: &[&str]) -> (i32, String) {
    let output = world.cloudhosts(&[&["nsswitch"], arguments].concat());
    let said = stdout(&output) + &stderr(&output);
    (output.status.code().unwrap(), said)
}

fn file(world: &World) -> PathBuf {
    world.sandbox.outside(NSSWITCH)
}

/// What a fresh process is told.
fn getent(world: &World, name: &str) -> String {
    world.prints("getent", &["hosts", name])
}

#[test]
fn enabling_makes_names_resolve_and_disabling_gives_back_the_bytes() {
    let world = World::new()
        .hash("cloudhosts", &[("web", "10.0.0.5")])
        .services("files")
        .start();
    let odd = "# mine\npasswd:\tfiles\r\n\n  hosts :\tfiles   myhostname # last\nnetworks: files";
    fs::write(file(&world), odd).unwrap();
    fs::set_permissions(file(&world), Permissions::from_mode(0o604)).unwrap();
    // where we may give a file away, it stays given away
    let _ = chown(file(&world), Some(1), Some(2));
    let own = |file: PathBuf| {
        let metadata = fs::metadata(file).unwrap();
        (metadata.mode() & 0o7777, metadata.uid(), metadata.gid())
    };
    let before = own(file(&world));
    assert_eq!(getent(&world, "web"), "");
    assert_eq!(nsswitch(&world, &["status"]).0, 1);

    let (code, said) = nsswitch(&world, &["enable"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.starts_with("enabled "), "{said}");
    assert!(getent(&world, "web").starts_with("10.0.0.5 "));
    assert_eq!(own(file(&world)), before);
    let (code, said) = nsswitch(&world, &["status"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("files cloudhosts   myhostname"), "{said}");

    let once = fs::metadata(file(&world)).unwrap().ino();
    let (code, said) = nsswitch(&world, &["enable"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(fs::metadata(file(&world)).unwrap().ino(), once);

    let (code, said) = nsswitch(&world, &["disable"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(fs::read_to_string(file(&world)).unwrap(), odd);
    assert_eq!(own(file(&world)), before);
    assert_eq!(getent(&world, "web"), "");
}

#[test]
fn a_name_is_answered_wherever_the_search_would_have_ended() {
    let world = World::with(&[("web", "10.0.0.5")]);
    for services in [
        "files [NOTFOUND=return] dns",
        "mymachines resolve [!UNAVAIL=return] files myhostname dns",
        "files mdns4_minimal [NOTFOUND=return] dns",
        "dns [!UNAVAIL=return] files",
        "files[SUCCESS=return]dns",
        "",
    ] {
        world.sandbox.set_services(services);
        let before = fs::read_to_string(file(&world)).unwrap();
        let (code, said) = nsswitch(&world, &["enable"]);
        assert_eq!(code, 0, "{said}");
        let answer = getent(&world, "web");
        assert!(
            answer.starts_with("10.0.0.5 "),
            "{services:?}: {answer:?}, {said}"
        );
        nsswitch(&world, &["disable"]);
        assert_eq!(fs::read_to_string(file(&world)).unwrap(), before);
    }
}

/// The services that glibc asks the loader for, in its order: it finds none of them.
fn asked_by_glibc(world: &World) -> Vec<String> {
    let output = run(&mut world.shell("LD_DEBUG=libs getent ahosts no-such-name"));
    let told = stderr(&output);
    let names = told.lines().filter_map(|line| {
        let (_, file) = line.split_once("find library=libnss_")?;
        Some(file.split_once(".so.2")?.0.to_owned())
    });
    names.collect()
}

#[test]
fn a_line_is_read_as_glibc_reads_it() {
    let world = World::new().build();
    for line in [
        "hosts: cloudhosts one two",
        "hosts:cloudhosts[NOTFOUND=continue]one [ unavail=continue TRYAGAIN=return ]two",
        "  hosts\t ::\tcloudhosts\tone\r",
        "hosts cloudhosts one",
        "hosts: one cloudhosts\nhosts: cloudhosts two",
        "hosts: cloudhosts one\n#hosts: cloudhosts two\n Hosts: cloudhosts three\n :hosts: four",
        "hosts: cloudhosts [!NOTFOUND=continue] one [!SUCCESS=continue] two",
        "hosts: cloudhosts [NOTFOUND = merge] one",
    ] {
        fs::write(file(&world), format!("{line}\n")).unwrap();
        let output = world.cloudhosts(&["nsswitch", "status", "--json"]);
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(said["state"], "enabled", "{line:?}");
        let ours: Vec<String> = serde_json::from_value(said["services"].clone()).unwrap();
        assert_eq!(asked_by_glibc(&world), ours, "{line:?}");
    }
}

#[test]
fn a_line_or_a_file_that_is_missing_is_made_and_removed() {
    let world = World::with(&[("web", "10.0.0.5")]);
    // glibc does not read a last line without an end; enabling sees to that
    for text in [
        "passwd: files\n",
        "passwd: files",
        "passwd: files\nhosts: files",
        "",
    ] {
        fs::write(file(&world), text).unwrap();
        assert_eq!(nsswitch(&world, &["enable"]).0, 0);
        assert!(getent(&world, "web").starts_with("10.0.0.5 "), "{text:?}");
        assert_eq!(nsswitch(&world, &["disable"]).0, 0);
        assert_eq!(fs::read_to_string(file(&world)).unwrap(), text);
    }
    fs::remove_file(file(&world)).unwrap();
    let (code, said) = nsswitch(&world, &["status"]);
    assert!(code == 1 && said.contains(NSSWITCH), "{said}");
    assert_eq!(nsswitch(&world, &["enable"]).0, 0);
    assert!(getent(&world, "web").starts_with("10.0.0.5 "));
    assert!(getent(&world, "localhost").contains("localhost"));
    assert_eq!(nsswitch(&world, &["disable"]).0, 0);
    assert!(!file(&world).exists());
}

#[test]
fn a_link_is_followed() {
    let world = World::new().services("files").build();
    let real = world.sandbox.outside("/etc/cloudhosts/real");
    fs::rename(file(&world), &real).unwrap();
    symlink("cloudhosts/real", file(&world)).unwrap();
    assert_eq!(nsswitch(&world, &["enable"]).0, 0);
    assert!(fs::symlink_metadata(file(&world)).unwrap().is_symlink());
    assert!(
        fs::read_to_string(real)
            .unwrap()
            .contains("files cloudhosts\n")
    );
}

#[test]
fn what_glibc_cannot_read_is_refused_and_left_alone() {
    let world = World::new().services("files [NOTFOUND").build();
    let before = fs::read_to_string(file(&world)).unwrap();
    let (code, said) = nsswitch(&world, &["enable"]);
    assert!(code == 1 && said.contains(NSSWITCH), "{said}");
    assert_eq!(fs::read_to_string(file(&world)).unwrap(), before);
    let (code, said) = nsswitch(&world, &["status"]);
    assert!(code == 1 && said.starts_with("malformed "), "{said}");
}

#[test]
fn a_script_can_tell_what_is_so() {
    let world = World::new().services("files dns cloudhosts").build();
    let output = world.cloudhosts(&["nsswitch", "status", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["state"], "misplaced");
    assert_eq!(said["hosts"], "files dns cloudhosts");
    assert_eq!(said["file"], NSSWITCH);
    assert_eq!(
        (&said["exists"], &said["authselect"]),
        (&true.into(), &false.into())
    );

    let other = world.dir.join("image.conf");
    fs::write(&other, "hosts: files dns\n").unwrap();
    let path = other.display().to_string();
    let output = world.cloudhosts(&["nsswitch", "enable", "--json", "--file", &path]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&said["state"], &said["changed"]),
        (&"enabled".into(), &true.into())
    );
    assert_eq!(
        fs::read_to_string(&other).unwrap(),
        "hosts: files cloudhosts dns\n"
    );
    assert_eq!(
        nsswitch(&world, &["status"]).0,
        1,
        "the other file is not touched"
    );
}

#[test]
fn a_broken_configuration_is_in_no_packages_way() {
    let world = World::new().services("files").build();
    world.daemon.configure("no = toml = at all");
    assert_eq!(nsswitch(&world, &["enable"]).0, 0);
}

/// What `authselect apply-changes` does, in short: the profile's lines, then those of the user's
/// file for what the profile does not set.
const AUTHSELECT: &str = r#"#!/bin/sh
[ "$*" = apply-changes ] || exit 2
cd /etc/authselect || exit 1
[ ! -e refuse ] || { echo "[error] File [/etc/nsswitch.conf] was changed" >&2; exit 3; }
{ cat profile; grep -v "^$(sed -n 's/:.*//p' profile):" user-nsswitch.conf; } >nsswitch.conf
"#;

/// A world whose `nsswitch.conf` is authselect's.
fn managed(profile: &str, user: &str) -> World {
    let world = World::with(&[("web", "10.0.0.5")]);
    let directory = world.sandbox.outside("/etc/authselect");
    let _ = fs::remove_file(&directory);
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("profile"), profile).unwrap();
    fs::write(directory.join("user-nsswitch.conf"), user).unwrap();
    fs::remove_file(file(&world)).unwrap();
    symlink("/etc/authselect/nsswitch.conf", file(&world)).unwrap();
    let program = world.dir.join("authselect");
    fs::write(world.dir.join("source"), AUTHSELECT).unwrap();
    cloudhosts_tests::programs::install(&world.dir.join("source"), &program);
    assert!(authselect(&world, "authselect apply-changes").0 == 0);
    world
}

/// Runs a line of shell that finds our authselect; its exit code and what it prints.
fn authselect(world: &World, line: &str) -> (i32, String) {
    let output = cloudhosts_tests::process::run(&mut world.shell(line));
    (
        output.status.code().unwrap(),
        stdout(&output) + &stderr(&output),
    )
}

fn command(action: &str) -> String {
    let program = cloudhosts_tests::programs::find(cloudhosts_tests::programs::COMMAND);
    format!("{} nsswitch {action}", program.display())
}

#[test]
fn where_authselect_writes_the_file_its_user_file_is_changed() {
    let world = managed("passwd: sss files\n", "passwd: files\nhosts: files dns\n");
    let user = world.sandbox.outside("/etc/authselect/user-nsswitch.conf");
    let (code, said) = authselect(&world, &command("enable"));
    assert_eq!(code, 0, "{said}");
    assert_eq!(
        fs::read_to_string(&user).unwrap(),
        "passwd: files\nhosts: files cloudhosts dns\n"
    );
    assert!(getent(&world, "web").starts_with("10.0.0.5 "));
    let (code, said) = authselect(&world, &command("enable"));
    assert!(code == 0 && !said.contains("changed"), "{said}");
    assert_eq!(authselect(&world, &command("disable")).0, 0);
    assert_eq!(
        fs::read_to_string(&user).unwrap(),
        "passwd: files\nhosts: files dns\n"
    );
    assert_eq!(getent(&world, "web"), "");
}

#[test]
fn where_authselect_refuses_or_the_profile_decides_it_says_what_to_do() {
    let world = managed("hosts: files dns\n", "passwd: files\nhosts: files dns\n");
    let (code, said) = authselect(&world, &command("enable"));
    assert!(
        code == 1 && said.contains("profile") && said.contains("opt-out"),
        "{said}"
    );
    let user = world.sandbox.outside("/etc/authselect/user-nsswitch.conf");
    assert!(!fs::read_to_string(user).unwrap().contains("cloudhosts"));

    let world = managed("passwd: sss\n", "hosts: files dns\n");
    fs::write(world.sandbox.outside("/etc/authselect/refuse"), "").unwrap();
    let (code, said) = authselect(&world, &command("enable"));
    assert!(
        code == 1 && said.contains("was changed") && said.contains("by hand"),
        "{said}"
    );
}
