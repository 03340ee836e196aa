//! `make bench`: see [`cloudhosts_tests::bench`].
//!
//!     bench [--quick] [--when-quiet] [SUBJECT...]
//!                                      measure; all subjects of a full run are written to docs/,
//!                                      anything less to target/bench/; before each subject wait
//!                                      for a machine that is quiet, 5 minutes at most
//!     bench check [--accept]           compare instruction counts with those kept in the tree

use std::process::ExitCode;

use cloudhosts_tests::bench::{FULL, QUICK, instructions, places, run};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let is = |word: &str| words.iter().any(|one| one == word);
    if is("check") {
        return instructions::check(is("--accept"));
    }
    let subjects: Vec<String> = words
        .iter()
        .filter(|word| !word.starts_with("--"))
        .cloned()
        .collect();
    let (docs, elsewhere) = places();
    let quick = is("--quick");
    let place = if quick || !subjects.is_empty() {
        elsewhere
    } else {
        docs
    };
    let scale = if quick { &QUICK } else { &FULL };
    run(scale, &subjects, &place, is("--when-quiet"));
    ExitCode::SUCCESS
}
