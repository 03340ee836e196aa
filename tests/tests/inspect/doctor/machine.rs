//! What stands between programs and the module: nsswitch.conf, nscd, /etc/hosts, rights.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use cloudhosts_tests::World;

use super::{doctor, examine, says};

#[test]
fn nsswitch_conf_is_seen_through() {
    let world = World::with(&[("web", "10.0.0.5")]);
    for (services, code, words) in [
        ("files", "absent", &["nsswitch enable"][..]),
        (
            "resolve [!UNAVAIL=return] cloudhosts",
            "ends-search",
            &["resolve", "NOTFOUND"],
        ),
        (
            "files [NOTFOUND=return] cloudhosts",
            "ends-search",
            &["files", "NOTFOUND"],
        ),
        ("files dns cloudhosts", "network-first", &["dns"]),
        (
            "files cloudhosts [NOTFOUND=return] dns",
            "ends-here",
            &["NOTFOUND"],
        ),
        ("files cloudhosts [", "malformed", &[]),
    ] {
        world.sandbox.set_services(services);
        let examined = examine(&world);
        let told = &examined.json;
        assert!(examined.codes("nsswitch").contains(&code), "{told:#}");
        let told = told.to_string();
        assert!(words.iter().all(|word| told.contains(word)), "{told}");
    }
    world.sandbox.set_services("files");
    let (code, said) = doctor(&world);
    assert_eq!(code, 1);
    says(&said, "wrong", "names", &["web", "10.0.0.5", "explain web"]);
    let file = world.sandbox.outside("/etc/nsswitch.conf");
    fs::write(&file, "hosts: files cloudhosts").unwrap();
    assert!(examine(&world).codes("nsswitch").contains(&"no-newline"));
    fs::remove_file(&file).unwrap();
    examine(&world).is("nsswitch", &["no-file"]);
}

#[test]
fn what_other_users_cannot_get_at_is_told() {
    let world = World::with(&[("web", "10.0.0.5")]);
    let mode = |path: &str, mode: u32| {
        fs::set_permissions(world.sandbox.outside(path), Permissions::from_mode(mode)).unwrap();
    };
    for (path, closed, open, todo) in [
        ("/run/cloudhosts", 0o750, 0o755, "chmod o+x /run/cloudhosts"),
        (
            "/run/cloudhosts/cached.sock",
            0o660,
            0o666,
            "chmod o+w /run/cloudhosts/cached.sock",
        ),
        (
            "/etc/nsswitch.conf",
            0o640,
            0o644,
            "chmod o+r /etc/nsswitch.conf",
        ),
    ] {
        mode(path, closed);
        let said = doctor(&world).1;
        says(
            &said,
            "wrong",
            "rights",
            &[path, &format!("{closed:04o}"), todo],
        );
        mode(path, open);
    }
    says(&doctor(&world).1, "ok", "rights", &[]);
}

#[test]
fn nscd_is_told_when_it_caches_hosts() {
    let world = World::with(&[("web", "10.0.0.5")]);
    let directory = world.sandbox.outside("/run/nscd");
    fs::create_dir(&directory).unwrap();
    // as one that has no answer: glibc asks the modules itself then
    let listener = UnixListener::bind(directory.join("socket")).unwrap();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    examine(&world).is("nscd", &["ok"]);
    let config = world.sandbox.outside("/etc/nscd.conf");
    let _ = fs::remove_file(&config);
    fs::write(&config, "enable-cache hosts yes\n").unwrap();
    says(
        &doctor(&world).1,
        "warning",
        "nscd",
        &["enable-cache hosts no"],
    );
}

#[test]
fn names_that_etc_hosts_has_too_are_told() {
    let world = World::with(&[("web", "10.0.0.5"), ("db", "10.0.0.6")]);
    let hosts = "127.0.0.1 localhost\n10.9.9.9 web # old\n10.0.0.6 db\n";
    fs::write(world.sandbox.outside("/etc/hosts"), hosts).unwrap();
    let (code, said) = doctor(&world);
    assert_eq!(code, 1);
    says(&said, "warning", "names", &["/etc/hosts", "for web"]);
    says(&said, "wrong", "names", &["10.9.9.9", "web", "10.0.0.5"]);
}

#[test]
fn nscd_that_has_not_read_its_configuration_yet_may_cache_still() {
    let world = World::with(&[("web", "10.0.0.5")]);
    let directory = world.sandbox.outside("/run/nscd");
    let socket = directory.join("socket");
    fs::create_dir(&directory).unwrap();
    let start = || {
        let _ = fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).unwrap();
        std::thread::spawn(move || listener.incoming().for_each(drop));
    };
    let config = world.sandbox.outside("/etc/nscd.conf");
    let _ = fs::remove_file(&config);
    fs::write(&config, "enable-cache hosts yes\n").unwrap();
    start();
    examine(&world).is("nscd", &["caches"]);
    fs::write(&config, "enable-cache hosts no\n").unwrap();
    let examined = examine(&world);
    examined.is("nscd", &["not-restarted"]);
    assert!(
        examined
            .remedy("nscd", "not-restarted")
            .contains("systemctl restart nscd")
    );
    start();
    examine(&world).is("nscd", &["ok"]);
}
