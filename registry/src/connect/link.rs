//! One connection to Redis: commands, replies, and timeouts.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloudhosts_config::Secret;
use cloudhosts_config::printable::reason;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, Pipeline, ProtocolVersion, PushInfo,
    RedisConnectionInfo, RedisError, Value, cmd,
};
use tokio::task::JoinHandle;

use super::error_reply::ErrorReply;
use super::metered::{Meter, Metered};
use super::redirect::Redirect;
use super::stream::Stream;
use crate::fault::{Fault, FaultCode};

/// A peer that owes a reply and sends no byte for this long is dead.
pub(crate) const SILENCE: Duration = Duration::from_secs(4);

/// How long a whole reply may take, however steadily it arrives: with the limit of 64 MiB this is
/// half a megabyte a second.
const LONGEST_ANSWER: Duration = Duration::from_secs(120);

/// Time for this process to read what has already arrived, before the peer counts as silent.
const GRACE: Duration = Duration::from_millis(100);

/// Why a command has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// Redis replied with an error. The connection goes on.
    #[error(transparent)]
    ErrorReply(ErrorReply),
    /// The connection is of no more use.
    #[error(transparent)]
    Lost(Fault),
}

impl CommandError {
    /// The same as a fault, with the password struck out wherever Redis quotes it.
    pub(super) fn without(self, secret: Option<&Secret>) -> Fault {
        match self {
            CommandError::ErrorReply(reply) => reply.without(secret).fault(),
            CommandError::Lost(fault) => fault,
        }
    }
}

impl From<CommandError> for Fault {
    fn from(error: CommandError) -> Fault {
        match error {
            CommandError::ErrorReply(reply) => reply.fault(),
            CommandError::Lost(fault) => fault,
        }
    }
}

/// Is called with each push.
pub(crate) type OnPush = Box<dyn Fn(&PushInfo) + Send + Sync>;

/// The protocol version.
pub(crate) enum Protocol<'a> {
    /// RESP2, without pushes.
    Resp2,
    /// RESP3. HELLO logs in.
    Resp3 {
        username: Option<&'a str>,
        password: Option<&'a Secret>,
        pushed: OnPush,
    },
}

/// A connection. Dropping it closes it.
pub(crate) struct Link {
    connection: MultiplexedConnection,
    meter: Arc<Meter>,
    driver: JoinHandle<()>,
    local: Option<IpAddr>,
    /// Whether each request is announced by ASKING.
    asking: bool,
    /// The node that was named last.
    redirect: Option<Redirect>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Link {
    /// Starts the protocol on a stream. `silence` is how long the peer may send nothing.
    pub(crate) async fn start(
        stream: Stream,
        protocol: Protocol<'_>,
        silence: Duration,
    ) -> Result<Link, CommandError> {
        let meter = Arc::new(Meter::new(stream.client_certificate));
        let local = stream.carrier.local();
        let metered = Metered::new(stream.carrier, meter.clone());
        // SETINFO would need one more right in the ACL.
        let mut info = RedisConnectionInfo::default().set_skip_set_lib_name();
        let mut config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(None);
        if let Protocol::Resp3 {
            username,
            password,
            pushed,
        } = protocol
        {
            info = info.set_protocol(ProtocolVersion::RESP3);
            if let Some(password) = password {
                info = info.set_password(password.reveal());
                if let Some(username) = username {
                    info = info.set_username(username);
                }
            }
            let take = move |push: PushInfo| {
                pushed(&push);
                Ok::<(), std::convert::Infallible>(())
            };
            config = config.set_push_sender(take);
        }
        meter.asked();
        let setup = MultiplexedConnection::new_with_config(&info, metered, config);
        let (connection, driver) = match patient(&meter, silence, setup).await {
            Ok(done) => done.map_err(|error| failure(&meter, error))?,
            Err(why) => return Err(CommandError::Lost(why)),
        };
        let end = meter.clone();
        let driver = tokio::spawn(async move {
            driver.await;
            end.driver_ended();
        });
        Ok(Link {
            connection,
            meter,
            driver,
            local,
            asking: false,
            redirect: None,
        })
    }

    /// The address of this machine that Redis sees. None over a Unix socket.
    pub(crate) fn local(&self) -> Option<IpAddr> {
        self.local
    }

    /// Announces each request from now on: to a node of a cluster to which the slot is being moved.
    pub(crate) fn ask(&mut self) {
        self.asking = true;
    }

    /// Whether each request is announced.
    pub(crate) fn is_asking(&self) -> bool {
        self.asking
    }

    /// The node of the cluster that this one has named last as the one with a key.
    pub(crate) fn redirect(&self) -> Option<&Redirect> {
        self.redirect.as_ref()
    }

    fn note_redirect<T>(&mut self, answer: Result<T, ErrorReply>) -> Result<T, ErrorReply> {
        if let Err(ErrorReply {
            redirect: Some(redirect),
            ..
        }) = &answer
        {
            self.redirect = Some(redirect.clone());
        }
        answer
    }

    /// Sends a command. An error reply is a [`CommandError::ErrorReply`].
    pub(crate) async fn send(&mut self, command: &Cmd) -> Result<Value, CommandError> {
        self.send_within(command, SILENCE).await
    }

    /// The same with another limit on silence before and within the reply.
    pub(crate) async fn send_within(
        &mut self,
        command: &Cmd,
        silence: Duration,
    ) -> Result<Value, CommandError> {
        if self.asking {
            let answers = self
                .send_all(std::slice::from_ref(command), silence)
                .await?;
            let unanswered = || Fault::new(FaultCode::Protocol, "there is no reply");
            let answer = answers.into_iter().next();
            let answer = answer.ok_or_else(|| CommandError::Lost(unanswered()))?;
            return answer.map_err(CommandError::ErrorReply);
        }
        self.meter.asked();
        let answer = self.connection.send_packed_command(command);
        match patient(&self.meter, silence, answer).await {
            Ok(Ok(Value::ServerError(error))) => {
                let answer = self.note_redirect(Err(ErrorReply::from(&error)));
                answer.map_err(CommandError::ErrorReply)
            }
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(failure(&self.meter, error)),
            Err(why) => Err(CommandError::Lost(why)),
        }
    }

    /// Sends several commands at once. One limit of size applies to the replies together.
    ///
    /// # Errors
    /// [`CommandError::Lost`]. Error replies are among the results.
    pub(crate) async fn send_all(
        &mut self,
        commands: &[Cmd],
        silence: Duration,
    ) -> Result<Vec<Result<Value, ErrorReply>>, CommandError> {
        let announced = self.announced(commands);
        let mut pipeline = Pipeline::with_capacity(commands.len());
        for (command, announced) in commands.iter().zip(&announced) {
            if *announced {
                pipeline.add_command(cmd("ASKING"));
            }
            pipeline.add_command(command.clone());
        }
        self.meter.asked();
        let answers = self
            .connection
            .send_packed_commands(&pipeline, 0, pipeline.len());
        let answers = match patient(&self.meter, silence, answers).await {
            Ok(Ok(answers)) => answers,
            Ok(Err(error)) => return Err(failure(&self.meter, error)),
            Err(why) => return Err(CommandError::Lost(why)),
        };
        if answers.len() != pipeline.len() {
            let why = "there are fewer replies than commands";
            return Err(CommandError::Lost(Fault::new(FaultCode::Protocol, why)));
        }
        let mut answers = answers.into_iter();
        let mut replies = Vec::with_capacity(commands.len());
        for announced in announced {
            if announced {
                answers.next();
            }
            let reply = match answers.next() {
                Some(Value::ServerError(error)) => Err(ErrorReply::from(&error)),
                Some(answer) => Ok(answer),
                None => continue,
            };
            replies.push(self.note_redirect(reply));
        }
        Ok(replies)
    }

    /// Which of the commands are announced: each, and of a transaction its MULTI, which holds for the
    /// rest of it.
    fn announced(&self, commands: &[Cmd]) -> Vec<bool> {
        let multi = cmd("MULTI").get_packed_command();
        let mut in_transaction = false;
        let mut announces = |command: &Cmd| {
            let announced = self.asking && !in_transaction;
            in_transaction |= command.get_packed_command() == multi;
            announced
        };
        commands.iter().map(&mut announces).collect()
    }

    /// When the last byte arrived, or the last command was sent.
    pub(crate) fn last(&self) -> Instant {
        self.meter.last()
    }

    /// Whether a reply was too large, which ended the connection.
    pub(crate) fn overflowed(&self) -> bool {
        self.meter.overflowed()
    }

    /// Waits until the connection is lost, and returns why.
    pub(crate) async fn lost(&self) -> Fault {
        self.meter.gone().await;
        let unreadable = || Fault::new(FaultCode::Protocol, "what came is not RESP");
        self.meter.why().unwrap_or_else(unreadable)
    }
}

/// Waits for a reply as long as bytes keep arriving.
async fn patient<T>(
    meter: &Meter,
    silence: Duration,
    answer: impl Future<Output = T>,
) -> Result<T, Fault> {
    let mut answer = pin!(answer);
    let end = Instant::now() + LONGEST_ANSWER;
    loop {
        let last = meter.last();
        // If this process was suspended, what arrived meanwhile is only read now.
        let wait = async {
            tokio::time::sleep_until((last + silence).min(end).into()).await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            biased;
            answer = &mut answer => return Ok(answer),
            () = wait => {}
        }
        if Instant::now() >= end {
            let longest = LONGEST_ANSWER.as_secs();
            let why = format!("the reply was not complete after {longest} s");
            return Err(Fault::new(FaultCode::TimedOut, why));
        }
        if meter.last() == last {
            let why = format!("nothing came for {} s", silence.as_secs_f32());
            return Err(Fault::new(FaultCode::TimedOut, why));
        }
    }
}

/// Translates an error of the redis crate.
fn failure(meter: &Meter, error: RedisError) -> CommandError {
    if error.kind() == ErrorKind::RESP3NotSupported {
        return CommandError::ErrorReply(ErrorReply::new("ERR", "unknown command HELLO"));
    }
    if let Some((_, error)) = error
        .clone()
        .into_server_errors()
        .as_deref()
        .and_then(<[_]>::first)
    {
        return CommandError::ErrorReply(ErrorReply::from(error));
    }
    CommandError::Lost(meter.why().unwrap_or_else(|| {
        let text = reason(&error.to_string());
        if error.kind() == ErrorKind::Parse {
            Fault::new(
                FaultCode::Protocol,
                format!("what came is not RESP ({text})"),
            )
        } else {
            Fault::new(FaultCode::Lost, text)
        }
    }))
}
