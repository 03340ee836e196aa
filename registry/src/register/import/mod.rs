//! Imports many roles in one transaction.

mod difference;
mod imported_roles;

use difference::Difference;
pub use imported_roles::ImportedRoles;
use redis::{Cmd, Value, cmd};

use super::author::Author;
use super::change::{logged, quoted};
use super::error::RegisterError;
use super::registrar::Registrar;
use super::script::Script;
use crate::log::MAX_OPERATIONS;

/// How many fields one HSET sets.
const PORTION: usize = 1_000;

/// How often the comparison is repeated because somebody changed the hash meanwhile.
const ATTEMPTS: usize = 3;

/// The verb in the log.
const VERB: &str = "import";

/// Sets roles in a hash, all or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The key of the hash.
    pub hash: String,
    /// The roles and their values.
    pub roles: ImportedRoles,
    /// Whether everything else is removed from the hash.
    pub replace: bool,
}

impl Import {
    /// Runs the import. `progress` is called with the number of roles sent.
    ///
    /// It compares first, and writes and logs only the differences. WATCH ensures that the hash is
    /// still the same when it is written. If too much differs to be listed, or the hash keeps
    /// changing, everything is written, and the log entry is a `.reset`.
    ///
    /// # Errors
    /// Redis cannot be reached, or refuses. Then nothing was changed, unless the reply to the last
    /// command was lost.
    pub async fn run(
        &self,
        registrar: &mut Registrar,
        progress: impl FnMut(usize),
    ) -> Result<(), RegisterError> {
        let sought = registrar.seek(&self.hash).await;
        sought.map_err(|error| given_up(registrar, error))?;
        registrar.check_settled()?;
        let watch = cmd("WATCH").arg(&self.hash).to_owned();
        for _ in 0..ATTEMPTS {
            self.send([watch.clone()], registrar, |_| ()).await?;
            let found = Difference::find(self, registrar).await;
            let Some(difference) = found.map_err(|error| given_up(registrar, error))? else {
                // WATCH ends with the connection.
                registrar.disconnect();
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

    /// Sends these commands. An error ends the transaction.
    async fn send(
        &self,
        commands: impl IntoIterator<Item = Cmd>,
        registrar: &mut Registrar,
        mut progress: impl FnMut(usize),
    ) -> Result<(), RegisterError> {
        for (at, command) in commands.into_iter().enumerate() {
            let answer = registrar.send(&command).await;
            answer.map_err(|error| given_up(registrar, error))?;
            progress((at.saturating_sub(2) * PORTION).min(self.roles.len()));
        }
        Ok(())
    }

    /// EXEC. False if a watched key has changed.
    async fn execute(&self, registrar: &mut Registrar) -> Result<bool, RegisterError> {
        match registrar.send(&cmd("EXEC")).await? {
            Value::Array(answers) => match answers.iter().find_map(error_of) {
                Some(error) => Err(RegisterError::Refused(error)),
                None => Ok(true),
            },
            _ => Ok(false),
        }
    }

    /// The import as lines for `redis-cli`, without the comparison.
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

    /// The script that makes and logs these changes.
    fn listed(&self, difference: &Difference, author: &Author) -> Cmd {
        let how = if self.replace { "replace" } else { "merge" };
        let mut arguments = vec![how.as_bytes()];
        arguments.extend(difference.words());
        self.script(Script::Import, &arguments, author)
    }

    /// A transaction that writes everything, without its EXEC. It first checks that the log can be
    /// written: an error within EXEC does not end it.
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

    /// The commands that write everything.
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

    /// The commands that set the roles in this hash.
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

/// Ends an open transaction, and WATCH, by closing the connection.
fn given_up(registrar: &mut Registrar, error: RegisterError) -> RegisterError {
    registrar.disconnect();
    error.before_any_change()
}

fn error_of(answer: &Value) -> Option<String> {
    match answer {
        Value::ServerError(error) => Some(crate::connect::ErrorReply::from(error).to_string()),
        _ => None,
    }
}
