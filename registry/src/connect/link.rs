//! One connection to Redis: a question, its answer, and the proof that the
//! other side is alive.

use super::guarded::{Gauge, Guarded};
use super::refusal::Refusal;
use super::stream::Stream;
use crate::fault::{Fault, FaultCode};
use cloudhosts_config::Secret;
use cloudhosts_config::printable::reason;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, Pipeline, ProtocolVersion, PushInfo,
    RedisConnectionInfo, RedisError, Value,
};
use std::fmt;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// A peer from which no byte comes for so long, while it owes an answer, is dead.
pub(crate) const SILENCE: Duration = Duration::from_secs(4);

/// The longest a whole answer may take, however steadily it trickles in: at
/// the budget of 64 MiB this is half a megabyte a second.
const LONGEST_ANSWER: Duration = Duration::from_secs(120);

/// Time for our own side to take in what has already arrived, before its
/// silence is held against the peer.
const GRACE: Duration = Duration::from_millis(100);

/// Why a question has no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Redis answered with an error. The connection goes on.
    Refused(Refusal),
    /// The connection is of no more use.
    Lost(Fault),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Refused(refusal) => refusal.fmt(f),
            Failure::Lost(fault) => fault.fmt(f),
        }
    }
}

/// Takes what is pushed.
pub(crate) type OnPush = Box<dyn Fn(&PushInfo) + Send + Sync>;

/// How to speak to Redis.
pub(crate) enum Protocol<'a> {
    /// RESP2: no pushes.
    Resp2,
    /// RESP3, logged in by the same command.
    Resp3 {
        username: Option<&'a str>,
        password: Option<&'a Secret>,
        pushed: OnPush,
    },
}

/// A connection. Dropped, it closes at once.
pub(crate) struct Link {
    connection: MultiplexedConnection,
    gauge: Arc<Gauge>,
    driver: JoinHandle<()>,
    local: Option<IpAddr>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Link {
    /// Starts to speak on a stream. `silence` is how long the peer may take
    /// to say something.
    pub(crate) async fn start(
        stream: Stream,
        protocol: Protocol<'_>,
        silence: Duration,
    ) -> Result<Link, Failure> {
        let gauge = Arc::new(Gauge::new());
        let local = stream.local();
        let guarded = Guarded::new(stream, gauge.clone());
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
        gauge.asked();
        let setup = MultiplexedConnection::new_with_config(&info, guarded, config);
        let (connection, driver) = match patient(&gauge, silence, setup).await {
            Ok(done) => done.map_err(|error| failure(&gauge, error))?,
            Err(why) => return Err(Failure::Lost(why)),
        };
        let end = gauge.clone();
        let driver = tokio::spawn(async move {
            driver.await;
            end.driver_ended();
        });
        Ok(Link {
            connection,
            gauge,
            driver,
            local,
        })
    }

    /// The address of this machine that Redis sees; none over a Unix socket.
    pub(crate) fn local(&self) -> Option<IpAddr> {
        self.local
    }

    /// Asks one question. An error reply is a [`Failure::Refused`].
    pub(crate) async fn ask(&mut self, question: &Cmd) -> Result<Value, Failure> {
        self.ask_within(question, SILENCE).await
    }

    /// The same with another bound on the silence before and within the answer.
    pub(crate) async fn ask_within(
        &mut self,
        question: &Cmd,
        silence: Duration,
    ) -> Result<Value, Failure> {
        self.gauge.asked();
        let answer = self.connection.send_packed_command(question);
        match patient(&self.gauge, silence, answer).await {
            Ok(Ok(Value::ServerError(error))) => Err(Failure::Refused(Refusal::from(&error))),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(failure(&self.gauge, error)),
            Err(why) => Err(Failure::Lost(why)),
        }
    }

    /// Asks several questions at once, and gives the answer to each. Together
    /// the answers have one budget.
    ///
    /// # Errors
    /// [`Failure::Lost`], never a refusal: these are among the answers.
    pub(crate) async fn ask_all(
        &mut self,
        questions: &[Cmd],
        silence: Duration,
    ) -> Result<Vec<Result<Value, Refusal>>, Failure> {
        let mut pipeline = Pipeline::with_capacity(questions.len());
        for question in questions {
            pipeline.add_command(question.clone());
        }
        self.gauge.asked();
        let answers = self
            .connection
            .send_packed_commands(&pipeline, 0, pipeline.len());
        let answers = match patient(&self.gauge, silence, answers).await {
            Ok(Ok(answers)) => answers,
            Ok(Err(error)) => return Err(failure(&self.gauge, error)),
            Err(why) => return Err(Failure::Lost(why)),
        };
        if answers.len() != questions.len() {
            let why = "there are fewer answers than questions";
            return Err(Failure::Lost(why.to_owned().into()));
        }
        let told = |answer| match answer {
            Value::ServerError(error) => Err(Refusal::from(&error)),
            answer => Ok(answer),
        };
        Ok(answers.into_iter().map(told).collect())
    }

    /// When the last byte came, or the last question went.
    pub(crate) fn last(&self) -> Instant {
        self.gauge.last()
    }

    /// Whether a reply was too large, which ended the connection.
    pub(crate) fn overflowed(&self) -> bool {
        self.gauge.overflowed()
    }

    /// Waits until the connection is lost, and says why.
    pub(crate) async fn lost(&self) -> String {
        self.gauge.gone().await;
        let fault = self.gauge.why();
        fault.map_or_else(
            || "the peer sent what is not the protocol of Redis".to_owned(),
            |fault| fault.why,
        )
    }
}

/// Waits for an answer as long as bytes keep coming.
async fn patient<T>(
    gauge: &Gauge,
    silence: Duration,
    answer: impl Future<Output = T>,
) -> Result<T, Fault> {
    let mut answer = pin!(answer);
    let end = Instant::now() + LONGEST_ANSWER;
    loop {
        let last = gauge.last();
        // First until it is due, then a little more: where it was this
        // process that slept, what came meanwhile is only read now.
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
            let why = format!("the answer was not whole after {longest} s");
            return Err(Fault::new(FaultCode::TimedOut, why));
        }
        if gauge.last() == last {
            let why = format!("nothing came for {} s", silence.as_secs_f32());
            return Err(Fault::new(FaultCode::TimedOut, why));
        }
    }
}

/// The redis crate's error, in our words.
fn failure(gauge: &Gauge, error: RedisError) -> Failure {
    if error.kind() == ErrorKind::RESP3NotSupported {
        return Failure::Refused(Refusal::new("ERR", "unknown command HELLO"));
    }
    if let Some((_, error)) = error
        .clone()
        .into_server_errors()
        .as_deref()
        .and_then(<[_]>::first)
    {
        return Failure::Refused(Refusal::from(error));
    }
    Failure::Lost(gauge.why().unwrap_or_else(|| {
        let text = reason(&error.to_string());
        Fault::from(match error.kind() {
            ErrorKind::Parse => format!("the peer sent what is not the protocol of Redis ({text})"),
            _ => text,
        })
    }))
}
