//! What is asked of Redis at one moment, and what it answers.
//!
//! Everything is asked in transactions (MULTI), so that what one question
//! brings is of one moment, and the changes that are pushed are before it or
//! after it. Where the user may not use transactions, or the keys are spread
//! over a cluster, the same is asked in a row.

use super::info::Section;
use crate::connect::{CommandError, ErrorReply, Link};
use crate::fault::Fault;
use redis::{Cmd, Value, cmd};
use std::time::Duration;

/// The answer to one command.
pub(super) type Reply = Result<Value, ErrorReply>;

/// What a command of a question is for. The numbers are those of hashes.
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
    /// What Redis says of itself.
    Info(Section),
}

/// Commands that are to be answered together.
#[derive(Default)]
pub(super) struct Request {
    commands: Vec<Cmd>,
    places: Vec<CommandTag>,
}

/// What came of a question.
pub(super) enum RequestOutcome {
    /// An answer to each command.
    Answered(Replies),
    /// Nothing was done, because these commands may not be asked.
    Refused(Vec<(CommandTag, ErrorReply)>),
    /// Nothing was done, because there are no transactions here; or for as long
    /// as Redis is out of memory, when it queues no command.
    NoTransactions { out_of_memory: bool },
}

/// The answers to a question.
#[derive(Default)]
pub(super) struct Replies(Vec<(CommandTag, Option<Reply>)>);

impl Replies {
    /// The answers for one place, in the order of the commands. Each is given
    /// once.
    pub(super) fn take(&mut self, place: CommandTag) -> impl Iterator<Item = Reply> {
        self.0
            .iter_mut()
            .filter(move |(at, _)| *at == place)
            .filter_map(|(_, reply)| reply.take())
    }

    /// Every section of INFO that was asked for.
    pub(super) fn sections(&mut self) -> impl Iterator<Item = (Section, Reply)> {
        self.0.iter_mut().filter_map(|(place, reply)| match place {
            CommandTag::Info(section) => Some((*section, reply.take()?)),
            _ => None,
        })
    }

    /// What was refused among the answers, and is refused to whoever asks.
    pub(super) fn denied(&self) -> Vec<(CommandTag, ErrorReply)> {
        let denied = |(place, reply): &(CommandTag, Option<Reply>)| match reply {
            Some(Err(reply)) if reply.is_no_perm() => Some((*place, reply.clone())),
            _ => None,
        };
        self.0.iter().filter_map(denied).collect()
    }
}

impl Request {
    /// Adds a command.
    pub(super) fn add(&mut self, place: CommandTag, command: Cmd) {
        self.places.push(place);
        self.commands.push(command);
    }

    /// Whether nothing is asked.
    pub(super) fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// Asks in a transaction. `silence` is how long Redis may take to say
    /// something.
    ///
    /// # Errors
    /// The connection is lost, or Redis answers nobody.
    pub(super) async fn ask(
        self,
        link: &mut Link,
        silence: Duration,
    ) -> Result<RequestOutcome, CommandError> {
        let Request {
            mut commands,
            places,
        } = self;
        commands.insert(0, cmd("MULTI"));
        commands.push(cmd("EXEC"));
        let replies = link.ask_all(&commands, silence).await?;
        let mut replies = replies.into_iter();
        match replies.next() {
            Some(Err(reply)) if reply.is_no_perm() || reply.is_unknown_command() => {
                return Ok(RequestOutcome::NoTransactions {
                    out_of_memory: false,
                });
            }
            Some(Err(reply)) => return Err(CommandError::ErrorReply(reply)),
            _ => {}
        }
        let done = replies.next_back();
        let refused: Vec<(CommandTag, ErrorReply)> = places
            .iter()
            .zip(replies)
            .filter_map(|(&place, queued)| Some((place, queued.err()?)))
            .collect();
        match done {
            Some(Ok(Value::Array(answers))) if answers.len() == places.len() => {
                Ok(RequestOutcome::Answered(Replies::new(places, answers)))
            }
            Some(Err(_)) if refused.iter().any(|(_, why)| why.is_out_of_memory()) => {
                Ok(RequestOutcome::NoTransactions {
                    out_of_memory: true,
                })
            }
            Some(Err(_)) if !refused.is_empty() => Ok(RequestOutcome::Refused(refused)),
            // The right to EXEC is missing; or the keys are those of several
            // nodes of a cluster.
            Some(Err(reply)) if reply.is_exec_abort() || reply.unreadable().is_some() => {
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

    /// Asks in a row.
    ///
    /// # Errors
    /// The connection is lost.
    pub(super) async fn ask_plainly(
        self,
        link: &mut Link,
        silence: Duration,
    ) -> Result<Replies, CommandError> {
        let replies = link.ask_all(&self.commands, silence).await?;
        let replies = self.places.into_iter().zip(replies.into_iter().map(Some));
        Ok(Replies(replies.collect()))
    }
}

impl Replies {
    fn new(places: Vec<CommandTag>, answers: Vec<Value>) -> Replies {
        let reply = |answer| match answer {
            Value::ServerError(error) => Err(ErrorReply::from(&error)),
            answer => Ok(answer),
        };
        let replies = answers.into_iter().map(|answer| Some(reply(answer)));
        Replies(places.into_iter().zip(replies).collect())
    }
}
