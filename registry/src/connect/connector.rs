//! One URL after the other, until one works.

use super::endpoint::Endpoint;
use super::invalidations::Invalidations;
use super::link::Link;
use super::materials::Materials;
use super::sentinel;
use super::session::{Session, is_master};
use crate::config::Config;
use crate::log::log_key;
use std::sync::Arc;

/// A connection that is logged in, to one of the configured Redis.
pub(crate) struct Connection {
    pub(crate) link: Link,
    /// What it pushes.
    pub(crate) invalidations: Arc<Invalidations>,
    /// Where it goes, fit for printing.
    pub(crate) endpoint: String,
    /// Why it pushes nothing, where it does not.
    pub(crate) no_tracking: Option<String>,
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
        for at in std::iter::once(self.last).chain(others) {
            let Some(url) = urls.get(at) else { continue };
            match self.try_one(url).await {
                Ok(connection) => {
                    self.last = at;
                    return Ok(connection);
                }
                Err(why) => tried.push((url.to_string(), why)),
            }
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
        let keys = self.config.hashes.iter();
        let keys = keys.map(|hash| (hash.clone(), log_key(hash))).collect();
        let invalidations = Arc::new(Invalidations::new(keys));
        let limit = redis.connect_timeout;
        let session = match self.purpose {
            Purpose::Follow => Session::begin(endpoint, &materials, &invalidations, limit).await?,
            Purpose::Write => Session::one_way(endpoint, &materials, limit).await?,
        };
        Ok(Connection {
            link: session.link,
            invalidations,
            endpoint: endpoint.to_string(),
            no_tracking: session.no_tracking,
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
