//! Who asks, and until when an answer is wanted.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use cloudhosts_registry::register::{Author, Place, Role};
use tracing::{info, warn};

use crate::change::shown;
use crate::refusal::Refusal;
use crate::settings::Settings;
use crate::tokens::LiveToken;

/// Who asks: a client with a token.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) token: Arc<LiveToken>,
    /// Where the request comes from.
    pub(crate) source: IpAddr,
    pub(crate) settings: Arc<Settings>,
    /// When the request must be answered.
    pub(crate) deadline: Instant,
}

impl Caller {
    /// Who makes its changes, for the change log.
    pub(crate) fn author(&self) -> Author {
        Author::on_this_host(&self.token.rules.name)
    }

    /// One line for a change: who, from where, what, and whether anything was changed.
    pub(crate) fn log(
        &self,
        verb: &str,
        role: &Role,
        places: &[Place],
        result: Result<bool, &Refusal>,
    ) {
        let (token, source) = (&self.token.rules.name, self.source);
        let places = shown(places);
        match result {
            Ok(true) => info!("{token} from {source}: {verb} {role} {places}: done"),
            Ok(false) => info!("{token} from {source}: {verb} {role} {places}: nothing to change"),
            Err(why) => {
                let (code, detail) = (why.code.name(), &why.detail);
                warn!("{token} from {source}: {verb} {role} {places}: {code}: {detail}");
            }
        }
    }

    /// One line for what is refused before anything is asked of Redis.
    pub(crate) fn log_refused(&self, what: &str, why: &Refusal) {
        let (token, source) = (&self.token.rules.name, self.source);
        let (code, detail) = (why.code.name(), &why.detail);
        warn!("{token} from {source}: {what}: {code}: {detail}");
    }
}
