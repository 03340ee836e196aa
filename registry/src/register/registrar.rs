//! Has changes made: connects, asks, and says in words what went wrong.

use super::author::Author;
use super::change::{Change, Verb};
use super::error::RegisterError;
use super::reply::{items, number, texts};
use super::script::{Call, Script};
use crate::connect::{CommandError, Connection, Connector, ErrorReply, SILENCE};
use cloudhosts_config::Config;
use cloudhosts_config::status::UnreadableCode;
use redis::{Cmd, Value, cmd};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// What came of a change in one hash.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChangeOutcome {
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
    pub async fn local(&mut self) -> Result<Option<IpAddr>, RegisterError> {
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
    pub async fn make(&mut self, change: &Change) -> Result<Vec<ChangeOutcome>, RegisterError> {
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
            Some(ChangeOutcome {
                changed: number(changed)? != 0,
                removed: texts(removed)?,
                ended: texts(ended)?,
                dangling,
            })
        };
        let all: Option<Vec<ChangeOutcome>> = items(&answer).iter().map(done).collect();
        all.filter(|all| all.len() == change.places.len())
            .ok_or_else(RegisterError::not_understood)
    }

    /// Runs a script that stands alone. It is sent by its digest; whole only to
    /// a Redis that does not know it yet.
    pub(super) async fn run(&mut self, call: &Call) -> Result<Value, RegisterError> {
        match self.ask_owner(&call.by_digest()).await? {
            Ok(answer) => Ok(answer),
            Err(refusal) if refusal.reply.is_no_script() => {
                Ok(self.ask_owner(&call.in_full()).await??)
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// Who the change log says makes the changes.
    pub(super) fn author(&self) -> &Author {
        &self.author
    }

    /// Sees that the connection is to the node of a cluster that has this hash,
    /// for a transaction that is to be sent over it.
    pub(super) async fn seek(&mut self, hash: &str) -> Result<(), RegisterError> {
        if self.connector.others() == 0 {
            return Ok(());
        }
        // What else is wrong, the transaction itself will be told.
        match self.ask_owner(cmd("HLEN").arg(hash)).await? {
            Err(refusal) if refusal.reply.is_temporary() => Err(refusal.into()),
            _ => Ok(()),
        }
    }

    /// Asks a question that stands alone, of the master of now. Where the keys live on another node of
    /// a cluster, which has then done nothing, the other URLs are asked.
    async fn ask_owner(&mut self, question: &Cmd) -> Result<Result<Value, Refusal>, RegisterError> {
        self.leave_deposed();
        let mut others = self.connector.others();
        loop {
            let refusal = match self.try_asking(question).await? {
                Ok(answer) => return Ok(Ok(answer)),
                Err(refusal) => refusal,
            };
            let moved = refusal.reply.unreadable() == Some(UnreadableCode::Moved);
            if !moved || others == 0 {
                return Ok(Err(refusal));
            }
            others -= 1;
            self.connector.skip();
            self.connection = None;
        }
    }

    /// Asks one question, over a connection that is made if need be.
    pub(super) async fn ask(&mut self, question: &Cmd) -> Result<Value, RegisterError> {
        let answer = self.try_asking(question).await?;
        answer.map_err(RegisterError::from)
    }

    /// Asks one question: the answer, or how Redis refuses it.
    pub(super) async fn try_asking(
        &mut self,
        question: &Cmd,
    ) -> Result<Result<Value, Refusal>, RegisterError> {
        let patience = self.patience;
        let connection = self.connection().await?;
        let endpoint = connection.endpoint.clone();
        match connection.link.ask_within(question, patience).await {
            Ok(answer) => Ok(Ok(answer)),
            Err(CommandError::ErrorReply(reply)) => Ok(Err(Refusal { endpoint, reply })),
            Err(CommandError::Lost(why)) => {
                self.connection = None;
                Err(RegisterError::Unanswered(format!("{endpoint}: {why}")))
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

    async fn connection(&mut self) -> Result<&mut Connection, RegisterError> {
        if self.connection.is_none() {
            let mut made = self.connector.connect().await?;
            logged_in(&mut made, self.patience).await?;
            return Ok(self.connection.insert(made));
        }
        // There is one; the borrow checker wants to be shown.
        self.connection
            .as_mut()
            .ok_or_else(|| RegisterError::Away("there is no connection".to_owned()))
    }
}

/// Sees that Redis does not want a password first. It would answer a question
/// of more than ten words with a protocol error, which does not say so.
async fn logged_in(connection: &mut Connection, patience: Duration) -> Result<(), RegisterError> {
    match connection.link.ask_within(&cmd("TIME"), patience).await {
        Err(CommandError::ErrorReply(reply)) if reply.is_no_auth() => {
            let endpoint = connection.endpoint.clone();
            Err(Refusal { endpoint, reply }.into())
        }
        Err(CommandError::Lost(why)) => Err(RegisterError::Away(format!(
            "{}: {why}",
            connection.endpoint
        ))),
        // What else it may say will be said of the question proper.
        Ok(_) | Err(CommandError::ErrorReply(_)) => Ok(()),
    }
}

/// The error reply of a Redis, and which Redis that is.
pub(super) struct Refusal {
    endpoint: String,
    pub(super) reply: ErrorReply,
}

impl From<Refusal> for RegisterError {
    fn from(Refusal { endpoint, reply }: Refusal) -> RegisterError {
        RegisterError::of_reply(&endpoint, &reply)
    }
}
