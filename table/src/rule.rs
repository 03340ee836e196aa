//! Which entry decides a name: its own; else, if it ends with the configured
//! domain, that of the name without the domain; else the wildcard with the
//! longest suffix. The daemon applies this rule when it resolves pointers, a
//! reader when it looks a name up.

/// Something that has entries by name: a table, or the mirror of the hashes.
pub trait Namespace {
    /// What a name has.
    type Entry;

    /// The entry of exactly this name.
    fn exact(&self, name: &[u8]) -> Option<Self::Entry>;

    /// The entry of the wildcard for the names below `suffix`.
    fn wildcard(&self, suffix: &[u8]) -> Option<Self::Entry>;

    /// At which depths there may be wildcards, so that others are not looked for:
    /// bit `n` for suffixes of `n` labels, bit 31 for longer ones too
    /// ([`depth_bit`]).
    fn depths(&self) -> u32 {
        u32::MAX
    }
}

/// The bit of [`Namespace::depths`] for a wildcard's suffix of so many labels.
#[must_use]
pub fn depth_bit(labels: usize) -> u32 {
    1 << labels.min(31)
}

/// Which entry decides a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision<'n, E> {
    /// The entry.
    pub entry: E,
    /// The name that the entry was found for: the name itself, or its part
    /// before the domain.
    pub meant: &'n [u8],
    /// Whether the entry is a wildcard's, because no entry has this name.
    pub by_wildcard: bool,
}

/// Finds the entry that decides a name, which is in normal form. `domain` may be
/// empty.
#[inline]
pub fn decide<'n, N: Namespace>(
    names: &N,
    domain: &[u8],
    asked: &'n [u8],
) -> Option<Decision<'n, N::Entry>> {
    let exact = |meant: &'n [u8]| {
        let entry = names.exact(meant)?;
        Some(Decision {
            entry,
            meant,
            by_wildcard: false,
        })
    };
    let below = |meant: &'n [u8]| {
        let entry = longest_suffix(names, meant)?;
        Some(Decision {
            entry,
            meant,
            by_wildcard: true,
        })
    };
    if let Some(decided) = exact(asked) {
        return Some(decided);
    }
    let role = without_domain(domain, asked);
    role.and_then(exact)
        .or_else(|| below(asked))
        .or_else(|| role.and_then(below))
}

/// The name without the configured domain, if it ends with that.
fn without_domain<'n>(domain: &[u8], asked: &'n [u8]) -> Option<&'n [u8]> {
    if domain.is_empty() {
        return None;
    }
    let role = asked.strip_suffix(domain)?.strip_suffix(b".")?;
    (!role.is_empty()).then_some(role)
}

/// The entry of the wildcard with the longest suffix that `name` is below.
#[inline]
fn longest_suffix<N: Namespace>(names: &N, name: &[u8]) -> Option<N::Entry> {
    let depths = names.depths();
    if depths == 0 {
        None
    } else {
        longest_suffix_at(names, depths, name)
    }
}

fn longest_suffix_at<N: Namespace>(names: &N, depths: u32, name: &[u8]) -> Option<N::Entry> {
    let mut labels = name.iter().filter(|&&byte| byte == b'.').count();
    let mut rest = name;
    while let Some(dot) = rest.iter().position(|&byte| byte == b'.') {
        let (_, suffix) = rest.split_at(dot + 1);
        if depths & depth_bit(labels) != 0
            && let Some(entry) = names.wildcard(suffix)
        {
            return Some(entry);
        }
        rest = suffix;
        labels -= 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    struct Set(BTreeSet<&'static str>);

    impl Namespace for Set {
        type Entry = &'static str;

        fn exact(&self, name: &[u8]) -> Option<&'static str> {
            self.0.get(str::from_utf8(name).ok()?).copied()
        }

        fn wildcard(&self, suffix: &[u8]) -> Option<&'static str> {
            let suffix = str::from_utf8(suffix).ok()?;
            self.0.get(format!("*.{suffix}").as_str()).copied()
        }
    }

    #[test]
    fn the_name_itself_then_the_domain_then_the_longest_wildcard() {
        let all = [
            "web",
            "web.prod.example",
            "*.prod.example",
            "*.b.example",
            "*.b",
            "*.example",
        ];
        let names = Set(all.into_iter().collect());
        let decide = |domain: &str, asked: &'static str| {
            let found = decide(&names, domain.as_bytes(), asked.as_bytes())?;
            let meant = str::from_utf8(found.meant).unwrap();
            Some((found.entry, meant, found.by_wildcard))
        };
        let decided = |asked| {
            let found = decide("prod.example", asked);
            found.map(|(entry, meant, _)| (entry, meant))
        };
        assert_eq!(decided("web"), Some(("web", "web")));
        let own = Some(("web.prod.example", "web.prod.example"));
        assert_eq!(decided("web.prod.example"), own);
        let wildcard = Some(("*.prod.example", "db.prod.example"));
        assert_eq!(decided("db.prod.example"), wildcard);
        assert_eq!(decided("a.b.example"), Some(("*.b.example", "a.b.example")));
        assert_eq!(decided("a.c.example"), Some(("*.example", "a.c.example")));
        assert_eq!(decided("prod.example"), Some(("*.example", "prod.example")));
        assert_eq!(decided("a.b"), Some(("*.b", "a.b")));
        assert_eq!(decided("b"), None);
        let role = Some(("web", "web", false));
        assert_eq!(decide("elsewhere", "web.elsewhere"), role);
        let wildcard = Some(("*.b", "a.b", true));
        assert_eq!(decide("elsewhere", "a.b.elsewhere"), wildcard);
    }
}
