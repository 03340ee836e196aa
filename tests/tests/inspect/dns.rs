//! `cloudhosts dns`: the files that it writes into an image, and removes. What resolvers make of
//! them is tested beside the DNS server (`dns/resolvers.rs`).

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cloudhosts_tests::World;
use cloudhosts_tests::process::{stderr, stdout};
use serde_json::Value;

const RESOLVERS: [(&str, &str); 5] = [
    ("dnsmasq", "etc/dnsmasq.d/cloudhosts.conf"),
    ("unbound", "etc/unbound/unbound.conf.d/cloudhosts.conf"),
    (
        "networkmanager",
        "etc/NetworkManager/dnsmasq.d/cloudhosts.conf",
    ),
    (
        "systemd-resolved",
        "etc/systemd/resolved.conf.d/cloudhosts.conf",
    ),
    (
        "systemd-resolved",
        "etc/systemd/dns-delegate.d/cloudhosts.dns-delegate",
    ),
];

/// An image with all resolvers, and who changes it.
struct Image {
    world: World,
    root: PathBuf,
}

impl Image {
    fn new() -> Image {
        let world = World::new().build();
        let root = world.dir.join("image");
        let image = Image { world, root };
        for directory in [
            "etc/cloudhosts",
            "etc/dnsmasq.d",
            "etc/unbound/unbound.conf.d",
            "etc/NetworkManager/dnsmasq.d",
            "etc/systemd",
            "usr/sbin",
            "usr/lib/systemd",
        ] {
            fs::create_dir_all(image.root.join(directory)).unwrap();
        }
        image.configure("domain = 'prod.example.com'\n[dns]\nzones = ['10.in-addr.arpa']\n");
        image
    }

    fn configure(&self, text: &str) {
        self.write("etc/cloudhosts/cloudhosts.toml", text);
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Makes it one of this release of systemd.
    fn systemd(&self, release: &str) {
        self.write(
            &format!("usr/lib/systemd/libsystemd-shared-{release}.so"),
            "",
        );
    }

    /// Runs `cloudhosts dns`; its exit code, and what it prints.
    fn dns(&self, arguments: &[&str]) -> (i32, String) {
        let root = self.root.to_str().unwrap();
        let output = self
            .world
            .cloudhosts(&[&["dns", "--root", root], arguments].concat());
        let said = stdout(&output) + &stderr(&output);
        (output.status.code().unwrap(), said)
    }

    fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let (code, said) = self.dns(&[arguments, &["--json"]].concat());
        let json = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
        (code, json)
    }

    /// All files, and all directories.
    fn tree(&self) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        let mut tree = BTreeMap::new();
        add(&self.root, &mut tree);
        tree
    }

    fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root.join(path)).ok()
    }
}

fn add(directory: &Path, tree: &mut BTreeMap<PathBuf, Option<Vec<u8>>>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            add(&path, tree);
            tree.insert(path, None);
        } else {
            let bytes = fs::read(&path).unwrap();
            tree.insert(path, Some(bytes));
        }
    }
}

#[test]
fn enabling_writes_one_file_and_disabling_gives_back_every_byte() {
    let image = Image::new();
    for (resolver, path) in RESOLVERS {
        if path.contains("delegate") {
            image.systemd("258");
        }
        let before = image.tree();
        assert_eq!(image.dns(&["status", "--for", resolver]).0, 1);
        let (code, said) = image.json(&["enable", "--for", resolver]);
        assert_eq!(code, 0, "{said}");
        assert_eq!(said["state"], "enabled");
        assert_eq!(said["changed"], true);
        assert_eq!(said["found_by"], "named");
        assert_eq!(said["server"], "127.0.0.153:53");
        assert_eq!(said["run"].as_array().unwrap().len(), 1);
        let file = image.root.join(path);
        assert_eq!(said["files"][0]["file"], file.to_str().unwrap());

        let mut after = image.tree();
        let text = String::from_utf8(after.remove(&file).unwrap().unwrap()).unwrap();
        assert!(text.contains("127.0.0.153"), "{text}");
        for zone in ["prod.example.com", "10.in-addr.arpa"] {
            assert!(text.contains(zone), "{text}");
        }
        after.retain(|path, _| before.contains_key(path) || path.is_file());
        assert_eq!(after, before, "{resolver}: another file has changed");

        assert_eq!(image.dns(&["status", "--for", resolver]).0, 0);
        let once = fs::metadata(&file).unwrap().ino();
        let (code, said) = image.json(&["enable", "--for", resolver]);
        assert_eq!((code, &said["changed"]), (0, &false.into()));
        assert_eq!(fs::metadata(&file).unwrap().ino(), once);

        let (code, said) = image.json(&["disable"]);
        assert_eq!((code, &said["changed"]), (0, &true.into()));
        assert_eq!(image.tree(), before, "{resolver}");
        let (code, said) = image.json(&["disable"]);
        assert_eq!((code, &said["changed"]), (0, &false.into()));
    }
}

#[test]
fn what_was_changed_by_hand_is_left_alone() {
    let image = Image::new();
    let path = "etc/dnsmasq.d/cloudhosts.conf";
    let named = ["--for", "dnsmasq"];
    image.dns(&["enable", "--for", "dnsmasq"]);
    let ours = image.read(path).unwrap();
    for theirs in [
        "server=/prod.example.com/10.0.0.1\n".to_owned(),
        format!("{ours}no-negcache\n"),
        ours.replace("127.0.0.153", "127.0.0.154"),
        String::new(),
    ] {
        image.write(path, &theirs);
        assert_eq!(
            image.json(&[&["status"], &named[..]].concat()).1["state"],
            "changed"
        );
        // another is removed all the same
        image.dns(&["enable", "--for", "unbound"]);
        for action in ["enable", "disable"] {
            let (code, said) = image.dns(&[action, "--for", "dnsmasq"]);
            assert!(code == 5 && said.contains("--force"), "{said}");
        }
        assert_eq!(image.dns(&["disable"]).0, 5);
        assert_eq!(
            image.read("etc/unbound/unbound.conf.d/cloudhosts.conf"),
            None
        );
        assert_eq!(image.read(path).unwrap(), theirs);
    }
    assert_eq!(image.dns(&["enable", "--for", "dnsmasq", "--force"]).0, 0);
    assert_eq!(image.read(path).unwrap(), ours);
    image.write(path, "theirs");
    assert_eq!(image.dns(&["disable", "--force"]).0, 0);
    assert_eq!(image.read(path), None);
}

#[test]
fn another_configuration_is_told_and_written_anew() {
    let image = Image::new();
    let path = "etc/dnsmasq.d/cloudhosts.conf";
    image.dns(&["enable", "--for", "dnsmasq"]);
    image.configure("domain = 'eu.example.org'\n[dns]\nlisten = ['10.0.0.2:53', '[::1]:5353']\n");
    let (code, said) = image.json(&["status", "--for", "dnsmasq"]);
    assert_eq!((code, &said["state"]), (1, &"outdated".into()));
    let (code, said) = image.json(&["enable", "--for", "dnsmasq"]);
    assert_eq!((code, &said["changed"]), (0, &true.into()));
    // who asks on this machine asks on loopback
    assert_eq!(said["server"], "[::1]:5353");
    let text = image.read(path).unwrap();
    assert!(text.contains("server=/eu.example.org/::1#5353\n"), "{text}");
    assert!(!text.contains("prod.example.com"), "{text}");
    image.configure("domain = 'net.example'\n");
    assert_eq!(image.dns(&["disable"]).0, 0);
    assert_eq!(image.read(path), None);
}

#[test]
fn without_a_domain_nothing_is_written_and_disabling_needs_none() {
    let image = Image::new();
    image.dns(&["enable", "--for", "dnsmasq"]);
    for broken in ["", "[dns]\nttl = 1\n", "no = toml = at all"] {
        image.configure(broken);
        let before = image.tree();
        let (code, said) = image.dns(&["enable", "--for", "unbound"]);
        assert_eq!(code, 2, "{said}");
        assert_eq!(image.tree(), before);
    }
    let (code, said) = image.dns(&["disable"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(image.read("etc/dnsmasq.d/cloudhosts.conf"), None);
    // a resolver that is not there
    let image = Image::new();
    fs::remove_dir(image.root.join("etc/dnsmasq.d")).unwrap();
    assert_eq!(image.dns(&["enable", "--for", "dnsmasq"]).0, 1);
    assert!(!image.root.join("etc/dnsmasq.d").exists());
}

#[test]
fn the_resolver_in_use_is_found() {
    let image = Image::new();
    let found = || {
        let said = image.json(&["status"]).1;
        (said["resolver"].clone(), said["found_by"].clone())
    };
    let none = (Value::Null, Value::Null);
    assert_eq!(found(), none);
    assert_eq!(image.dns(&["enable"]).0, 1);
    image.write("usr/sbin/unbound", "");
    assert_eq!(found(), ("unbound".into(), "installed".into()));
    assert_eq!(image.dns(&["enable"]).0, 0);
    assert_eq!(image.json(&["status"]).0, 0);
    // NetworkManager starts dnsmasq only if it is told to
    image.write("usr/sbin/NetworkManager", "");
    assert_eq!(found(), ("unbound".into(), "installed".into()));
    image.write(
        "etc/NetworkManager/conf.d/dns.conf",
        "[main]\ndns = dnsmasq\n",
    );
    assert_eq!(found(), none);
    image.write("etc/resolv.conf", "search x\nnameserver 127.0.0.53\n");
    assert_eq!(found(), ("systemd-resolved".into(), "resolv-conf".into()));
    // that of another is told too
    let said = image.json(&["status"]).1;
    let states: Vec<&Value> = (0..2).map(|n| &said["files"][n]["state"]).collect();
    assert_eq!(states, ["absent", "enabled"]);
    // the list of servers that systemd-resolved asks itself
    fs::remove_file(image.root.join("etc/resolv.conf")).unwrap();
    let uplinks = "../run/systemd/resolve/resolv.conf";
    std::os::unix::fs::symlink(uplinks, image.root.join("etc/resolv.conf")).unwrap();
    assert_eq!(found(), none);
}

/// An upgrade to a systemd that has delegates leaves no global server behind.
#[test]
fn a_delegate_takes_the_place_of_a_global_server() {
    let image = Image::new();
    image.systemd("257");
    let resolved = ["enable", "--for", "systemd-resolved"];
    assert_eq!(image.dns(&resolved).0, 0);
    assert!(image.read(RESOLVERS[3].1).is_some());
    image.systemd("258-1.fc43");
    assert_eq!(image.dns(&["status", "--for", "systemd-resolved"]).0, 1);
    let (code, said) = image.json(&resolved);
    assert_eq!((code, &said["changed"]), (0, &true.into()));
    assert_eq!(image.read(RESOLVERS[3].1), None);
    assert!(image.read(RESOLVERS[4].1).is_some());
    assert!(!image.root.join("etc/systemd/resolved.conf.d").exists());
}

/// systemd-resolved asks one global server at a time, so it may be the only one; and only where an
/// interface has servers for other names.
#[test]
fn a_global_server_that_would_take_all_names_is_refused() {
    let image = Image::new();
    let resolved = ["enable", "--for", "systemd-resolved"];
    let refused = |why: &str| {
        let (code, said) = image.dns(&resolved);
        assert_eq!(code, 5, "{why}: {said}");
        assert_eq!(image.read(RESOLVERS[3].1), None);
    };
    let own = "etc/systemd/resolved.conf.d/servers.conf";
    image.write(own, "[Resolve]\n#DNS=9.9.9.9\nDNS = 9.9.9.9\n");
    refused("other servers");
    image.write(own, "[Resolve]\n#DNS=9.9.9.9\nDNS=\nDNSSEC=no\n");
    image.write("etc/resolv.conf", "nameserver 10.0.0.2\n");
    refused("resolv.conf has them");
    image.write("etc/resolv.conf", "nameserver 127.0.0.53\n");
    image.write("run/systemd/resolve/stub-resolv.conf", "");
    refused("it runs, and no interface has servers");
    let link = "run/systemd/netif/links/2";
    image.write(link, "DNS=\n");
    refused("no servers");
    image.write(link, "DNS=10.0.0.2\nDNS_DEFAULT_ROUTE=no\n");
    refused("none for other names");
    image.write(link, "DNS=10.0.0.2\n");
    assert_eq!(image.dns(&resolved).0, 0);
    // whatever happened since, it is there
    image.write(own, "[Resolve]\nDNS=9.9.9.9\n");
    assert_eq!(image.dns(&["disable"]).0, 0);
    refused("other servers");
    assert_eq!(image.dns(&[&resolved[..], &["--force"]].concat()).0, 0);
    // a delegate needs none of that
    assert_eq!(image.dns(&["disable"]).0, 0);
    image.systemd("258");
    assert_eq!(image.dns(&resolved).0, 0);
}
