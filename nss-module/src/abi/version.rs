//! The module's version, as a note (elf(5)): read from the file by `cloudhosts
//! doctor`, without loading what may be broken. Linkers keep notes, strip(1) does
//! not remove them, and no symbol is visible for it.

/// The version's bytes that a note has room for.
const ROOM: usize = 32;

/// A note: sizes and type, whose it is, what it says.
#[repr(C, align(4))]
struct Note {
    name_len: u32,
    text_len: u32,
    kind: u32,
    name: [u8; 12],
    text: [u8; ROOM],
}

const NAME: &[u8; 11] = b"cloudhosts\0";

// SAFETY: the section is one of notes, and what stands there is a whole one: no
// code, no pointers, nothing that is written to.
#[used]
#[unsafe(link_section = ".note.cloudhosts")]
static NOTE: Note = Note {
    name_len: NAME.len() as u32,
    text_len: ROOM as u32,
    kind: 1,
    name: *b"cloudhosts\0\0",
    text: padded(env!("CARGO_PKG_VERSION").as_bytes()),
};

/// The text, filled up with zeros. One that has no room is an error of the build.
const fn padded(text: &[u8]) -> [u8; ROOM] {
    let mut room = [0; ROOM];
    let mut at = 0;
    while at < text.len() {
        room[at] = text[at];
        at += 1;
    }
    room
}
