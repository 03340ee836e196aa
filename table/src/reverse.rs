//! The names of an address.

use core::fmt;

use crate::format::LIST;
use crate::memory::Source;
use crate::name::Name;
use crate::table::{Record, Table};

/// Most names that one address answers to. All of them resolve; only what the
/// reverse lookup lists is bounded, and with it the buffer a caller needs.
pub(crate) const MAX_NAMES: usize = 256;

/// The names of an address: one is canonical, the rest are aliases.
#[derive(Clone)]
pub struct Names<'t> {
    table: Table<'t, Source<'t>>,
    canonical: Name,
    /// The role that has the address, or the list of those that do.
    entry: Record,
}

impl<'t> Names<'t> {
    /// Those of an address of 4 or 16 bytes.
    pub(crate) fn of(table: Table<'t, Source<'t>>, address: &[u8]) -> Option<Names<'t>> {
        let entry = table.address(address)?.record;
        let first = holder(&table, &entry, 0)?;
        Some(Names {
            table,
            canonical: table.name(&first)?,
            entry,
        })
    }

    /// The name to call the address by: of a role that has it rather than one
    /// that points there; then the shortest, then the alphabetically first.
    #[must_use]
    pub fn canonical(&self) -> &str {
        self.canonical.as_str()
    }

    /// The other names: first those of roles that have the address, in the same
    /// order, then the aliases of each of these.
    #[must_use]
    pub fn aliases(&self) -> Aliases<'t> {
        Aliases {
            table: self.table,
            entry: self.entry,
            step: Step::Holder(1),
            left: MAX_NAMES - 1,
        }
    }
}

impl fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [self.canonical].into_iter().chain(self.aliases());
        f.debug_list().entries(names).finish()
    }
}

/// The `n`th role that has the address.
fn holder(table: &Table<'_, Source<'_>>, entry: &Record, n: usize) -> Option<Record> {
    if entry.shape.is(LIST) {
        table.listed(entry, n)
    } else {
        (n == 0).then_some(*entry)
    }
}

/// The other names of an address. Made by [`Names::aliases`].
#[derive(Clone, Debug)]
pub struct Aliases<'t> {
    table: Table<'t, Source<'t>>,
    entry: Record,
    step: Step,
    /// References that may still be followed.
    left: usize,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The `n`th role that has the address.
    Holder(usize),
    /// The aliases of the `n`th role that has the address.
    AliasesOf(usize),
    /// One of a list of aliases, and the role whose aliases come after.
    Alias {
        list: Record,
        at: usize,
        next: usize,
    },
}

impl Iterator for Aliases<'_> {
    type Item = Name;

    fn next(&mut self) -> Option<Name> {
        while let Some(left) = self.left.checked_sub(1) {
            match self.step {
                Step::Holder(n) => match holder(&self.table, &self.entry, n) {
                    Some(holder) => {
                        self.step = Step::Holder(n + 1);
                        self.left = left;
                        return self.table.name(&holder);
                    }
                    None => self.step = Step::AliasesOf(0),
                },
                Step::AliasesOf(n) => {
                    if n == MAX_NAMES {
                        return None;
                    }
                    let holder = holder(&self.table, &self.entry, n)?;
                    let name = self.table.name(&holder)?;
                    match self.table.aliases(name.as_str().as_bytes()) {
                        Some(entry) => {
                            self.step = Step::Alias {
                                list: entry.record,
                                at: 0,
                                next: n + 1,
                            };
                        }
                        None => self.step = Step::AliasesOf(n + 1),
                    }
                }
                Step::Alias { list, at, next } => match self.table.listed(&list, at) {
                    Some(alias) => {
                        let at = at + 1;
                        self.step = Step::Alias { list, at, next };
                        self.left = left;
                        return self.table.name(&alias);
                    }
                    None => self.step = Step::AliasesOf(next),
                },
            }
        }
        None
    }
}
