//! `/etc/cloudhosts/register.toml`: overrides `cloudhosts.toml` for whoever
//! registers.

use std::io::ErrorKind;
use std::path::Path;

use serde::Deserialize;

use crate::config::Config;
use crate::error::{ConfigError, ConfigText, Places};
use crate::gateway_access::{self, GatewayTable};
use crate::paths::REGISTER_FILE;
use crate::redis_table::RedisTable;
use crate::secrets::{self, PasswordReader};
use crate::values::Hashes;

/// The file as written: every key may be missing, an unknown one is an error.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RegisterFile {
    hashes: Option<Hashes>,
    redis: RedisTable,
    gateway: GatewayTable,
}

impl Config {
    /// Reads the configuration of whoever registers: as [`Config::load`], and where
    /// `path` is `None` overridden by [`REGISTER_FILE`], if that exists. A file that
    /// is named is the whole configuration.
    ///
    /// # Errors
    /// Names the file and the line, and says what to do.
    pub fn load_to_register(path: Option<&Path>) -> Result<Config, ConfigError> {
        let (config, places) = read(path)?;
        match &config.gateway {
            Some(gateway) => gateway_access::check(gateway, &places)?,
            None => secrets::check(&config.redis, &places)?,
        }
        Ok(config)
    }

    /// The same without checking the password: for programs that keep trying, and
    /// those that only show the configuration.
    ///
    /// # Errors
    /// Names the file and the line, and says what to do.
    pub fn load_to_register_without_secrets(path: Option<&Path>) -> Result<Config, ConfigError> {
        Ok(read(path)?.0)
    }

    /// Applies the text of a `register.toml`.
    fn register_as(
        &mut self,
        places: &mut Places,
        file: &Path,
        text: String,
    ) -> Result<(), ConfigError> {
        let source = ConfigText::new(file, text);
        let written: RegisterFile =
            toml::from_str(source.text()).map_err(|error| source.refused(&error))?;
        let table = written.redis;
        if let Some(at) = table.sentinel_at()
            && !table.has_urls()
        {
            let why = "a sentinel needs urls beside it: write in this file where it is, or with \
                       \"\" where Redis is";
            return Err(source.error(Some(&at), why.to_owned()));
        }
        if table.has_urls() {
            self.urls_from = Some(file.to_owned());
        }
        if table.has_password_file() {
            self.redis.password_reader = PasswordReader::Registrar;
        }
        if let Some(hashes) = written.hashes {
            self.hashes = hashes.0;
        }
        table.put_into(&mut self.redis, places, &source)?;
        let gateway = written.gateway;
        gateway.put_into(&mut self.gateway, places, &source)
    }
}

fn read(path: Option<&Path>) -> Result<(Config, Places), ConfigError> {
    let (mut config, mut places) = Config::read(path)?;
    if path.is_some() {
        return Ok((config, places));
    }
    let file = Path::new(REGISTER_FILE);
    match std::fs::read_to_string(file) {
        Ok(text) => config.register_as(&mut places, file, text)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(ConfigError::may_not_register(file, &error)),
    }
    Ok((config, places))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(cloudhosts: &str, register: &str) -> Result<Config, ConfigError> {
        let file = Path::new("/etc/cloudhosts/cloudhosts.toml");
        let (mut config, mut places) = Config::parse(file, cloudhosts.to_owned())?;
        config.register_as(&mut places, Path::new(REGISTER_FILE), register.to_owned())?;
        Ok(config)
    }

    const DAEMON: &str = "hashes = ['a', 'b']\ndomain = 'example.com'\n[redis]\n\
                          urls = ['redis://reader:pw@h']\nusername = 'reader'\n\
                          password_file = '/etc/reader'\nconnect_timeout = '5s'\n";

    #[test]
    fn what_is_not_written_is_as_in_the_other_file() {
        let config = read(DAEMON, "").unwrap();
        assert_eq!(config.hashes, ["a", "b"]);
        assert_eq!(config.redis.username.as_deref(), Some("reader"));
        assert_eq!(
            config.redis.password_file.as_deref(),
            Some(Path::new("/etc/reader"))
        );
        let config = read(DAEMON, "hashes = ['a']\n").unwrap();
        assert_eq!(config.hashes, ["a"]);
        assert_eq!(config.domain.unwrap().as_str(), "example.com");
        assert_eq!(config.redis.connect_timeout.as_secs(), 5);
    }

    #[test]
    fn another_user_never_comes_with_the_password_of_the_first() {
        let config = read(DAEMON, "[redis]\nusername = 'registrar'\n").unwrap();
        assert_eq!(config.redis.username.as_deref(), Some("registrar"));
        assert_eq!(config.redis.password_file, None);
        let url = config.redis.urls.first().unwrap();
        assert_eq!((&url.username, &url.password), (&None, &None));
        let config = read(
            DAEMON,
            "[redis]\nusername = 'registrar'\npassword_file = '/etc/writer'\n\
             urls = ['redis://m']\n",
        );
        let config = config.unwrap();
        assert_eq!(
            config.redis.password_file.as_deref(),
            Some(Path::new("/etc/writer"))
        );
        assert_eq!(config.redis.urls.first().unwrap().host(), Some("m"));
    }

    #[test]
    fn a_password_has_one_source() {
        let command = "[redis]\npassword_command = ['/token', 'reader']\n";
        let config = read(command, "[redis]\nusername = 'registrar'\n").unwrap();
        assert_eq!(config.redis.password_command, None);
        let config = read(command, "[redis]\npassword_file = '/etc/writer'\n").unwrap();
        assert_eq!(config.redis.password_command, None);
        let config = read(DAEMON, "[redis]\npassword_command = ['/token', 'a b']\n").unwrap();
        assert_eq!(config.redis.password_file, None);
        let command = config.redis.password_command.unwrap();
        assert_eq!(
            (command.program(), command.arguments()),
            ("/token", &["a b".to_owned()][..])
        );
    }

    #[test]
    fn another_gateway_never_gets_the_token_of_the_first() {
        let gateway = "[gateway]\nurl = 'https://a'\ntoken_file = '/a'\nca_file = '/ca'\n";
        let of = |register: &str| read(gateway, register).unwrap().gateway;
        let token = of("[gateway]\ntoken_file = '/b'\n").unwrap();
        assert_eq!(token.url.to_string(), "https://a");
        assert_eq!(token.token_file.as_deref(), Some(Path::new("/b")));
        assert_eq!(token.ca_file.as_deref(), Some(Path::new("/ca")));
        let other = of("[gateway]\nurl = 'https://b'\n").unwrap();
        assert_eq!((other.token_file, other.ca_file), (None, None));
        assert_eq!(of("[gateway]\nurl = ''\n"), None);
    }

    #[test]
    fn another_certificate_comes_with_its_own_key_and_another_redis_without_sentinels() {
        let daemon = "[redis]\nurls = ['redis://s']\nsentinel = 'm'\nmaster_scheme = 'rediss'\n\
                      cert_file = '/daemon.crt'\nkey_file = '/daemon.key'\n";
        let config = read(daemon, "").unwrap();
        let files = config.redis.certificate.unwrap();
        assert_eq!(files.key, Path::new("/daemon.key"));
        assert_eq!(config.redis.master_tls, Some(true));
        let config = read(
            daemon,
            "[redis]\nurls = ['redis://r']\nsentinel = ''\ncert_file = '/r.pem'\n\
             key_file = '/r.pem'\n",
        );
        let config = config.unwrap();
        let files = config.redis.certificate.unwrap();
        assert_eq!(
            (files.certificate, files.key),
            ("/r.pem".into(), "/r.pem".into())
        );
        assert_eq!(config.redis.master_tls, None);
        assert!(read(daemon, "[redis]\ncert_file = '/r.crt'\n").is_err());
    }

    #[test]
    fn a_key_that_does_not_belong_there_is_named_with_its_line() {
        for (text, line) in [
            ("hashes = ['a']\nsocket = '/s'\n", 2),
            ("[redis]\n\nuser = 'x'\n", 3),
            ("[redis]\nsentinel = 'm'\n", 2),
            ("hashes = []\n", 1),
            ("[gateway]\ntoken_file = '/t'\n", 2),
        ] {
            let said = read(DAEMON, text).unwrap_err().to_string();
            let start = format!("{REGISTER_FILE}:{line}: ");
            assert!(said.starts_with(&start), "{said}");
        }
    }
}
