//! Many roles at once, in one transaction.

use super::change::quoted;
use super::registrar::Registrar;
use super::role::{Role, Where};
use super::trouble::Trouble;
use redis::{Cmd, Value, cmd};

/// How many fields one HSET sets.
const PORTION: usize = 1_000;

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
        registrar.seek(&self.hash).await.map_err(not_yet)?;
        let commands = self.commands();
        let last = commands.len().saturating_sub(1);
        for (at, command) in commands.iter().enumerate() {
            if at == last {
                break;
            }
            if let Err(trouble) = registrar.ask(command).await {
                // An unfinished transaction ends with its connection.
                registrar.hang_up();
                return Err(not_yet(trouble));
            }
            progress((at * PORTION).min(self.roles.len()));
        }
        let Some(exec) = commands.last() else {
            return Ok(());
        };
        match registrar.ask(exec).await? {
            Value::Array(answers) => match answers.iter().find_map(error_of) {
                Some(error) => Err(Trouble::Refused(error)),
                None => Ok(()),
            },
            _ => Err(Trouble::Refused(
                "the transaction was not executed".to_owned(),
            )),
        }
    }

    /// The same as lines for `redis-cli`.
    #[must_use]
    pub fn spelled(&self) -> Vec<String> {
        let line = |command: &Cmd| {
            let words = command.args_iter().filter_map(|arg| match arg {
                redis::Arg::Simple(word) => Some(quoted(&String::from_utf8_lossy(word))),
                _ => None,
            });
            words.collect::<Vec<_>>().join(" ")
        };
        self.commands().iter().map(line).collect()
    }

    fn commands(&self) -> Vec<Cmd> {
        let mut commands = vec![cmd("MULTI")];
        let prepared = format!("{}:import", self.hash);
        let key = match self.replace {
            true => &prepared,
            false => &self.hash,
        };
        if self.replace {
            commands.push(cmd("DEL").arg(&prepared).to_owned());
        }
        for portion in self.roles.chunks(PORTION) {
            let mut hset = cmd("HSET");
            hset.arg(key);
            for (role, at) in portion {
                hset.arg(role.to_string()).arg(at.as_str());
            }
            commands.push(hset);
        }
        if self.replace {
            commands.push(match self.roles.is_empty() {
                false => cmd("RENAME").arg(&prepared).arg(&self.hash).to_owned(),
                true => cmd("DEL").arg(&self.hash).to_owned(),
            });
        }
        commands.push(cmd("EXEC"));
        commands
    }
}

fn error_of(answer: &Value) -> Option<String> {
    match answer {
        Value::ServerError(error) => Some(crate::connect::Refusal::from(error).to_string()),
        _ => None,
    }
}
