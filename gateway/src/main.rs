//! `cloudhosts-gateway`: reads the command line and the configuration, and serves.
#![forbid(unsafe_code)]

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use cloudhosts_config::gateway::GatewayConfig;
use cloudhosts_gateway::gateway::Gateway;
use cloudhosts_gateway::listener::{self, Room};
use cloudhosts_gateway::settings::Settings;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;
use tracing::{error, info, warn};

/// Descriptors that are left for all else.
const SPARE_DESCRIPTORS: u64 = 64;

/// Registers by HTTPS for machines that have a token and no credentials of Redis.
#[derive(Debug, Parser)]
#[command(name = "cloudhosts-gateway", version)]
struct Arguments {
    /// The configuration [default: /etc/cloudhosts/gateway.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only say whether the configuration is right
    #[arg(long)]
    check_config: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (config, settings) = match Settings::load(arguments.config.as_deref()) {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("cloudhosts-gateway: {error}");
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
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = runtime
        .map_err(|error| format!("can't start: {error}"))
        .and_then(|runtime| runtime.block_on(run(config, settings, &arguments)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs until SIGTERM or SIGINT; on SIGHUP reads the configuration again.
async fn run(
    config: GatewayConfig,
    settings: Settings,
    arguments: &Arguments,
) -> Result<(), String> {
    let system = |error: io::Error| format!("can't take signals: {error}");
    let mut terminate = signal(SignalKind::terminate()).map_err(system)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(system)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(system)?;
    warn_of_exposures(&config);
    let gateway = Arc::new(Gateway::new(settings));
    listen(&config, &gateway)?;
    // Nobody is told of this who does not listen.
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    loop {
        tokio::select! {
            _ = hangup.recv() => reload(&config, &gateway, arguments),
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        }
    }
}

/// Listens everywhere, or says where that fails.
fn listen(config: &GatewayConfig, gateway: &Arc<Gateway>) -> Result<(), String> {
    let limits = &config.limits;
    let room = Arc::new(Room::new(
        descriptors(limits.connections),
        limits.connections_per_address,
    ));
    let mut listeners = Vec::new();
    for &address in &config.listen {
        let listener = listener::bind(address).map_err(|error| {
            format!(
                "can't listen at {address}: {error}; see which server has the port (ss -lntp), or set \
                 listen to another address"
            )
        })?;
        listeners.push(listener);
    }
    for listener in listeners {
        tokio::spawn(listener::serve(
            listener,
            Arc::clone(&room),
            Arc::clone(gateway),
        ));
    }
    for address in &config.listen {
        let how = if config.certificate.is_some() {
            "HTTPS"
        } else {
            "HTTP"
        };
        info!(
            "listening at {address} ({how}), {} tokens",
            config.tokens.len()
        );
    }
    Ok(())
}

/// For how many connections there are descriptors. What this process may have, it takes.
fn descriptors(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let room = current.map_or(u64::MAX, |limit| limit.saturating_sub(SPARE_DESCRIPTORS));
    let room = usize::try_from(room).unwrap_or(usize::MAX).max(1);
    if room < wanted {
        warn!(
            "there are descriptors for {room} connections only, of {wanted}; raise LimitNOFILE of \
             the unit"
        );
    }
    room.min(wanted)
}

/// Takes over what the file says now. A wrong file changes nothing.
fn reload(running: &GatewayConfig, gateway: &Gateway, arguments: &Arguments) {
    let (config, settings) = match Settings::load(arguments.config.as_deref()) {
        Ok(loaded) => loaded,
        Err(error) => {
            error!("{error}; going on as before");
            return;
        }
    };
    if settings.is_encrypted() != running.certificate.is_some() {
        error!("with cert and key or without them is decided at the start; going on as before");
        return;
    }
    let (now, before) = (&config.limits, &running.limits);
    let same = config.listen == running.listen
        && now.connections == before.connections
        && now.connections_per_address == before.connections_per_address;
    if !same {
        warn!(
            "listen, limits.connections and limits.connections_per_address count from the next \
             start on"
        );
    }
    warn_of_exposures(&config);
    let tokens = config.tokens.len();
    gateway.change(settings);
    info!("the configuration was read again: {tokens} tokens");
}

/// Says which files with a password everybody can read.
fn warn_of_exposures(config: &GatewayConfig) {
    for exposure in config.exposures() {
        warn!("{exposure}; {}", exposure.remedy());
    }
}
