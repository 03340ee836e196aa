//! The Debian package in a Debian in which no systemd runs, as in a container: installed, upgraded,
//! installed again, removed and purged.

use cloudhosts_tests::process::Process;
use cloudhosts_tests::{Redis, wait};

use crate::built;
use crate::files;
use crate::lookups::LookUps;
use crate::machine::Debian;

/// The daemon as a service manager would run it, and where its process id is written.
const DAEMON: &str = r#"echo $$ >/var/tmp/daemon
exec setpriv --reuid cloudhosts --regid cloudhosts --clear-groups cloudhosts-cached 2>/var/tmp/log"#;
const STOP: &str = "kill $(cat /var/tmp/daemon)";

/// The gateway in the same way, at any port.
const GATEWAY: &str = r#"echo 'listen = ["127.0.0.1:0"]' >/etc/cloudhosts/gateway.toml
user=cloudhosts-gateway
exec setpriv --reuid $user --regid $user --clear-groups cloudhosts-gateway 2>/var/tmp/gateway-log"#;

const CONFIG: &str = "/etc/cloudhosts/cloudhosts.toml";
const NSSWITCH: &str = "/etc/nsswitch.conf";

/// All of a package's life, in one release of Debian.
fn life(release: &str) {
    let machine = Debian::new(release);
    let redis = redis(&machine);
    let first = machine.bring(&built::deb_before());
    let second = machine.bring(&built::deb());
    let install = |package: &str| machine.ok(&format!("apt-get install -y {package}"));
    let before = files::of(machine.root());
    let nsswitch = machine.read(NSSWITCH);

    install(&first);
    assert_installed(&machine);
    assert_unknown(
        &machine,
        "the name is not there yet, and nothing hangs without a daemon",
    );
    configure(&machine, &redis);
    let mut daemon = start(&machine);
    wait_resolved(&machine);

    // an upgrade, and a new daemon after it
    let lookups = LookUps::start(&machine);
    install(&second);
    let version = machine.ok("cloudhosts --version; dpkg-query -Wf '${Version}' cloudhosts");
    assert!(
        version.contains(&format!("{}-1", built::VERSION)),
        "{version}"
    );
    lookups.go_on(20);
    machine.ok(STOP);
    daemon.wait();
    lookups.go_on(20);
    daemon = start(&machine);
    lookups.none_failed();
    assert!(
        machine.read(CONFIG).contains("urls"),
        "the upgrade has kept the configuration"
    );
    assert_installed(&machine);

    // who took the word out by hand
    machine.ok("cloudhosts nsswitch disable");
    machine.ok(&format!("apt-get install -y --reinstall {second}"));
    machine.ok(&format!("apt-get install -y --allow-downgrades {first}"));
    assert_eq!(machine.read(NSSWITCH), nsswitch, "the word stays out");
    machine.ok("cloudhosts nsswitch enable");
    install(&second);
    wait_resolved(&machine);

    machine.ok("apt-get remove -y cloudhosts");
    assert_eq!(
        machine.read(NSSWITCH),
        nsswitch,
        "removed: as it was before"
    );
    assert_unknown(&machine, "removed");
    assert!(
        machine.read(CONFIG).contains("urls"),
        "removing keeps the configuration"
    );
    daemon.wait();

    install(&second);
    assert_installed(&machine);
    daemon = start(&machine);
    wait_resolved(&machine);

    machine.ok("install -m 640 -g cloudhosts /dev/null /etc/cloudhosts/password");
    let mut gateway = machine.background(GATEWAY);
    wait::until_seen(
        "the gateway listens",
        || machine.run("cat /var/tmp/gateway-log"),
        |said| String::from_utf8_lossy(&said.stdout).contains("listening"),
    );
    machine.ok(&as_in_a_container("apt-get purge -y cloudhosts"));
    daemon.wait();
    gateway.wait();
    assert_eq!(machine.read(NSSWITCH), nsswitch, "purged: as it was before");
    let left = files::changes(&before, &files::of(machine.root()));
    assert!(left.is_empty(), "purged, but not as before: {left:#?}");
    machine.ok("! getent passwd cloudhosts; ! getent group cloudhosts");
    machine.ok("! getent passwd cloudhosts-gateway; ! getent group cloudhosts-gateway");
}

#[test]
fn bookworm() {
    life("bookworm");
}

#[test]
#[ignore = "make package-matrix"]
fn trixie() {
    life("trixie");
}

#[test]
#[ignore = "make package-matrix"]
fn sid() {
    life("sid");
}

/// Who is in use cannot be deleted, which leaves nothing of the package half purged.
fn purged_while_in_use(release: &str) {
    let machine = Debian::new(release);
    let package = machine.bring(&built::deb());
    machine.ok(&format!("apt-get install -y {package}"));
    let mut other = machine.background(
        "echo $$ >/var/tmp/other
         exec setpriv --reuid cloudhosts --regid cloudhosts --clear-groups sleep 1000",
    );
    wait::until("something runs as the user", || {
        let user = machine.run("stat -c %U /proc/$(cat /var/tmp/other)");
        (user.stdout == b"cloudhosts\n").then_some(())
    });
    let said = machine.ok("apt-get purge -y cloudhosts 2>&1");
    machine.ok("! dpkg-query -W cloudhosts; dpkg --audit; [ ! -e /var/lib/cloudhosts ]");
    if machine.run("getent passwd cloudhosts").status.success() {
        assert!(said.contains("userdel cloudhosts"), "{said}");
        machine.ok("kill $(cat /var/tmp/other)");
        other.wait();
        machine.ok("userdel cloudhosts");
    }
    machine.ok("! getent passwd cloudhosts; ! getent group cloudhosts");
    machine.ok(&format!("apt-get install -y {package}"));
    assert_installed(&machine);
}

#[test]
fn bookworm_while_its_user_is_in_use() {
    purged_while_in_use("bookworm");
}

#[test]
#[ignore = "make package-matrix"]
fn trixie_while_its_user_is_in_use() {
    purged_while_in_use("trixie");
}

#[test]
#[ignore = "make package-matrix"]
fn sid_while_its_user_is_in_use() {
    purged_while_in_use("sid");
}

/// A command run by a root who may not look into the processes of others, as in most containers.
fn as_in_a_container(command: &str) -> String {
    format!("setpriv --inh-caps=-sys_ptrace --bounding-set=-sys_ptrace {command}")
}

/// A Redis with the one name in it.
fn redis(machine: &Debian) -> Redis {
    let redis = Redis::builder(machine.root().with_file_name("redis"))
        .tcp()
        .start();
    redis.hset("cloudhosts", &[("db", "10.0.0.5")]);
    redis
}

/// What a machine looks like on which the package is installed.
fn assert_installed(machine: &Debian) {
    let hosts = machine.ok("grep ^hosts: /etc/nsswitch.conf");
    assert_eq!(
        hosts.split_whitespace().collect::<Vec<_>>(),
        ["hosts:", "files", "cloudhosts", "dns"]
    );
    let user = machine.ok("getent passwd cloudhosts");
    assert!(
        user.ends_with(":/var/lib/cloudhosts:/usr/sbin/nologin\n"),
        "{user}"
    );
    let gateway = machine.ok("getent passwd cloudhosts-gateway");
    assert!(gateway.ends_with(":/:/usr/sbin/nologin\n"), "{gateway}");
    let stat = machine.ok(
        "stat -c '%n %a %U:%G' /etc/cloudhosts /etc/cloudhosts/cloudhosts.toml \
         /var/lib/cloudhosts /run/cloudhosts",
    );
    assert_eq!(
        stat,
        "/etc/cloudhosts 755 root:root\n\
         /etc/cloudhosts/cloudhosts.toml 644 root:root\n\
         /var/lib/cloudhosts 755 cloudhosts:cloudhosts\n\
         /run/cloudhosts 755 cloudhosts:cloudhosts\n"
    );
    assert_eq!(
        machine.ok("find /etc/cloudhosts -type f"),
        format!("{CONFIG}\n")
    );
}

/// The lines of the guide.
fn configure(machine: &Debian, redis: &Redis) {
    let text = machine.read(CONFIG);
    machine.write(CONFIG, &format!("{text}urls = [\"{}\"]\n", redis.tcp_url()));
    machine.ok("cloudhosts-cached --check-config");
}

fn start(machine: &Debian) -> Process {
    let daemon = machine.background(DAEMON);
    wait::until("the daemon is live", || {
        machine
            .run("cloudhosts status")
            .status
            .success()
            .then_some(())
    });
    daemon
}

fn wait_resolved(machine: &Debian) {
    wait::until_seen(
        "the name resolves",
        || String::from_utf8_lossy(&machine.run("getent hosts db").stdout).into_owned(),
        |said| said.split_whitespace().eq(["10.0.0.5", "db"]),
    );
}

fn assert_unknown(machine: &Debian, when: &str) {
    assert_eq!(
        machine.run("getent hosts db").status.code(),
        Some(2),
        "{when}"
    );
}
