//! Registering: writes roles to the hash.
//!
//! A [`Change`] is a [`Verb`], a [`Role`] and a [`Place`] (value and hash) for each view. A
//! [`Registrar`] makes it atomically, by one Lua script (`script`, `lua/`). A [`ChangeReport`] says
//! what came of it. An [`Import`] writes many roles in one transaction. A [`Holder`] renews a role
//! with a lease, so that it ends with its machine; it asks a [`LeaseStore`], which is a registrar or a
//! client of the gateway. [`Accept`] gives up what daemons retain, and changes no hash.
//! [`holdings()`] lists leases.
//!
//! # The change log
//!
//! The keys of a script are the hash and its log, and for leases three more. It collects the changes
//! of the hash, appends them to the log ([`crate::log`]) as one entry, and then writes them to the
//! hash (`lua/log.lua`). Before it writes anything it checks that the log is a stream.
//!
//! # Leases
//!
//! A field that is held has a lease. Its data is in separate keys, so that renewing does not change
//! the hash that every machine mirrors:
//!
//! | key | | |
//! |---|---|---|
//! | `HASH:held` | hash | a record for each field that is held or on standby (`lua/leases.lua`), and the terms of roles |
//! | `HASH:held:ROLE` | sorted set | the fields of a role; the score is the time of the last renewal in ms by the clock of Redis |
//! | `HASH:expiring` | sorted set | what is to be checked at that time, by whoever renews |
//!
//! cloudhosts-registry(7) states the guarantees. They are implemented as follows:
//!
//! - **A renewal** is `lua/renew.lua`, which updates one time. If anything has changed it does
//!   nothing, and `lua/hold.lua` does the rest: joins, takes over, writes the field again, removes
//!   expired members, stands by.
//! - **A witness** is needed to remove an expired member: the record of each holder has the time
//!   since which it has renewed without interruption. A member has expired if it did not renew for a
//!   whole lease in which a witness did. If nobody can renew, there is no witness, so an outage of
//!   Redis needs no special treatment.
//! - **A term** is a number that grows with each exclusive holder and with each verb that ends
//!   holders. A holder whose record is gone was ended if the term of the role is later than its own;
//!   if not, Redis has lost the record, or a witness has removed it, and the holder joins again.
//! - **What expires** without a renewal of its role (`--expire-last`, records of ended holders) is
//!   in `HASH:expiring`. Each renewal checks the first element; `lua/expire.lua` does the rest,
//!   because a script may only use the keys it is given.
//! - **No script iterates over a hash**: `claim` and `release` look for members beforehand, and the
//!   script checks in the log that this is still up to date.
//! - **No script fails halfway**: each first runs a write without effect on each of its keys, so
//!   that a key of another type or a missing permission ends it there. After a first write Redis
//!   does not refuse a script for lack of memory.
//!
//! The permissions that the Redis user needs are in [`crate::acl`].

mod accept;
mod author;
mod change;
mod claim;
mod error;
mod exchange;
mod holder;
mod holdings;
mod import;
mod outcome;
mod registrar;
mod role;
mod script;
mod target;

pub use accept::Accept;
pub use author::Author;
pub use change::{Change, Condition, Place, Verb};
pub use error::{RegisterError, RegisterErrorCode};
pub use exchange::{EndReply, PlaceEnd, RequestBody, RequestPlace};
pub use holder::{
    EndRequest, Ended, EndedBy, HoldOptions, Holder, HolderNonce, HolderNonceError, LONGEST_LEASE,
    LeaseReply, LeaseRequest, LeaseState, LeaseStore, Renewal, SHORTEST_LEASE, patience,
};
pub use holdings::{Holding, HoldingState, holdings};
pub use import::{Import, ImportedRoles};
pub use outcome::{ChangeOutcome, ChangeReport, PlaceOutcome};
pub use registrar::Registrar;
pub use role::{Role, RoleError, Where, WhereError};
pub use target::Views;
