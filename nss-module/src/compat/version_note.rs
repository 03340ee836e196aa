//! The module's version, as an ELF note in its file.

use cloudhosts_table::version_note::VersionNote;

// SAFETY: the section is one of notes, and a whole note stands in it: no code,
// no pointers, nothing that is written to.
#[used]
#[unsafe(link_section = ".note.cloudhosts")]
static NOTE: VersionNote = VersionNote::new(env!("CARGO_PKG_VERSION"));
