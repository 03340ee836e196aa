//! The way through the resolver of a machine, as `cloudhosts dns enable` makes it: the real
//! dnsmasq, Unbound and systemd-resolved, with the file that it writes. Behind each of them is
//! another server, which has other names and does not have ours.

use std::fs;
use std::process::Stdio;

use cloudhosts_tests::dns::DOMAIN;
use cloudhosts_tests::process::{Process, stderr, stdout};
use cloudhosts_tests::{DnsServer, World, config, wait};
use serde_json::Value;

use super::world;

/// The server behind: of a network interface with this address.
const UPLINK: &str = "10.5.5.1";

/// A name that the server behind has, and its address: a public one, which none takes out of answers.
const OTHER: (&str, &str) = ("there.test.org", "198.41.0.4");

/// A machine with an interface and a server behind it.
struct Machine {
    world: World,
    server: DnsServer,
    _uplink: Process,
}

impl Machine {
    fn new() -> Machine {
        let world = world(&[("web", "10.0.0.5")])
            .config("dns.zones", config::list(&["10.in-addr.arpa"]))
            .start();
        let server = DnsServer::start(&world);
        for arguments in [
            "link add uplink type veth peer name far",
            "address add 10.5.5.1/24 dev uplink",
            "link set uplink up",
            "link set far up",
        ] {
            let words: Vec<&str> = arguments.split(' ').collect();
            let output = world.run("ip", &words);
            assert!(output.status.success(), "{}", stderr(&output));
        }
        let address = format!("--address=/{}/{}", OTHER.0, OTHER.1);
        let uplink = start(
            &world,
            "dnsmasq",
            &[
                "--no-daemon",
                "--conf-file=/dev/null",
                "--no-resolv",
                "--no-hosts",
                "--bind-interfaces",
                "--pid-file",
                "--listen-address=10.5.5.1",
                "--local=/org/com/arpa/",
                &address,
            ],
        );
        Machine {
            world,
            server,
            _uplink: uplink,
        }
    }

    /// Makes a directory in /etc our own, and writes a file there.
    fn write(&self, path: &str, text: &str) {
        let path = self.world.sandbox.outside(path);
        for above in path.ancestors().skip(1) {
            if above.is_symlink() {
                fs::remove_file(above).unwrap();
            }
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // a link to the machine's
        let _ = fs::remove_file(&path);
        fs::write(path, text).unwrap();
    }

    /// Runs `cloudhosts dns`, which must succeed.
    fn dns(&self, arguments: &[&str]) -> Value {
        let output = self
            .world
            .cloudhosts(&[&["dns", "--json"], arguments].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What is asked at an address: the status, and the answers.
    fn ask(&self, at: &str, arguments: &[&str]) -> (String, Vec<String>) {
        let arguments = [&["+tries=1", "+timeout=5"], arguments].concat();
        let dug = self.server.dig_at(at, &arguments);
        (dug.status, dug.answers)
    }

    /// Waits until the resolver at an address has the name that the server behind has.
    fn wait_for(&self, at: &str) {
        wait::until_seen(
            "the resolver asks the server behind",
            || self.ask(at, &[OTHER.0]).1,
            |answers| *answers == [format!("A {}", OTHER.1)],
        );
    }

    /// Sees that the resolver at an address answers our names, and others as before.
    fn leads_through(&self, at: &str) {
        let ask = |arguments: &[&str]| self.ask(at, arguments);
        let answered = |answer: &str| ("NOERROR".to_owned(), vec![answer.to_owned()]);
        self.wait_for(at);
        let name = format!("web.{DOMAIN}");
        let nobody = format!("nobody.{DOMAIN}");
        assert_eq!(ask(&[&name]), answered("A 10.0.0.5"));
        assert_eq!(ask(&[&nobody]).0, "NXDOMAIN");
        assert_eq!(ask(&[&name, "AAAA"]), ("NOERROR".to_owned(), vec![]));
        assert_eq!(ask(&["-x", "10.0.0.5"]), answered(&format!("PTR {name}.")));
        self.world
            .hset(&[("web", "10.0.0.6"), ("nobody", "10.0.0.7")]);
        self.world.sees("web", &["10.0.0.6"]);
        self.world.sees("nobody", &["10.0.0.7"]);
        assert_eq!(ask(&[&name]), answered("A 10.0.0.6"));
        // a name above roles is learnt of a moment later
        self.server.sees(&nobody, &["10.0.0.7"]);
        assert_eq!(ask(&[&nobody]), answered("A 10.0.0.7"));
        assert_eq!(ask(&[OTHER.0]), answered(&format!("A {}", OTHER.1)));
        assert_eq!(ask(&["nothere.test.org"]).0, "NXDOMAIN");
        self.examined();
    }

    /// Sees that the doctor finds nothing wrong with it.
    fn examined(&self) {
        let output = self.world.cloudhosts(&["doctor", "--json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        for check in ["dns", "resolver"] {
            let all = report["checks"].as_array().unwrap().iter();
            let codes: Vec<&Value> = all
                .filter(|one| one["check"] == check)
                .map(|one| &one["code"])
                .collect();
            assert_eq!(codes, ["ok"], "{check} in {report:#}");
        }
    }

    /// Sees that our names are the server's behind again.
    fn leads_no_longer(&self, at: &str) {
        self.wait_for(at);
        assert_eq!(self.ask(at, &[&format!("web.{DOMAIN}")]).0, "NXDOMAIN");
    }
}

fn start(world: &World, program: &str, arguments: &[&str]) -> Process {
    let mut command = world.sandbox.entrance().background(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Process::start(command)
}

/// dnsmasq as the packages start it, with all that they may set against strange answers.
fn dnsmasq(machine: &Machine, directory: &str) -> Process {
    start(
        &machine.world,
        "dnsmasq",
        &[
            "--no-daemon",
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
            "--bind-interfaces",
            "--pid-file",
            "--listen-address=127.0.0.1",
            "--bogus-priv",
            "--domain-needed",
            "--stop-dns-rebind",
            &format!("--server={UPLINK}"),
            &format!("--conf-dir={directory},.dpkg-dist,.dpkg-old,.dpkg-new"),
        ],
    )
}

#[test]
fn dnsmasq_and_the_one_of_networkmanager() {
    let machine = Machine::new();
    machine.write("/etc/resolv.conf", "nameserver 127.0.0.1\n");
    for (resolver, directory) in [
        ("dnsmasq", "/etc/dnsmasq.d"),
        ("networkmanager", "/etc/NetworkManager/dnsmasq.d"),
    ] {
        machine.world.hset(&[("web", "10.0.0.5")]);
        machine.world.redis.cli(&["HDEL", "cloudhosts", "nobody"]);
        machine.world.sees("web", &["10.0.0.5"]);
        machine.world.sees_none("nobody");
        machine.write(&format!("{directory}/README"), "# nothing\n");
        let before = dnsmasq(&machine, directory);
        machine.leads_no_longer("127.0.0.1");
        let said = machine.dns(&["enable"]);
        assert_eq!(said["resolver"], resolver);
        assert_eq!(said["found_by"], "listens");
        drop(before);
        let after = dnsmasq(&machine, directory);
        machine.leads_through("127.0.0.1");
        assert_eq!(machine.dns(&["disable"])["changed"], true);
        drop(after);
        let _again = dnsmasq(&machine, directory);
        machine.leads_no_longer("127.0.0.1");
    }
}

/// With a trust anchor that nothing here is signed by, and private addresses taken out of answers.
const UNBOUND: &str = r#"
server:
    interface: 127.0.0.1
    username: ""
    chroot: ""
    directory: "/etc/unbound"
    pidfile: ""
    use-syslog: no
    private-address: 10.0.0.0/8
    trust-anchor: ". DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D"
    domain-insecure: "org"
    domain-insecure: "com"
    cache-min-ttl: 60
remote-control:
    control-enable: no
forward-zone:
    name: "."
    forward-addr: 10.5.5.1
include-toplevel: "/etc/unbound/unbound.conf.d/*.conf"
"#;

#[test]
fn unbound() {
    let machine = Machine::new();
    machine.write("/etc/resolv.conf", "nameserver 127.0.0.1\n");
    machine.write("/etc/unbound/unbound.conf", UNBOUND);
    machine.write("/etc/unbound/unbound.conf.d/README", "");
    let unbound = || {
        start(
            &machine.world,
            "unbound",
            &["-d", "-c", "/etc/unbound/unbound.conf"],
        )
    };
    let before = unbound();
    machine.leads_no_longer("127.0.0.1");
    let said = machine.dns(&["enable"]);
    assert_eq!(said["resolver"], "unbound");
    assert_eq!(said["found_by"], "listens");
    drop(before);
    let after = unbound();
    machine.leads_through("127.0.0.1");
    machine.dns(&["disable"]);
    drop(after);
    let _again = unbound();
    machine.leads_no_longer("127.0.0.1");
}

/// Of the release that this machine has: a delegate, or a global server beside an interface's.
#[test]
fn systemd_resolved() {
    let machine = Machine::new();
    let world = &machine.world;
    // it gives up root's rights for this user's
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let own = "systemd-resolve:x:0:0::/:/bin/false\n";
    machine.write("/etc/passwd", &format!("{own}{passwd}"));
    machine.write("/etc/systemd/README", "");
    machine.write("/etc/resolv.conf", "nameserver 127.0.0.53\n");
    // what NetworkManager tells it of the interface
    let links = world.sandbox.outside("/run/systemd/resolve/netif");
    fs::create_dir_all(&links).unwrap();
    let said = stdout(&world.run("ip", &["-o", "link", "show", "uplink"]));
    let index = said.split(':').next().unwrap();
    fs::write(
        links.join(index),
        format!("SERVERS={UPLINK}\nDEFAULT_ROUTE=yes\n"),
    )
    .unwrap();

    let resolved = || start(world, "systemd-resolved", &[]);
    let before = resolved();
    machine.leads_no_longer("127.0.0.53");
    let said = machine.dns(&["enable"]);
    assert_eq!(said["resolver"], "systemd-resolved");
    assert_eq!(said["found_by"], "resolv-conf");
    drop(before);
    let after = resolved();
    machine.leads_through("127.0.0.53");
    machine.dns(&["disable"]);
    drop(after);
    let _again = resolved();
    machine.leads_no_longer("127.0.0.53");
}
