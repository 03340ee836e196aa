//! Registering: how roles get into the hash.
//!
//! [`Role`] is who, [`Place`] is where and in which hash, [`Change`] is what is
//! to be done. A [`Registrar`] has it done, each change in one step: one script
//! (`script`, in Lua), or one transaction ([`Import`]). A [`Holder`] does it
//! again and again, so that a role ends when its machine does.
//!
//! [`Accept`] changes no hash: what daemons retain is no longer wanted.
//!
//! # The change log
//!
//! Each script is given the hash and its log, and those that are about leases
//! three more keys. It drafts what is to change in the hash, appends that to the
//! log ([`crate::log`]) as one entry, and then makes it so (`lua/log.lua`).
//! Whether the log is a stream it asks before it writes anything.
//!
//! # Leases
//!
//! A field that is held has a lease. What is known of it stands beside the
//! hash, so that renewing does not touch what every machine mirrors:
//!
//! | key | | |
//! |---|---|---|
//! | `HASH:held` | hash | a record for each field that is held or stood by for (`lua/leases.lua`), and the terms of roles |
//! | `HASH:held:ROLE` | sorted set | the fields of a role, scored by when they were renewed: ms by the clock of Redis |
//! | `HASH:expiring` | sorted set | what is to be looked at, whoever renews then |
//!
//! cloudhosts-registry(7) states what is guaranteed. How that is done:
//!
//! - **A renewal** is `lua/renew.lua`, which moves a time and concerns its own role
//!   alone. Where anything is not as it was it does nothing, and `lua/hold.lua`
//!   does all there is to do: joins, takes over, writes the field again,
//!   removes the dead, stands by.
//! - **A witness** is needed to remove the dead: a record says since when its
//!   holder has renewed without interruption. Somebody is dead who did not renew
//!   for a whole lease in which a witness did. Whatever keeps everybody from
//!   renewing makes all witnesses begin anew, so it needs no other treatment.
//! - **A term** is a number that grows with each exclusive holder and with each
//!   verb that ends holders. Who finds that its record is gone and the term of
//!   the role later than its own was ended; where the term is not, Redis has
//!   forgotten it, or a witness has removed it, and it joins again.
//! - **What goes by time** without anybody of the role (`--expire-last`, what is
//!   remembered of those who were ended) is in `HASH:expiring`. Each renewal
//!   looks at the first of it; `lua/expire.lua` does the rest, because a script
//!   may only use keys it is given.
//! - **No script walks a hash**: `claim` and `release` look for members
//!   beforehand, and let the script see in the log whether that still holds.
//! - **Nothing fails half way**: each script first asks for something that
//!   changes nothing of each key it writes to, so that a key of another type
//!   or a missing right ends it there. After a first write, if only of nothing, Redis
//!   does not refuse a script for want of memory.
//!
//! What the user of Redis must be allowed, [`crate::acl`] says.

mod accept;
mod author;
mod change;
mod claim;
mod error;
mod holder;
mod holdings;
mod import;
mod registrar;
mod reply;
mod role;
mod script;
mod target;

pub use accept::Accept;
pub use change::{Change, Condition, Place, Verb};
pub use error::RegisterError;
pub use holder::{Ended, EndedBy, HoldOptions, Holder, LONGEST_LEASE, Renewal, SHORTEST_LEASE};
pub use holdings::{Holding, HoldingState, holdings};
pub use import::{Import, ImportedRoles};
pub use registrar::{ChangeOutcome, Registrar};
pub use role::{Role, RoleError, Where, WhereError};
pub use target::Views;
