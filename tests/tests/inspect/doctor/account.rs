//! As whom the daemon reads its files: root may read them all, and the daemon is another user.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Output;

use cloudhosts_tests::config::{list, quote};
use cloudhosts_tests::process::{run, stderr};
use cloudhosts_tests::world::{HASH, WorldBuilder};
use cloudhosts_tests::{Redis, World, programs};

use super::examine;

/// The number of the daemon's user here, and of the group.
const USER: u32 = 61_234;

/// Whether this is root: nobody else can look as another user does.
fn root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: only root looks as another user");
    }
    root
}

/// Files of the sandbox's own in place of the machine's, with the user `cloudhosts`.
fn own_users(world: &World) {
    let nobody = "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n";
    for (file, text) in [
        (
            "/etc/passwd",
            format!("{nobody}cloudhosts:x:{USER}:{USER}::/:/bin/false\n"),
        ),
        (
            "/etc/group",
            format!("root:x:0:\nnogroup:x:65534:\ncloudhosts:x:{USER}:\n"),
        ),
    ] {
        let file = world.sandbox.outside(file);
        fs::remove_file(&file).unwrap();
        fs::write(file, text).unwrap();
    }
}

/// The directory of units, of the sandbox's own, with the unit in it.
pub(super) fn own_units(world: &World) -> PathBuf {
    let systemd = world.sandbox.outside("/etc/systemd");
    let _ = fs::remove_file(&systemd);
    let units = systemd.join("system");
    fs::create_dir_all(&units).unwrap();
    let unit = units.join("cloudhosts-cached.service");
    fs::write(
        unit,
        "[Service]\nUser=cloudhosts\nSetCredential=redis-password:\\n\n",
    )
    .unwrap();
    units
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A Redis at which every user may knock, and that lets in who says `secret`.
fn locked(start: &WorldBuilder) -> Redis {
    let redis = Redis::builder(start.directory().join("redis"))
        .user("user reader on >secret ~* &* +@all")
        .setting("unixsocketperm 777")
        .start();
    redis.hset(HASH, &[("web", "10.0.0.5")]);
    redis
}

/// A world whose daemon does not run, and whose Redis is asked for by `reader`.
fn world(shape: impl FnOnce(WorldBuilder) -> WorldBuilder) -> World {
    let start = World::new();
    let redis = locked(&start);
    let urls = list(&[&redis.unix_url()]);
    let world = shape(start.redis(redis).config("redis.urls", urls)).build();
    own_users(&world);
    world
}

fn check_config(world: &World) -> Output {
    let program = programs::find(programs::DAEMON);
    world.run(program.to_str().unwrap(), &["--check-config"])
}

#[test]
fn what_the_daemon_s_user_cannot_read_is_not_right_though_root_can() {
    if !root() {
        return;
    }
    let world = world(|start| start.login("reader", "secret"));
    let password = world.dir.join("password");
    let config = world.sandbox.outside(cloudhosts_tests::daemon::CONFIG);
    let refused = |file: &Path, check: &str| {
        let output = check_config(&world);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let remedy = format!("chgrp cloudhosts {0} && chmod g+r {0}", file.display());
        assert!(stderr(&output).contains(&remedy), "{output:?}");
        let examined = examine(&world);
        assert!(
            examined.codes(check).contains(&"denied"),
            "{:#}",
            examined.json
        );
        assert_eq!(examined.remedy(check, "denied"), format!("run: {remedy}"));
    };
    let fine = || {
        let output = check_config(&world);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let examined = examine(&world);
        examined.is("config", &["ok"]);
        examined.is("redis", &["ok"]);
    };
    set_mode(&password, 0o600);
    refused(&password, "redis");
    chown(&password, None, Some(USER)).unwrap();
    set_mode(&password, 0o640);
    fine();
    let inside = Path::new(cloudhosts_tests::daemon::CONFIG);
    set_mode(&config, 0o600);
    refused(inside, "config");
    set_mode(&config, 0o644);
    fine();
    // and what is on the way to it
    let hidden = world.dir.join("hidden");
    fs::create_dir(&hidden).unwrap();
    fs::rename(&password, hidden.join("password")).unwrap();
    std::os::unix::fs::symlink(hidden.join("password"), &password).unwrap();
    fine();
    set_mode(&hidden, 0o700);
    assert_eq!(check_config(&world).status.code(), Some(2));
    examine(&world).is("redis", &["denied"]);
}

#[test]
fn a_socket_of_redis_that_the_daemon_s_user_may_not_use_is_told() {
    if !root() {
        return;
    }
    let world = world(|start| start.login("reader", "secret"));
    examine(&world).is("redis", &["ok"]);
    set_mode(&world.redis.socket(), 0o700);
    let examined = examine(&world);
    examined.is("redis", &["socket-denied"]);
    let remedy = examined.remedy("redis", "socket-denied");
    assert!(remedy.contains("SupplementaryGroups"), "{remedy}");
}

#[test]
fn the_password_that_the_unit_hands_over_is_no_false_alarm() {
    if !root() {
        return;
    }
    let world = world(|start| start.config("redis.username", quote("reader")));
    let units = own_units(&world);
    // nobody hands over anything yet
    let output = check_config(&world);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(stderr(&output).contains("redis-password"), "{output:?}");
    examine(&world).is("redis", &["no-password"]);

    let password = world.dir.join("redis.password");
    fs::write(&password, "secret\n").unwrap();
    set_mode(&password, 0o600);
    let drop_ins = units.join("cloudhosts-cached.service.d");
    fs::create_dir(&drop_ins).unwrap();
    let line = format!(
        "[Service]\nLoadCredential=redis-password:{}\n",
        password.display()
    );
    fs::write(drop_ins.join("password.conf"), line).unwrap();
    let output = check_config(&world);
    assert!(
        output.status.success() && stderr(&output).is_empty(),
        "{output:?}"
    );
    let examined = examine(&world);
    examined.is("redis", &["ok"]);
    examined.is("password", &["ok"]);
    // as the daemon's user, who may not read it, and is not asked to
    let program = world.dir.join("cloudhosts-cached");
    fs::copy(programs::find(programs::DAEMON), &program).unwrap();
    let mut reload = world.sandbox.entrance().command("setpriv");
    let user = USER.to_string();
    reload.args(["--reuid", &user, "--regid", &user, "--clear-groups", "--"]);
    let output = run(reload.arg(&program).arg("--check-config"));
    assert!(output.status.success(), "{output:?}");

    // one that everybody reads is told as any other
    set_mode(&password, 0o644);
    examine(&world).is("password", &["exposed"]);
    assert!(stderr(&check_config(&world)).contains("chmod o-rwx"));

    // one that can't be seen but while the daemon runs
    let line = "[Service]\nLoadCredential=\nSetCredentialEncrypted=redis-password: k6iUCUh0R\n";
    fs::write(drop_ins.join("password.conf"), line).unwrap();
    let examined = examine(&world);
    examined.is("redis", &["not-visited"]);
    let running = world
        .sandbox
        .outside("/run/credentials/cloudhosts-cached.service");
    fs::create_dir_all(&running).unwrap();
    fs::write(running.join("redis-password"), "secret").unwrap();
    examine(&world).is("redis", &["ok"]);
}
