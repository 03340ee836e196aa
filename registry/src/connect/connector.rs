//! Tries the configured URLs until one works.

use std::collections::VecDeque;
use std::sync::Arc;

use cloudhosts_config::{Config, Endpoint};
use tokio::sync::watch;

use super::connection::{Choice, Connection};
use super::credentials::Credentials;
use super::hash_access::HashAccess;
use super::invalidations::Invalidations;
use super::login::{Login, is_master};
use super::redirect::Node;
use super::sentinels::Sentinels;
use super::server_watch::ServerWatch;
use crate::connect_error::ConnectError;
use crate::fault::{Fault, FaultCode};
use crate::log::log_key;

/// Most servers that one attempt to connect goes to, however often nodes of a cluster name others.
const MOST_NODES: usize = 64;

/// Connects, and remembers which URL worked.
///
/// It tries the URL of the last connection first, because most often that Redis comes back, and
/// then the others in their order. If none works, the next attempt begins with the first URL.
///
/// Of several URLs that work, such as the nodes of a cluster, and the nodes that these name, it
/// chooses the one at which the most hashes can be read. If the URLs are those of sentinels, all are asked each time.
pub(crate) struct Connector {
    config: Arc<Config>,
    last: usize,
    /// The node of a cluster that another one has named as the one with the hashes.
    named: Option<Node>,
    /// A node has named another one.
    clustered: bool,
    purpose: Purpose,
}

/// What the connections are for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// To follow changes, with client tracking.
    Follow,
    /// To read once.
    Read,
    /// To write: only to a master.
    Write,
}

impl Connector {
    /// Connections with client tracking.
    pub(crate) fn new(config: Arc<Config>) -> Connector {
        Connector {
            config,
            last: 0,
            named: None,
            clustered: false,
            purpose: Purpose::Follow,
        }
    }

    /// The connection that a follower has once it knows its way: of a cluster, to the node that
    /// has the hashes, which otherwise the first reply names.
    pub(crate) fn to_probe(config: Arc<Config>) -> Connector {
        Connector {
            clustered: true,
            ..Connector::new(config)
        }
    }

    /// Connections to masters or replicas, to read from.
    pub(crate) fn to_read(config: Arc<Config>) -> Connector {
        Connector {
            purpose: Purpose::Read,
            ..Connector::new(config)
        }
    }

    /// Connections to masters.
    pub(crate) fn to_write(config: Arc<Config>) -> Connector {
        Connector {
            purpose: Purpose::Write,
            ..Connector::new(config)
        }
    }

    /// Tries every URL once.
    pub(crate) async fn connect(&mut self) -> Result<Connection, ConnectError> {
        if self.config.redis.sentinel.is_some() {
            return self.connect_by_sentinels().await;
        }
        let mut candidates = self.candidates();
        let mut tried = Vec::new();
        let mut asked: Vec<Node> = Vec::new();
        let mut best: Option<(Node, Connection, HashAccess)> = None;
        let mut unreachable = false;
        while let Some((node, named)) = candidates.pop_front() {
            if asked.contains(&node) || asked.len() >= MOST_NODES {
                continue;
            }
            asked.push(node.clone());
            let mut connection = match self.try_one(&node).await {
                Ok(connection) => connection,
                Err(fault) => {
                    unreachable |= named;
                    tried.push((node.endpoint.to_string(), fault));
                    continue;
                }
            };
            if !self.has_choice() {
                self.remember(&node);
                return Ok(connection);
            }
            let limit = self.config.redis.connect_timeout;
            match HashAccess::check(&mut connection.link, &self.config.hashes, limit).await {
                Ok(access) => {
                    let missing = access.readable_elsewhere();
                    if let Some(owner) = access.node(&node.endpoint) {
                        candidates.push_front((owner, true));
                    }
                    if best
                        .as_ref()
                        .is_none_or(|(_, _, best)| access.rank() < best.rank())
                    {
                        best = Some((node, connection, access));
                    }
                    if missing == 0 {
                        break;
                    }
                }
                Err(fault) => tried.push((node.endpoint.to_string(), fault)),
            }
        }
        // The node that has the hashes may be back, or replaced, at the next attempt.
        let best = best.filter(|(_, _, access)| access.any() || !unreachable);
        if let Some((node, connection, access)) = best {
            self.remember(&node);
            return Ok(self.chosen(node.endpoint, connection, access));
        }
        (self.last, self.named) = (0, None);
        Err(ConnectError { faults: tried })
    }

    /// The servers to try, in this order, each with whether a node of a cluster has named it: that
    /// node, the URL that worked last, and the others.
    fn candidates(&self) -> VecDeque<(Node, bool)> {
        let urls = &self.config.redis.urls;
        let others = (0..urls.len()).filter(|&at| at != self.last);
        let order = std::iter::once(self.last).chain(others);
        let plain = |url: &Endpoint| Node {
            endpoint: url.clone(),
            asking: false,
        };
        let configured = order.filter_map(|at| Some((plain(urls.get(at)?), false)));
        let named = self.named.iter().map(|node| (node.clone(), true));
        named.chain(configured).collect()
    }

    /// The next attempt begins with this server.
    fn remember(&mut self, node: &Node) {
        let urls = &self.config.redis.urls;
        match urls.iter().position(|url| *url == node.endpoint) {
            Some(at) if !node.asking => (self.last, self.named) = (at, None),
            _ => self.named = Some(node.clone()),
        }
    }

    /// Makes the next attempt begin with the node of the cluster that has a key.
    pub(crate) fn redirect(&mut self, node: Option<Node>) {
        if node.is_some() {
            self.clustered = true;
            self.named = node;
        }
    }

    /// Connects to the master that the sentinels name.
    async fn connect_by_sentinels(&self) -> Result<Connection, ConnectError> {
        let sentinels = Sentinels::ask(&self.config).await;
        let Some((master, by)) = sentinels.master() else {
            let faults = sentinels.failures();
            return Err(ConnectError { faults });
        };
        let down = |mut fault: Fault| {
            fault.why = format!("the master at {master}: {}", fault.why);
            ConnectError::new(by.to_string(), fault)
        };
        let connection = self.open(master, false).await.map_err(down)?;
        let connection = self.master(connection, "wait for the failover").await;
        let mut connection = connection.map_err(down)?;
        connection.master = Some(master.clone());
        if self.purpose == Purpose::Follow {
            self.watch_master(&mut connection);
        }
        Ok(connection)
    }

    /// Watches, from now on, whether the sentinels name another master. Not needed for a
    /// connection that is used once.
    pub(crate) fn watch_master(&self, connection: &mut Connection) {
        if let Some(master) = &connection.master
            && connection.watch.is_none()
        {
            let watch = ServerWatch::over_sentinels(self.config.clone(), master.clone());
            connection.watch = Some(watch);
        }
    }

    /// Whether the connection is chosen by which hashes can be read.
    fn has_choice(&self) -> bool {
        match self.purpose {
            Purpose::Follow => self.others() > 0 || self.clustered,
            // It is used once: nothing else would find that a hash is on another node.
            Purpose::Read => true,
            Purpose::Write => false,
        }
    }

    /// Adds to a connection what it takes to leave it for a better URL.
    fn chosen(&self, server: Endpoint, connection: Connection, access: HashAccess) -> Connection {
        if self.purpose != Purpose::Follow {
            return connection;
        }
        let (elsewhere, known) = watch::channel(access.readable_elsewhere());
        let watch = ServerWatch::over_urls(self.config.clone(), server, known);
        Connection {
            choice: Some(Choice { access, elsewhere }),
            watch: Some(watch),
            ..connection
        }
    }

    /// How many other URLs there are to try.
    pub(crate) fn others(&self) -> usize {
        let redis = &self.config.redis;
        match redis.sentinel {
            Some(_) => 0,
            None => redis.urls.len().saturating_sub(1),
        }
    }

    /// Makes the next attempt begin with the next URL.
    pub(crate) fn skip(&mut self) {
        self.named = None;
        self.last = (self.last + 1) % self.config.redis.urls.len().max(1);
    }

    async fn try_one(&self, node: &Node) -> Result<Connection, Fault> {
        let connection = self.open(&node.endpoint, node.asking).await?;
        match self.purpose {
            Purpose::Follow | Purpose::Read => Ok(connection),
            Purpose::Write => self.master(connection, "name the master in urls").await,
        }
    }

    /// Refuses a replica; `then` is what the operator can do.
    async fn master(&self, mut connection: Connection, then: &str) -> Result<Connection, Fault> {
        let tracking = connection.no_tracking.is_none();
        let limit = self.config.redis.connect_timeout;
        match is_master(&mut connection.link, tracking, limit).await? {
            Some(false) => {
                let why = format!("it is a replica; {then}");
                Err(Fault::new(FaultCode::Replica, why))
            }
            Some(true) | None => Ok(connection),
        }
    }

    async fn log_in(
        &self,
        endpoint: &Endpoint,
        credentials: &Credentials,
        invalidations: &Arc<Invalidations>,
    ) -> Result<Login, Fault> {
        let limit = self.config.redis.connect_timeout;
        match self.purpose {
            Purpose::Follow => {
                Login::with_tracking(endpoint, credentials, invalidations, limit).await
            }
            Purpose::Read | Purpose::Write => {
                Login::without_tracking(endpoint, credentials, limit).await
            }
        }
    }

    async fn open(&self, endpoint: &Endpoint, asking: bool) -> Result<Connection, Fault> {
        let redis = &self.config.redis;
        let mut credentials = Credentials::load(redis, endpoint).await?;
        let keys = self.config.hashes.iter();
        let keys = keys.map(|hash| (hash.clone(), log_key(hash))).collect();
        let invalidations = Arc::new(Invalidations::new(keys));
        let mut session = match self.log_in(endpoint, &credentials, &invalidations).await {
            Err(failure) if credentials.renew(&failure).await? => {
                self.log_in(endpoint, &credentials, &invalidations).await?
            }
            done => done?,
        };
        if asking {
            session.link.ask();
        }
        Ok(Connection {
            link: session.link,
            invalidations,
            endpoint: endpoint.to_string(),
            server: endpoint.clone(),
            username: credentials.username,
            no_tracking: session.no_tracking,
            unreadable: vec![None; self.config.hashes.len()],
            again_at: None,
            choice: None,
            master: None,
            watch: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;
    use std::path::Path;
    use std::time::Duration;

    use super::*;

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
            let unanswered = connection.link.send(&ping);
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
