//! Requests: several commands that are executed at one moment.
//!
//! A request is a transaction (MULTI), so that its replies show one moment, and every pushed change
//! is before or after it. If the user may not use transactions, or the keys are on several nodes of
//! a cluster, the commands are sent without MULTI.

use std::time::Duration;

use redis::{Cmd, Value, cmd};

use super::info::Section;
use crate::connect::{CommandError, ErrorKind, ErrorReply, Link};
use crate::fault::Fault;

/// The reply to one command.
pub(super) type Reply = Result<Value, ErrorReply>;

/// What a command of a request is for. The numbers are indexes of hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommandTag {
    /// How many fields a hash has (HLEN).
    Length(usize),
    /// What is new in its log (XRANGE, XREVRANGE).
    Log(usize),
    /// The next step of a scan.
    Scan(usize),
    /// The values of some fields (HMGET).
    Fields(usize),
    /// How long the hash has to live (PTTL).
    TimeToLive(usize),
    /// A section of INFO.
    Info(Section),
}

/// Commands that are sent together.
#[derive(Default)]
pub(super) struct Request {
    commands: Vec<Cmd>,
    tags: Vec<CommandTag>,
}

/// What came of a transaction.
pub(super) enum RequestOutcome {
    /// A reply to each command.
    Answered(Replies),
    /// Nothing was executed, because these commands are refused.
    Refused(Vec<(CommandTag, ErrorReply)>),
    /// Nothing was executed, because transactions are not possible here, or not while Redis is out
    /// of memory.
    NoTransactions { out_of_memory: bool },
}

/// The replies to a request.
#[derive(Default)]
pub(super) struct Replies(Vec<(CommandTag, Option<Reply>)>);

impl Replies {
    /// The replies with one tag, in the order of the commands. Each is returned once.
    pub(super) fn take(&mut self, tag: CommandTag) -> impl Iterator<Item = Reply> {
        self.0
            .iter_mut()
            .filter(move |(at, _)| *at == tag)
            .filter_map(|(_, reply)| reply.take())
    }

    /// The sections of INFO.
    pub(super) fn sections(&mut self) -> impl Iterator<Item = (Section, Reply)> {
        self.0.iter_mut().filter_map(|(tag, reply)| match tag {
            CommandTag::Info(section) => Some((*section, reply.take()?)),
            _ => None,
        })
    }

    /// The commands that are refused because a permission is missing.
    pub(super) fn denied(&self) -> Vec<(CommandTag, ErrorReply)> {
        let denied = |(tag, reply): &(CommandTag, Option<Reply>)| match reply {
            Some(Err(reply)) if reply.kind == ErrorKind::NoPerm => Some((*tag, reply.clone())),
            _ => None,
        };
        self.0.iter().filter_map(denied).collect()
    }
}

impl Request {
    /// Adds a command.
    pub(super) fn add(&mut self, tag: CommandTag, command: Cmd) {
        self.tags.push(tag);
        self.commands.push(command);
    }

    /// Whether there is no command.
    pub(super) fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// Sends the commands in a transaction. `silence` is how long Redis may send nothing.
    ///
    /// # Errors
    /// The connection is lost, or Redis refuses everything.
    pub(super) async fn send(
        self,
        link: &mut Link,
        silence: Duration,
    ) -> Result<RequestOutcome, CommandError> {
        let Request { mut commands, tags } = self;
        commands.insert(0, cmd("MULTI"));
        commands.push(cmd("EXEC"));
        let replies = link.send_all(&commands, silence).await?;
        let mut replies = replies.into_iter();
        match replies.next() {
            Some(Err(reply)) if reply.kind == ErrorKind::NoPerm || reply.is_unknown_command() => {
                return Ok(RequestOutcome::NoTransactions {
                    out_of_memory: false,
                });
            }
            Some(Err(reply)) => return Err(CommandError::ErrorReply(reply)),
            _ => {}
        }
        let done = replies.next_back();
        let refused: Vec<(CommandTag, ErrorReply)> = tags
            .iter()
            .zip(replies)
            .filter_map(|(&tag, queued)| Some((tag, queued.err()?)))
            .collect();
        match done {
            Some(Ok(Value::Array(answers))) if answers.len() == tags.len() => {
                Ok(RequestOutcome::Answered(Replies::new(tags, answers)))
            }
            Some(Err(_))
                if refused
                    .iter()
                    .any(|(_, why)| why.kind == ErrorKind::OutOfMemory) =>
            {
                Ok(RequestOutcome::NoTransactions {
                    out_of_memory: true,
                })
            }
            Some(Err(_)) if !refused.is_empty() => Ok(RequestOutcome::Refused(refused)),
            // The right to EXEC is missing; or the keys are those of several
            // nodes of a cluster.
            // Or one of them is at neither node while their slot is being moved.
            Some(Err(reply))
                if reply.is_exec_abort()
                    || reply.unreadable().is_some()
                    || reply.kind == ErrorKind::TryAgain =>
            {
                Ok(RequestOutcome::NoTransactions {
                    out_of_memory: false,
                })
            }
            Some(Err(reply)) => Err(CommandError::ErrorReply(reply)),
            _ => {
                let fault = Fault::unexpected_reply("EXEC");
                Err(CommandError::Lost(fault))
            }
        }
    }

    /// Sends the commands without a transaction.
    ///
    /// # Errors
    /// The connection is lost.
    pub(super) async fn send_plainly(
        self,
        link: &mut Link,
        silence: Duration,
    ) -> Result<Replies, CommandError> {
        let replies = link.send_all(&self.commands, silence).await?;
        let replies = self.tags.into_iter().zip(replies.into_iter().map(Some));
        Ok(Replies(replies.collect()))
    }
}

impl Replies {
    fn new(tags: Vec<CommandTag>, answers: Vec<Value>) -> Replies {
        let reply = |answer| match answer {
            Value::ServerError(error) => Err(ErrorReply::from(&error)),
            answer => Ok(answer),
        };
        let replies = answers.into_iter().map(|answer| Some(reply(answer)));
        Replies(tags.into_iter().zip(replies).collect())
    }
}
