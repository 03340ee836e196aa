//! `docs/reliability.md` names no test that is not there.

use std::path::Path;

#[test]
fn every_test_that_the_table_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let document = std::fs::read_to_string(root.join("docs/reliability.md")).unwrap();
    let mut sources = String::new();
    for directory in [
        "tests/tests",
        "registry/tests",
        "table/tests",
        "nss-module/tests",
        "dns/src",
        "dns/tests",
        "cached/src/mirror",
    ] {
        read_all(&root.join(directory), &mut sources);
    }
    let mut count = 0;
    // a test is named as `part::what_it_shows`
    for (_, test) in document.split('`').filter_map(|part| part.split_once("::")) {
        if test.contains('_') {
            count += 1;
            assert!(sources.contains(&format!("fn {test}(")), "no test {test}");
        }
    }
    assert!(count > 80, "{count} tests are named");
}

fn read_all(directory: &Path, sources: &mut String) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            *sources += &std::fs::read_to_string(path).unwrap();
        }
    }
}
