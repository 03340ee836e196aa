//! `cloudhosts-dns`: reads the command line and the configuration, and serves.
#![forbid(unsafe_code)]

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use clap::Parser;
use cloudhosts_config::{Config, Dns};
use cloudhosts_dns::answer::Settings;
use cloudhosts_dns::config::{load, paths};
use cloudhosts_dns::server::Server;
use cloudhosts_dns::socket::is_here;
use cloudhosts_dns::tcp::{self, Connections};
use cloudhosts_dns::udp::Listeners;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;
use tracing::{error, info, warn};

/// Most connections by TCP, however many descriptors there are.
const MOST_CONNECTIONS: usize = 1024;

/// Descriptors that are left for all else.
const SPARE_DESCRIPTORS: usize = 64;

/// Most threads for one address: more cores than that wait for the kernel.
const MOST_THREADS: usize = 8;

/// Answers DNS for the roles of this machine's table.
#[derive(Debug, Parser)]
#[command(name = "cloudhosts-dns", version)]
struct Arguments {
    /// The configuration [default: /etc/cloudhosts/cloudhosts.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only say whether the configuration is right
    #[arg(long)]
    check_config: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (config, settings) = match load(arguments.config.as_deref()) {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("cloudhosts-dns: {error}");
            return ExitCode::from(2);
        }
    };
    if arguments.check_config {
        println!("the configuration is right");
        return ExitCode::SUCCESS;
    }
    // The journal has times of its own.
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::INFO)
        .with_writer(io::stderr)
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .init();
    // One thread for connections and signals; those for UDP are threads of their own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = runtime
        .map_err(|error| format!("can't start: {error}"))
        .and_then(|runtime| runtime.block_on(run(&config, settings, &arguments)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs until SIGTERM or SIGINT; on SIGHUP reads the configuration again.
async fn run(config: &Config, settings: Settings, arguments: &Arguments) -> Result<(), String> {
    let system = |error: io::Error| format!("can't take signals: {error}");
    let mut terminate = signal(SignalKind::terminate()).map_err(system)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(system)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(system)?;
    for zone in settings.zones.iter() {
        info!("answering for {}", zone.name());
    }
    let paths = paths(config).ok_or_else(|| {
        let socket = config.socket.display();
        format!("the path of the daemon's socket is too long: {socket}; it has 107 bytes at most")
    })?;
    let server = Arc::new(Server::new(paths, settings));
    let seen = server.gather(None);
    listen(&config.dns, &server)?;
    let follower = Arc::clone(&server);
    thread::Builder::new()
        .name("names".to_owned())
        .spawn(move || follower.follow(seen))
        .map_err(|error| format!("can't start a thread: {error}"))?;
    // Nobody is told of this who does not listen.
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    loop {
        tokio::select! {
            _ = hangup.recv() => reload(config, &server, arguments),
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        }
    }
}

/// Listens everywhere, or says where that fails.
fn listen(dns: &Dns, server: &Arc<Server>) -> Result<(), String> {
    let connections = Arc::new(Connections::new(room()));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut listening = Vec::new();
    for &address in &dns.listen {
        let failed = |error: io::Error| {
            format!(
                "can't listen on {address}: {error}; see which server has the port (ss -lnp), or set \
                 dns.listen to another address"
            )
        };
        // TCP first: of two of us only one can have it.
        let tcp = tcp::bind(address).map_err(failed)?;
        let udp = Listeners::bind(address, cores.min(MOST_THREADS)).map_err(failed)?;
        listening.push((tcp, udp));
    }
    for (tcp, udp) in listening {
        let (connections, server) = (Arc::clone(&connections), Arc::clone(server));
        udp.serve(&server)
            .map_err(|error| format!("can't start a thread: {error}"))?;
        tokio::spawn(tcp::serve(tcp, connections, server));
    }
    for &address in &dns.listen {
        info!("listening on {address}");
        if !is_here(address) {
            warn!(
                "this machine does not have the address {address} yet; it answers as soon as it has"
            );
        }
        if !address.ip().to_canonical().is_loopback() {
            warn!("whoever reaches {address} can ask for every name there is");
        }
    }
    Ok(())
}

/// For how many connections there are descriptors.
fn room() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let descriptors = limit.current.map_or(usize::MAX, |limit| {
        usize::try_from(limit).unwrap_or(usize::MAX)
    });
    let left = descriptors.saturating_sub(SPARE_DESCRIPTORS);
    left.clamp(1, MOST_CONNECTIONS)
}

/// Takes over what the file says now. A wrong file changes nothing.
fn reload(running: &Config, server: &Server, arguments: &Arguments) {
    let (config, settings) = match load(arguments.config.as_deref()) {
        Ok(loaded) => loaded,
        Err(error) => {
            error!("{error}; going on as before");
            return;
        }
    };
    let same = config.dns.listen == running.dns.listen
        && config.socket == running.socket
        && config.state_dir == running.state_dir;
    if !same {
        warn!("dns.listen, socket and state_dir count from the next start on");
    }
    server.change(settings);
    info!("the configuration was read again");
}
