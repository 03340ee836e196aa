//! `cloudhosts completions`.

use cloudhosts_tests::process::{bounded, run, stdout, succeed};
use cloudhosts_tests::programs::{COMMAND, find};

/// What bash offers for these words.
fn offered(words: &[&str]) -> String {
    let script = format!(
        "source <({} completions bash); COMP_WORDS=({}); COMP_CWORD={}; \
         _cloudhosts cloudhosts \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; \
         echo \"${{COMPREPLY[@]}}\"",
        find(COMMAND).display(),
        words
            .iter()
            .map(|word| format!("'{word}'"))
            .collect::<Vec<_>>()
            .join(" "),
        words.len() - 1,
    );
    succeed(bounded("bash").args(["-c", &script]))
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

#[test]
fn there_is_something_for_zsh_and_fish_and_nothing_for_others() {
    let said = |shell: &str| run(bounded(find(COMMAND)).args(["completions", shell]));
    assert!(stdout(&said("zsh")).starts_with("#compdef cloudhosts"));
    assert!(stdout(&said("fish")).contains("complete -c cloudhosts"));
    assert_eq!(said("cmd").status.code(), Some(2));
}
