//! Links between documents lead to a file, and to a heading in it; files that are named are there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[test]
fn each_link_leads_to_a_heading_that_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut broken = Vec::new();
    for document in documents(&root) {
        let text = std::fs::read_to_string(&document).expect("a document");
        for link in links(&text) {
            let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
            let path = if file.is_empty() {
                document.clone()
            } else {
                document.with_file_name(file)
            };
            let found = match std::fs::read_to_string(&path) {
                Ok(text) => heading.is_empty() || headings(&text).contains(heading),
                Err(_) => heading.is_empty() && path.exists(),
            };
            if !found {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// `follow/reread.rs` stands for any file whose path ends so; `connect/{link,login}.rs` for two.
#[test]
fn each_file_that_the_architecture_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = std::fs::read_to_string(root.join("ARCHITECTURE.md")).expect("it is there");
    let files = source_files(&root);
    let named = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| name.ends_with(".rs"));
    let named: BTreeSet<String> = named.flat_map(alternatives).collect();
    let missing: Vec<&String> = named
        .iter()
        .filter(|name| !files.iter().any(|path| path.ends_with(name)))
        .collect();
    assert!(named.len() > 40 && missing.is_empty(), "{missing:?}");
}

fn source_files(root: &Path) -> Vec<PathBuf> {
    let mut directories = vec![root.to_owned()];
    let mut files = Vec::new();
    while let Some(directory) = directories.pop() {
        let entries = std::fs::read_dir(&directory).expect("a directory");
        for path in entries.map(|entry| entry.expect("an entry").path()) {
            if path.is_dir() && !path.ends_with("target") && !path.ends_with(".git") {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}

/// `a/{b,c}.rs` is `a/b.rs` and `a/c.rs`.
fn alternatives(name: &str) -> Vec<String> {
    let parts = name.split_once('{').and_then(|(before, rest)| {
        let (names, after) = rest.split_once('}')?;
        Some(
            names
                .split(',')
                .map(move |name| format!("{before}{name}{after}"))
                .collect(),
        )
    });
    parts.unwrap_or_else(|| vec![name.to_owned()])
}

fn documents(root: &Path) -> Vec<PathBuf> {
    let directories = [root.to_owned(), root.join("docs")];
    let entries = directories
        .iter()
        .flat_map(|path| std::fs::read_dir(path).expect("a directory"));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let documents: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    assert!(documents.len() > 6, "{documents:?}");
    documents
}

/// The relative links, outside of blocks of code. One may be broken over two lines.
fn links(text: &str) -> Vec<String> {
    let blocks = text.split("```").step_by(2);
    let targets = blocks.flat_map(|block| block.split("](").skip(1));
    targets
        .filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()))
        .filter(|target| !target.contains("://"))
        .collect()
}

/// The anchors that GitHub gives to headings.
fn headings(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| line.starts_with('#'));
    lines
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title
                .chars()
                .filter(|&c| c.is_alphanumeric() || c == ' ' || c == '-' || c == '_');
            kept.collect::<String>().replace(' ', "-")
        })
        .collect()
}
