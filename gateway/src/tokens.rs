//! The tokens, found by their secrets.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cloudhosts_config::gateway::Token;
use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq;

use crate::credentials::Credentials;
use crate::rate::{Meter, Rate};

/// A token, and how often it was used.
#[derive(Debug)]
pub(crate) struct LiveToken {
    pub(crate) rules: Token,
    used: Mutex<Meter>,
}

impl LiveToken {
    /// Counts one more request, or says after how long there may be one.
    pub(crate) fn take(&self, rate: Rate, now: Instant) -> Result<(), Duration> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.take(rate, now)
    }
}

/// All tokens.
#[derive(Debug)]
pub(crate) struct Tokens {
    /// By a hash of the SHA-256 of the secret with a random key: what is compared with what, and so
    /// how long it takes, tells nobody anything.
    all: HashMap<u64, Vec<Arc<LiveToken>>>,
    seed: RandomState,
}

impl Tokens {
    pub(crate) fn new(tokens: Vec<Token>) -> Tokens {
        let seed = RandomState::new();
        let mut all: HashMap<u64, Vec<_>> = HashMap::new();
        for rules in tokens {
            let number = seed.hash_one(rules.sha256.0);
            let used = Mutex::default();
            let token = Arc::new(LiveToken { rules, used });
            all.entry(number).or_default().push(token);
        }
        Tokens { all, seed }
    }

    /// The token with this secret, and with this name where one is said.
    pub(crate) fn find(&self, credentials: &Credentials) -> Option<Arc<LiveToken>> {
        let sha256 = digest(&SHA256, credentials.secret.reveal().as_bytes());
        let sha256: [u8; 32] = sha256.as_ref().try_into().ok()?;
        let alike = self.all.get(&self.seed.hash_one(sha256))?;
        let same = |token: &&Arc<LiveToken>| bool::from(token.rules.sha256.0.ct_eq(&sha256));
        let token = alike.iter().find(same)?;
        let name = credentials.name.as_ref();
        let is_its_name = name.is_none_or(|name| *name == token.rules.name);
        is_its_name.then(|| Arc::clone(token))
    }
}
