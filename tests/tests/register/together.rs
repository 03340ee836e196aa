//! Two hundred at once, of one role.

use std::collections::BTreeSet;
use std::process::Stdio;

use cloudhosts_tests::process::{Process, Signal};
use cloudhosts_tests::wait;

use crate::common::{Holding, Registry, times};

#[test]
fn two_hundred_at_once_end_as_if_one_after_the_other() {
    let registry = Registry::new();
    registry.prints(&["claim", "web", "10.0.0.1"]);
    for n in 0..40 {
        registry
            .redis
            .hset("cloudhosts", &[(&format!("web/old{n}"), "10.0.0.2")]);
    }
    let mut held: Vec<Holding> = Vec::new();
    let mut running: Vec<(Vec<String>, Process)> = Vec::new();
    for n in 0..200 {
        let address = format!("10.1.0.{n}");
        let words: Vec<String> = match n % 5 {
            0 => ["claim", "web", &address].map(str::to_owned).to_vec(),
            1 => ["join", "web", &address, "--member", &format!("j{n}")]
                .map(str::to_owned)
                .to_vec(),
            2 => ["leave", "web", "--member", &format!("old{}", n / 5)]
                .map(str::to_owned)
                .to_vec(),
            3 => [
                "hold",
                "web",
                &address,
                "--member",
                &format!("h{n}"),
                "--",
                "true",
            ]
            .map(str::to_owned)
            .to_vec(),
            _ => {
                let member = format!("k{n}");
                held.push(registry.hold(&["web", &address, "--member", &member, "--lease", "15s"]));
                continue;
            }
        };
        let arguments: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command = registry.command(&arguments);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        running.push((words, Process::start(command)));
    }
    wait::until("all have ended", || {
        // a claim takes nothing away before it has put its own there
        assert!(
            registry.hash().contains_key("web"),
            "a moment without any holder"
        );
        let all = running
            .iter_mut()
            .all(|(_, process)| process.ended().is_some());
        all.then_some(())
    });
    for (words, process) in &mut running {
        let code = process.wait().code();
        // a claim may have ended it before its command did
        assert!(
            code == Some(0) || (words[0] == "hold" && code == Some(4)),
            "{words:?}: {code:?}"
        );
    }
    // who was there when a claim came has ended, or is about to; who came later holds it
    wait::until_seen(
        "every holder is in, or has ended",
        || {
            let hash = registry.hash();
            let mut alive = Vec::new();
            for (n, one) in (4..200).step_by(5).zip(&mut held) {
                if one.process.ended().is_none() {
                    alive.push(format!("web/k{n}"));
                }
            }
            let members = hash.into_keys().filter(|field| field.starts_with("web/k"));
            (alive, members.collect::<Vec<_>>())
        },
        |(alive, members)| {
            let alive: BTreeSet<&String> = alive.iter().collect();
            alive == members.iter().collect()
        },
    );
    let hash = registry.hash();
    // the plain field is what some claim wrote, and with it every member from before has gone
    let (zero, last) = hash["web"].rsplit_once('.').unwrap();
    let last: usize = last.parse().unwrap();
    assert!(
        zero == "10.1.0" && last.is_multiple_of(5),
        "{}",
        hash["web"]
    );
    for (field, at) in &hash {
        let Some(member) = field.strip_prefix("web/") else {
            assert_eq!(field, "web");
            continue;
        };
        let (kind, n) = member.split_at(1);
        let wrote = matches!(
            (kind, n.parse::<usize>().map(|n| n % 5)),
            ("j", Ok(1)) | ("k", Ok(4))
        );
        assert!(wrote && *at == format!("10.1.0.{n}"), "{field} is at {at}");
    }
    for one in &mut held {
        if one.process.ended().is_none() {
            assert_eq!(one.end(Signal::TERM), Some(0), "{}", one.said());
        } else {
            assert_eq!(one.process.wait().code(), Some(4), "{}", one.said());
        }
    }
    assert!(
        !registry
            .hash()
            .keys()
            .any(|field| field.starts_with("web/k"))
    );
    assert!(!registry.has(&times("web")));
}
