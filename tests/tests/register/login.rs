//! As whom the verbs register: `register.toml`, which they find by themselves, and what wins.

use std::fs::{Permissions, create_dir, set_permissions, write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use cloudhosts_tests::config::list;
use cloudhosts_tests::process::{run, stderr, stdout, succeed};
use cloudhosts_tests::{Redis, World, programs, rights};

const REGISTER: &str = "/etc/cloudhosts/register.toml";
const NOBODY: [&str; 4] = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];

/// A world whose Redis knows the daemon's user, and another that registers.
fn world() -> World {
    let start = World::new();
    let redis = Redis::builder(start.directory().join("redis"))
        .tcp()
        .user(&format!("user cloudhosts on >read {}", rights::of_daemon()))
        .user(&format!(
            "user registrar on >write {}",
            rights::of_registrar()
        ))
        .start();
    let urls = list(&[&redis.tcp_url()]);
    start
        .redis(redis)
        .config("redis.urls", urls)
        .login("cloudhosts", "read")
        .start()
}

/// Writes `register.toml`; where it is outside.
fn register(world: &World, text: &str) -> PathBuf {
    let file = world.sandbox.outside(REGISTER);
    write(&file, text).unwrap();
    file
}

/// The lines of it, and the password file that it names.
fn as_registrar(world: &World) -> (String, PathBuf) {
    let password = world.dir.join("register.password");
    write(&password, "write\n").unwrap();
    let text = format!(
        "[redis]\nusername = 'registrar'\npassword_file = '{}'\n",
        password.display()
    );
    (text, password)
}

fn command(world: &World, arguments: &[&str]) -> Command {
    let program = programs::find(programs::COMMAND);
    let mut command = world.sandbox.entrance().command(program);
    command.args(arguments);
    command
}

/// How it ended, and what it said.
fn ended(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), stderr(output) + &stdout(output))
}

#[test]
fn who_registers_is_another_user_and_all_else_is_the_daemons() {
    let world = world();
    let claim = ["claim", "web", "10.0.0.1", "--wait"];
    let (code, said) = ended(&world.cloudhosts(&claim));
    assert_eq!(code, Some(3), "as the daemon's user: {said}");
    let (text, _) = as_registrar(&world);
    register(&world, &text);
    let verbs: [&[&str]; 8] = [
        &claim,
        &["join", "farm", "10.0.0.2", "--member", "a"],
        &["point", "www", "web"],
        &["hold", "app", "10.0.0.3", "--", "true"],
        &["leave", "farm", "--member", "a"],
        &["release", "www"],
        &["accept"],
        &["history", "web"],
    ];
    for verb in verbs {
        let (code, said) = ended(&world.cloudhosts(verb));
        assert_eq!(code, Some(0), "{verb:?}: {said}");
    }
    let hosts = world.dir.join("hosts");
    write(&hosts, "10.0.0.9 nine\n").unwrap();
    let (code, said) = ended(&world.cloudhosts(&["import", hosts.to_str().unwrap()]));
    assert_eq!(code, Some(0), "{said}");
    let refused = world.redis.cli(&["ACL", "LOG", "RESET"]);
    assert_eq!(refused, "OK");
    // to look takes nobody's leave: they are not asked as whom to register
    register(&world, "no = 'sense'\n");
    assert_eq!(ended(&world.cloudhosts(&["resolve", "web"])).0, Some(0));
}

#[test]
fn it_says_which_of_several_hashes_is_written_to() {
    let world = World::new()
        .config("hashes", "['cloudhosts:private', 'cloudhosts']")
        .start();
    let claim = ["claim", "web", "10.0.0.1", "--wait"];
    assert_eq!(ended(&world.cloudhosts(&claim)).0, Some(2));
    register(&world, "hashes = ['cloudhosts']\n");
    let (code, said) = ended(&world.cloudhosts(&claim));
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(world.redis.cli(&["HKEYS", "cloudhosts"]), "web");
}

#[test]
fn a_file_that_is_named_is_the_whole_configuration() {
    let world = World::with(&[]);
    let file = |name: &str| {
        let text = format!(
            "hashes = ['{name}']\n[redis]\nurls = ['{}']\n",
            world.redis.unix_url()
        );
        let file = world.dir.join(format!("{name}.toml"));
        write(&file, text).unwrap();
        file
    };
    let (option, variable) = (file("option"), file("variable"));
    register(&world, "hashes = ['register']\n");
    let claims = |options: &[&str], variable: &str| {
        let arguments = [options, &["claim", "web", "10.0.0.1", "--json"]].concat();
        let output = run(command(&world, &arguments).env("CLOUDHOSTS_CONFIG", variable));
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        said["places"][0]["hash"].as_str().unwrap().to_owned()
    };
    let (option, variable) = (option.to_str().unwrap(), variable.to_str().unwrap());
    assert_eq!(claims(&["--config", option], variable), "option");
    assert_eq!(claims(&[], variable), "variable");
    assert_eq!(claims(&[], ""), "register");
    // for those who look as well
    let mut resolve = command(&world, &["resolve", "web"]);
    let (code, said) = ended(&run(resolve.env("CLOUDHOSTS_CONFIG", "/no/such/file")));
    assert_eq!(code, Some(2));
    assert!(said.contains("/no/such/file"), "{said}");
}

#[test]
fn what_is_wrong_in_it_is_told_with_its_line() {
    let world = World::with(&[]);
    register(&world, "hashes = ['a']\nsocket = '/run/s'\n");
    for verb in [&["claim", "web", "10.0.0.1"][..], &["history"], &["acl"]] {
        let (code, said) = ended(&world.cloudhosts(verb));
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("register.toml:2: "), "{said}");
    }
}

#[test]
fn who_may_not_read_it_or_its_password_is_told_what_to_do() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can become another user");
        return;
    }
    let world = world();
    let program = world.dir.join("cloudhosts");
    programs::install(&programs::find(programs::COMMAND), &program);
    let nobody = |credentials: &str| {
        let mut command = world.sandbox.entrance().command("setpriv");
        command.args(NOBODY).arg(&program);
        command.args(["claim", "web", "10.0.0.1"]);
        ended(&run(command.env("CREDENTIALS_DIRECTORY", credentials)))
    };
    let (text, password) = as_registrar(&world);
    let file = register(&world, &text);
    set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    let (code, said) = nobody("");
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("register.toml") && said.contains("sudo"),
        "{said}"
    );
    set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    set_permissions(&password, Permissions::from_mode(0o640)).unwrap();
    let (code, said) = nobody("");
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("register.toml:3: ") && said.contains("sudo"),
        "{said}"
    );
    // as the unit runs: a credential stands in for what only people can read
    let credentials = world.dir.join("credentials");
    create_dir(&credentials).unwrap();
    write(credentials.join("redis-password"), "write\n").unwrap();
    let (code, said) = nobody(credentials.to_str().unwrap());
    assert_eq!(code, Some(0), "{said}");
    // where the file can be read, it counts
    write(credentials.join("redis-password"), "wrong\n").unwrap();
    let mut root = command(&world, &["claim", "web", "10.0.0.2"]);
    succeed(root.env("CREDENTIALS_DIRECTORY", &credentials));
}
