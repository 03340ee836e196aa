//! Every program and every call that asks for a name or an address.

use cloudhosts_tests::world::HASH;
use cloudhosts_tests::{Answer, Family, World, http};

const ROLES: &[(&str, &str)] = &[
    ("web", "10.0.0.5"),
    ("six", "fd00::5"),
    ("both", "10.0.0.6 fd00::6"),
    ("under_score", "10.0.0.7"),
    ("www", "web"),
    ("*.apps.internal", "10.0.0.8"),
];

fn world() -> World {
    World::with(ROLES)
}

fn ok(name: &str, addresses: &[&str]) -> Answer {
    Answer {
        code: "ok".to_owned(),
        name: name.to_owned(),
        addresses: addresses.iter().map(|&one| one.to_owned()).collect(),
        ..Answer::default()
    }
}

fn failed(code: &str) -> Answer {
    Answer {
        code: code.to_owned(),
        ..Answer::default()
    }
}

#[test]
fn getent_resolves_names() {
    let world = world();
    assert_eq!(
        world.prints("getent", &["hosts", "web"]),
        "10.0.0.5        web\n"
    );
    assert_eq!(
        world.prints("getent", &["hosts", "six"]),
        "fd00::5         six\n"
    );
    assert_eq!(
        world.prints("getent", &["hosts", "www"]),
        "10.0.0.5        web www\n"
    );
    assert_eq!(
        world.prints("getent", &["ahosts", "web"]),
        "10.0.0.5        STREAM web\n10.0.0.5        DGRAM  \n10.0.0.5        RAW    \n"
    );
    let missing = world.run("getent", &["hosts", "nobody"]);
    assert_eq!((missing.status.code(), missing.stdout.len()), (Some(2), 0));
}

#[test]
fn getent_resolves_addresses() {
    let world = world();
    assert_eq!(
        world.prints("getent", &["hosts", "10.0.0.6"]),
        "10.0.0.6        both\n"
    );
    assert_eq!(
        world.prints("getent", &["hosts", "fd00::6"]),
        "fd00::6         both\n"
    );
    assert_eq!(
        world.run("getent", &["hosts", "10.9.9.9"]).status.code(),
        Some(2)
    );
}

#[test]
fn python_resolves_names_and_addresses() {
    let world = world();
    let script = "\
import socket
print(sorted({a[4][0] for a in socket.getaddrinfo('both', 80)}))
print(socket.getaddrinfo('web', 80, socket.AF_INET, socket.SOCK_STREAM, 0, socket.AI_CANONNAME)[0][3:])
print(socket.gethostbyname('web'))
print(socket.gethostbyname_ex('www'))
print(socket.gethostbyaddr('fd00::6'))
print(socket.getnameinfo(('10.0.0.5', 80), 0)[0])
try:
    socket.getaddrinfo('nobody', 80)
except socket.gaierror as error:
    print(error.errno == socket.EAI_NONAME)
";
    assert_eq!(
        world.prints("python3", &["-c", script]),
        "['10.0.0.6', 'fd00::6']\n\
         ('web', ('10.0.0.5', 80))\n\
         10.0.0.5\n\
         ('web', ['www'], ['10.0.0.5'])\n\
         ('both', [], ['fd00::6'])\n\
         web\n\
         True\n"
    );
}

#[test]
fn curl_opens_a_page_by_the_name_of_a_role() {
    let port = http::serve("hello from the shop\n");
    let world = World::with(&[("shop", "127.0.0.1")]);
    let url = format!("http://shop:{port}/");
    let arguments = ["--silent", "--show-error", "--noproxy", "*", &url];
    assert_eq!(world.prints("curl", &arguments), "hello from the shop\n");
}

#[test]
fn getaddrinfo_answers_each_family() {
    let world = world();
    let caller = world.caller();
    assert_eq!(caller.gai(Family::Any, "-", "web"), ok("", &["10.0.0.5"]));
    assert_eq!(caller.gai(Family::V4, "-", "web"), ok("", &["10.0.0.5"]));
    assert_eq!(caller.gai(Family::Any, "-", "six"), ok("", &["fd00::5"]));
    assert_eq!(caller.gai(Family::V6, "-", "six"), ok("", &["fd00::5"]));
    // which of the two comes first is glibc's choice by the routes of the machine (RFC 6724)
    assert_eq!(
        caller.gai(Family::Any, "-", "both").sorted(),
        ["10.0.0.6", "fd00::6"]
    );
    assert_eq!(caller.gai(Family::V4, "-", "both"), ok("", &["10.0.0.6"]));
    assert_eq!(caller.gai(Family::V6, "-", "both"), ok("", &["fd00::6"]));
}

#[test]
fn getaddrinfo_says_what_is_missing() {
    let world = world();
    let caller = world.caller();
    for family in [Family::Any, Family::V4, Family::V6] {
        assert_eq!(
            caller.gai(family, "-", "nobody"),
            failed("EAI_NONAME"),
            "{family:?}"
        );
    }
    // known, but not in this family
    assert_eq!(caller.gai(Family::V6, "-", "web"), failed("EAI_NODATA"));
    assert_eq!(caller.gai(Family::V4, "-", "six"), failed("EAI_NODATA"));
}

#[test]
fn getaddrinfo_gives_the_canonical_name() {
    let world = world();
    let caller = world.caller();
    for family in [Family::Any, Family::V4] {
        let canonical = |name: &str| caller.gai(family, "canonname", name);
        assert_eq!(canonical("web"), ok("web", &["10.0.0.5"]), "{family:?}");
        assert_eq!(canonical("WeB."), ok("web", &["10.0.0.5"]), "{family:?}");
        assert_eq!(canonical("www"), ok("web", &["10.0.0.5"]), "{family:?}");
        assert_eq!(
            canonical("shop.apps.internal"),
            ok("shop.apps.internal", &["10.0.0.8"]),
            "{family:?}"
        );
    }
    assert_eq!(
        caller.gai(Family::V6, "canonname", "six"),
        ok("six", &["fd00::5"])
    );
}

#[test]
fn getaddrinfo_maps_ipv4_into_ipv6_when_asked() {
    let world = world();
    let caller = world.caller();
    assert_eq!(
        caller.gai(Family::V6, "v4mapped", "web"),
        ok("", &["::ffff:10.0.0.5"])
    );
    assert_eq!(
        caller.gai(Family::V6, "v4mapped", "both"),
        ok("", &["fd00::6"])
    );
    assert_eq!(
        caller.gai(Family::V6, "v4mapped,all", "both").sorted(),
        ["::ffff:10.0.0.6", "fd00::6"]
    );
}

#[test]
fn getaddrinfo_heeds_the_families_of_the_machine_when_asked() {
    let world = world();
    // every machine that runs this has IPv4; IPv6 it may have or not
    let answer = world.caller().gai(Family::Any, "addrconfig", "both");
    assert_eq!(answer.code, "ok");
    assert!(
        answer.addresses.contains(&"10.0.0.6".to_owned()),
        "{answer:?}"
    );
}

#[test]
fn the_old_calls_answer_one_family() {
    let world = world();
    let caller = world.caller();
    assert_eq!(caller.by_name("both"), ok("both", &["10.0.0.6"]));
    assert_eq!(
        caller.by_name2(Family::V4, "both"),
        ok("both", &["10.0.0.6"])
    );
    assert_eq!(
        caller.by_name2(Family::V6, "both"),
        ok("both", &["fd00::6"])
    );
    assert_eq!(caller.by_name("six"), failed("NO_DATA"));
    assert_eq!(caller.by_name2(Family::V6, "web"), failed("NO_DATA"));
    assert_eq!(caller.by_name("nobody"), failed("HOST_NOT_FOUND"));
    assert_eq!(
        caller.by_name2(Family::V6, "nobody"),
        failed("HOST_NOT_FOUND")
    );
    let mut pointer = ok("web", &["10.0.0.5"]);
    pointer.aliases = vec!["www".to_owned()];
    assert_eq!(caller.by_name("www"), pointer);
}

#[test]
fn the_reentrant_calls_answer_with_a_buffer_of_any_first_size() {
    let world = world();
    let caller = world.caller();
    for size in [0, 1, 7, 16, 33, 64, 100, 1024] {
        let v4 = caller.by_name_r(size, "both");
        assert_eq!(
            (v4.name.as_str(), v4.sorted()),
            ("both", vec!["10.0.0.6".to_owned()]),
            "{size}"
        );
        let v6 = caller.by_name2_r(size, Family::V6, "both");
        assert_eq!(
            (v6.name.as_str(), v6.sorted()),
            ("both", vec!["fd00::6".to_owned()]),
            "{size}"
        );
        let reverse = caller.by_addr_r(size, "fd00::6");
        assert_eq!(
            (reverse.name.as_str(), reverse.sorted()),
            ("both", vec!["fd00::6".to_owned()]),
            "{size}"
        );
        assert_eq!(
            caller.by_name_r(size, "nobody").code,
            "HOST_NOT_FOUND",
            "{size}"
        );
        assert_eq!(caller.by_name_r(size, "six").code, "NO_DATA", "{size}");
    }
    assert!(
        caller.by_name_r(0, "web").grown > 0,
        "no buffer is enough of nothing"
    );
    assert_eq!(caller.by_name_r(1024, "web").grown, 0);
}

#[test]
fn addresses_have_names() {
    let world = world();
    let caller = world.caller();
    let mut web = ok("web", &["10.0.0.5"]);
    web.aliases = vec!["www".to_owned()];
    assert_eq!(caller.by_addr("10.0.0.5"), web);
    assert_eq!(caller.by_addr("fd00::6"), ok("both", &["fd00::6"]));
    assert_eq!(caller.by_addr("10.9.9.9"), failed("HOST_NOT_FOUND"));
    assert_eq!(caller.by_addr("fd00::9"), failed("HOST_NOT_FOUND"));
    assert_eq!(
        caller.by_addr("10.0.0.8"),
        failed("HOST_NOT_FOUND"),
        "a wildcard is no name"
    );
    assert_eq!(caller.name_info("-", "10.0.0.5"), ok("web", &[]));
    assert_eq!(caller.name_info("namereqd", "fd00::5"), ok("six", &[]));
    assert_eq!(caller.name_info("-", "10.9.9.9"), ok("10.9.9.9", &[]));
    assert_eq!(
        caller.name_info("namereqd", "10.9.9.9"),
        failed("EAI_NONAME")
    );
}

#[test]
fn of_several_names_a_direct_one_then_the_shortest_then_the_first_of_the_alphabet_is_canonical() {
    let world = World::with(&[
        ("zz", "10.0.0.9"),
        ("aaa", "10.0.0.9"),
        ("aab", "10.0.0.9 fd00::9"),
        ("yy", "10.0.0.9"),
        ("p", "zz"),
    ]);
    let answer = world.caller().by_addr("10.0.0.9");
    let mut aliases = answer.aliases.clone();
    aliases.sort();
    assert_eq!(
        (answer.name.as_str(), aliases),
        ("yy", ["aaa", "aab", "p", "zz"].map(str::to_owned).to_vec())
    );
    assert_eq!(world.caller().by_addr("fd00::9"), ok("aab", &["fd00::9"]));
}

#[test]
fn an_enumeration_has_each_role_once_in_each_family() {
    let world = World::new()
        .hash(HASH, ROLES)
        .services("cloudhosts")
        .start();
    let entries = world.caller().enumerate(None);
    let mut lines: Vec<String> = entries
        .iter()
        .map(|entry| format!("{} {}", entry.name, entry.addresses.join(" ")))
        .collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "both 10.0.0.6",
            "both fd00::6",
            "six fd00::5",
            "under_score 10.0.0.7",
            "web 10.0.0.5",
            "www 10.0.0.5"
        ]
    );
    assert_eq!(
        world.prints("getent", &["hosts"]).lines().count(),
        lines.len(),
        "getent sees the same"
    );
}

#[test]
fn setent_in_the_middle_starts_anew() {
    let world = World::new()
        .hash(HASH, ROLES)
        .services("cloudhosts")
        .start();
    let caller = world.caller();
    let whole = caller.enumerate(None);
    for after in [1, 2, 3, whole.len()] {
        let mut wanted = whole[..after].to_vec();
        wanted.extend_from_slice(&whole);
        assert_eq!(caller.enumerate(Some(after)), wanted, "after {after}");
    }
}

#[test]
fn two_threads_share_one_enumeration_and_miss_or_repeat_nothing() {
    let roles: Vec<String> = (0..300).map(|number| format!("role-{number:03}")).collect();
    let pairs: Vec<(&str, &str)> = roles
        .iter()
        .map(|role| (role.as_str(), "10.1.1.1"))
        .collect();
    let world = World::new()
        .hash(HASH, &pairs)
        .services("cloudhosts")
        .start();
    let caller = world.caller();
    for round in 0..20 {
        let value = caller.ask("enumerate_threads");
        let mut names: Vec<&str> = value["names"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|name| name.as_str())
            .collect();
        names.sort_unstable();
        assert_eq!(names, roles, "round {round}");
    }
}

#[test]
fn two_processes_enumerate_at_once() {
    let world = World::new()
        .hash(HASH, ROLES)
        .services("cloudhosts")
        .start();
    let (one, other) = (world.caller(), world.caller());
    let whole = one.enumerate(None);
    std::thread::scope(|scope| {
        for caller in [&one, &other] {
            let whole = &whole;
            scope.spawn(move || {
                for round in 0..200 {
                    assert_eq!(&caller.enumerate(None), whole, "round {round}");
                }
            });
        }
    });
}

#[test]
fn names_are_read_as_hostnames_are() {
    let long = format!("{0}.{0}.{0}.{1}", "n".repeat(63), "n".repeat(61));
    assert_eq!(long.len(), 253);
    let world = World::new()
        .hash(HASH, ROLES)
        .hash(HASH, &[(&long, "10.0.0.253")])
        .start();
    let caller = world.caller();
    let upper = long.to_uppercase();
    let dotted = format!("{long}.");
    let too_long = format!("n{long}");
    let found: [(&[u8], &str); 8] = [
        (b"web", "10.0.0.5"),
        (b"WEB", "10.0.0.5"),
        (b"web.", "10.0.0.5"),
        (b"WwW.", "10.0.0.5"),
        (b"under_score", "10.0.0.7"),
        (long.as_bytes(), "10.0.0.253"),
        (upper.as_bytes(), "10.0.0.253"),
        (dotted.as_bytes(), "10.0.0.253"),
    ];
    for (name, address) in found {
        let shown = String::from_utf8_lossy(name);
        assert_eq!(
            caller.gai(Family::Any, "-", name).addresses,
            [address],
            "{shown}"
        );
        assert_eq!(
            caller.gai(Family::V4, "-", name).addresses,
            [address],
            "{shown}"
        );
        assert_eq!(caller.by_name(name).addresses, [address], "{shown}");
    }
    let missing: [&[u8]; 9] = [
        b"",
        b".",
        b"web..",
        b".web",
        b"web\xff",
        b"\xc3\xa9",
        b"we b",
        b"web\n",
        too_long.as_bytes(),
    ];
    for name in missing {
        let shown = String::from_utf8_lossy(name);
        assert_eq!(
            caller.gai(Family::Any, "-", name).code,
            "EAI_NONAME",
            "{shown:?}"
        );
        assert_eq!(
            caller.gai(Family::V6, "-", name).code,
            "EAI_NONAME",
            "{shown:?}"
        );
        assert_ne!(caller.by_name(name).code, "ok", "{shown:?}");
    }
}

#[test]
fn names_under_the_domain_answer_as_the_role() {
    let world = World::new()
        .hash(HASH, ROLES)
        .hash(HASH, &[("other.prod.example.com", "10.0.0.99")])
        .config("domain", "'prod.example.com'")
        .start();
    let caller = world.caller();
    assert_eq!(
        caller.gai(Family::Any, "canonname", "web.prod.example.com"),
        ok("web", &["10.0.0.5"])
    );
    assert_eq!(
        caller
            .gai(Family::V4, "-", "WEB.Prod.Example.COM.")
            .addresses,
        ["10.0.0.5"]
    );
    assert_eq!(
        caller.by_name("web.prod.example.com").addresses,
        ["10.0.0.5"]
    );
    assert_eq!(
        caller.gai(Family::Any, "-", "web").addresses,
        ["10.0.0.5"],
        "the short name as before"
    );
    assert_eq!(
        caller
            .gai(Family::Any, "-", "other.prod.example.com")
            .addresses,
        ["10.0.0.99"],
        "a role registered under its long name"
    );
    for missing in [
        "nobody.prod.example.com",
        "web.example.com",
        "prod.example.com",
        "webprod.example.com",
    ] {
        assert_eq!(
            caller.gai(Family::Any, "-", missing).code,
            "EAI_NONAME",
            "{missing}"
        );
    }
}

#[test]
fn a_miss_goes_on_to_the_next_service_unless_nsswitch_says_return() {
    let world = World::new()
        .hash(HASH, ROLES)
        .services("cloudhosts files")
        .start();
    assert_eq!(world.look_up("localhost").code, "ok");

    world
        .sandbox
        .set_services("cloudhosts [NOTFOUND=return] files");
    let caller = world.caller();
    assert_eq!(
        caller.gai(Family::Any, "-", "ip6-localhost").code,
        "EAI_NONAME"
    );
    assert_eq!(caller.gai(Family::Any, "-", "web").code, "ok");
}

#[test]
fn without_any_table_the_module_is_unavailable_and_the_next_service_answers() {
    let world = World::new()
        .services("cloudhosts [NOTFOUND=return] files")
        .build();
    assert_eq!(
        world.caller().gai(Family::Any, "-", "ip6-localhost").code,
        "ok"
    );

    world
        .sandbox
        .set_services("cloudhosts [UNAVAIL=return] files");
    assert_ne!(
        world.caller().gai(Family::Any, "-", "ip6-localhost").code,
        "ok"
    );
}
