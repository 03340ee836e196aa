//! What in Redis can't be used: all of it counted, the first of it named.

use cloudhosts_registry::status::{Effect, Rejected, RejectedField};

/// How many are named; a million bad fields shall fill neither the memory nor
/// the status file.
const NAMED: usize = 100;

/// Bytes of a field or a value that are shown.
const SHOWN: usize = 120;

/// A list of problems that does not grow without end.
#[derive(Debug, Clone, Default)]
pub struct Problems {
    list: Rejected,
}

impl Problems {
    /// Adds one. The reason is only put into words for those that are named.
    pub fn add(
        &mut self,
        hash: &str,
        field: &[u8],
        value: Option<&[u8]>,
        reason: impl FnOnce() -> String,
        effect: Effect,
    ) {
        self.list.count += 1;
        if self.list.fields.len() < NAMED {
            self.list.fields.push(RejectedField {
                hash: hash.into(),
                field: printable(field),
                value: value.map(printable),
                reason: reason(),
                effect,
            });
        }
    }

    /// Adds all those of another list.
    pub fn extend(&mut self, others: &Problems) {
        let room = NAMED.saturating_sub(self.list.fields.len());
        let named = others.list.fields.iter().take(room).cloned();
        self.list.fields.extend(named);
        self.list.count += others.list.count;
    }

    /// As the status file has them.
    #[must_use]
    pub fn list(&self) -> &Rejected {
        &self.list
    }
}

/// A field or a value as it can be shown on a terminal, cut when it is long.
fn printable(field: &[u8]) -> String {
    match field.get(..SHOWN) {
        Some(start) if field.len() > SHOWN => format!("{}...", start.escape_ascii()),
        _ => field.escape_ascii().to_string(),
    }
}
