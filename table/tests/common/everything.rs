//! Every question one can ask of some bytes, hostile ones too. Used by the
//! property tests and by the fuzz target.

use std::net::IpAddr;

use cloudhosts_table::{Cursor, Name, Order, View, choose};

/// Bytes of a table's header.
const HEADER: usize = 384;

/// Opens the bytes and asks everything. Says whether they are a whole table.
///
/// What is found is only counted: the point is that it comes to an end.
pub fn ask_everything(bytes: &[u8]) -> bool {
    let Ok(view) = View::open(bytes) else {
        return false;
    };
    let _ = (view.generation(), view.published(), view.stale_max());
    let _ = (view.order(), view.names(), view.addresses(), view.size());
    assert_eq!(view.bytes(), bytes);
    let deep = "a.".repeat(126) + "a";
    let below = format!("web.{}", view.domain());
    let fixed = ["web", "db", "x.y.apps.internal", "b.x.apps.internal", "zz"];
    for raw in fixed.into_iter().chain([&*deep, &*below]) {
        ask_name(&view, raw);
    }
    ask_addresses(&view);
    // Each role takes 8 bytes at least.
    let most = bytes.len() / 8;
    let mut at = view.first();
    for count in 0.. {
        assert!(count <= most, "an enumeration without end");
        let Some((answer, next)) = view.entry(at) else {
            break;
        };
        assert!(next.0 > at.0, "an enumeration that goes back");
        if count < 4 {
            ask_name(&view, answer.asked);
        }
        at = next;
    }
    for at in [0, 1, at.0, u32::MAX - 1, u32::MAX] {
        let _ = view.entry(Cursor(at));
    }
    for name in ["", "m", "\u{10ffff}"] {
        let _ = view.entry(view.cursor_at(name));
        let _ = view.entry(view.cursor_after(name));
    }
    assert!(view.hashes().count() <= bytes.len());
    for source in view.sources() {
        assert!(source.value.len() <= bytes.len());
    }
    view.verify().is_ok()
}

fn ask_name(view: &View<'_>, raw: &str) {
    let Ok(name) = Name::parse(raw.as_bytes()) else {
        return;
    };
    let decider = view.decider(&name);
    let _ = decider.map(|role| view.role(role));
    let _ = (
        view.role(raw),
        view.role("*.apps.internal"),
        view.role("*."),
    );
    let Some(answer) = view.lookup(&name) else {
        return;
    };
    assert!(!answer.v4.is_empty() || !answer.v6.is_empty());
    let text = [answer.asked, answer.canonical];
    assert!(text.iter().all(|text| text.is_ascii()));
    for order in [Order::Rotate, Order::Fixed] {
        let random = 0x9e37_79b9_7f4a_7c15;
        let count = choose(answer.v4, answer.pick, order, random).count();
        assert!(count <= answer.v4.len());
        let count = choose(answer.v6, answer.pick, order, random).count();
        assert!(count <= answer.v6.len());
    }
}

fn ask_addresses(view: &View<'_>) {
    let fixed = ["10.0.0.1", "10.0.0.2", "10.0.0.9", "fd00::1", "::", "::1"];
    for address in fixed {
        let Ok(address) = address.parse::<IpAddr>() else {
            continue;
        };
        let Some(names) = view.reverse(address) else {
            continue;
        };
        assert!(names.canonical().is_ascii());
        assert!(names.aliases().count() < 256);
    }
}

/// The bytes with a header that is right: magic, version, sizes, parts that
/// lie within, and the checksum.
pub fn with_right_header(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().max(HEADER), 0);
    let total = bytes.len();
    put(&mut bytes, 0, b"CLHOSTS\0");
    put(&mut bytes, 8, &1u32.to_le_bytes());
    put(&mut bytes, 16, &(total as u64).to_le_bytes());
    let room = (total - HEADER) as u32 + 1;
    for at in (80..128).step_by(8) {
        let start = HEADER as u32 + (u32_at(&bytes, at).wrapping_sub(HEADER as u32)) % room;
        let end = u32_at(&bytes, at + 4);
        let end = if (start..=total as u32).contains(&end) {
            end
        } else {
            start + end % (total as u32 + 1 - start)
        };
        put(&mut bytes, at, &start.to_le_bytes());
        put(&mut bytes, at + 4, &end.to_le_bytes());
    }
    if std::str::from_utf8(&bytes[129..HEADER]).is_err() {
        bytes[128] = 0;
    }
    with_right_checksum(bytes)
}

/// The bytes with the checksum that they ought to have.
pub fn with_right_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.len() >= 32 {
        let sum = xxhash_rust::xxh3::xxh3_64(&bytes[32..]);
        put(&mut bytes, 24, &sum.to_le_bytes());
    }
    bytes
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut value = [0; 4];
    value.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(value)
}
