//! One URL after the other, until one works.

use super::endpoint::Endpoint;
use super::link::Link;
use super::lookout::Lookout;
use super::materials::Materials;
use super::sentinel;
use super::session::{Session, is_master};
use super::signals::Signals;
use super::survey::Survey;
use crate::config::Config;
use crate::unreadable::UnreadableCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// After so long a hash that can't be read is read again, and the other URLs are
/// visited: that the user has got the right, or a node the slot, is not pushed.
pub(super) const AGAIN: Duration = Duration::from_secs(10);

/// A connection that is logged in, to one of the configured Redis.
pub(crate) struct Connection {
    pub(crate) link: Link,
    /// What it pushes.
    pub(crate) signals: Arc<Signals>,
    /// Where it goes, fit for printing.
    pub(crate) endpoint: String,
    /// Why it pushes nothing, where it does not.
    pub(crate) no_tracking: Option<String>,
    /// Why each hash can't be read over it, where it can't.
    unreadable: Vec<Option<UnreadableCode>>,
    /// When these are read again, where no push will tell.
    again_at: Option<Instant>,
    /// What there was to choose from, where there are several URLs.
    choice: Option<Choice>,
}

/// Beside a connection that was chosen from several URLs.
struct Choice {
    /// What it let us read when it was chosen.
    survey: Survey,
    /// How many hashes can't be read over it, but perhaps at another URL.
    elsewhere: watch::Sender<usize>,
    lookout: Lookout,
}

impl Connection {
    /// Takes note of whether a hash could be read, which decides whether another
    /// URL is looked for.
    ///
    /// # Errors
    /// The hash has gone to another node of the cluster since this URL was
    /// chosen: it is time to choose again.
    pub(crate) fn note(
        &mut self,
        hash: usize,
        unreadable: Option<UnreadableCode>,
    ) -> Result<(), String> {
        if let Some(noted) = self.unreadable.get_mut(hash) {
            *noted = unreadable;
        }
        let elsewhere = self.elsewhere().count();
        if elsewhere == 0 {
            self.again_at = None;
        } else if self.again_at.is_none() {
            self.again_at = Some(Instant::now() + AGAIN);
        }
        let Some(choice) = &self.choice else {
            return Ok(());
        };
        let moved = Some(UnreadableCode::Moved);
        if unreadable == moved && choice.survey.of(hash) != moved {
            return Err("a hash lives on another node of the cluster now".to_owned());
        }
        choice.elsewhere.send_if_modified(|known| {
            let before = std::mem::replace(known, elsewhere);
            before != elsewhere
        });
        Ok(())
    }

    /// When hashes are to be read again that can't be read, though nothing is
    /// pushed.
    pub(crate) fn again_at(&self) -> Option<Instant> {
        self.again_at
    }

    /// Which these are, once their time has come.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<usize> {
        if self.again_at.take_if(|again_at| *again_at <= now).is_some() {
            self.elsewhere().collect()
        } else {
            Vec::new()
        }
    }

    /// The hashes that may be read elsewhere, or here when things have changed.
    fn elsewhere(&self) -> impl Iterator<Item = usize> {
        let codes = self.unreadable.iter().enumerate();
        codes.filter_map(|(hash, code)| {
            code.filter(|code| code.may_be_read_elsewhere())
                .map(|_| hash)
        })
    }

    /// Waits until another Redis should be in the place of this one, and says
    /// why.
    pub(crate) async fn superseded(&self) -> String {
        match &self.choice {
            Some(choice) => choice.lookout.found().await,
            None => std::future::pending().await,
        }
    }
}

/// No URL worked.
pub(crate) struct Down {
    /// What was tried, fit for printing.
    pub(crate) endpoint: String,
    pub(crate) why: String,
}

/// Connects, and remembers which URL worked.
///
/// A lost connection is sought first where it was, since most often a Redis
/// comes back; then at the other URLs in their order. When none works the
/// next round starts with the first again.
///
/// Of several URLs that work, as those of the nodes of a cluster, the one is
/// followed that lets us read all hashes, or else most of them.
pub(crate) struct Connector {
    config: Arc<Config>,
    last: usize,
    purpose: Purpose,
}

/// What the connections are for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// To follow changes: Redis is to push them.
    Follow,
    /// To write: nothing is pushed, and a replica will not do.
    Write,
}

impl Connector {
    /// For connections that push changes, where Redis can.
    pub(crate) fn new(config: Arc<Config>) -> Connector {
        Connector {
            config,
            last: 0,
            purpose: Purpose::Follow,
        }
    }

    /// For connections to write through: to masters only.
    pub(crate) fn to_write(config: Arc<Config>) -> Connector {
        Connector {
            purpose: Purpose::Write,
            ..Connector::new(config)
        }
    }

    /// Tries every URL once.
    pub(crate) async fn connect(&mut self) -> Result<Connection, Down> {
        let urls = &self.config.redis.urls;
        let others = (0..urls.len()).filter(|&at| at != self.last);
        let mut tried = Vec::new();
        let mut best: Option<(usize, Connection, Survey)> = None;
        for at in std::iter::once(self.last).chain(others) {
            let Some(url) = urls.get(at) else { continue };
            let mut connection = match self.try_one(url).await {
                Ok(connection) => connection,
                Err(why) => {
                    tried.push((url.to_string(), why));
                    continue;
                }
            };
            if !self.has_choice() {
                self.last = at;
                return Ok(connection);
            }
            let limit = self.config.redis.connect_timeout;
            match Survey::make(&mut connection.link, &self.config.hashes, limit).await {
                Ok(survey) => {
                    let missing = survey.elsewhere();
                    if best
                        .as_ref()
                        .is_none_or(|(_, _, best)| missing < best.elsewhere())
                    {
                        best = Some((at, connection, survey));
                    }
                    if missing == 0 {
                        break;
                    }
                }
                Err(why) => tried.push((url.to_string(), why)),
            }
        }
        if let Some((at, connection, survey)) = best {
            self.last = at;
            return Ok(self.chosen(at, connection, survey));
        }
        self.last = 0;
        Err(match tried.as_slice() {
            [(endpoint, why)] => Down {
                endpoint: endpoint.clone(),
                why: why.clone(),
            },
            all => {
                let endpoints: Vec<&str> = all.iter().map(|(url, _)| url.as_str()).collect();
                let whys: Vec<String> = all
                    .iter()
                    .map(|(url, why)| format!("{url}: {why}"))
                    .collect();
                Down {
                    endpoint: endpoints.join(", "),
                    why: whys.join("; "),
                }
            }
        })
    }

    /// Whether the connection is to be chosen by what each URL lets us read.
    fn has_choice(&self) -> bool {
        self.purpose == Purpose::Follow && self.others() > 0
    }

    /// A connection that was chosen from several.
    fn chosen(&self, at: usize, connection: Connection, survey: Survey) -> Connection {
        let Some(url) = self.config.redis.urls.get(at) else {
            return connection;
        };
        let (elsewhere, known) = watch::channel(survey.elsewhere());
        let lookout = Lookout::over_urls(self.config.clone(), url.clone(), known);
        Connection {
            choice: Some(Choice {
                survey,
                elsewhere,
                lookout,
            }),
            ..connection
        }
    }

    /// How many other URLs there are at which another Redis may be found.
    pub(crate) fn others(&self) -> usize {
        let redis = &self.config.redis;
        match redis.sentinel {
            Some(_) => 0,
            None => redis.urls.len().saturating_sub(1),
        }
    }

    /// Begins with the next URL at the next attempt.
    pub(crate) fn skip(&mut self) {
        self.last = (self.last + 1) % self.config.redis.urls.len().max(1);
    }

    async fn try_one(&self, url: &Endpoint) -> Result<Connection, String> {
        let redis = &self.config.redis;
        let Some(name) = &redis.sentinel else {
            let connection = self.open(url).await?;
            return match self.purpose {
                Purpose::Follow => Ok(connection),
                Purpose::Write => self.master(connection, "name the master in urls").await,
            };
        };
        let master = sentinel::master(url, name, redis).await?;
        let at_master = |why: String| format!("the master at {master}: {why}");
        let connection = self.open(&master).await.map_err(at_master)?;
        self.master(connection, "wait for the failover")
            .await
            .map_err(at_master)
    }

    /// The connection, unless a replica is at its end; and what to do then.
    async fn master(&self, mut connection: Connection, then: &str) -> Result<Connection, String> {
        let tracking = connection.no_tracking.is_none();
        let limit = self.config.redis.connect_timeout;
        match is_master(&mut connection.link, tracking, limit).await? {
            Some(false) => Err(format!("it is a replica; {then}")),
            Some(true) | None => Ok(connection),
        }
    }

    async fn open(&self, endpoint: &Endpoint) -> Result<Connection, String> {
        let redis = &self.config.redis;
        let materials = Materials::gather(redis, endpoint).await?;
        let signals = Arc::new(Signals::new(&self.config.hashes));
        let limit = redis.connect_timeout;
        let session = match self.purpose {
            Purpose::Follow => Session::begin(endpoint, &materials, &signals, limit).await?,
            Purpose::Write => Session::one_way(endpoint, &materials, limit).await?,
        };
        Ok(Connection {
            link: session.link,
            signals,
            endpoint: endpoint.to_string(),
            no_tracking: session.no_tracking,
            unreadable: vec![None; self.config.hashes.len()],
            again_at: None,
            choice: None,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;
    use std::path::Path;
    use std::time::Duration;

    fn descriptors() -> usize {
        std::fs::read_dir("/proc/self/fd").unwrap().count()
    }

    #[tokio::test]
    async fn reconnecting_leaves_nothing_behind() {
        let dir = std::env::temp_dir().join(format!("chr-reconnect-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let socket = dir.join("s");
        let listener = UnixListener::bind(&socket).unwrap();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut question = [0; 512];
                for answer in [&b"%1\r\n+role\r\n+master\r\n"[..], b"+OK\r\n"] {
                    let _ = stream.read(&mut question);
                    let _ = stream.write_all(answer);
                }
                // Owes an answer until the other side leaves.
                while let Ok(1..) = stream.read(&mut question) {}
            }
        });
        let mut config = Config::load(Some(Path::new("/dev/null"))).unwrap();
        let url = format!("redis+unix://{}", socket.display());
        config.override_with(&[url], &[]).unwrap();
        let mut connector = Connector::new(Arc::new(config));
        let metrics = tokio::runtime::Handle::current().metrics();
        let (ping, mut before) = (redis::cmd("PING"), 0);
        for n in 0..10_000 {
            let Ok(mut connection) = connector.connect().await else {
                panic!("connection {n} does not come about");
            };
            assert!(connection.no_tracking.is_none());
            let unanswered = connection.link.ask(&ping);
            let given_up = tokio::time::timeout(Duration::from_micros(1), unanswered).await;
            assert!(given_up.is_err());
            if n == 100 {
                before = descriptors();
            }
        }
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!(metrics.num_alive_tasks(), 0);
        // Other tests of this process have a few open meanwhile.
        assert!(
            descriptors() <= before + 20,
            "{} after {before}",
            descriptors()
        );
    }
}
