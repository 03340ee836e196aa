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
//! Each script is given four keys for each hash: the hash, its log, and those
//! of its leases. It drafts what is to change in the hash, appends that to the
//! log ([`crate::log`]) as one entry, and then makes it so (`lua/log.lua`).
//! Whether the log is a stream it asks before it writes anything.
//!
//! # Leases
//!
//! A field that is held has a lease. What is known of leases stands beside the
//! hash, so that renewing one does not touch what every machine mirrors:
//!
//! | key | | |
//! |---|---|---|
//! | `HASH:leases` | sorted set | the field, scored by when its lease ends: ms by the clock of Redis |
//! | `HASH:leases:held` | sorted set, all scores 0 | a line for each: `FIELD LEASE VALUE`, the lease in ms |
//!
//! The second is in the order of its fields, so that those of a role are found
//! without a walk. Both are gone when the last lease is. In the first stand
//! also `!renewed`, when anybody last renewed, and `!walked`, from when on the
//! hash may be walked again; neither can be a field.
//!
//! - A renewal moves the end of its own lease; it writes the field only where
//!   that is missing or different. It then looks at up to 64 leases that ran
//!   out, and removes their fields if they have the value that was held:
//!   whatever somebody else wrote there stays.
//! - **The last of a role stay.** A field is removed only if somebody else has
//!   renewed that role since its lease ran out, or if nobody alive holds the
//!   role but it has a field that is not held at all. So who dies alone goes,
//!   and a farm that dies at once, or is cut off at once, stays as it was.
//!   What is kept so has -1 for its end, and none at all if its holder left.
//!   It goes when somebody new holds or joins the role; when one of the kept is
//!   back, the others have half of their lease to be back as well.
//! - **The time of a lease runs only while somebody could renew.** Of the time
//!   between two renewals, by whomever, more than 0.3 of a lease counts as a
//!   sixth of it. So when Redis was away, however long, each lease has 0.45
//!   of its length left at least when the first holder is back (it was renewed
//!   when at most a quarter had gone), and holders come back within a third
//!   ([`Holder`]). A clock that is set forward counts as such a gap; one that is
//!   set back takes the ends with it.
//! - Claiming and releasing walk the hash in the script to find the members of
//!   the role, in every spelling: the leases know only those that are held.
//!   This takes 0.7 s for a million fields, in which Redis serves nobody else
//!   (measured with 7.0.15). It is the price of one step, and paid only when a
//!   role changes hands.
//!
//! # What the Redis user needs
//!
//! ```text
//! ACL SETUSER registrar on >PASSWORD resetkeys ~cloudhosts ~cloudhosts:* resetchannels -@all +eval +evalsha +time +hlen +hget +hmget +hscan +hset +hdel +zcard +zcount +zscore +zadd +zrem +zrange +zrangebyscore +xadd +xlen +xrange +xrevrange +xread +del +rename +multi +exec +watch
//! ```

mod accept;
mod author;
mod change;
mod claim;
mod holder;
mod holdings;
mod import;
mod registrar;
mod reply;
mod role;
mod script;
mod trouble;

pub use accept::Accept;
pub use change::{Change, Condition, Place, Verb};
pub use holder::{Beat, Ended, EndedBy, HoldOptions, Holder, LONGEST_LEASE, SHORTEST_LEASE};
pub use holdings::{Holding, HoldingState, holdings};
pub use import::Import;
pub use registrar::{Done, Registrar};
pub use role::{Role, RoleError, Where, WhereError};
pub use trouble::Trouble;
pub(crate) use trouble::passes;
