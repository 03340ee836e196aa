//! Lists the leases, for people.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cloudhosts_config::Config;
use redis::{Cmd, Value, cmd};

use super::error::RegisterError;
use super::role::Role;
use super::script::{held_key, times_key};
use crate::connect::{CommandError, Connection, Connector};
use crate::reply::{bytes, hscan_page, items, number};

/// The limit for connecting, and for each reply: the caller shows other things as well.
const PATIENCE: Duration = Duration::from_secs(2);

/// The first time in ms that RFC 3339 cannot express.
const YEAR_10000: u64 = 253_402_300_800_000;

/// How many records are read at once.
const STEP: usize = 1_000;

/// The lease of a holder, or of one on standby.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// The hash.
    pub hash: String,
    /// The field: `web/i-1`.
    pub field: String,
    /// The state of the lease.
    pub state: HoldingState,
    /// The holder, as in the change log.
    pub by: String,
    /// The value of the field.
    pub value: String,
    /// Since when it has this state.
    pub since: SystemTime,
    /// When the lease expires by the clock of Redis, unless it is renewed. None for a retained
    /// address.
    pub until: Option<SystemTime>,
    /// The term of an exclusive holder.
    pub term: Option<u64>,
}

/// The state of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldingState {
    /// A member among others.
    Member,
    /// The exclusive holder.
    Holder,
    /// Waits for the exclusive holder to end.
    Standby,
    /// The last holder has ended, and its address stays (`--keep-last`).
    Kept,
}

impl HoldingState {
    /// The name of the state, as in the record.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            HoldingState::Member => "member",
            HoldingState::Holder => "holder",
            HoldingState::Standby => "standby",
            HoldingState::Kept => "kept",
        }
    }
}

/// Reads the leases of these roles, or of all, in the configured hashes. Sorted by field.
///
/// # Errors
/// Redis cannot be reached, or refuses.
pub async fn holdings(
    mut config: Config,
    roles: Option<&[Role]>,
) -> Result<Vec<Holding>, RegisterError> {
    config.redis.connect_timeout = config.redis.connect_timeout.min(PATIENCE);
    let hashes = config.hashes.clone();
    let mut connector = Connector::to_read(Arc::new(config));
    let connection = connector.connect().await?;
    let mut reader = Reader { connection };
    let mut all = Vec::new();
    for hash in hashes {
        let mut records = Vec::new();
        for role in roles.unwrap_or_default() {
            records.extend(reader.of_role(&hash, role).await?);
        }
        if roles.is_none() {
            records = reader.of_all(&hash).await?;
        }
        for some in records.chunks(STEP) {
            all.extend(reader.holdings(&hash, some).await?);
        }
    }
    all.sort_by(|one, other| one.field.cmp(&other.field));
    Ok(all)
}

/// Reads leases over a connection.
struct Reader {
    connection: Connection,
}

/// A field and its record.
type FieldRecord = (Vec<u8>, Vec<u8>);

impl Reader {
    /// The records of a role.
    async fn of_role(
        &mut self,
        hash: &str,
        role: &Role,
    ) -> Result<Vec<FieldRecord>, RegisterError> {
        let mut command = cmd("ZRANGE");
        command.arg(times_key(hash, role.name())).arg(0).arg(-1);
        let answer = self.send(&command).await?;
        let fields: Vec<&[u8]> = items(&answer).iter().filter_map(bytes).collect();
        let mut records = Vec::new();
        for some in fields.chunks(STEP) {
            let mut command = cmd("HMGET");
            command.arg(held_key(hash)).arg(some);
            let answer = self.send(&command).await?;
            let texts = items(&answer).iter().map(bytes);
            let known = some.iter().zip(texts);
            let owned = known.filter_map(|(field, text)| Some((field.to_vec(), text?.to_vec())));
            records.extend(owned);
        }
        Ok(records)
    }

    /// The records of all roles.
    async fn of_all(&mut self, hash: &str) -> Result<Vec<FieldRecord>, RegisterError> {
        let mut records = Vec::new();
        let mut cursor = b"0".to_vec();
        loop {
            let mut step = cmd("HSCAN");
            step.arg(held_key(hash)).arg(cursor);
            step.arg("COUNT").arg(STEP);
            let answer = self.send(&step).await?;
            let (next, strings) = hscan_page(&answer);
            for pair in strings.chunks_exact(2) {
                if let [field, text] = pair {
                    records.push((field.to_vec(), text.to_vec()));
                }
            }
            match next {
                Some(next) => cursor = next,
                None => break,
            }
        }
        // HSCAN may return a field twice.
        records.sort();
        records.dedup_by(|one, other| one.0 == other.0);
        Ok(records)
    }

    /// Combines these records with their times of renewal.
    async fn holdings(
        &mut self,
        hash: &str,
        records: &[FieldRecord],
    ) -> Result<Vec<Holding>, RegisterError> {
        let known: Vec<(&[u8], Parsed)> = records
            .iter()
            .filter_map(|(field, text)| Some((field.as_slice(), Parsed::read(text)?)))
            .collect();
        let commands = known.iter().map(|(field, _)| {
            let role = field.split(|&byte| byte == b'/').next().unwrap_or_default();
            let mut command = cmd("ZSCORE");
            command
                .arg(times_key(hash, &String::from_utf8_lossy(role)))
                .arg(*field);
            command
        });
        let commands: Vec<Cmd> = commands.collect();
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let answers = self.connection.link.send_all(&commands, PATIENCE).await;
        let answers = answers.map_err(|failure| self.error(failure))?;
        let mut holdings = Vec::new();
        for ((field, parsed), answer) in known.into_iter().zip(answers) {
            let renewed = answer.map_err(|reply| self.error(CommandError::ErrorReply(reply)))?;
            let field = String::from_utf8_lossy(field).into_owned();
            holdings.extend(parsed.holding(hash, field, number(&renewed)));
        }
        Ok(holdings)
    }

    async fn send(&mut self, command: &Cmd) -> Result<Value, RegisterError> {
        let answer = self.connection.link.send_within(command, PATIENCE).await;
        answer.map_err(|failure| self.error(failure))
    }

    fn error(&self, failure: CommandError) -> RegisterError {
        let endpoint = &self.connection.endpoint;
        match failure {
            CommandError::Lost(why) => RegisterError::Away(format!("{endpoint}: {why}")),
            CommandError::ErrorReply(reply) => RegisterError::of_reply(endpoint, &reply),
        }
    }
}

/// A record (see `lua/leases.lua`).
struct Parsed {
    state: HoldingState,
    lease: u64,
    from: u64,
    by: String,
    value: String,
}

impl Parsed {
    /// Parses a record. None if it is invalid, or of an ended lease.
    fn read(text: &[u8]) -> Option<Parsed> {
        let text = std::str::from_utf8(text).ok()?;
        let mut words = text.splitn(8, ' ');
        let state = match words.next()? {
            "member" => HoldingState::Member,
            "holder" => HoldingState::Holder,
            "standby" => HoldingState::Standby,
            "kept" => HoldingState::Kept,
            _ => return None,
        };
        let (_nonce, lease, _since, from) =
            (words.next()?, words.next()?, words.next()?, words.next()?);
        let (_bound, by, value) = (words.next()?, words.next()?, words.next()?);
        Some(Parsed {
            state,
            lease: lease.parse().ok()?,
            from: from.parse().ok()?,
            by: by.to_owned(),
            value: value.to_owned(),
        })
    }

    fn holding(self, hash: &str, field: String, renewed: Option<u64>) -> Option<Holding> {
        let end = match self.state {
            HoldingState::Kept => None,
            _ => Some(renewed?.checked_add(self.lease)?),
        };
        let until = match end {
            Some(end) => Some(moment(end)?),
            None => None,
        };
        Some(Holding {
            hash: hash.to_owned(),
            field,
            state: self.state,
            since: moment(self.from)?,
            until,
            term: (self.state == HoldingState::Holder).then_some(self.from),
            by: self.by,
            value: self.value,
        })
    }
}

/// None if RFC 3339 cannot express it.
fn moment(ms: u64) -> Option<SystemTime> {
    let since = Duration::from_millis(ms);
    let known = ms < YEAR_10000;
    UNIX_EPOCH.checked_add(since).filter(|_| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_and_what_is_none_is_not() {
        let text = b"holder 00c0ffee 15000 1000 2000 - root@db-1 10.0.0.5 fd00::5";
        let parsed = Parsed::read(text).unwrap();
        let holding = parsed.holding("cloudhosts", "db/db-1".into(), Some(3000));
        let holding = holding.unwrap();
        assert_eq!(holding.value, "10.0.0.5 fd00::5");
        assert_eq!((holding.term, holding.until), (Some(2000), moment(18_000)));
        for junk in [
            &b"ended 00c0ffee 15000 1 2 - root@db-1 claim"[..],
            b"1795548416581 claim vm ",
            b"holder 00c0ffee 15000 1 2 - root@db-1",
            b"member x y 1 2 3 4 5",
            b"\xff",
            b"",
        ] {
            assert!(Parsed::read(junk).is_none(), "{junk:?}");
        }
        let far = b"member 00c0ffee 18446744073709551615 1 18446744073709551615 - - 10.0.0.5";
        let parsed = Parsed::read(far).unwrap();
        assert!(parsed.holding("h", "f".into(), Some(u64::MAX)).is_none());
    }
}
