//! The ELF note that says which version of cloudhosts the NSS module is of.
//!
//! The module puts one in its section `.note.cloudhosts`
//! (`nss-module/src/compat/version_note.rs`). `cloudhosts doctor` reads it from
//! the file, because a broken module can't be loaded and asked. A note suits
//! that: linkers keep it, strip(1) does not remove it, and it adds no symbol.

use std::borrow::Cow;

use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Bytes that the version may have.
const ROOM: usize = 32;

/// The name in the note, which says whose it is; its zero counts (elf(5)).
const NAME: &[u8; 11] = b"cloudhosts\0";

/// The type of the note; its meaning is up to the owner of the name.
const VERSION_TYPE: u32 = 1;

/// A note as elf(5) lays it out, in the byte order of the machine: sizes and
/// type, then the name, padded to a multiple of 4, and the version.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct VersionNote {
    name_size: u32,
    version_size: u32,
    note_type: u32,
    name: [u8; 12],
    /// Padded with zeros.
    version: [u8; ROOM],
}

impl VersionNote {
    /// The note of a version. One of more than 32 bytes does not compile.
    #[must_use]
    pub const fn new(version: &str) -> VersionNote {
        let mut note = VersionNote {
            name_size: NAME.len() as u32,
            version_size: ROOM as u32,
            note_type: VERSION_TYPE,
            name: [0; 12],
            version: [0; ROOM],
        };
        copy(&mut note.name, NAME);
        copy(&mut note.version, version.as_bytes());
        note
    }

    /// Finds the note in the bytes of a module built for this kind of machine.
    #[must_use]
    pub fn find(module: &[u8]) -> Option<VersionNote> {
        let own = VersionNote::new("");
        let head = own.as_bytes().strip_suffix(&own.version)?;
        let at = module.windows(head.len()).position(|part| part == head)?;
        let (note, _) = VersionNote::read_from_prefix(module.get(at..)?).ok()?;
        Some(note)
    }

    /// The version it says.
    #[must_use]
    pub fn version(&self) -> Cow<'_, str> {
        let end = self.version.iter().position(|&byte| byte == 0);
        let version = self.version.get(..end.unwrap_or(ROOM));
        String::from_utf8_lossy(version.unwrap_or_default())
    }
}

/// Copies in a constant expression. There is no room for too much: in a
/// constant that is an error of the compiler's.
const fn copy(to: &mut [u8], from: &[u8]) {
    let mut at = 0;
    while at < from.len() {
        to[at] = from[at];
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(note: &VersionNote) -> Vec<u8> {
        [&[0x7f; 77][..], note.as_bytes(), &[1; 9]].concat()
    }

    #[test]
    fn what_was_written_is_found() {
        let longest = "1.2.3-rc.4+56789012345678901234567";
        for version in ["0.1.0", "", longest.get(..ROOM).unwrap()] {
            let note = VersionNote::new(version);
            assert_eq!(
                VersionNote::find(&module(&note)).unwrap().version(),
                version
            );
        }
    }

    #[test]
    fn it_is_laid_out_as_elf_5_says() {
        let note = VersionNote::new("0.1.0");
        let (sizes, rest) = note.as_bytes().split_at(12);
        let sizes = sizes
            .as_chunks()
            .0
            .iter()
            .map(|size| u32::from_ne_bytes(*size));
        assert_eq!(sizes.collect::<Vec<_>>(), [11, 32, 1]);
        assert!(rest.starts_with(b"cloudhosts\0\x000.1.0\0"));
    }

    #[test]
    fn a_module_without_one_or_cut_in_it_has_none() {
        assert!(VersionNote::find(&[]).is_none());
        assert!(VersionNote::find(b"cloudhosts\0\x000.1.0").is_none());
        let whole = module(&VersionNote::new("0.1.0"));
        let end = whole.len() - 10;
        assert!(VersionNote::find(whole.get(..end).unwrap()).is_none());
    }
}
