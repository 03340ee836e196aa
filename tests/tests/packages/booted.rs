//! The Debian package on a machine that is up: systemd itself starts, confines, watches, restarts
//! and stops the daemon, and who holds a role.

use cloudhosts_tests::{Redis, http, wait};

use crate::built;
use crate::files;
use crate::lookups::LookUps;
use crate::machine::Debian;

const UNIT: &str = "cloudhosts-cached.service";
const PASSWORD: &str = "/etc/cloudhosts/password";

#[test]
fn systemd_runs_the_daemon() {
    let machine = Debian::booted("bookworm-systemd");
    let redis = Redis::builder(machine.root().with_file_name("redis"))
        .tcp()
        .user("user cloudhosts on >secret ~cloudhosts resetchannels -@all +hlen +hgetall +hscan +ping +client|tracking")
        .start();
    redis.hset("cloudhosts", &[("db", "10.0.0.5")]);
    let first = machine.bring(&built::deb_before());
    let second = machine.bring(&built::deb());
    let before = files::of(machine.root());

    // up at once, with neither a Redis nor a password file
    machine.ok(&format!("apt-get install -y {first}"));
    assert_eq!(show(&machine, UNIT, "ActiveState"), "active");
    assert_eq!(show(&machine, UNIT, "NRestarts"), "0");
    assert_eq!(show(&machine, UNIT, "WatchdogUSec"), "30s");
    assert_eq!(
        machine.ok(&format!("systemctl is-enabled {UNIT}")),
        "enabled\n"
    );
    machine.ok("cloudhosts nsswitch status");
    assert_eq!(
        machine.ok("systemd-analyze verify --man=no /usr/lib/systemd/system/cloudhosts-* 2>&1"),
        ""
    );

    // three lines, and the password in a file that the daemon's user cannot even read
    machine.write(PASSWORD, "secret\n");
    machine.ok(&format!("chmod 600 {PASSWORD}"));
    let config = machine.read("/etc/cloudhosts/cloudhosts.toml");
    let ours = format!(
        "urls = [\"{}\"]\nusername = \"cloudhosts\"\n",
        redis.tcp_url()
    );
    machine.write(
        "/etc/cloudhosts/cloudhosts.toml",
        &format!("{config}{ours}"),
    );
    machine.ok(&format!("systemctl restart {UNIT}"));
    wait_live(&machine);
    assert!(machine.ok("getent hosts db").starts_with("10.0.0.5"));
    assert_confined(&machine);

    // all that changes hands while programs look up
    let lookups = LookUps::start(&machine);
    machine.ok(&format!("apt-get install -y {second}"));
    wait_live(&machine);
    lookups.go_on(20);
    machine.ok(&format!("systemctl restart {UNIT}"));
    wait_live(&machine);
    lookups.go_on(20);
    machine.ok(&format!("systemctl reload {UNIT}"));
    assert_eq!(
        show(&machine, UNIT, "ActiveState"),
        "active",
        "SIGHUP is no end"
    );
    machine.write("/etc/cloudhosts/cloudhosts.toml", "hashs = []\n");
    let refused = machine.run(&format!("systemctl reload {UNIT}"));
    assert!(!refused.status.success(), "a wrong configuration is told");
    assert_eq!(show(&machine, UNIT, "ActiveState"), "active");
    machine.write(
        "/etc/cloudhosts/cloudhosts.toml",
        &format!("{config}{ours}"),
    );
    lookups.none_failed();

    // one that hangs is killed and started anew
    machine.ok(&format!(
        "mkdir -p /run/systemd/system/{UNIT}.d
         printf '[Service]\\nWatchdogSec=1s\\n' >/run/systemd/system/{UNIT}.d/quick.conf
         systemctl daemon-reload; systemctl restart {UNIT}"
    ));
    wait_live(&machine);
    let pid = show(&machine, UNIT, "MainPID");
    machine.ok(&format!("kill -STOP {pid}"));
    wait::until("the watchdog has it started anew", || {
        (show(&machine, UNIT, "NRestarts") == "1").then_some(())
    });
    wait_live(&machine);
    machine.ok(&format!(
        "rm -r /run/systemd/system/{UNIT}.d; systemctl daemon-reload"
    ));

    // a wrong configuration is said, not tried for ever
    machine.ok("echo 'hashs = []' >/etc/cloudhosts/cloudhosts.toml");
    machine.run(&format!("systemctl restart {UNIT}"));
    wait::until("the daemon gives up", || {
        (show(&machine, UNIT, "ActiveState") == "failed").then_some(())
    });
    assert_eq!(show(&machine, UNIT, "NRestarts"), "0");
    assert!(
        machine.ok("getent hosts db").starts_with("10.0.0.5"),
        "the last good names"
    );
    machine.write(
        "/etc/cloudhosts/cloudhosts.toml",
        &format!("{config}{ours}"),
    );
    machine.ok(&format!("systemctl start {UNIT}"));
    wait_live(&machine);

    machine.ok("apt-get remove -y cloudhosts");
    assert_eq!(show(&machine, UNIT, "ActiveState"), "inactive");
    machine.ok("! grep cloudhosts /etc/nsswitch.conf; ! pidof cloudhosts-cached");
    machine.ok("apt-get purge -y cloudhosts");
    let left = files::changes(&before, &files::of(machine.root()));
    let left: Vec<&String> = left.iter().filter(|line| !systemd_s_own(line)).collect();
    assert!(left.is_empty(), "purged, but not as before: {left:#?}");
    machine.ok("! getent passwd cloudhosts; [ ! -e /run/cloudhosts ]");
}

#[test]
fn systemd_starts_a_holder_until_what_it_needs_is_there() {
    let machine = Debian::booted("bookworm-systemd");
    let redis = Redis::builder(machine.root().with_file_name("redis"))
        .tcp()
        .start();
    // says the same at every path: a token, and both addresses
    let metadata = http::serve("10.0.3.1");
    let package = machine.bring(&built::deb());
    machine.ok(&format!("apt-get install -y {package}"));

    // neither the metadata service nor Redis has a name yet, for more attempts than systemd's limit
    let unit = "cloudhosts-hold@web.service";
    let options = format!(
        "--from-metadata ec2 --metadata-endpoint http://metadata.test:{metadata} \
         --redis-url redis://redis.test:{}",
        redis.port()
    );
    machine.write("/etc/cloudhosts/hold-web", &format!("OPTIONS={options}\n"));
    machine.ok(&format!("systemctl start --no-block {unit}"));
    wait::until_seen(
        "it is started again and again",
        || show(&machine, unit, "NRestarts"),
        |restarts| restarts.parse::<u32>().is_ok_and(|restarts| restarts > 7),
    );
    machine.ok("echo '127.0.0.1 metadata.test redis.test' >>/etc/hosts");
    wait::until_seen(
        "the role is held",
        || show(&machine, unit, "ActiveState"),
        |state| state == "active",
    );
    let held = redis.cli(&["HVALS", "cloudhosts:private"]);
    assert_eq!(held, "10.0.3.1");

    // what no restart mends is not tried again
    for (role, options) in [
        ("option", "--no-such-option"),
        ("address", "300.0.0.1"),
        ("config", "--config /etc/cloudhosts/not-there.toml"),
    ] {
        let unit = format!("cloudhosts-hold@{role}.service");
        let file = format!("/etc/cloudhosts/hold-{role}");
        machine.write(&file, &format!("OPTIONS={options}\n"));
        machine.run(&format!("systemctl start {unit}"));
        wait::until_seen(
            "it is given up",
            || show(&machine, &unit, "ActiveState"),
            |state| state == "failed",
        );
        assert_eq!(show(&machine, &unit, "ExecMainStatus"), "2", "{options}");
        assert_eq!(show(&machine, &unit, "NRestarts"), "0", "{options}");
    }
}

#[test]
fn a_holder_is_confined_and_its_hooks_do_what_hooks_do() {
    let machine = Debian::booted("bookworm-systemd");
    let redis = Redis::builder(machine.root().with_file_name("redis"))
        .tcp()
        .start();
    let package = machine.bring(&built::deb());
    machine.ok(&format!("apt-get install -y {package}"));
    let unit = "cloudhosts-hold@web.service";
    // of a hook that fails the journal has the first line
    machine.write(
        "/usr/local/sbin/hook",
        "#!/bin/sh
         wrote=no; touch /var/lib/hooks/acquired 2>/dev/null && wrote=yes
         seen=no; test -r /proc/1/comm && read load </proc/loadavg && getent ahosts 10.0.0.1 >/dev/null && seen=yes
         caps=$(grep CapEff /proc/self/status | cut -f 2)
         echo role $CLOUDHOSTS_ROLE, user $(id -u), caps $caps, wrote $wrote, seen $seen. >&2
         exit 1\n",
    );
    machine.ok("chmod 755 /usr/local/sbin/hook; useradd --system worker; \
         install -d -o worker /var/lib/hooks");
    let options = format!(
        "10.0.3.1 --redis-url {} --check 'test -r /etc/passwd' --on-acquire /usr/local/sbin/hook",
        redis.tcp_url()
    );
    machine.write("/etc/cloudhosts/hold-web", &format!("OPTIONS={options}\n"));

    // as it is shipped: a user without rights, who writes nothing
    machine.ok(&format!("systemctl start {unit}"));
    assert!(redis.cli(&["HVALS", "cloudhosts"]).contains("10.0.3.1"));
    let pid = show(&machine, unit, "MainPID");
    let status = machine.ok(&format!("cat /proc/{pid}/status"));
    for expected in ["CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.contains(expected), "{expected}: {status}");
    }
    let said = hook_said(&machine, unit, "wrote no, seen yes.");
    let worker = machine.ok("id -u worker");
    let worker = format!("user {}, ", worker.trim());
    assert!(
        !said.contains("user 0, ") && !said.contains(&worker),
        "{said}"
    );
    assert!(
        said.contains("role web, user ") && said.contains("caps 0000000000000000,"),
        "{said}"
    );

    // with the drop-ins of cloudhosts(1): another user, who writes what is its own; and a right
    let drop_in = format!(
        "mkdir -p /run/systemd/system/{unit}.d
         printf '[Service]\\nDynamicUser=no\\nUser=worker\\n' >/run/systemd/system/{unit}.d/user.conf
         printf '[Service]\\nPrivateUsers=no\\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE\\nAmbientCapabilities=CAP_NET_BIND_SERVICE\\n' \
         >/run/systemd/system/{unit}.d/right.conf
         systemctl daemon-reload; systemctl restart {unit}"
    );
    machine.ok(&drop_in);
    let said = hook_said(&machine, unit, "wrote yes, seen yes.");
    let expected = format!("{worker}caps 0000000000000400, wrote yes");
    assert!(said.contains(&expected), "{said}");
}

/// What the unit has in the journal, once this is there.
fn hook_said(machine: &Debian, unit: &str, last: &str) -> String {
    wait::until_seen(
        "the hook has run",
        || machine.ok(&format!("journalctl --no-pager -o cat -u {unit}")),
        |said| said.contains(last),
    )
}

/// What systemd writes by itself while it runs.
fn systemd_s_own(line: &str) -> bool {
    ["var/lib/systemd/", "run/"]
        .iter()
        .any(|place| line.contains(&format!(": {place}")))
}

/// The kernel's word for it, not the unit's.
fn assert_confined(machine: &Debian) {
    let pid = show(machine, UNIT, "MainPID");
    let status = machine.ok(&format!("cat /proc/{pid}/status"));
    for expected in ["CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.contains(expected), "{expected}: {status}");
    }
    let mounts = machine.ok(&format!("cat /proc/{pid}/mounts"));
    let root = mounts
        .lines()
        .find(|line| line.split(' ').nth(1) == Some("/"));
    assert!(root.is_some_and(|root| root.contains(" ro,")), "{mounts}");
    let user = machine.ok(&format!("stat -c %U /proc/{pid}"));
    assert_eq!(user, "cloudhosts\n");
}

pub(crate) fn show(machine: &Debian, unit: &str, property: &str) -> String {
    let said = machine.ok(&format!("systemctl show --value -p {property} {unit}"));
    said.trim().to_owned()
}

fn wait_live(machine: &Debian) {
    wait::until_seen(
        "the daemon is live",
        || machine.run("cloudhosts status; systemctl status -n 20 cloudhosts-cached"),
        |_| machine.run("cloudhosts status").status.success(),
    );
}
