//! The gateway that this machine registers through, if it does.

use std::path::Path;
use std::time::Duration;

use cloudhosts_config::paths::CONFIG_FILE;
use cloudhosts_config::{Config, FileErrorCode, GatewayAccess};
use cloudhosts_registry::register::RegisterError;
use cloudhosts_registry::{Fault, FaultCode, open_gateway};

use super::code::Code;
use super::faults;
use super::finding::Finding;
use crate::outcome::Failure;
use crate::register::gateway::GatewayClient;
use crate::runtime::block_on;

const CHECK: &str = "gateway";

/// The limit for connecting.
const CONNECT: Duration = Duration::from_secs(5);

/// Visits the gateway as the subcommands that register do. Nothing where there is none.
pub(super) fn look(config: &Config) -> Option<Finding> {
    // Only those who register read register.toml.
    let of_registrar = match config.file() {
        Some(file) if file != Path::new(CONFIG_FILE) => None,
        _ => Config::load_to_register_without_secrets(None).ok(),
    };
    let access = of_registrar.map_or_else(|| config.gateway.clone(), |config| config.gateway)?;
    let visited = block_on(async {
        let visited = visit(&access).await;
        visited.map_err(|error| Failure::Unreachable(error.to_string()))
    });
    Some(visited.unwrap_or_else(|failure| {
        let todo = "see the log of the gateway: journalctl -u cloudhosts-gateway";
        Finding::wrong(CHECK, format_args!("{} does not answer", access.url), todo)
            .code(Code::ConnectionLost)
            .evidence(failure)
    }))
}

async fn visit(access: &GatewayAccess) -> Result<Finding, RegisterError> {
    let url = &access.url;
    if let Err(fault) = open_gateway(access, CONNECT).await {
        return Ok(unreachable(access, &fault));
    }
    let mut client = GatewayClient::new(access);
    if let Some(finding) = token_file(access) {
        return Ok(finding);
    }
    if !client.accepts_token().await? {
        let says = format_args!("{url} does not know the token");
        let todo = "write the secret of a token in its gateway.toml to gateway.token_file";
        return Ok(Finding::wrong(CHECK, says, todo).code(Code::LoginRefused));
    }
    if !client.is_healthy().await? {
        let says = format_args!("{url} can't reach Redis");
        let todo = "on the machine of the gateway, see: journalctl -u cloudhosts-gateway";
        return Ok(Finding::wrong(CHECK, says, todo).code(Code::Disconnected));
    }
    Ok(Finding::ok(
        CHECK,
        format_args!("{url}, which knows the token"),
    ))
}

/// What is wrong with the file of the token.
fn token_file(access: &GatewayAccess) -> Option<Finding> {
    match access.token() {
        Ok(Some(_)) => None,
        Ok(None) => {
            let says = "there is no token for the gateway";
            let todo = "set gateway.token_file to a file with the secret that `cloudhosts gateway-token` \
                        printed";
            Some(Finding::wrong(CHECK, says, todo).code(Code::NoToken))
        }
        Err(error) if error.code == FileErrorCode::Denied => {
            let says = "the gateway can't be asked without the right to read the token";
            let finding = Finding::warning(CHECK, says, "run this as root");
            Some(finding.code(Code::NotVisited).evidence(error))
        }
        Err(error) => {
            let says = "the file with the token can't be used";
            let todo = format_args!("restore the content of {}", error.path.display());
            let finding = Finding::wrong(CHECK, says, todo).code(Code::FileUnusable);
            Some(finding.evidence(&error))
        }
    }
}

/// The gateway can't be connected to.
fn unreachable(access: &GatewayAccess, fault: &Fault) -> Finding {
    let todo = match fault.code {
        FaultCode::FileDenied => "run this as root",
        FaultCode::FileUnusable | FaultCode::UnknownAuthority | FaultCode::SelfSigned => {
            "set gateway.ca_file to the file of the CA that signed its certificate"
        }
        FaultCode::NoAuthority => "run: apt install ca-certificates, or set gateway.ca_file",
        FaultCode::UnknownHost => "correct the host in gateway.url",
        FaultCode::Refused => "start cloudhosts-gateway there, or correct the port in gateway.url",
        FaultCode::Unreachable => "check the routes of this machine: ip route",
        FaultCode::TimedOut => "allow connections to that port (firewall)",
        FaultCode::CertificateTime => "renew the certificate of the gateway, or set the clock",
        FaultCode::CertificateHost => "use the host of the certificate in gateway.url",
        FaultCode::NotTls => "correct the port in gateway.url, or set cert and key in gateway.toml",
        _ => "see the log of the gateway: journalctl -u cloudhosts-gateway",
    };
    let says = format_args!("{} can't be reached", access.url);
    Finding::wrong(CHECK, says, todo)
        .code(faults::code(fault.code))
        .evidence(&fault.why)
}
