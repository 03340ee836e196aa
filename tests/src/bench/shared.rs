//! The memory that processes share, each of which looked up once and then does nothing.

use std::collections::BTreeMap;
use std::fs::read_to_string;

use super::Scale;
use super::document::{Bar, Section};
use super::figures::{bytes, count};
use super::names;
use super::peers::{Kind, Peers};
use super::tools::Tools;
use super::wire::{Change, Wire};
use crate::caller::Caller;
use crate::world::HASH;

/// Starts processes one after the other, with a change between each, and adds up what memory files
/// they and the daemon have mapped.
pub fn measure(tools: &Tools, scale: &Scale) -> Section {
    let (processes, names) = scale.sharing;
    let mut section = Section::new("Memory that is shared");
    let peers = Peers::start(tools, &[Kind::Cloudhosts], names);
    let ours = peers.all.iter().find(|peer| peer.kind == Kind::Cloudhosts);
    let sandbox = &ours.expect("it is asked for").sandbox;
    let mut wire = Wire::new(&peers.redis);
    let name = names::name(0);
    let mut callers: Vec<Caller> = Vec::new();
    let mut before = 0;
    for nth in 0..processes {
        let address = format!("10.212.{}.{}", nth / 250, nth % 250);
        wire.change(Change::Logged, HASH, &name, &address);
        let caller = Caller::start(sandbox.entrance());
        caller.sees(&name, &[&address]);
        callers.push(caller);
        if nth == 0 {
            before = mapped(peers.daemon.id(), &callers);
        }
    }
    let after = mapped(peers.daemon.id(), &callers);
    section.say(&format!(
        "{processes} processes looked up once each and then did nothing, among {} names, of which one changed \
         between each two. With the first of them there were {} of memory files mapped, with all of them {}.",
        count(names.into()),
        bytes(before as f64),
        bytes(after as f64),
    ));
    section.bars.push(Bar::new(
        format!("{processes} idle processes: shared memory grows by"),
        2.0,
        100.0 * (after as f64 / before as f64 - 1.0),
        |percent| format!("{percent:.1} %"),
    ));
    section
}

/// Bytes of all memory files that these have mapped, each file once.
fn mapped(daemon: u32, callers: &[Caller]) -> u64 {
    let pids = callers.iter().map(Caller::id).chain([daemon]);
    let mut files: BTreeMap<String, u64> = BTreeMap::new();
    for pid in pids {
        let maps = read_to_string(format!("/proc/{pid}/maps")).expect("it runs");
        for line in maps.lines().filter(|line| line.contains("/memfd:")) {
            let mut words = line.split_whitespace();
            let ends = words.next().and_then(|range| range.split_once('-'));
            let number = |text: &str| u64::from_str_radix(text, 16).ok();
            let len = ends.and_then(|(from, to)| Some(number(to)? - number(from)?));
            let inode = words.nth(3).unwrap_or_default().to_owned();
            let file = files.entry(inode).or_default();
            *file = len.unwrap_or(0).max(*file);
        }
    }
    files.values().sum()
}
