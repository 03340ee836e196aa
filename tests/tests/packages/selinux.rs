//! SELinux's module in the rpm, as it is installed into the whole policy of a Debian, in a directory
//! of our own. Nothing here needs a kernel with SELinux, and nothing shows what one would do.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cloudhosts_tests::dir::Dir;
use cloudhosts_tests::process::{bounded, succeed};

use crate::built;

const MODULE: &str = "/usr/share/selinux/packages/targeted/cloudhosts.pp";
const INTERFACE: &str = "/usr/share/selinux/devel/include/distributed/cloudhosts.if";

/// Where Debian's package `selinux-policy-default` has installed its policy.
const POLICY: &str = "/var/lib/selinux/default";

/// A type or attribute, its class, and the permissions for it.
type Needed = (&'static str, &'static str, &'static str);

/// What domains must be allowed.
const NEEDED: [(&str, &[Needed]); 5] = [
    // a confined program: any that looks names up
    (
        "httpd_t",
        &[
            ("cloudhosts_runtime_t", "dir", "search"),
            ("cloudhosts_runtime_t", "sock_file", "write"),
            ("cloudhosts_cached_t", "unix_stream_socket", "connectto"),
            ("cloudhosts_cached_t", "fd", "use"),
            ("cloudhosts_tmpfs_t", "file", "getattr map read write"),
            ("cloudhosts_var_lib_t", "dir", "search"),
            ("cloudhosts_var_lib_t", "file", "map open read"),
            ("cloudhosts_runtime_t", "file", "open read"),
        ],
    ),
    // systemd, which starts the three
    (
        "init_t",
        &[
            ("cloudhosts_domain", "process", "transition"),
            ("cloudhosts_domain", "process2", "nnp_transition"),
            ("cloudhosts_etc_t", "file", "open read"),
        ],
    ),
    (
        "cloudhosts_cached_t",
        &[
            ("cloudhosts_runtime_t", "sock_file", "create unlink"),
            ("cloudhosts_var_lib_t", "file", "create rename write"),
            ("cloudhosts_tmpfs_t", "file", "create map read write"),
            ("port_type", "tcp_socket", "name_connect"),
            ("redis_t", "unix_stream_socket", "connectto"),
            ("redis_runtime_t", "sock_file", "write"),
            ("init_t", "unix_dgram_socket", "sendto"),
            ("cloudhosts_etc_t", "file", "open read"),
        ],
    ),
    (
        "cloudhosts_dns_t",
        &[
            ("dns_port_t", "udp_socket", "name_bind"),
            ("dns_port_t", "tcp_socket", "name_bind"),
            ("cloudhosts_cached_t", "unix_stream_socket", "connectto"),
            ("cloudhosts_etc_t", "file", "open read"),
        ],
    ),
    (
        "cloudhosts_gateway_t",
        &[
            ("http_port_t", "tcp_socket", "name_bind"),
            ("port_type", "tcp_socket", "name_connect"),
            ("cloudhosts_etc_t", "file", "open read"),
        ],
    ),
];

/// What they become and make.
const BECOMES: [&str; 4] = [
    "type_transition init_t cloudhosts_cached_exec_t:process cloudhosts_cached_t;",
    "type_transition init_t cloudhosts_dns_exec_t:process cloudhosts_dns_t;",
    "type_transition init_t cloudhosts_gateway_exec_t:process cloudhosts_gateway_t;",
    "type_transition cloudhosts_cached_t tmpfs_t:file cloudhosts_tmpfs_t;",
];

/// A path that the package installs or its programs make, and its type.
const CONTEXTS: [(&str, &str, &str); 12] = [
    (
        "/usr/sbin/cloudhosts-cached",
        "file",
        "cloudhosts_cached_exec_t",
    ),
    ("/usr/sbin/cloudhosts-dns", "file", "cloudhosts_dns_exec_t"),
    (
        "/usr/sbin/cloudhosts-gateway",
        "file",
        "cloudhosts_gateway_exec_t",
    ),
    (
        "/usr/bin/cloudhosts-cached",
        "file",
        "cloudhosts_cached_exec_t",
    ),
    ("/usr/bin/cloudhosts", "file", "bin_t"),
    ("/usr/lib64/libnss_cloudhosts.so.2", "file", "lib_t"),
    ("/etc/cloudhosts", "dir", "cloudhosts_etc_t"),
    (
        "/etc/cloudhosts/cloudhosts.toml",
        "file",
        "cloudhosts_etc_t",
    ),
    ("/run/cloudhosts", "dir", "cloudhosts_runtime_t"),
    (
        "/run/cloudhosts/cached.sock",
        "socket",
        "cloudhosts_runtime_t",
    ),
    ("/var/lib/cloudhosts", "dir", "cloudhosts_var_lib_t"),
    (
        "/var/lib/cloudhosts/last-good.table",
        "file",
        "cloudhosts_var_lib_t",
    ),
];

#[test]
fn with_the_module_confined_programs_may_reach_the_daemon() {
    let directory = Dir::new();
    let root = with_policy(&directory);
    let mut semodule = bounded("semodule");
    semodule.arg("-p").arg(&root);
    semodule.args(["-s", "default", "-n", "-X", "200", "-i"]);
    succeed(semodule.arg(installed(&directory, MODULE)));

    let policy = policy_file(&root);
    for (source, needed) in NEEDED {
        let rules = rules(&policy, source);
        for (target, class, permissions) in needed {
            let allowed = allowed(&rules, target, class);
            for permission in permissions.split(' ') {
                assert!(
                    allowed.contains(permission),
                    "{source} may not {permission} {target} ({class}), only {allowed:?}"
                );
            }
        }
        for becomes in BECOMES
            .iter()
            .filter(|rule| rule.contains(&format!(" {source} ")))
        {
            assert!(rules.contains(becomes), "no {becomes}");
        }
    }
    // passwords and keys
    let mut command = bounded("sesearch");
    command.args([
        "-A",
        "-s",
        "httpd_t",
        "-t",
        "cloudhosts_etc_t",
        "-c",
        "file",
    ]);
    let secrets = succeed(command.args(["-p", "read"]).arg(&policy));
    assert_eq!(secrets.trim(), "", "a client may read the configuration");

    let contexts = root.join("etc/selinux/default/contexts/files/file_contexts");
    for (path, kind, wanted) in CONTEXTS {
        let mut command = bounded("matchpathcon");
        command.args(["-n", "-m", kind, "-f"]).arg(&contexts);
        let context = succeed(command.arg(path));
        assert_eq!(context.split(':').nth(2), Some(wanted), "{path}: {context}");
    }
}

/// A module of somebody else's, whose domain is not of those that look names up.
const OTHER: &str = "policy_module(other, 1.0)
type other_t;
cloudhosts_look_up(other_t)
";

#[test]
fn the_interface_is_for_modules_of_others() {
    let directory = Dir::new();
    std::fs::write(directory.join("other.te"), OTHER).unwrap();
    // This Makefile takes the interfaces beside a module only if they have its name.
    let interface = installed(&directory, INTERFACE);
    std::fs::rename(interface, directory.join("other.if")).unwrap();
    let mut make = bounded("make");
    make.args(["-f", "/usr/share/selinux/devel/Makefile", "other.pp"]);
    succeed(make.current_dir(directory.join(".")));
    assert!(directory.join("other.pp").exists());
}

/// A root directory that has Debian's policy, whole.
fn with_policy(directory: &Dir) -> PathBuf {
    let root = directory.join("root");
    for (from, to) in [
        (POLICY, "var/lib/selinux/default"),
        ("/etc/selinux/default", "etc/selinux/default"),
    ] {
        let to = root.join(to);
        std::fs::create_dir_all(&to).unwrap();
        succeed(bounded("cp").args(["-aT", from]).arg(&to));
    }
    root
}

/// A file of the rpm.
fn installed(directory: &Dir, path: &str) -> PathBuf {
    let (_, name) = path.rsplit_once('/').unwrap();
    let file = directory.join(name);
    let mut command = bounded("sh");
    command.args([
        "-ec",
        "rpm2cpio \"$0\" | cpio --quiet -i --to-stdout \"$1\" >\"$2\"",
    ]);
    succeed(command.arg(built::rpm()).arg(format!(".{path}")).arg(&file));
    file
}

/// The policy as the kernel would load it; its name ends with the version of the format.
fn policy_file(root: &Path) -> PathBuf {
    let files = std::fs::read_dir(root.join("etc/selinux/default/policy")).unwrap();
    let mut files = files.map(|file| file.unwrap().path());
    files.next().expect("semodule has made a policy")
}

/// What a domain may do, as the rules of the policy say it: with its attributes, and also what it
/// becomes and makes.
fn rules(policy: &Path, source: &str) -> String {
    let mut command = bounded("sesearch");
    succeed(command.args(["-A", "-T", "-s", source]).arg(policy))
}

/// The permissions that these rules give for a type, or an attribute, and a class.
fn allowed<'a>(rules: &'a str, target: &str, class: &str) -> BTreeSet<&'a str> {
    let object = format!(" {target}:{class} ");
    // allow nsswitch_domain cloudhosts_cached_t:fd use;
    // allow nsswitch_domain cloudhosts_tmpfs_t:file { getattr map read write };
    let granted = rules
        .lines()
        .filter(|rule| rule.starts_with("allow "))
        .filter_map(|rule| rule.split_once(&object));
    granted
        .flat_map(|(_, granted)| granted.split([' ', '{', '}', ';']))
        .collect()
}
