//! Roles with many addresses come whole: glibc enlarges its buffer on exactly the right error.

use cloudhosts_tests::{Caller, Family, World};

const SIZES: [usize; 5] = [1, 25, 100, 1000, 4000];

fn v4(count: usize) -> Vec<String> {
    (1..=count)
        .map(|number| format!("10.20.{}.{}", number / 250, number % 250 + 1))
        .collect()
}

fn v6(count: usize) -> Vec<String> {
    (1..=count)
        .map(|number| format!("fd00::{number:x}"))
        .collect()
}

fn sorted(mut addresses: Vec<String>) -> Vec<String> {
    addresses.sort();
    addresses
}

fn whole(count: usize, all: Vec<String>, ask: impl Fn(&str) -> Vec<String>, what: &str) {
    let answered = ask(&format!("farm-{count}"));
    assert_eq!(answered.len(), count, "{what}");
    assert_eq!(answered, sorted(all), "{what}");
}

#[test]
fn every_call_answers_a_role_of_any_size_whole() {
    let world = World::with(&[]);
    for count in SIZES {
        let value = [v4(count), v6(count)].concat().join(" ");
        world.hset(&[(&format!("farm-{count}"), &value)]);
    }
    world.sync("cloudhosts");
    let caller: &Caller = world.running();
    for count in SIZES {
        whole(
            count,
            v4(count),
            |name| caller.gai(Family::V4, "-", name).sorted(),
            "getaddrinfo, IPv4",
        );
        whole(
            count,
            v6(count),
            |name| caller.gai(Family::V6, "-", name).sorted(),
            "getaddrinfo, IPv6",
        );
        whole(
            count,
            v4(count),
            |name| caller.by_name(name).sorted(),
            "gethostbyname",
        );
        for size in [0, 64, 1024, 65_536] {
            whole(
                count,
                v4(count),
                |name| caller.by_name_r(size, name).sorted(),
                "gethostbyname_r",
            );
            whole(
                count,
                v6(count),
                |name| caller.by_name2_r(size, Family::V6, name).sorted(),
                "gethostbyname2_r",
            );
        }
        let both = caller.gai(Family::Any, "-", format!("farm-{count}"));
        assert_eq!(
            both.sorted(),
            sorted([v4(count), v6(count)].concat()),
            "getaddrinfo, both"
        );
    }
}

#[test]
fn large_roles_need_a_larger_buffer_and_are_enumerated_whole_too() {
    let world = World::new().services("cloudhosts").start();
    world.hset(&[("farm", &v4(4000).join(","))]);
    world.sync("cloudhosts");
    assert!(world.running().by_name_r(1024, "farm").grown > 1);

    let entries = world.running().enumerate(None);
    let farm: Vec<_> = entries
        .iter()
        .filter(|entry| entry.name == "farm")
        .collect();
    assert_eq!(farm.len(), 1);
    assert_eq!(farm[0].sorted(), sorted(v4(4000)));
    assert_eq!(world.running().by_addr(&v4(4000)[3999]).name, "farm");
}

#[test]
fn an_address_with_many_names_gives_the_first_256() {
    let world = World::with(&[]);
    let names: Vec<String> = (0..1000).map(|number| format!("role-{number}")).collect();
    let commands: String = names
        .iter()
        .map(|name| format!("HSET cloudhosts {name} 10.0.0.5\n"))
        .collect();
    world.redis.pipeline(&commands);
    world.sync("cloudhosts");
    let mut in_order = names.clone();
    in_order.sort_by_key(|name| (name.len(), name.clone()));
    for size in [0, 1024] {
        let answer = world.running().by_addr_r(size, "10.0.0.5");
        assert_eq!(answer.name, "role-0");
        assert_eq!(
            sorted(answer.aliases),
            sorted(in_order[1..256].to_vec()),
            "buffer of {size}"
        );
    }
    assert_eq!(world.look_up("role-999").addresses, ["10.0.0.5"]);
}

#[test]
fn a_farm_of_a_thousand_members_is_one_role() {
    let world = World::with(&[]);
    let commands: String = v4(1000)
        .iter()
        .enumerate()
        .map(|(number, address)| format!("HSET cloudhosts farm/i-{number} {address}\n"))
        .collect();
    world.redis.pipeline(&commands);
    world.sync("cloudhosts");
    assert_eq!(world.look_up("farm").sorted(), sorted(v4(1000)));
}
