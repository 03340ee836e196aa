//! Many roles at once, in one transaction.

use super::author::Author;
use super::change::{logged, quoted};
use super::registrar::Registrar;
use super::role::{Role, Where};
use super::script::{Own, Script};
use super::trouble::Trouble;
use crate::log::MAX_OPERATIONS;
use redis::{Cmd, Value, cmd};

/// How many fields one HSET sets.
const PORTION: usize = 1_000;

/// What the log calls it.
const VERB: &str = "import";

/// Roles to be set in a hash, all or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The key of the hash.
    pub hash: String,
    /// The roles, each once.
    pub roles: Vec<(Role, Where)>,
    /// Whether everything else in the hash goes.
    pub replace: bool,
}

impl Import {
    /// Sets them. `progress` is told how many have been sent.
    ///
    /// # Errors
    /// Redis cannot be reached, or says no; then nothing was changed, unless
    /// the answer to the very last question did not come.
    pub async fn run(
        &self,
        registrar: &mut Registrar,
        mut progress: impl FnMut(usize),
    ) -> Result<(), Trouble> {
        let not_yet = |trouble: Trouble| match trouble {
            Trouble::Unanswered(why) => Trouble::Away(format!("{why}; nothing was changed")),
            other => other,
        };
        for (at, command) in self.queued(registrar.author()).iter().enumerate() {
            if let Err(trouble) = registrar.ask(command).await {
                // An unfinished transaction ends with its connection.
                registrar.hang_up();
                return Err(not_yet(trouble));
            }
            progress((at.saturating_sub(1) * PORTION).min(self.roles.len()));
        }
        match registrar.ask(&cmd("EXEC")).await? {
            Value::Array(answers) => match answers.iter().find_map(error_of) {
                Some(error) => Err(Trouble::Refused(error)),
                None => Ok(()),
            },
            _ => Err(Trouble::Refused(
                "the transaction was not executed".to_owned(),
            )),
        }
    }

    /// What does the same without the script, as lines for `redis-cli`. (What
    /// the script finds is there already it does not write, and `--replace`
    /// removes field by field where that is less.)
    #[must_use]
    pub fn spelled(&self) -> Vec<String> {
        let mut commands = Vec::new();
        if self.replace && self.roles.is_empty() {
            commands.push(cmd("DEL").arg(&self.hash).to_owned());
        } else if self.replace {
            commands.push(cmd("DEL").arg(self.staged()).to_owned());
            commands.extend(self.sets(&self.staged()));
            let rename = cmd("RENAME").arg(self.staged()).arg(&self.hash).to_owned();
            commands.push(rename);
        } else {
            commands.extend(self.sets(&self.hash));
        }
        let line = |command: &Cmd| {
            let words = command.args_iter().filter_map(|arg| match arg {
                redis::Arg::Simple(word) => Some(quoted(&String::from_utf8_lossy(word))),
                _ => None,
            });
            words.collect::<Vec<_>>().join(" ")
        };
        let mut lines = vec!["MULTI".to_owned(), self.entry()];
        lines.extend(commands.iter().map(line));
        lines.push("EXEC".to_owned());
        lines
    }

    /// The line that appends to the log.
    fn entry(&self) -> String {
        if self.replace {
            return logged(&self.hash, VERB, &[(".drop", "*"), (".reset", "")]);
        }
        if self.roles.len() > MAX_OPERATIONS {
            return logged(&self.hash, VERB, &[(".reset", "")]);
        }
        let fields: Vec<String> = self
            .roles
            .iter()
            .map(|(role, _)| format!("+{role}"))
            .collect();
        let values = self.roles.iter().map(|(_, at)| at.as_str());
        let operations: Vec<(&str, &str)> = fields.iter().map(String::as_str).zip(values).collect();
        logged(&self.hash, VERB, &operations)
    }

    /// The transaction, without its end: the roles into a hash beside the one
    /// that is meant, and the script that takes them from there. It stands in a
    /// transaction because a script cannot be given a million words at once.
    fn queued(&self, author: &Author) -> Vec<Cmd> {
        let staged = self.staged();
        let clean = cmd("DEL").arg(&staged).to_owned();
        let how = if self.replace { "replace" } else { "merge" };
        let own = Own {
            keys: &[&staged],
            arguments: &[how],
        };
        let hash = std::iter::once(self.hash.as_str());
        let script = Script::Import.call(hash, own, VERB, author);
        let mut commands = vec![cmd("MULTI"), clean.clone()];
        commands.extend(self.sets(&staged));
        commands.extend([script, clean]);
        commands
    }

    /// The commands that set the roles in that hash.
    fn sets(&self, key: &str) -> Vec<Cmd> {
        let portion = |portion: &[(Role, Where)]| {
            let mut hset = cmd("HSET");
            hset.arg(key);
            for (role, at) in portion {
                hset.arg(role.to_string()).arg(at.as_str());
            }
            hset
        };
        self.roles.chunks(PORTION).map(portion).collect()
    }

    /// The hash that stands beside the one that is meant, within the
    /// transaction.
    fn staged(&self) -> String {
        format!("{}:import", self.hash)
    }
}

fn error_of(answer: &Value) -> Option<String> {
    match answer {
        Value::ServerError(error) => Some(crate::connect::Refusal::from(error).to_string()),
        _ => None,
    }
}
