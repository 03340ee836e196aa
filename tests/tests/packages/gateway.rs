//! The gateway of the Debian package on a machine that is up: it is not enabled, it may listen at a
//! port of the system's and nothing else, and it goes with the package.

use std::io::{Read, Write};
use std::net::TcpStream;

use cloudhosts_tests::{Redis, wait};

use crate::booted::show;
use crate::built;
use crate::machine::Debian;

const UNIT: &str = "cloudhosts-gateway.service";
const CONFIG: &str = "/etc/cloudhosts/gateway.toml";

/// An address of loopback that nothing else is at, with a port below 1024. The machine inside has
/// the network of the one outside.
const ADDRESS: &str = "127.0.81.1:443";

#[test]
fn systemd_runs_the_gateway() {
    let machine = Debian::booted("bookworm-systemd");
    let redis = Redis::builder(machine.root().with_file_name("redis"))
        .tcp()
        .start();
    let package = machine.bring(&built::deb());
    machine.ok(&format!("apt-get install -y {package}"));
    let enabled = machine.run(&format!("systemctl is-enabled {UNIT}"));
    assert_eq!(enabled.stdout, b"disabled\n");
    assert_eq!(show(&machine, UNIT, "ActiveState"), "inactive");

    // as the guide says: a token, and a file that the gateway's group alone can read
    let said = machine.ok("cloudhosts gateway-token home --role home --verb claim");
    let (secret, table) = said.split_once('\n').unwrap();
    let secret = secret.strip_prefix("secret = ").unwrap();
    let config = format!(
        "listen = [\"{ADDRESS}\"]\n[redis]\nurls = [\"{}\"]\n{table}",
        redis.tcp_url()
    );
    machine.write(CONFIG, &config);
    machine.ok(&format!(
        "chmod 640 {CONFIG}; chgrp cloudhosts-gateway {CONFIG}; systemctl enable --now {UNIT}"
    ));
    assert!(request("GET /v1/health", "").starts_with("HTTP/1.0 200"));
    let header = format!("Authorization: Bearer {secret}\r\n");
    let done = request("PUT /v1/roles/home", &header);
    assert!(done.starts_with("HTTP/1.0 200"), "{done}");
    assert_eq!(
        redis.cli(&["HGET", "cloudhosts", "home"]).trim(),
        "127.0.0.1"
    );
    let journal = machine.ok(&format!("journalctl --no-pager -o cat -u {UNIT}"));
    assert!(
        journal.contains("home") && !journal.contains(secret),
        "{journal}"
    );

    // the kernel's word for it: the right to such ports, and no other
    let pid = show(&machine, UNIT, "MainPID");
    let status = machine.ok(&format!("cat /proc/{pid}/status"));
    for expected in ["CapBnd:\t0000000000000400", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.contains(expected), "{expected}: {status}");
    }
    let user = machine.ok(&format!("stat -c %U /proc/{pid}"));
    assert_eq!(user, "cloudhosts-gateway\n");

    // a wrong file is said, and changes nothing
    machine.write(CONFIG, &format!("no_such_key = 1\n{config}"));
    let refused = machine.run(&format!("systemctl reload {UNIT}"));
    assert!(!refused.status.success());
    assert!(request("GET /v1/health", "").starts_with("HTTP/1.0 200"));
    machine.write(CONFIG, &config);
    machine.ok(&format!("systemctl reload {UNIT}"));
    assert_eq!(show(&machine, UNIT, "MainPID"), pid);

    machine.ok(&format!("apt-get install -y --reinstall {package}"));
    assert_eq!(show(&machine, UNIT, "ActiveState"), "active");
    assert_ne!(show(&machine, UNIT, "MainPID"), pid, "the upgraded one");

    machine.ok("apt-get remove -y cloudhosts");
    assert_eq!(show(&machine, UNIT, "ActiveState"), "inactive");
    machine.ok("! pidof cloudhosts-gateway");
    machine.ok("apt-get purge -y cloudhosts");
    machine.ok(&format!(
        "! getent passwd cloudhosts-gateway; ! getent group cloudhosts-gateway; [ ! -e {CONFIG} ]
         [ ! -e /etc/systemd/system/multi-user.target.wants/{UNIT} ]"
    ));
}

/// What it answers.
fn request(line: &str, headers: &str) -> String {
    let mut stream = wait::until("the gateway listens", || TcpStream::connect(ADDRESS).ok());
    write!(stream, "{line} HTTP/1.0\r\n{headers}\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}
