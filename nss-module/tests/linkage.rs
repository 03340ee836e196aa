//! How the built module is linked: what it shows, and what it needs.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that fails should stop"
)]

#[path = "common/built.rs"]
mod built;

use std::path::PathBuf;
use std::process::Command;

use built::built;
use cloudhosts_table::version_note::VersionNote;

/// The module as it is shipped, in `CLOUDHOSTS_PROGRAMS`; or else as it is built for this test.
fn shipped() -> PathBuf {
    let programs = std::env::var_os("CLOUDHOSTS_PROGRAMS").map(PathBuf::from);
    programs.map_or_else(built, |programs| programs.join("libnss_cloudhosts.so"))
}

/// The lines a program of binutils says about the module.
fn lines(program: &str, arguments: &[&str]) -> Vec<String> {
    let output = Command::new(program)
        .args(arguments)
        .arg(shipped())
        .env("LC_ALL", "C")
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; install binutils"));
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// What stands in brackets behind a tag of the dynamic section.
fn dynamic(tag: &str) -> Vec<String> {
    lines("readelf", &["--dynamic", "--wide"])
        .into_iter()
        .filter(|line| line.contains(tag))
        .filter_map(|line| Some(line.split_once('[')?.1.split_once(']')?.0.to_owned()))
        .collect()
}

#[test]
fn exactly_the_functions_of_glibc_are_visible() {
    let mut visible: Vec<String> = lines("nm", &["--dynamic", "--defined-only"])
        .iter()
        .map(|line| line.split_whitespace().last().unwrap().to_owned())
        .collect();
    visible.sort();
    let expected = [
        "endhostent",
        "gethostbyaddr2_r",
        "gethostbyaddr_r",
        "gethostbyname2_r",
        "gethostbyname3_r",
        "gethostbyname4_r",
        "gethostbyname_r",
        "gethostent_r",
        "sethostent",
    ];
    assert_eq!(
        visible,
        expected.map(|name| format!("_nss_cloudhosts_{name}"))
    );
}

#[test]
fn its_version_is_a_note_that_can_be_read_from_the_file() {
    let module = std::fs::read(shipped()).unwrap();
    let note = VersionNote::find(&module).expect("a note");
    assert_eq!(note.version(), env!("CARGO_PKG_VERSION"));
}

#[test]
fn its_name_is_the_one_glibc_asks_for() {
    assert_eq!(dynamic("(SONAME)"), ["libnss_cloudhosts.so.2"]);
}

#[test]
fn it_needs_the_c_library_and_nothing_else() {
    for needed in dynamic("(NEEDED)") {
        let loader = needed.starts_with("ld-linux");
        assert!(needed == "libc.so.6" || loader, "needs {needed}");
    }
}

#[test]
fn it_stays_loaded_and_its_tables_are_read_only() {
    let flags = lines("readelf", &["--dynamic", "--wide"]).join("\n");
    assert!(flags.contains("NODELETE"), "{flags}");
    assert!(flags.contains("BIND_NOW"), "{flags}");
    let segments = lines("readelf", &["--segments", "--wide"]).join("\n");
    assert!(segments.contains("GNU_RELRO"), "{segments}");
    assert!(!segments.contains("RWE"), "{segments}");
    assert!(!flags.contains("TEXTREL"), "{flags}");
}

/// The newest glibc that the module may ask for. Debug builds are not shipped; they keep code of the
/// standard library that never runs and refers to pthread functions which moved into libc in 2.34.
fn newest() -> (u32, u32) {
    if shipped()
        .parent()
        .is_some_and(|folder| folder.ends_with("debug"))
    {
        (2, 34)
    } else {
        (2, 31)
    }
}

#[test]
fn an_older_glibc_can_load_it() {
    let (mut seen, newest) = (0, newest());
    for line in lines("objdump", &["--dynamic-syms"]) {
        let Some((_, rest)) = line.split_once("GLIBC_") else {
            continue;
        };
        // A weak symbol may be missing, but not its version.
        let version: String = rest
            .chars()
            .take_while(|c| *c != ')' && *c != ' ')
            .collect();
        let mut numbers = version.split('.').map(|number| number.parse().unwrap());
        let needs = (numbers.next().unwrap(), numbers.next().unwrap());
        assert!(needs <= newest, "{line}");
        seen += 1;
    }
    assert!(seen > 0, "objdump shows no symbol with a version");
}
