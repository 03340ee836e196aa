//! The configuration file, `/etc/cloudhosts/cloudhosts.toml`.
//!
//! Everything is checked while it is parsed, by the types of the values, so that
//! each error has its line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cloudhosts_table::{Name, Order};
use rustls_pki_types::ServerName;
use serde::Deserialize;

use crate::dns_table::{Dns, DnsTable};
use crate::endpoint::Endpoint;
use crate::error::{ConfigError, ConfigText, Places};
use crate::gateway_access::{GatewayAccess, GatewayTable};
use crate::password_command::PasswordCommand;
use crate::paths::{CONFIG_FILE, STATE_DIR, STATUS_FILE};
use crate::redis_table::{RedisTable, sentinels};
use crate::secrets::{self, CertificateFiles, PasswordReader};
use crate::values::{
    self, AbsolutePath, Allow, Domain, Hashes, Interval, MaxFields, OrderText, Reverse, SocketPath,
    StaleMax, UrlsError, ZoneText, standard_urls,
};
use crate::zone::Zone;

/// The configuration, from `cloudhosts.toml` or the defaults.
#[derive(Debug, Clone)]
pub struct Config {
    /// The hashes to mirror; the first that has a role decides it. At least
    /// one, each once.
    pub hashes: Vec<String>,
    /// The hashes of the file, whatever the command line says.
    pub mirrored: Vec<String>,
    /// The domain below which the roles answer too.
    pub domain: Option<Name>,
    /// The zone of this machine: the members of a role in this zone are preferred.
    pub zone: Option<Zone>,
    /// Which names are mirrored.
    pub allow: Allow,
    /// How many fields are mirrored at most, of all hashes together.
    pub max_fields: usize,
    /// The daemon's socket.
    pub socket: PathBuf,
    /// The directory of the last good table.
    pub state_dir: PathBuf,
    /// The status document.
    pub status_file: PathBuf,
    /// How often everything is read even if no change was pushed.
    pub resync_interval: Duration,
    /// How often everything is read where changes cannot be pushed.
    pub poll_interval: Duration,
    /// How long a table is used without a daemon; `None`: for ever.
    pub stale_max: Option<Duration>,
    /// How several addresses are ordered.
    pub order: Order,
    /// Whether lookups by address are answered.
    pub reverse: bool,
    /// Where Redis is.
    pub redis: Redis,
    /// The gateway to register through, instead of Redis.
    pub gateway: Option<GatewayAccess>,
    /// How cloudhosts-dns answers.
    pub dns: Dns,
    /// The file this was read from; none if the defaults apply.
    file: Option<PathBuf>,
    /// The file that `redis.urls` was read from; none for the command line.
    pub(crate) urls_from: Option<PathBuf>,
}

/// The table `[redis]` of the configuration.
#[derive(Debug, Clone)]
pub struct Redis {
    /// Where Redis is (or, with `sentinel`, where the sentinels are), in the
    /// order to try. At least one.
    pub urls: Vec<Endpoint>,
    /// Who to log in as, where the URL does not say.
    pub username: Option<String>,
    /// The file with the password, where the URL has none. It is read again at
    /// each connect. The systemd credential `redis-password` replaces it.
    pub password_file: Option<PathBuf>,
    /// The command that prints the password, where the URL has none; then there is no password file.
    pub password_command: Option<PasswordCommand>,
    /// The CA to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// What this machine shows to a server that wants a certificate of its clients.
    pub certificate: Option<CertificateFiles>,
    /// The name that a certificate is verified for where the host is an address.
    pub server_name: Option<ServerName<'static>>,
    /// The master that sentinels watch; `urls` are then those of the sentinels.
    pub sentinel: Option<String>,
    /// Whether that master is reached inside TLS; none: as the sentinel that names it.
    pub master_tls: Option<bool>,
    /// The time limit for the lookup of the host, connecting and the TLS handshake.
    pub connect_timeout: Duration,
    /// The password that the unit passes to the daemon, where this is another
    /// program.
    pub(crate) adopted: Option<secrets::AdoptedPassword>,
    /// Whose file `password_file` is.
    pub(crate) password_reader: PasswordReader,
}

/// The file as written: every key may be missing, an unknown one is an error.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct ConfigFile {
    hashes: Hashes,
    domain: Domain,
    zone: ZoneText,
    allow: Allow,
    max_fields: MaxFields,
    socket: Option<SocketPath>,
    state_dir: Option<AbsolutePath>,
    status_file: Option<AbsolutePath>,
    resync_interval: Option<Interval>,
    poll_interval: Option<Interval>,
    stale_max: StaleMax,
    order: OrderText,
    reverse: Reverse,
    redis: RedisTable,
    gateway: GatewayTable,
    dns: DnsTable,
}

impl Config {
    /// Reads the file, or the defaults where `path` is `None` and there is no
    /// [`CONFIG_FILE`]; and checks that the password and the CA can be read.
    ///
    /// # Errors
    /// Names the file and the line, and says what to do.
    pub fn load(path: Option<&Path>) -> Result<Config, ConfigError> {
        let (config, places) = Config::read(path)?;
        secrets::check(&config.redis, &places)?;
        Ok(config)
    }

    /// The same without that check: for programs that never connect to Redis and
    /// may be run by users who may not read its password; and for those that keep
    /// trying, since the password may be created later.
    ///
    /// # Errors
    /// Names the file and the line, and says what to do.
    pub fn load_without_secrets(path: Option<&Path>) -> Result<Config, ConfigError> {
        Ok(Config::read(path)?.0)
    }

    pub(crate) fn read(path: Option<&Path>) -> Result<(Config, Places), ConfigError> {
        let file = path.unwrap_or(Path::new(CONFIG_FILE));
        let (text, from) = match std::fs::read_to_string(file) {
            Ok(text) => (text, Some(file.to_owned())),
            Err(error) if path.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                (String::new(), None)
            }
            Err(error) => return Err(ConfigError::unreadable(file, &error)),
        };
        let (mut config, source) = Config::parse(file, text)?;
        config.file = from;
        Ok((config, source))
    }

    /// The file it was read from; none if the defaults apply.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Reads the text of a configuration that came from `file`.
    pub(crate) fn parse(file: &Path, text: String) -> Result<(Config, Places), ConfigError> {
        let urls_from = Some(file.to_owned());
        let source = ConfigText::new(file, text);
        let file: ConfigFile =
            toml::from_str(source.text()).map_err(|error| source.refused(&error))?;
        let mut redis = Redis::standard();
        let mut places = source.places();
        file.redis.put_into(&mut redis, &mut places, &source)?;
        let mut gateway = None;
        file.gateway.put_into(&mut gateway, &mut places, &source)?;
        let path = |path: Option<AbsolutePath>, default: &str| {
            path.and_then(|path| path.0)
                .unwrap_or_else(|| PathBuf::from(default))
        };
        let interval = |written: Option<Interval>, default| written.map_or(default, |it| it.0);
        let config = Config {
            mirrored: file.hashes.0.clone(),
            hashes: file.hashes.0,
            domain: file.domain.0,
            zone: file.zone.0,
            allow: file.allow,
            max_fields: file.max_fields.0,
            socket: file.socket.unwrap_or_default().0,
            state_dir: path(file.state_dir, STATE_DIR),
            status_file: path(file.status_file, STATUS_FILE),
            resync_interval: interval(file.resync_interval, Duration::from_secs(60)),
            poll_interval: interval(file.poll_interval, Duration::from_secs(2)),
            stale_max: file.stale_max.0,
            order: file.order.0,
            reverse: file.reverse.0,
            redis,
            gateway,
            dns: file.dns.into(),
            file: None,
            urls_from,
        };
        Ok((config, places))
    }

    /// The user who logs in, if one is set: that of the first URL, or of all.
    #[must_use]
    pub fn login(&self) -> Option<&str> {
        let redis = &self.redis;
        let of_url = redis.urls.first().and_then(|url| url.username.as_deref());
        // With sentinels the user of the URL is theirs.
        let of_url = of_url.filter(|_| redis.sentinel.is_none());
        of_url.or(redis.username.as_deref())
    }

    /// Whether Redis is elsewhere than where it is looked for by default. Where a gateway is configured
    /// this tells whether there is a Redis to ask, too.
    #[must_use]
    pub fn names_redis(&self) -> bool {
        self.redis.urls != standard_urls()
    }

    /// The same without a login.
    #[must_use]
    pub fn without_login(&self) -> Config {
        let mut config = self.clone();
        config.redis.username = None;
        config.redis.password_file = None;
        config.redis.password_command = None;
        for url in &mut config.redis.urls {
            (url.username, url.password) = (None, None);
        }
        config
    }

    /// Overrides the file with `--redis-url` and `--hash`, if given. With a URL of Redis no gateway
    /// is asked.
    ///
    /// # Errors
    /// Names the option and says what to do.
    pub fn override_with(&mut self, urls: &[String], hashes: &[String]) -> Result<(), ConfigError> {
        if !urls.is_empty() {
            let read = |url: &String| Endpoint::parse(url).map_err(UrlsError::from);
            let read: Result<Vec<Endpoint>, UrlsError> = urls.iter().map(read).collect();
            let read = match self.redis.sentinel {
                Some(_) => read.and_then(sentinels),
                None => read,
            };
            self.redis.urls = read.map_err(|why| ConfigError::option("--redis-url", &why))?;
            self.urls_from = None;
            self.gateway = None;
        }
        if !hashes.is_empty() {
            self.hashes = values::check_hashes(hashes.to_vec())
                .map_err(|why| ConfigError::option("--hash", &why))?;
        }
        Ok(())
    }
}

impl Redis {
    /// The defaults.
    fn standard() -> Redis {
        Redis {
            urls: standard_urls(),
            username: None,
            password_file: None,
            password_command: None,
            ca_file: None,
            certificate: None,
            server_name: None,
            sentinel: None,
            master_tls: None,
            connect_timeout: Duration::from_secs(2),
            adopted: None,
            password_reader: PasswordReader::Daemon,
        }
    }
}

#[cfg(test)]
mod tests;
