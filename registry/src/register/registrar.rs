//! Makes changes: connects, runs scripts, and handles failures.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use cloudhosts_config::Config;
use redis::{Cmd, Value, cmd};

use super::author::Author;
use super::change::{Change, Verb};
use super::error::RegisterError;
use super::outcome::ChangeOutcome;
use super::script::{Call, Script};
use crate::connect::{CommandError, Connection, Connector, ErrorKind, ErrorReply, SILENCE};
use crate::reply::{items, number, texts};

/// How often one command is sent to another node because a node says so.
const MOST_REDIRECTS: usize = 8;

/// How often, and after which time, a command is sent again while the slot of its keys is being moved.
const MOST_TRIES: usize = 20;
const TRY_AGAIN: Duration = Duration::from_millis(100);

/// Writes to Redis.
pub struct Registrar {
    connector: Connector,
    connection: Option<Connection>,
    /// The limit for a reply.
    patience: Duration,
    /// The author of the changes in the log.
    author: Author,
}

impl Registrar {
    /// A registrar that is not connected yet.
    #[must_use]
    pub fn new(config: Arc<Config>) -> Registrar {
        Registrar {
            connector: Connector::to_write(config),
            connection: None,
            patience: SILENCE,
            author: Author::of_this_process(),
        }
    }

    /// The same with another limit for a reply.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Registrar {
        Registrar { patience, ..self }
    }

    /// Sets the author of the changes that follow. By default it is the user that runs this process.
    pub fn set_author(&mut self, author: Author) {
        self.author = author;
    }

    /// The address from which this machine reaches Redis. None over a Unix socket. Connects if
    /// needed.
    ///
    /// # Errors
    /// No Redis can be reached.
    pub async fn local(&mut self) -> Result<Option<IpAddr>, RegisterError> {
        Ok(self.connection().await?.link.local())
    }

    /// Sees whether Redis answers. Connects if needed.
    ///
    /// # Errors
    /// No Redis can be reached, or it does not answer.
    pub async fn ping(&mut self) -> Result<(), RegisterError> {
        self.leave_demoted();
        // Whatever it answers, it is there. The right to send it is needed anyway.
        let _answer_or_refusal = self.try_send(&cmd("TIME")).await?;
        Ok(())
    }

    /// The URL of the connection, without the password.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.connection.as_ref().map(|one| one.endpoint.as_str())
    }

    /// Makes a change. Returns the result for each of its places.
    ///
    /// # Errors
    /// Redis cannot be reached, or refuses.
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

    /// Runs a script outside of a transaction: by EVALSHA, or by EVAL if Redis does not have it.
    pub(super) async fn run(&mut self, call: &Call) -> Result<Value, RegisterError> {
        match self.send_to_owner(&call.by_digest()).await? {
            Ok(answer) => Ok(answer),
            Err(refusal) if refusal.reply.kind == ErrorKind::NoScript => {
                Ok(self.send_to_owner(&call.in_full()).await??)
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// The author of the changes in the log.
    pub(super) fn author(&self) -> &Author {
        &self.author
    }

    /// Connects to the node of the cluster that has this hash, for a transaction that follows.
    pub(super) async fn seek(&mut self, hash: &str) -> Result<(), RegisterError> {
        // Other errors will occur again in the transaction.
        match self.send_to_owner(cmd("HLEN").arg(hash)).await? {
            Err(refusal) if refusal.reply.is_temporary() => Err(refusal.into()),
            _ => Ok(()),
        }
    }

    /// Sees that a transaction can be sent command by command: not to a node to which the slot of the
    /// hash is being moved, where each would have to be announced.
    pub(super) fn check_settled(&self) -> Result<(), RegisterError> {
        match &self.connection {
            Some(connection) if connection.link.is_asking() => {
                let endpoint = &connection.endpoint;
                let why = "the slot of the hash is being moved there; try again when that is done";
                Err(RegisterError::Away(format!("{endpoint}: {why}")))
            }
            _ => Ok(()),
        }
    }

    /// Sends a command outside of a transaction to the current master. If the keys are on another
    /// node of a cluster, nothing was executed, and it is sent there; or to the other URLs, if the
    /// node is not named. While the slot of the keys is being moved it is sent again.
    async fn send_to_owner(
        &mut self,
        command: &Cmd,
    ) -> Result<Result<Value, Refusal>, RegisterError> {
        self.leave_demoted();
        let mut others = self.connector.others();
        let (mut redirects, mut tries) = (MOST_REDIRECTS, MOST_TRIES);
        let mut before = None;
        loop {
            let refusal = match self.try_send(command).await? {
                Ok(answer) => return Ok(Ok(answer)),
                Err(refusal) => refusal,
            };
            if refusal.reply.kind == ErrorKind::TryAgain && tries > 0 {
                tries -= 1;
                tokio::time::sleep(TRY_AGAIN).await;
                continue;
            }
            if refusal.reply.kind != ErrorKind::Moved {
                return Ok(Err(refusal));
            }
            let named = self.connection.as_ref().and_then(Connection::named);
            if redirects > 0 && named.is_some() && named != before {
                redirects -= 1;
                before.clone_from(&named);
                self.connector.redirect(named);
            } else if others > 0 {
                others -= 1;
                self.connector.skip();
            } else {
                return Ok(Err(refusal));
            }
            self.connection = None;
        }
    }

    /// Sends a command, and connects first if needed.
    pub(super) async fn send(&mut self, command: &Cmd) -> Result<Value, RegisterError> {
        let answer = self.try_send(command).await?;
        answer.map_err(RegisterError::from)
    }

    /// The same. An error reply is in the inner result.
    pub(super) async fn try_send(
        &mut self,
        command: &Cmd,
    ) -> Result<Result<Value, Refusal>, RegisterError> {
        let patience = self.patience;
        let connection = self.connection().await?;
        let endpoint = connection.endpoint.clone();
        match connection.link.send_within(command, patience).await {
            Ok(answer) => Ok(Ok(answer)),
            Err(CommandError::ErrorReply(reply)) => Ok(Err(Refusal { endpoint, reply })),
            Err(CommandError::Lost(why)) => {
                self.connection = None;
                Err(RegisterError::Unanswered(format!("{endpoint}: {why}")))
            }
        }
    }

    /// Disconnects, which discards a transaction.
    pub(super) fn disconnect(&mut self) {
        self.connection = None;
    }

    /// Disconnects if the sentinels name another master. Sentinels are watched from the second use
    /// of a connection.
    fn leave_demoted(&mut self) {
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
            check_login(&mut made, self.patience).await?;
            return Ok(self.connection.insert(made));
        }
        // There is one; this satisfies the borrow checker.
        self.connection
            .as_mut()
            .ok_or_else(|| RegisterError::Away("there is no connection".to_owned()))
    }
}

/// Checks that Redis does not require a login. Without one it would answer a command of more than
/// ten words with a protocol error.
async fn check_login(connection: &mut Connection, patience: Duration) -> Result<(), RegisterError> {
    match connection.link.send_within(&cmd("TIME"), patience).await {
        Err(CommandError::ErrorReply(reply)) if reply.kind == ErrorKind::NoAuth => {
            let endpoint = connection.endpoint.clone();
            Err(Refusal { endpoint, reply }.into())
        }
        Err(CommandError::Lost(why)) => Err(RegisterError::Away(format!(
            "{}: {why}",
            connection.endpoint
        ))),
        // Other errors will occur again in the command itself.
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
