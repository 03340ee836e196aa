//! The names of an address.

use core::fmt;

use crate::format::LIST;
use crate::memory::Backing;
use crate::name::Name;
use crate::table::{Record, Table};

/// The most names of an address that a reverse lookup returns, which bounds the
/// buffer that a caller needs. More names may resolve to the address.
pub(crate) const MAX_NAMES: usize = 256;

/// The names of an address: one is canonical, the rest are aliases.
#[derive(Clone)]
pub struct Names<'t> {
    table: Table<'t, Backing<'t>>,
    canonical: Name,
    /// The role that has the address, or the list of such roles.
    entry: Record,
}

impl<'t> Names<'t> {
    /// The names of an address of 4 or 16 bytes.
    pub(crate) fn of(table: Table<'t, Backing<'t>>, address: &[u8]) -> Option<Names<'t>> {
        let entry = table.address(address)?.record;
        let first = holder(&table, &entry, 0)?;
        Some(Names {
            table,
            canonical: table.name(&first)?,
            entry,
        })
    }

    /// The canonical name: of a role that has the address rather than of one that
    /// points at it; of these the shortest, then the alphabetically first.
    #[must_use]
    pub fn canonical(&self) -> &str {
        self.canonical.as_str()
    }

    /// The other names: first of the roles that have the address, in the same
    /// order, then of the aliases of each of these.
    #[must_use]
    pub fn aliases(&self) -> Aliases<'t> {
        Aliases {
            table: self.table,
            entry: self.entry,
            next_name: NextName::Holder(1),
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
fn holder(table: &Table<'_, Backing<'_>>, entry: &Record, n: usize) -> Option<Record> {
    if entry.shape.is(LIST) {
        table.listed(entry, n)
    } else {
        (n == 0).then_some(*entry)
    }
}

/// The other names of an address. Made by [`Names::aliases`].
#[derive(Clone, Debug)]
pub struct Aliases<'t> {
    table: Table<'t, Backing<'t>>,
    entry: Record,
    next_name: NextName,
    /// How many more names may be returned.
    left: usize,
}

/// Where the next name is.
#[derive(Clone, Copy, Debug)]
enum NextName {
    /// The `n`th role that has the address.
    Holder(usize),
    /// The aliases of the `n`th role that has the address.
    AliasesOf(usize),
    /// The alias number `at` of a list; then come the aliases of the `next` role.
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
            match self.next_name {
                NextName::Holder(n) => match holder(&self.table, &self.entry, n) {
                    Some(holder) => {
                        self.next_name = NextName::Holder(n + 1);
                        self.left = left;
                        return self.table.name(&holder);
                    }
                    None => self.next_name = NextName::AliasesOf(0),
                },
                NextName::AliasesOf(n) => {
                    if n == MAX_NAMES {
                        return None;
                    }
                    let holder = holder(&self.table, &self.entry, n)?;
                    let name = self.table.name(&holder)?;
                    match self.table.aliases(name.as_str().as_bytes()) {
                        Some(entry) => {
                            self.next_name = NextName::Alias {
                                list: entry.record,
                                at: 0,
                                next: n + 1,
                            };
                        }
                        None => self.next_name = NextName::AliasesOf(n + 1),
                    }
                }
                NextName::Alias { list, at, next } => match self.table.listed(&list, at) {
                    Some(alias) => {
                        let at = at + 1;
                        self.next_name = NextName::Alias { list, at, next };
                        self.left = left;
                        return self.table.name(&alias);
                    }
                    None => self.next_name = NextName::AliasesOf(next),
                },
            }
        }
        None
    }
}
