//! Many roles at once, in one transaction.

mod difference;
mod imported_roles;

pub use imported_roles::ImportedRoles;

use super::author::Author;
use super::change::{logged, quoted};
use super::error::RegisterError;
use super::registrar::Registrar;
use super::script::Script;
use crate::log::MAX_OPERATIONS;
use difference::Difference;
use redis::{Cmd, Value, cmd};

/// How many fields one HSET sets.
const PORTION: usize = 1_000;

/// How often what differs is sought anew, because somebody changed the hash
/// meanwhile.
const ATTEMPTS: usize = 3;

/// What the log calls it.
const VERB: &str = "import";

/// Roles to be set in a hash, all or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The key of the hash.
    pub hash: String,
    /// The roles, and where they are.
    pub roles: ImportedRoles,
    /// Whether everything else in the hash goes.
    pub replace: bool,
}

impl Import {
    /// Sets them, in one step. `progress` is told how many have been sent.
    ///
    /// What differs is found out first, so that no more is written and logged
    /// than that. WATCH sees to it that the hash is still the same when it is
    /// written. Where too much differs to be listed, or the hash changes all the
    /// time, everything is written, and the log says no more than that.
    ///
    /// # Errors
    /// Redis cannot be reached, or says no; then nothing was changed, unless
    /// the answer to the very last question did not come.
    pub async fn run(
        &self,
        registrar: &mut Registrar,
        progress: impl FnMut(usize),
    ) -> Result<(), RegisterError> {
        let sought = registrar.seek(&self.hash).await;
        sought.map_err(|error| given_up(registrar, error))?;
        let watch = cmd("WATCH").arg(&self.hash).to_owned();
        for _ in 0..ATTEMPTS {
            self.send([watch.clone()], registrar, |_| ()).await?;
            let found = Difference::find(self, registrar).await;
            let Some(difference) = found.map_err(|error| given_up(registrar, error))? else {
                // What is watched ends with the connection.
                registrar.hang_up();
                break;
            };
            let queued = [cmd("MULTI"), self.listed(&difference, registrar.author())];
            self.send(queued, registrar, |_| ()).await?;
            if self.execute(registrar).await? {
                return Ok(());
            }
        }
        let queued = self.whole(registrar.author());
        self.send(queued, registrar, progress).await?;
        if self.execute(registrar).await? {
            return Ok(());
        }
        Err(RegisterError::Refused(
            "the transaction was not executed".to_owned(),
        ))
    }

    /// Asks all this; what is refused ends the transaction.
    async fn send(
        &self,
        commands: impl IntoIterator<Item = Cmd>,
        registrar: &mut Registrar,
        mut progress: impl FnMut(usize),
    ) -> Result<(), RegisterError> {
        for (at, command) in commands.into_iter().enumerate() {
            let answer = registrar.ask(&command).await;
            answer.map_err(|error| given_up(registrar, error))?;
            progress((at.saturating_sub(2) * PORTION).min(self.roles.len()));
        }
        Ok(())
    }

    /// Executes the transaction; false if what it watches has changed.
    async fn execute(&self, registrar: &mut Registrar) -> Result<bool, RegisterError> {
        match registrar.ask(&cmd("EXEC")).await? {
            Value::Array(answers) => match answers.iter().find_map(error_of) {
                Some(error) => Err(RegisterError::Refused(error)),
                None => Ok(true),
            },
            _ => Ok(false),
        }
    }

    /// What does the same, as lines for `redis-cli`; but everything is written,
    /// and nothing read before.
    pub fn spelled(&self) -> impl Iterator<Item = String> {
        let line = |command: Cmd| {
            let words = command.args_iter().filter_map(|arg| match arg {
                redis::Arg::Simple(word) => Some(quoted(&String::from_utf8_lossy(word))),
                _ => None,
            });
            words.collect::<Vec<_>>().join(" ")
        };
        let begin = ["MULTI".to_owned(), self.entry()].into_iter();
        let end = std::iter::once("EXEC".to_owned());
        begin.chain(self.written().map(line)).chain(end)
    }

    /// The line that appends to the log.
    fn entry(&self) -> String {
        if self.replace {
            return logged(&self.hash, VERB, &[(".drop", "*"), (".reset", "")]);
        }
        if self.roles.len() > MAX_OPERATIONS {
            return logged(&self.hash, VERB, &[(".reset", "")]);
        }
        let fields = self.roles.iter().map(|(role, _)| format!("+{role}"));
        let fields: Vec<String> = fields.collect();
        let values = self.roles.iter().map(|(_, at)| at);
        let operations: Vec<(&str, &str)> = fields.iter().map(String::as_str).zip(values).collect();
        logged(&self.hash, VERB, &operations)
    }

    /// The script that makes and logs just these changes.
    fn listed(&self, difference: &Difference, author: &Author) -> Cmd {
        let how = if self.replace { "replace" } else { "merge" };
        let mut arguments = vec![how.as_bytes()];
        arguments.extend(difference.words());
        self.script(Script::Import, &arguments, author)
    }

    /// A transaction that writes everything, without its end. Whether the log
    /// can be written to is asked before it: nothing ends a transaction once it
    /// is executed.
    fn whole<'i>(&'i self, author: &Author) -> impl Iterator<Item = Cmd> + use<'i> {
        let entry: &[&[u8]] = if self.replace {
            &[b"append", b"*"]
        } else {
            &[b"append"]
        };
        let begin = [
            self.script(Script::Reset, &[b"ask"], author),
            cmd("MULTI"),
            self.script(Script::Reset, entry, author),
        ];
        begin.into_iter().chain(self.written())
    }

    /// The commands that write everything, made one after the other.
    fn written(&self) -> Box<dyn Iterator<Item = Cmd> + '_> {
        if !self.replace {
            return Box::new(self.sets(self.hash.clone()));
        }
        if self.roles.is_empty() {
            return Box::new(std::iter::once(cmd("DEL").arg(&self.hash).to_owned()));
        }
        let prepared = format!("{}:import", self.hash);
        let begin = std::iter::once(cmd("DEL").arg(&prepared).to_owned());
        let end = cmd("RENAME").arg(&prepared).arg(&self.hash).to_owned();
        Box::new(begin.chain(self.sets(prepared)).chain([end]))
    }

    fn script(&self, script: Script, arguments: &[&[u8]], author: &Author) -> Cmd {
        let hash = std::iter::once(self.hash.as_str());
        script.plain(hash, arguments, VERB, author).in_full()
    }

    /// The commands that set the roles in that hash.
    fn sets(&self, key: String) -> impl Iterator<Item = Cmd> {
        self.roles.portions(PORTION).map(move |portion| {
            let mut hset = cmd("HSET");
            hset.arg(&key);
            for (role, at) in portion {
                hset.arg(role).arg(at);
            }
            hset
        })
    }
}

/// A transaction that is not finished, or what it watches, ends with its
/// connection.
fn given_up(registrar: &mut Registrar, error: RegisterError) -> RegisterError {
    registrar.hang_up();
    error.before_any_change()
}

fn error_of(answer: &Value) -> Option<String> {
    match answer {
        Value::ServerError(error) => Some(crate::connect::ErrorReply::from(error).to_string()),
        _ => None,
    }
}
