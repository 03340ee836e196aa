//! Has changes made: connects, asks, and says in words what went wrong.

use super::author::Author;
use super::change::{Change, Verb};
use super::reply::{items, number, texts};
use super::script::{Call, Script};
use super::trouble::{Trouble, passes};
use crate::connect::{Connection, Connector, Failure, Refusal, SILENCE};
use cloudhosts_config::Config;
use cloudhosts_config::status::UnreadableCode;
use redis::{Cmd, Value, cmd};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// What came of a change in one hash.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Done {
    /// Whether the hash is not as it was.
    pub changed: bool,
    /// The fields that were removed. (Of a renewal: the value the field had
    /// before.)
    pub removed: Vec<String>,
    /// Members whose holders are alive, and no longer hold them: they find out
    /// at their next renewal.
    pub ended: Vec<String>,
    /// What the role points at now has no address.
    pub dangling: bool,
}

/// Writes to Redis.
pub struct Registrar {
    connector: Connector,
    connection: Option<Connection>,
    /// How long an answer may take.
    patience: Duration,
    /// Who the change log says made the changes.
    author: Author,
}

impl Registrar {
    /// One that is not connected yet.
    #[must_use]
    pub fn new(config: Arc<Config>) -> Registrar {
        Registrar {
            connector: Connector::to_write(config),
            connection: None,
            patience: SILENCE,
            author: Author::of_this_process(),
        }
    }

    /// The same with another bound on the time an answer takes.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Registrar {
        Registrar { patience, ..self }
    }

    /// The address from which this machine reaches Redis; none over a Unix
    /// socket. Connects if need be.
    ///
    /// # Errors
    /// No Redis can be reached.
    pub async fn local(&mut self) -> Result<Option<IpAddr>, Trouble> {
        Ok(self.connection().await?.link.local())
    }

    /// Where the connection goes, fit for printing.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.connection.as_ref().map(|one| one.endpoint.as_str())
    }

    /// Makes a change; what came of it in each of its places.
    ///
    /// # Errors
    /// Redis cannot be reached, or says no.
    pub async fn make(&mut self, change: &Change) -> Result<Vec<Done>, Trouble> {
        let (answer, dangling) = match change.verb {
            Verb::Claim | Verb::Point | Verb::Release => change.claim(self).await?,
            Verb::Join => (
                self.run(&change.call(Script::Join, &self.author)).await?,
                false,
            ),
            Verb::Leave => (
                self.run(&change.call(Script::Leave, &self.author)).await?,
                false,
            ),
        };
        let done = |one: &Value| {
            let [changed, removed, ended] = items(one) else {
                return None;
            };
            Some(Done {
                changed: number(changed)? != 0,
                removed: texts(removed)?,
                ended: texts(ended)?,
                dangling,
            })
        };
        let all: Option<Vec<Done>> = items(&answer).iter().map(done).collect();
        all.filter(|all| all.len() == change.places.len())
            .ok_or_else(Trouble::not_understood)
    }

    /// Runs a script that stands alone. It is sent by its digest; whole only to
    /// a Redis that does not know it yet.
    pub(super) async fn run(&mut self, call: &Call) -> Result<Value, Trouble> {
        match self.ask_owner(&call.by_digest()).await? {
            Ok(answer) => Ok(answer),
            Err(said) if said.refusal.code() == "NOSCRIPT" => {
                Ok(self.ask_owner(&call.in_full()).await??)
            }
            Err(said) => Err(said.into()),
        }
    }

    /// Who the change log says makes the changes.
    pub(super) fn author(&self) -> &Author {
        &self.author
    }

    /// Sees that the connection is to the node of a cluster that has this hash,
    /// for a transaction that is to be sent over it.
    pub(super) async fn seek(&mut self, hash: &str) -> Result<(), Trouble> {
        if self.connector.others() == 0 {
            return Ok(());
        }
        // What else is wrong, the transaction itself will be told.
        match self.ask_owner(cmd("HLEN").arg(hash)).await? {
            Err(said) if passes(&said.refusal) => Err(said.into()),
            _ => Ok(()),
        }
    }

    /// Asks a question that stands alone, of the master of now. Where the keys live on another node of
    /// a cluster, which has then done nothing, the other URLs are asked.
    async fn ask_owner(&mut self, question: &Cmd) -> Result<Result<Value, Said>, Trouble> {
        self.leave_deposed();
        let mut others = self.connector.others();
        loop {
            let said = match self.try_asking(question).await? {
                Ok(answer) => return Ok(Ok(answer)),
                Err(said) => said,
            };
            let moved = said.refusal.unreadable() == Some(UnreadableCode::Moved);
            if !moved || others == 0 {
                return Ok(Err(said));
            }
            others -= 1;
            self.connector.skip();
            self.connection = None;
        }
    }

    /// Asks one question, over a connection that is made if need be.
    pub(super) async fn ask(&mut self, question: &Cmd) -> Result<Value, Trouble> {
        let answer = self.try_asking(question).await?;
        answer.map_err(Trouble::from)
    }

    /// Asks one question: the answer, or how Redis refuses it.
    async fn try_asking(&mut self, question: &Cmd) -> Result<Result<Value, Said>, Trouble> {
        let patience = self.patience;
        let connection = self.connection().await?;
        let endpoint = connection.endpoint.clone();
        match connection.link.ask_within(question, patience).await {
            Ok(answer) => Ok(Ok(answer)),
            Err(Failure::Refused(refusal)) => Ok(Err(Said { endpoint, refusal })),
            Err(Failure::Lost(why)) => {
                self.connection = None;
                Err(Trouble::Unanswered(format!("{endpoint}: {why}")))
            }
        }
    }

    /// Forgets the connection: what it was about is given up.
    pub(super) fn hang_up(&mut self) {
        self.connection = None;
    }

    /// Hangs up where the sentinels have named another master meanwhile: of a
    /// connection that is used again, they are asked from then on.
    fn leave_deposed(&mut self) {
        if let Some(connection) = &mut self.connection {
            self.connector.watch_master(connection);
            if connection.is_superseded() {
                self.connection = None;
            }
        }
    }

    async fn connection(&mut self) -> Result<&mut Connection, Trouble> {
        if self.connection.is_none() {
            let made = self.connector.connect().await;
            let mut made =
                made.map_err(|down| Trouble::Away(format!("{}: {}", down.endpoint, down.why)))?;
            logged_in(&mut made, self.patience).await?;
            return Ok(self.connection.insert(made));
        }
        // There is one; the borrow checker wants to be shown.
        self.connection
            .as_mut()
            .ok_or_else(|| Trouble::Away("there is no connection".to_owned()))
    }
}

/// Sees that Redis does not want a password first. It would answer a question
/// of more than ten words with a protocol error, which does not say so.
async fn logged_in(connection: &mut Connection, patience: Duration) -> Result<(), Trouble> {
    match connection.link.ask_within(&cmd("TIME"), patience).await {
        Err(Failure::Refused(refusal)) if refusal.code() == "NOAUTH" => {
            let endpoint = connection.endpoint.clone();
            Err(Said { endpoint, refusal }.into())
        }
        Err(Failure::Lost(why)) => Err(Trouble::Away(format!("{}: {why}", connection.endpoint))),
        // What else it may say will be said of the question proper.
        Ok(_) | Err(Failure::Refused(_)) => Ok(()),
    }
}

/// What a Redis said no to.
struct Said {
    endpoint: String,
    refusal: Refusal,
}

/// What it says no to now, and what it always will.
impl From<Said> for Trouble {
    fn from(Said { endpoint, refusal }: Said) -> Trouble {
        let said = format!("{endpoint}: {refusal}");
        if passes(&refusal) {
            Trouble::Away(said)
        } else {
            Trouble::Refused(said)
        }
    }
}
