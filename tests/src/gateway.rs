//! The real `cloudhosts-gateway` on a port of loopback, its tokens, and curl.

use std::fs::{File, Permissions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::dir::Dir;
use crate::process::{Process, Signal, bounded, mortal, run, stderr, stdout, succeed};
use crate::redis::{Redis, free_port};
use crate::tls::Tls;
use crate::{programs, wait};

/// Limits that are in nobody's way.
const NO_LIMITS: &str =
    "[limits]\nrate = 100000\nburst = 100000\nconnections_per_address = 100000\n";

/// A gateway, running or not, with a Redis of its own. What is listed first ends first.
#[derive(Debug)]
pub struct GatewayServer {
    process: Option<Process>,
    /// Its Redis.
    pub redis: Redis,
    /// What its certificate is made of, if it has one.
    pub tls: Option<Tls>,
    /// Where it listens.
    pub port: u16,
    config: PathBuf,
    log: PathBuf,
    /// The directory of all files.
    pub dir: Dir,
}

/// A gateway about to start.
#[derive(Debug)]
pub struct GatewayBuilder {
    tls: bool,
    keys: String,
    limits: String,
    tokens: String,
    redis: String,
}

/// What curl was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The status code; 0 where there was no answer.
    pub status: u16,
    /// The headers, as they were sent.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl HttpAnswer {
    fn read(text: &str) -> HttpAnswer {
        let text = text
            .strip_prefix("HTTP/1.1 100 Continue\r\n\r\n")
            .unwrap_or(text);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let headers = lines.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        });
        HttpAnswer {
            status: status.and_then(|status| status.parse().ok()).unwrap_or(0),
            headers: headers.collect(),
            body: body.to_owned(),
        }
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(one, _)| one == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }

    /// The status, and the code of a problem document.
    pub fn problem(&self) -> (u16, String) {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let document = self.json();
        assert_eq!(document["status"], self.status, "{self:?}");
        let code = document["code"].as_str().expect("a code").to_owned();
        assert_eq!(document["type"], format!("urn:cloudhosts:gateway:{code}"));
        (self.status, code)
    }
}

/// The lines of a token. Its secret is `secret-NAME`.
pub fn token(name: &str, rules: &str) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, secret(name).as_bytes());
    let digits: String = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("[[token]]\nname = \"{name}\"\nsha256 = \"{digits}\"\n{rules}\n")
}

/// The secret of a token.
pub fn secret(name: &str) -> String {
    format!("secret-{name}")
}

impl GatewayBuilder {
    /// Without TLS.
    pub fn plain(mut self) -> GatewayBuilder {
        self.tls = false;
        self
    }

    /// More keys at the top.
    pub fn keys(mut self, lines: &str) -> GatewayBuilder {
        self.keys = format!("{}{lines}\n", self.keys);
        self
    }

    /// Other limits.
    pub fn limits(mut self, lines: &str) -> GatewayBuilder {
        self.limits = format!("[limits]\n{lines}\n");
        self
    }

    /// One more token.
    pub fn token(mut self, name: &str, rules: &str) -> GatewayBuilder {
        self.tokens += &token(name, rules);
        self
    }

    /// More keys of `[redis]`.
    pub fn redis(mut self, lines: &str) -> GatewayBuilder {
        self.redis = format!("{}{lines}\n", self.redis);
        self
    }

    /// Starts it, and waits until it answers.
    pub fn start(self) -> GatewayServer {
        let dir = Dir::new();
        let redis = Redis::builder(dir.join("redis")).start();
        let tls = self.tls.then(|| Tls::new(dir.path()));
        let mut server = GatewayServer {
            process: None,
            redis,
            tls,
            port: free_port(),
            config: dir.join("gateway.toml"),
            log: dir.join("gateway.log"),
            dir,
        };
        server.configure(&self);
        server.launch();
        server.await_answer();
        server
    }
}

impl GatewayServer {
    /// One with TLS, that may not do anything yet.
    pub fn builder() -> GatewayBuilder {
        GatewayBuilder {
            tls: true,
            keys: String::new(),
            limits: NO_LIMITS.to_owned(),
            tokens: String::new(),
            redis: String::new(),
        }
    }

    /// Writes its configuration anew.
    pub fn configure(&self, builder: &GatewayBuilder) {
        let certificate = self.tls.as_ref().map(|tls| {
            let (certificate, key) = (tls.certificate.display(), tls.key.display());
            format!("cert = \"{certificate}\"\nkey = \"{key}\"\n")
        });
        let text = format!(
            "listen = [\"127.0.0.1:{}\"]\n{}{}{}{}[redis]\nurls = [\"{}\"]\n{}",
            self.port,
            certificate.unwrap_or_default(),
            builder.keys,
            builder.limits,
            builder.tokens,
            self.redis.unix_url(),
            builder.redis,
        );
        self.write_config(&text);
    }

    /// Writes any configuration.
    pub fn write_config(&self, text: &str) {
        std::fs::write(&self.config, text).expect("a file of our own");
        let mode = Permissions::from_mode(0o640);
        std::fs::set_permissions(&self.config, mode).expect("a file of our own");
    }

    /// Its configuration.
    pub fn config(&self) -> String {
        std::fs::read_to_string(&self.config).expect("a file of our own")
    }

    /// The program, with this configuration.
    pub fn program(&self) -> Command {
        let mut command = mortal(programs::find(programs::GATEWAY));
        command.arg("--config").arg(&self.config);
        command
    }

    /// Starts it, and does not wait.
    pub fn launch(&mut self) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .expect("a file of our own");
        let mut command = self.program();
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor"))
            .stderr(log);
        self.process = Some(Process::start(command));
    }

    fn await_answer(&mut self) {
        wait::until("the gateway listens", || {
            let ended = self.process.as_mut().and_then(Process::ended);
            assert!(ended.is_none(), "it ended: {}", self.log());
            TcpStream::connect(self.address()).ok().map(|_| ())
        });
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// What URLs of it begin with.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// curl, with arguments before the path.
    pub fn curl(&self, arguments: &[&str], path: &str) -> HttpAnswer {
        let mut command = bounded("curl");
        command.args(["-sS", "-i", "--max-time", "60"]);
        if let Some(tls) = &self.tls {
            command.arg("--cacert").arg(&tls.authority);
        }
        command.args(arguments).arg(format!("{}{path}", self.url()));
        let output = run(&mut command);
        if !output.status.success() {
            eprintln!("curl {path}: {} {}", output.status, stderr(&output));
        }
        HttpAnswer::read(&stdout(&output))
    }

    /// The same with the secret of a token.
    pub fn curl_as(&self, token: &str, arguments: &[&str], path: &str) -> HttpAnswer {
        let header = format!("Authorization: Bearer {}", secret(token));
        let mut all = vec!["-H", &header];
        all.extend(arguments);
        self.curl(&all, path)
    }

    /// PUT with the secret of a token.
    pub fn put(&self, token: &str, path: &str) -> HttpAnswer {
        self.curl_as(token, &["-X", "PUT"], path)
    }

    /// DELETE with the secret of a token.
    pub fn delete(&self, token: &str, path: &str) -> HttpAnswer {
        self.curl_as(token, &["-X", "DELETE"], path)
    }

    /// `/nic/update` with that query, by Basic.
    pub fn nic(&self, token: &str, query: &str) -> String {
        let user = format!("{token}:{}", secret(token));
        let answer = self.curl(&["-u", &user], &format!("/nic/update?{query}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    /// Sends bytes as they are, without TLS; all that comes back until the end.
    pub fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(bytes).expect("it takes them");
        let mut answer = Vec::new();
        // a connection that is reset has ended, too
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// A connection.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).expect("it listens");
        let limit = Some(Duration::from_secs(60));
        stream.set_read_timeout(limit).expect("a socket of our own");
        stream
    }

    /// What Redis has of a field.
    pub fn value(&self, field: &str) -> String {
        self.redis.cli(&["HGET", "cloudhosts", field])
    }

    /// The value of a metric.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.curl(&[], "/metrics").body;
        let line = text.lines().find_map(|line| {
            let line = line.strip_prefix("cloudhosts_gateway_")?;
            line.strip_prefix(name)?.strip_prefix(' ')
        });
        line.map_or(0.0, |value| value.parse().expect("a number"))
    }

    /// Sends it a signal.
    pub fn signal(&mut self, signal: Signal) {
        self.process
            .as_mut()
            .expect("it was started")
            .signal(signal);
    }

    /// Sends SIGHUP, and waits until it has said that it has read the configuration.
    pub fn reload(&mut self, said: &str) {
        let before = self.log().len();
        self.signal(Signal::HUP);
        wait::until("it reads the configuration again", || {
            self.log()[before..].contains(said).then_some(())
        });
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self) -> ExitStatus {
        self.process.take().expect("it was started").wait()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.as_ref().expect("it was started").id()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// A new certificate by a new authority, in the files of the one before.
    pub fn rotate(&self) {
        let tls = self.tls.as_ref().expect("it has one");
        let new = self.dir.join("new");
        std::fs::create_dir_all(&new).expect("a directory of our own");
        let made = Tls::new(&new);
        let pairs = [
            (&made.authority, &tls.authority),
            (&made.certificate, &tls.certificate),
            (&made.key, &tls.key),
        ];
        for (from, to) in pairs {
            succeed(bounded("mv").args([from, to]));
        }
    }
}
