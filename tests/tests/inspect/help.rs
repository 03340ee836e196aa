//! `--help` of each verb.

use cloudhosts_tests::process::{bounded, succeed};
use cloudhosts_tests::programs::{COMMAND, find};

fn help(columns: &str, verb: &str) -> String {
    let mut command = bounded(find(COMMAND));
    succeed(command.args([verb, "--help"]).env("COLUMNS", columns))
}

#[test]
fn it_fits_the_terminal() {
    for verb in ["hold", "claim", "import", "acl", "watch"] {
        for columns in [80, 120] {
            let help = help(&columns.to_string(), verb);
            let longest = help.lines().max_by_key(|line| line.len()).unwrap();
            assert!(longest.len() <= columns, "{longest}");
        }
        assert!(help("80", verb).lines().count() > help("200", verb).lines().count());
    }
}

#[test]
fn what_all_verbs_take_stands_apart() {
    let help = help("100", "claim");
    let (own, global) = help.split_once("Global options:").unwrap();
    assert!(own.contains("--wait") && !own.contains("--config"));
    assert!(
        global.contains("--config") && global.contains("--hash") && global.contains("--redis-url")
    );
}
