//! A panic is caught with the module's own `_dl_find_object` in place of
//! glibc's: this test program is linked with it as the module is.
#![allow(clippy::panic, reason = "a test that fails should stop")]

#[path = "../src/compat/dl_find_object.rs"]
mod dl_find_object;

use std::process::Command;
use std::{env, panic};

#[inline(never)]
fn deep(levels: u32) -> u32 {
    if levels == 0 {
        panic!("at the bottom");
    }
    deep(levels - 1) + 1
}

#[test]
fn a_panic_is_caught() {
    // Where no tables are found the unwinder ends the process.
    let caught = panic::catch_unwind(|| deep(50)).unwrap_err();
    assert_eq!(caught.downcast_ref::<&str>(), Some(&"at the bottom"));
    assert!(panic::catch_unwind(|| deep(3)).is_err());
}

#[test]
fn nothing_of_it_is_asked_of_other_libraries() {
    let output = Command::new("nm")
        .args(["--dynamic", "--undefined-only"])
        .arg(env::current_exe().unwrap())
        .output()
        .unwrap();
    let asked = String::from_utf8(output.stdout).unwrap();
    assert!(asked.contains("GLIBC_"), "nm shows nothing: {asked}");
    for name in ["_dl_find_object", "_Unwind_RaiseException"] {
        assert!(!asked.contains(name), "{name} comes from elsewhere");
    }
}
