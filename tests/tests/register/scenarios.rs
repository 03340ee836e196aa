//! The four scenarios of docs/guide.md, run as they are printed: two daemons, two views.

use std::path::PathBuf;
use std::process::Stdio;

use cloudhosts_tests::dir::Dir;
use cloudhosts_tests::process::{Process, run, stdout};
use cloudhosts_tests::sandbox::{FILES_THEN_CLOUDHOSTS, Sandbox};
use cloudhosts_tests::{Redis, programs, wait};

/// What is printed of one: prompts with commands, and what they answer.
struct Scenario {
    commands: Vec<(String, String)>,
    answer: String,
}

fn printed() -> Vec<Scenario> {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/guide.md");
    let text = std::fs::read_to_string(guide).unwrap();
    let (_, section) = text
        .split_once("\n### Inside and outside\n")
        .expect("the section");
    let section = section.split("\n### ").next().unwrap();
    let section = section.split("\n## ").next().unwrap();
    let blocks = section.split("```console\n").skip(1);
    blocks
        .map(|block| {
            let block = block.split("```").next().unwrap();
            let mut scenario = Scenario {
                commands: Vec::new(),
                answer: String::new(),
            };
            for line in block.lines() {
                match line.split_once("$ ") {
                    Some((at, command)) => scenario.commands.push((at.into(), command.into())),
                    None => scenario.answer.push_str(&format!("{line}\n")),
                }
            }
            scenario
        })
        .collect()
}

/// A machine: a sandbox with the installed programs in its PATH.
struct Installed {
    sandbox: Sandbox,
    path: String,
    _dir: Dir,
}

impl Installed {
    fn new(redis: &Redis) -> Installed {
        let dir = Dir::new();
        let sandbox = Sandbox::new(dir.path(), FILES_THEN_CLOUDHOSTS);
        let config = format!("[redis]\nurls = ['{}']\n", redis.unix_url());
        std::fs::write(sandbox.outside("/etc/cloudhosts/cloudhosts.toml"), config).unwrap();
        let bin = programs::find(programs::DAEMON)
            .parent()
            .map(PathBuf::from)
            .unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        Installed {
            sandbox,
            path,
            _dir: dir,
        }
    }

    fn run(&self, command: &str) -> String {
        let mut shell = self.sandbox.entrance().command("sh");
        stdout(&run(shell.env("PATH", &self.path).args(["-c", command])))
    }

    fn start(&self, command: &str) -> Process {
        let mut shell = self.sandbox.entrance().background("sh");
        shell
            .env("PATH", &self.path)
            .args(["-c", &format!("exec {command}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Process::start(shell)
    }
}

#[test]
fn the_guide_prints_what_happens() {
    let scenarios = printed();
    assert_eq!(scenarios.len(), 4);
    let mut views = Vec::new();
    for scenario in scenarios {
        let dir = Dir::new();
        let redis = Redis::builder(dir.join("redis")).start();
        let [daemon, register, look_up] = scenario.commands.as_slice() else {
            panic!("three commands each: {:?}", scenario.commands);
        };
        // both clients are there; the other one sees its own view of the same role
        let (client, service) = (Installed::new(&redis), Installed::new(&redis));
        assert!(
            ["inside", "outside"].contains(&daemon.0.as_str()),
            "{}",
            daemon.0
        );
        assert_eq!((register.0.as_str(), &look_up.0), ("service", &daemon.0));
        let background = daemon
            .1
            .strip_suffix(" &")
            .expect("a daemon in the background");
        let _daemon = client.start(background);
        service.run(&register.1);
        wait::until_seen(
            &format!("{} prints what the guide says", look_up.1),
            || client.run(&look_up.1),
            |said| *said == scenario.answer,
        );
        views.push((daemon.0.clone(), scenario.answer.clone()));
    }
    assert_eq!(views.iter().filter(|(at, _)| at == "inside").count(), 2);
    assert_ne!(views[0].1, views[1].1, "a service inside has two addresses");
    assert_eq!(views[2].1, views[3].1, "one outside has one");
}
