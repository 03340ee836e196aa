//! How many instructions the module takes, counted by callgrind: repeatable where times are not.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use super::figures::count;
use super::peers::{Kind, Peer, Peers};
use super::tools::{Tools, version};
use crate::dir::Dir;
use crate::process::succeed;

const NAMES: u32 = 1_000;

/// Lookups that are counted together: of many names, so that how they fell into the index of
/// this one table, whose seed is random, makes no difference.
const LOOKUPS: u64 = 2_000;

/// How many more there may be than the file in the tree says.
const TOLERANCE: f64 = 1.1;

/// The counts, each under its name.
type Counts = Vec<(&'static str, u64)>;

/// Counts, and compares with what is kept in the tree, or keeps what was counted.
pub fn check(accept: bool) -> ExitCode {
    let tools = Tools::new();
    let peers = Peers::start(&tools, &[Kind::Cloudhosts], NAMES);
    let counted = count_all(&tools, &peers.all[0]);
    let file = file();
    if accept {
        std::fs::write(&file, written(&counted)).expect("the file can be written");
        println!("{}: written", file.display());
        return ExitCode::SUCCESS;
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    let mut worse = false;
    for (what, now) in counted {
        let Some(before) = read(&kept, what) else {
            println!(
                "{what}: {} instructions; none are kept, run `make bench-accept`",
                count(now)
            );
            worse = true;
            continue;
        };
        let ratio = now as f64 / before as f64;
        let too_many = ratio > TOLERANCE;
        worse |= too_many;
        println!(
            "{what}: {} instructions, {} are kept ({:+.1} %){}",
            count(now),
            count(before),
            (ratio - 1.0) * 100.0,
            if too_many {
                ": more than a tenth worse"
            } else {
                ""
            },
        );
    }
    if worse {
        println!("if that is meant, `make bench-accept` keeps the new counts");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn count_all(tools: &Tools, peer: &Peer) -> Counts {
    let loaded = run(tools, peer, true, 0);
    let once = run(tools, peer, true, 1);
    let each = |hit| {
        let more = run(tools, peer, hit, 1 + LOOKUPS);
        more.saturating_sub(run(tools, peer, hit, 1)) / LOOKUPS
    };
    let hit = each(true);
    vec![
        ("hit", hit),
        ("miss", each(false)),
        ("attach", once.saturating_sub(loaded + hit)),
    ]
}

/// Instructions of a process that calls the module so often.
fn run(tools: &Tools, peer: &Peer, hit: bool, times: u64) -> u64 {
    let dir = Dir::new();
    let out = dir.join("callgrind");
    let mut command = peer.sandbox.entrance().command("valgrind");
    command
        .args(["--quiet", "--tool=callgrind"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(&tools.lookups)
        .args(["module", "libnss_cloudhosts.so.2", "_nss_cloudhosts"])
        .args([
            NAMES.to_string(),
            u8::from(hit).to_string(),
            times.to_string(),
        ]);
    succeed(&mut command);
    let text = std::fs::read_to_string(&out).expect("callgrind has written");
    let total = text.lines().find_map(|line| line.strip_prefix("summary: "));
    let total = total.expect("callgrind says how many").trim();
    total.parse().expect("a number")
}

fn file() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/bench/instructions.toml"
    ))
}

fn written(counts: &Counts) -> String {
    let mut text = format!(
        "# Instructions of the module's gethostbyname4_r, names of 24 bytes, as `make bench-accept` counted them\n\
         # with {}. `make bench-check` fails where one grows by more than a tenth.\n",
        version("rustc", &["--version"]),
    );
    for (what, count) in counts {
        writeln!(text, "{what} = {count}").expect("a string takes it");
    }
    text
}

fn read(text: &str, what: &str) -> Option<u64> {
    let lines = text.lines().filter_map(|line| line.split_once('='));
    let found = lines.map(|(key, value)| (key.trim(), value.trim()));
    found
        .filter(|(key, _)| *key == what)
        .find_map(|(_, value)| value.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let text = written(&vec![("hit", 1137), ("miss", 953)]);
        assert_eq!(read(&text, "hit"), Some(1137));
        assert_eq!(read(&text, "miss"), Some(953));
        assert_eq!(read(&text, "attach"), None);
    }

    #[test]
    fn the_tree_keeps_all_counts() {
        let text = std::fs::read_to_string(file()).unwrap();
        for what in ["hit", "miss", "attach"] {
            assert!(read(&text, what).is_some(), "{what}");
        }
    }
}
