//! Where everything is as long as the configuration does not say otherwise.

pub use cloudhosts_table::client::SOCKET;

/// The configuration.
pub const CONFIG_FILE: &str = "/etc/cloudhosts/cloudhosts.toml";

/// What overrides the configuration for whoever registers.
pub const REGISTER_FILE: &str = "/etc/cloudhosts/register.toml";

/// The configuration of the gateway.
pub const GATEWAY_FILE: &str = "/etc/cloudhosts/gateway.toml";

/// The directory of the last good table and of the daemon's own state.
pub const STATE_DIR: &str = "/var/lib/cloudhosts";

/// The status document.
pub const STATUS_FILE: &str = "/run/cloudhosts/status.json";
