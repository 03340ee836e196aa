//! What is put on comes off again, whatever the file.
use proptest::prelude::*;

use super::*;

fn enabled(text: &str) -> String {
    String::from_utf8(enable(text.as_bytes()).unwrap()).unwrap()
}

#[test]
fn the_word_goes_where_it_is_asked_in_time() {
    for (before, after) in [
        ("files dns", "files cloudhosts dns"),
        ("files", "files cloudhosts"),
        (
            "files mdns4_minimal [NOTFOUND=return] dns mymachines",
            "files cloudhosts mdns4_minimal [NOTFOUND=return] dns mymachines",
        ),
        (
            "mymachines resolve [!UNAVAIL=return] files myhostname dns",
            "mymachines cloudhosts resolve [!UNAVAIL=return] files myhostname dns",
        ),
        (
            "files [NOTFOUND=return] dns",
            "cloudhosts files [NOTFOUND=return] dns",
        ),
        (
            "files [SUCCESS=return] dns",
            "files [SUCCESS=return] cloudhosts dns",
        ),
        ("dns files", "cloudhosts dns files"),
        (
            "nis [NOTFOUND=return] files",
            "cloudhosts nis [NOTFOUND=return] files",
        ),
        ("myhostname", "cloudhosts myhostname"),
        (
            "files\t\tdns  # cloudhosts",
            "files cloudhosts\t\tdns  # cloudhosts",
        ),
        ("files#", "files cloudhosts#"),
        (
            "files[SUCCESS=return]dns",
            "files[SUCCESS=return]cloudhosts dns",
        ),
        // the word is there: moved only where it is not asked in time
        ("cloudhosts files dns", "cloudhosts files dns"),
        (
            "files myhostname cloudhosts dns",
            "files myhostname cloudhosts dns",
        ),
        ("files dns cloudhosts", "files cloudhosts dns"),
        (
            "dns [NOTFOUND=return] cloudhosts [NOTFOUND=return]",
            "cloudhosts dns [NOTFOUND=return]",
        ),
        ("files cloudhosts cloudhosts dns", "files cloudhosts dns"),
    ] {
        let (before, after) = (format!("hosts: {before}\n"), format!("hosts: {after}\n"));
        assert_eq!(enabled(&before), after);
        assert_eq!(state(after.as_bytes()), HostsLineState::Enabled, "{after}");
    }
}

/// The lines as distributions ship them, and as the packages of other modules change them: in each
/// the word comes before whatever asks the network or ends the search, and after `files` where that
/// comes before these.
#[test]
fn the_word_goes_right_into_the_lines_there_are() {
    for (who, before, after) in [
        ("Debian", "files dns", "files cloudhosts dns"),
        (
            "Debian and Ubuntu, desktop",
            "files mdns4_minimal [NOTFOUND=return] dns",
            "files cloudhosts mdns4_minimal [NOTFOUND=return] dns",
        ),
        (
            "Debian, libnss-resolve",
            "files resolve [!UNAVAIL=return] dns",
            "files cloudhosts resolve [!UNAVAIL=return] dns",
        ),
        (
            "Debian, libnss-myhostname, -mymachines, -resolve",
            "files mymachines resolve [!UNAVAIL=return] myhostname dns",
            "files cloudhosts mymachines resolve [!UNAVAIL=return] myhostname dns",
        ),
        (
            "Ubuntu, libnss-mymachines and libnss-resolve with Avahi",
            "files mymachines mdns4_minimal [NOTFOUND=return] resolve [!UNAVAIL=return] dns",
            "files cloudhosts mymachines mdns4_minimal [NOTFOUND=return] resolve [!UNAVAIL=return] dns",
        ),
        (
            "systemd's own manual, Arch",
            "mymachines resolve [!UNAVAIL=return] files myhostname dns",
            "mymachines cloudhosts resolve [!UNAVAIL=return] files myhostname dns",
        ),
        (
            "Fedora",
            "files myhostname resolve [!UNAVAIL=return] dns",
            "files cloudhosts myhostname resolve [!UNAVAIL=return] dns",
        ),
        (
            "Fedora, workstation",
            "files myhostname mdns4_minimal [NOTFOUND=return] resolve [!UNAVAIL=return] dns",
            "files cloudhosts myhostname mdns4_minimal [NOTFOUND=return] resolve [!UNAVAIL=return] dns",
        ),
        (
            "RHEL",
            "files dns myhostname",
            "files cloudhosts dns myhostname",
        ),
        (
            "openSUSE",
            "files mdns_minimal [NOTFOUND=return] dns",
            "files cloudhosts mdns_minimal [NOTFOUND=return] dns",
        ),
        (
            "libvirt",
            "files libvirt libvirt_guest dns",
            "files cloudhosts libvirt libvirt_guest dns",
        ),
        (
            "libvirt, first",
            "libvirt_guest libvirt files dns",
            "libvirt_guest libvirt files cloudhosts dns",
        ),
        (
            "libvirt's manual, which ends the search",
            "files libvirt [NOTFOUND=return] dns",
            "files cloudhosts libvirt [NOTFOUND=return] dns",
        ),
        ("sssd", "files sss dns", "files cloudhosts sss dns"),
        ("sssd, last", "files dns sss", "files cloudhosts dns sss"),
        (
            "sssd, first",
            "sss files dns myhostname",
            "cloudhosts sss files dns myhostname",
        ),
        (
            "sssd, first, which ends the search",
            "sss [NOTFOUND=return] files dns",
            "cloudhosts sss [NOTFOUND=return] files dns",
        ),
        ("Samba", "files wins dns", "files cloudhosts wins dns"),
        (
            "Samba, first",
            "wins files dns",
            "cloudhosts wins files dns",
        ),
        (
            "NIS and LDAP",
            "ldap nis files",
            "cloudhosts ldap nis files",
        ),
    ] {
        let (before, after) = (format!("hosts: {before}\n"), format!("hosts: {after}\n"));
        assert_eq!(enabled(&before), after, "{who}");
        assert_eq!(state(after.as_bytes()), HostsLineState::Enabled, "{who}");
        assert_eq!(disable(after.as_bytes()), Ok(before.into_bytes()), "{who}");
    }
}

#[test]
fn a_word_behind_sssd_is_asked_too_late() {
    let late = "hosts: files sss cloudhosts dns\n";
    assert_eq!(state(late.as_bytes()), HostsLineState::Misplaced);
    assert_eq!(enabled(late), "hosts: files cloudhosts sss dns\n");
}

#[test]
fn only_the_line_that_counts_is_touched() {
    let before =
        "# hosts: files\nhosts: files dns\r\npasswd: files\n\thosts\t:\tfiles dns\r\ngroup: x";
    let after = "# hosts: files\nhosts: files dns\r\npasswd: files\n\thosts\t:\tfiles cloudhosts dns\r\ngroup: x";
    assert_eq!(enabled(before), after);
}

#[test]
fn a_missing_line_is_added_and_taken_away() {
    for before in [
        "",
        "passwd: files\n",
        "passwd: files",
        "passwd: files\r\n",
        "x\r\ny\r",
    ] {
        let after = enabled(before);
        assert_eq!(
            state(after.as_bytes()),
            HostsLineState::Enabled,
            "{after:?}"
        );
        assert!(after.ends_with("files cloudhosts dns\n") || after.ends_with("dns\r\n"));
        assert_eq!(disable(after.as_bytes()).unwrap(), before.as_bytes());
        // lines that others add behind ours stay
        let more = format!("{after}group: files\n");
        let left = String::from_utf8(disable(more.as_bytes()).unwrap()).unwrap();
        assert!(left.starts_with(before) && left.ends_with("group: files\n"));
        assert!(!left.contains("cloudhosts dns"), "{left}");
    }
}

#[test]
fn a_last_line_without_an_end_gets_one_for_as_long() {
    let after = enabled("hosts: files");
    assert!(after.starts_with("hosts: files cloudhosts\n") && after.ends_with('\n'));
    assert_eq!(disable(after.as_bytes()).unwrap(), b"hosts: files");
}

#[test]
fn what_glibc_cannot_read_is_left_alone() {
    for text in [
        "hosts: files [",
        "hosts: [x] cloudhosts",
        "hosts: a [b=c] cloudhosts\n",
    ] {
        assert_eq!(enable(text.as_bytes()), Err(Malformed));
        assert_eq!(state(text.as_bytes()), HostsLineState::Malformed);
    }
    assert!(disable(b"hosts: a [b=c] cloudhosts\n").is_err());
    assert_eq!(disable(b"hosts: files [\n").unwrap(), b"hosts: files [\n");
}

#[test]
fn a_word_put_there_by_hand_goes_with_its_actions() {
    assert_eq!(
        disable(b"hosts: files cloudhosts[TRYAGAIN=return]dns"),
        Ok(b"hosts: files dns".into())
    );
    let left =
        disable(b"hosts: files cloudhosts [NOTFOUND=return] dns\nhosts: cloudhosts").unwrap();
    assert_eq!(left, b"hosts: files dns\nhosts:");
}

/// Parts of a file: lines, blanks, services, actions, and noise.
fn files() -> impl Strategy<Value = Vec<u8>> {
    let part = prop::sample::select(vec![
        "hosts:",
        "hosts",
        "\nhosts:",
        "\r\nhosts: ",
        "\n",
        "\r\n",
        "\n\n",
        " ",
        "\t",
        "  ",
        "\x0b",
        ":",
        "#",
        "# hosts:",
        "files",
        " files ",
        "dns",
        " dns",
        "resolve",
        "mdns4_minimal",
        "myhostname",
        " [NOTFOUND=return]",
        "[!UNAVAIL=return]",
        "[SUCCESS=return]",
        " [ notfound = continue ] ",
        "[",
        "]",
        "[x]",
        "passwd: files\n",
        "\0",
        "\u{e9}",
        "\r",
    ]);
    let parts = prop::collection::vec(part, 0..24).prop_map(|parts| parts.concat().into_bytes());
    let noise = prop::collection::vec(any::<u8>(), 0..80);
    prop_oneof![8 => parts, 1 => noise]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn disabling_gives_back_the_very_bytes(text in files()) {
        if let Ok(after) = enable(&text) {
            prop_assert_eq!(state(&after), HostsLineState::Enabled);
            prop_assert_eq!(disable(&after), Ok(text));
        }
    }

    #[test]
    fn enabling_twice_is_enabling_once(text in files()) {
        if let Ok(after) = enable(&text) {
            prop_assert_eq!(enable(&after), Ok(after.clone()));
        }
    }

    #[test]
    fn all_other_services_stay_in_their_order(text in files()) {
        let list = |text: &[u8]| -> Vec<(String, hosts::Returns)> {
            let line = hosts::effective(text);
            let all = line.iter().flat_map(HostsLine::list);
            let others = all.filter(|service| !service.is_ours());
            others.map(|service| (service.name.clone(), service.returns)).collect()
        };
        if let (Ok(after), Some(_)) = (enable(&text), hosts::effective(&text)) {
            prop_assert_eq!(list(&after), list(&text));
        }
    }

    #[test]
    fn a_word_that_was_there_is_taken_off(text in files(), at in any::<prop::sample::Index>()) {
        let mut text = text;
        let at = at.index(text.len() + 1);
        text.splice(at..at, *b" cloudhosts ");
        if let Ok(left) = disable(&text) {
            let lines = hosts::all(&left);
            prop_assert!(!lines.iter().flat_map(HostsLine::list).any(Service::is_ours));
        }
    }
}
