//! What is in the packages, and what the tools that know the rules say of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cloudhosts_tests::process::{bounded, run, stderr, stdout, succeed};

use crate::built;

/// Mode and path of what both packages have.
const COMMON: [&str; 26] = [
    "644 /etc/cloudhosts/cloudhosts.toml",
    "644 /usr/lib/sysusers.d/cloudhosts.conf",
    "644 /usr/lib/tmpfiles.d/cloudhosts.conf",
    "644 /usr/share/bash-completion/completions/cloudhosts",
    "644 /usr/share/doc/cloudhosts/examples/dns/Corefile",
    "644 /usr/share/doc/cloudhosts/examples/dns/cloudhosts.dns-delegate",
    "644 /usr/share/doc/cloudhosts/examples/dns/dnsmasq.conf",
    "644 /usr/share/doc/cloudhosts/examples/dns/resolved.conf",
    "644 /usr/share/doc/cloudhosts/examples/dns/unbound.conf",
    "644 /usr/share/doc/cloudhosts/examples/gateway.toml",
    "644 /usr/share/doc/cloudhosts/monitoring/alerts.yml",
    "644 /usr/share/doc/cloudhosts/monitoring/dashboard.json",
    "644 /usr/share/doc/cloudhosts/openapi.yaml",
    "644 /usr/share/fish/vendor_completions.d/cloudhosts.fish",
    "644 /usr/share/man/man1/cloudhosts.1.gz",
    "644 /usr/share/man/man5/cloudhosts.toml.5.gz",
    "644 /usr/share/man/man5/gateway.toml.5.gz",
    "644 /usr/share/man/man7/cloudhosts-registry.7.gz",
    "644 /usr/share/man/man8/cloudhosts-cached.8.gz",
    "644 /usr/share/man/man8/cloudhosts-dns.8.gz",
    "644 /usr/share/man/man8/cloudhosts-gateway.8.gz",
    "644 /usr/share/man/man8/nss-cloudhosts.8.gz",
    "755 /usr/bin/cloudhosts",
    "755 /usr/sbin/cloudhosts-cached",
    "755 /usr/sbin/cloudhosts-dns",
    "755 /usr/sbin/cloudhosts-gateway",
];

const DEB: [&str; 8] = [
    "644 /etc/apparmor.d/abstractions/nameservice.d/cloudhosts",
    "644 /usr/share/doc/cloudhosts/NOTICES.gz",
    "644 /usr/share/doc/cloudhosts/changelog.Debian.gz",
    "644 /usr/share/doc/cloudhosts/changelog.gz",
    "644 /usr/share/doc/cloudhosts/copyright",
    "644 /usr/share/doc/cloudhosts/guide.md.gz",
    "644 /usr/share/lintian/overrides/cloudhosts",
    "644 /usr/share/zsh/vendor-completions/_cloudhosts",
];

const RPM: [&str; 13] = [
    "644 /usr/lib/systemd/system-preset/80-cloudhosts.preset",
    "644 /usr/share/doc/cloudhosts/CHANGELOG.md",
    "644 /usr/share/doc/cloudhosts/guide.md",
    "644 /usr/share/licenses/cloudhosts/GPL-3.0.txt",
    "644 /usr/share/licenses/cloudhosts/LGPL-3.0.txt",
    "644 /usr/share/licenses/cloudhosts/LICENSE-APACHE",
    "644 /usr/share/licenses/cloudhosts/LICENSE-MIT",
    "644 /usr/share/licenses/cloudhosts/LICENSES.md",
    "644 /usr/share/licenses/cloudhosts/NOTICES",
    "644 /usr/share/selinux/devel/include/distributed/cloudhosts.if",
    "644 /usr/share/selinux/packages/targeted/cloudhosts.pp",
    "644 /usr/share/zsh/site-functions/_cloudhosts",
    "755 /usr/lib64/libnss_cloudhosts.so.2",
];

#[test]
fn the_deb_has_what_belongs_there_and_nothing_else() {
    let mut tar = bounded("sh");
    // -rw-r--r-- 0/0 291 2026-11-22 10:15 ./usr/...
    tar.args([
        "-ec",
        "dpkg-deb --fsys-tarfile \"$0\" | tar -tv --numeric-owner",
    ]);
    let listed = succeed(tar.arg(built::deb()));
    let mut found = BTreeSet::new();
    for line in listed.lines().filter(|line| !line.starts_with('d')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[1], "0/0", "{line}");
        found.insert(format!(
            "{} {}",
            octal(words[0]),
            words[5].trim_start_matches('.')
        ));
    }
    let triple = succeed(bounded("cc").arg("-print-multiarch"));
    let module = format!("644 /usr/lib/{}/libnss_cloudhosts.so.2", triple.trim());
    let expected = common().chain(DEB.map(str::to_owned)).chain([module]);
    assert_eq!(found, expected.collect());
    assert_eq!(
        succeed(
            bounded("dpkg-deb")
                .arg("--info")
                .arg(built::deb())
                .arg("conffiles")
        ),
        "/etc/apparmor.d/abstractions/nameservice.d/cloudhosts\n/etc/cloudhosts/cloudhosts.toml\n"
    );
}

#[test]
fn the_rpm_has_what_belongs_there_and_nothing_else() {
    let query =
        "[%{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILENAMES} %{FILEFLAGS:fflags}\n]";
    let listed = succeed(
        bounded("rpm")
            .args(["-qp", "--qf", query])
            .arg(built::rpm()),
    );
    let mut found = BTreeSet::new();
    for line in listed.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[1], "root:root", "{line}");
        if words[0].starts_with('d') {
            assert_eq!(octal(words[0]), "755", "{line}");
            continue;
        }
        found.insert(format!("{} {}", octal(words[0]), words[2]));
        // configuration, and never replaced where it was changed
        assert_eq!(
            words.get(3) == Some(&"cn"),
            words[2].starts_with("/etc/"),
            "{line}"
        );
    }
    assert_eq!(found, common().chain(RPM.map(str::to_owned)).collect());
}

#[test]
fn all_have_the_version_of_the_workspace() {
    let deb = succeed(
        bounded("dpkg-deb")
            .args(["-f"])
            .arg(built::deb())
            .arg("Version"),
    );
    assert_eq!(deb.trim(), format!("{}-1", built::VERSION));
    let rpm = succeed(
        bounded("rpm")
            .args(["-qp", "--qf", "%{VERSION}"])
            .arg(built::rpm()),
    );
    assert_eq!(rpm, built::VERSION);
    let changelog = "dpkg-deb --fsys-tarfile \"$0\" | tar -xO ./usr/share/doc/cloudhosts/changelog.Debian.gz | gunzip";
    let changelog = succeed(bounded("sh").args(["-ec", changelog]).arg(built::deb()));
    assert!(
        changelog.starts_with(&format!("cloudhosts ({}-1) ", built::VERSION)),
        "{changelog}"
    );
}

#[test]
fn the_header_of_each_page_is_the_package_and_its_version() {
    for page in std::fs::read_dir(packaging("../man")).unwrap() {
        let page = page.unwrap().path();
        let mut groff = bounded("groff");
        let shown = succeed(groff.args(["-mandoc", "-Tascii", "-P-c"]).arg(&page));
        let header = shown.lines().find(|line| !line.is_empty()).unwrap();
        let words: Vec<&str> = header.split_whitespace().collect();
        assert_eq!(
            words[1..words.len() - 1],
            ["cloudhosts", built::VERSION],
            "{header}"
        );
    }
}

#[test]
fn the_copyright_names_the_part_under_the_lgpl() {
    let text = std::fs::read_to_string(packaging("debian/copyright")).unwrap();
    let module = text
        .split("\n\n")
        .find(|part| part.contains("libnss_cloudhosts.so.2"));
    assert!(
        module.is_some_and(|part| part.contains("License: LGPL-3.0")),
        "{text}"
    );
    let notices = succeed(&mut bounded(packaging("notices")));
    for crate_ in ["libnss 0.9", "redis ", "tokio ", "ring "] {
        assert!(notices.contains(&format!("\n  {crate_}")), "{crate_}");
    }
    assert!(notices.contains("Apache License") && notices.contains("Permission is hereby granted"));
}

#[test]
fn lintian_has_no_objection() {
    let mut lintian = bounded("lintian");
    lintian.args(["--allow-root", "--fail-on", "error,warning"]);
    no_objection(lintian.arg(built::deb()));
}

#[test]
fn rpmlint_has_no_objection() {
    let mut rpmlint = bounded("rpmlint");
    rpmlint
        .arg("-c")
        .arg(packaging("rpm/rpmlint.toml"))
        .arg(built::rpm());
    let said = no_objection(&mut rpmlint);
    assert!(said.contains("0 errors, 0 warnings"), "{said}");
}

/// What both have: our units are all that there are.
fn common() -> impl Iterator<Item = String> {
    let files = std::fs::read_dir(packaging("")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let units = names.filter(|name| name.ends_with(".service") || name.ends_with(".timer"));
    let units = units.map(|unit| format!("644 /usr/lib/systemd/system/{unit}"));
    COMMON.into_iter().map(str::to_owned).chain(units)
}

fn no_objection(command: &mut std::process::Command) -> String {
    let output = run(command);
    let said = format!("{}{}", stdout(&output), stderr(&output));
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

fn packaging(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../packaging")
        .join(file)
}

/// `-rw-r--r--` as `644`.
fn octal(mode: &str) -> String {
    let bit = |letter: char| u32::from(letter != '-');
    let bits = mode
        .chars()
        .skip(1)
        .fold(0, |bits, letter| bits << 1 | bit(letter));
    format!("{bits:o}")
}
