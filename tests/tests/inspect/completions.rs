//! `cloudhosts completions`: what bash offers, and what the other shells are given.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use cloudhosts_tests::World;
use cloudhosts_tests::dir::Dir;
use cloudhosts_tests::process::{bounded, run, stderr, stdout, succeed};
use cloudhosts_tests::programs::{COMMAND, find};

/// A directory for PATH, with the program by its own name, which is what a shell calls.
fn directory(dir: &Dir) -> PathBuf {
    let bin = dir.join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let program = bin.join(COMMAND);
    if !program.exists() {
        symlink(find(COMMAND), program).unwrap();
    }
    bin
}

/// A line of shell that finds the program.
fn with_program(dir: &Dir, line: &str) -> String {
    format!("PATH={}:$PATH\n{line}", directory(dir).display())
}

/// What the line of bash is that says what it offers for these words.
fn offer(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    format!(
        "source <(cloudhosts completions bash); COMP_WORDS=({}); COMP_CWORD={}; COMP_TYPE=9
         _clap_complete_cloudhosts cloudhosts \"${{COMP_WORDS[COMP_CWORD]}}\" x
         echo \"${{COMPREPLY[@]}}\"",
        words.join(" "),
        words.len() - 1,
    )
}

/// What bash offers for these words, on a machine without a daemon.
fn offered(words: &[&str]) -> String {
    let dir = Dir::new();
    let line = with_program(&dir, &offer(words));
    succeed(bounded("bash").args(["-c", &line]))
}

/// What bash offers for these words in that world; it must say nothing else.
fn offered_in(world: &World, words: &[&str]) -> String {
    let line = with_program(&world.dir, &offer(words));
    let output = run(world.sandbox.entrance().command("bash").args(["-c", &line]));
    assert_eq!(stderr(&output), "", "{words:?}");
    stdout(&output).trim().to_owned()
}

#[test]
fn bash_completes_verbs_options_and_values() {
    assert_eq!(offered(&["cloudhosts", "doc"]), "doctor\n");
    assert!(offered(&["cloudhosts", "export", "--f"]).contains("--format"));
    let actions = offered(&["cloudhosts", "nsswitch", ""]);
    assert!(
        actions.contains("enable") && actions.contains("status"),
        "{actions}"
    );
}

/// Roles, and two members of one of them.
const PAIRS: [(&str, &str); 6] = [
    ("db-master", "10.0.0.5"),
    ("db-replica", "10.0.0.6"),
    ("web/i-1", "10.0.1.1"),
    ("web/i-2", "10.0.1.2"),
    ("web/other", "10.0.1.3"),
    ("*.apps.internal", "10.0.2.1"),
];

#[test]
fn bash_completes_the_names_of_roles_and_members() {
    let mut world = World::with(&PAIRS);
    let offers = |words: &[&str]| offered_in(&world, &[&["cloudhosts"], words].concat());
    for verb in [
        "explain", "resolve", "claim", "join", "leave", "point", "release", "hold", "accept",
        "history", "list", "watch",
    ] {
        assert_eq!(offers(&[verb, "db"]), "db-master db-replica", "{verb}");
    }
    assert_eq!(offers(&["point", "www", "db-m"]), "db-master");
    assert_eq!(offers(&["accept", "web", "db-r"]), "db-replica");
    assert_eq!(offers(&["claim", "nothing"]), "");
    // a wildcard is a role, and no name to look up
    assert_eq!(offers(&["release", "*."]), "*.apps.internal");
    assert_eq!(offers(&["resolve", "*."]), "");
    assert_eq!(offers(&["leave", "web", "--member", "i"]), "i-1 i-2");
    assert_eq!(offers(&["leave", "web", "--member", ""]), "i-1 i-2 other");
    assert_eq!(offers(&["leave", "db-master", "--member", ""]), "");
    // where another configuration has its table
    let config = world.dir.join("elsewhere.toml");
    let text = format!(
        "socket = '{0}/socket'\nstate_dir = '{0}'\n",
        world.dir.path().display()
    );
    std::fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    assert_eq!(offers(&["--config", config, "claim", "db"]), "");
    // the last good table goes on answering; without one there is nothing, and no word of it
    world.daemon.terminate();
    let last_good = world.sandbox.outside("/var/lib/cloudhosts/last-good.table");
    std::fs::remove_file(last_good).unwrap();
    assert_eq!(offered_in(&world, &["cloudhosts", "claim", "db"]), "");
}

#[test]
fn a_part_of_too_many_names_is_not_offered() {
    let world = World::with(&[("web", "10.0.0.1")]);
    let many: Vec<(String, String)> = (0..1_200)
        .map(|n| {
            (
                format!("host-{n:04}"),
                format!("10.1.{}.{}", n / 200, n % 200 + 1),
            )
        })
        .collect();
    let pairs: Vec<(&str, &str)> = many
        .iter()
        .map(|(field, value)| (field.as_str(), value.as_str()))
        .collect();
    world.hset(&pairs);
    world.sees("host-1199", &["10.1.5.200"]);
    let offers = |start: &str| offered_in(&world, &["cloudhosts", "claim", start]);
    assert_eq!(offers("host-"), "");
    assert_eq!(offers("host-000").split(' ').count(), 10);
    assert_eq!(offers("w"), "web");
}

#[test]
fn a_tab_in_a_running_bash_ends_the_name() {
    let world = World::with(&PAIRS);
    let setup = world.dir.join("bashrc");
    let lines = with_program(
        &world.dir,
        "source <(cloudhosts completions bash)\nPS1='$ '\n",
    );
    std::fs::write(&setup, lines).unwrap();
    let typed = world.dir.join("typed");
    std::fs::write(&typed, "cloudhosts resolve db-m\t --json\nexit\n").unwrap();
    let line = format!(
        "TERM=dumb script -qec 'bash --rcfile {} -i' /dev/null <{}",
        setup.display(),
        typed.display()
    );
    let said = stdout(&run(&mut world.shell(&line)));
    assert!(said.contains("\"name\":\"db-master\""), "{said}");
}

/// What the program answers a shell that is not here, asked as that asks.
fn answered(world: &World, shell: &str, words: &[&str]) -> String {
    let mut command: Command = world.sandbox.entrance().command(find(COMMAND));
    command
        .arg("--")
        .args(words)
        .env("CLOUDHOSTS_COMPLETE", shell)
        .env("_CLAP_IFS", "\n")
        .env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string());
    stdout(&run(&mut command))
}

#[test]
fn there_is_something_for_zsh_and_fish_and_nothing_for_others() {
    let said = |shell: &str| run(bounded(find(COMMAND)).args(["completions", shell]));
    assert!(stdout(&said("zsh")).starts_with("#compdef cloudhosts"));
    assert!(stdout(&said("fish")).contains("--command cloudhosts"));
    assert_eq!(said("cmd").status.code(), Some(2));
    let world = World::with(&PAIRS);
    for shell in ["zsh", "fish"] {
        let said = answered(&world, shell, &["cloudhosts", "claim", "db"]);
        assert_eq!(said.trim(), "db-master\ndb-replica", "{shell}");
    }
    // a variable of that name for another purpose does no harm
    let mut command = bounded(find(COMMAND));
    let output = run(command.arg("--version").env("CLOUDHOSTS_COMPLETE", "1"));
    assert!(stdout(&output).starts_with("cloudhosts "));
}
