//! The status of the daemon as metrics for Prometheus.

use std::time::{SystemTime, UNIX_EPOCH};

use cloudhosts_config::status::{HashStatus, State, Status};
use cloudhosts_config::{OpenMetrics, Sample};

/// All states, each of which is a sample of `cloudhosts_state`.
const STATES: [State; 5] = [
    State::Live,
    State::Stale,
    State::Reconnecting,
    State::Guarded,
    State::Unreadable,
];

/// The metrics. Where there is no status, or the daemon does not run, `cloudhosts_up` is 0.
pub(super) fn metrics(status: Option<&Status>, up: bool) -> String {
    let mut metrics = OpenMetrics::default();
    metrics.gauge(
        "cloudhosts_up",
        "Whether the daemon answers at its socket.",
        [Sample::of(up)],
    );
    if let Some(status) = status {
        daemon(&mut metrics, status, up);
        redis(&mut metrics, status, up);
        hashes(&mut metrics, &status.hashes);
        table(&mut metrics, status);
    }
    metrics.finish()
}

/// How the daemon is.
fn daemon(metrics: &mut OpenMetrics, status: &Status, up: bool) {
    metrics.gauge(
        "cloudhosts_build_info",
        "1, with the version of the daemon.",
        [Sample::new(1.0).with("version", &status.version)],
    );
    let names = STATES.map(|state| (state, state.to_string()));
    metrics.gauge(
        "cloudhosts_state",
        "1 for the state that the daemon is in, as in cloudhosts status.",
        names
            .iter()
            .map(|(state, name)| Sample::of(up && *state == status.state).with("state", name)),
    );
    metrics.gauge(
        "cloudhosts_state_since_timestamp_seconds",
        "When the daemon entered its state.",
        [Sample::new(seconds(status.since))],
    );
    let pending = status
        .config
        .as_ref()
        .map_or(0, |config| config.pending.len());
    metrics.gauge(
        "cloudhosts_config_pending_keys",
        "Changed keys of the configuration that need a restart to take effect.",
        [count(pending)],
    );
    metrics.gauge(
        "cloudhosts_state_dir_writable",
        "Whether the last good names could be written to the state directory.",
        [Sample::of(status.unwritten.is_none())],
    );
}

/// The connection to Redis, and the reads.
fn redis(metrics: &mut OpenMetrics, status: &Status, up: bool) {
    let redis = status.redis.as_ref().filter(|_| up);
    let mode = redis.and_then(|redis| redis.mode.as_deref());
    metrics.gauge(
        "cloudhosts_redis_connected",
        "Whether the daemon is connected to Redis.",
        [Sample::of(mode.is_some())],
    );
    metrics.gauge(
        "cloudhosts_redis_tracking",
        "Whether Redis pushes changes to the daemon, which polls otherwise.",
        [Sample::of(mode == Some("tracking"))],
    );
    metrics.gauge(
        "cloudhosts_redis_latency_seconds",
        "How long the last reply of Redis took.",
        redis
            .and_then(|redis| redis.latency_ms)
            .map(|latency| Sample::new(latency / 1000.0)),
    );
    metrics.gauge(
        "cloudhosts_full_read_timestamp_seconds",
        "When all hashes were last read whole.",
        status
            .last_full_read
            .map(|read| Sample::new(seconds(read.at))),
    );
    metrics.gauge(
        "cloudhosts_full_read_duration_seconds",
        "How long the last read of all hashes took.",
        status
            .last_full_read
            .map(|read| Sample::new(read.cost_ms / 1000.0)),
    );
}

/// What is in the hashes.
fn hashes(metrics: &mut OpenMetrics, hashes: &[HashStatus]) {
    let mut gauge = |name: &str, help: &str, value: fn(&HashStatus) -> Option<f64>| {
        let samples = hashes.iter().filter_map(|hash| {
            let sample = Sample::new(value(hash)?);
            Some(sample.with("hash", &hash.key))
        });
        metrics.gauge(name, help, samples);
    };
    gauge(
        "cloudhosts_hash_readable",
        "Whether the hash can be read.",
        |hash| Some(f64::from(u8::from(hash.unreadable.is_none()))),
    );
    gauge(
        "cloudhosts_hash_fields",
        "Fields of the hash that are in use.",
        |hash| Some(hash.fields as f64),
    );
    gauge(
        "cloudhosts_hash_retained_fields",
        "Fields in use that Redis has lost.",
        |hash| Some(hash.retained as f64),
    );
    gauge(
        "cloudhosts_hash_redis_fields",
        "Fields of the hash in Redis at the last read.",
        |hash| Some(hash.in_redis? as f64),
    );
    gauge(
        "cloudhosts_hash_filtered_fields",
        "Fields in Redis that allow leaves out.",
        |hash| Some(hash.filtered? as f64),
    );
    gauge(
        "cloudhosts_log_position_timestamp_seconds",
        "The time in the ID of the last entry that was read of the change log, by the clock of Redis.",
        |hash| {
            let id = hash.log_position.as_deref()?;
            let ms: f64 = id.split_once('-')?.0.parse().ok()?;
            Some(ms / 1000.0)
        },
    );
}

/// What is published.
fn table(metrics: &mut OpenMetrics, status: &Status) {
    metrics.gauge(
        "cloudhosts_rejected_fields",
        "Fields that can't be used as they are.",
        [count(status.rejected.count)],
    );
    metrics.gauge(
        "cloudhosts_names",
        "Names in the table, wildcards included.",
        [Sample::new(status.names as f64)],
    );
    metrics.gauge(
        "cloudhosts_addresses",
        "Addresses in the table.",
        [Sample::new(status.addresses as f64)],
    );
    metrics.gauge(
        "cloudhosts_table_bytes",
        "Size of the table.",
        [Sample::new(status.table_bytes as f64)],
    );
    metrics.counter(
        "cloudhosts_changes_published",
        "Changes published since the daemon started.",
        [Sample::new(status.publishes as f64)],
    );
    metrics.counter(
        "cloudhosts_attaches",
        "Processes that were given the table since the daemon started.",
        [Sample::new(status.attaches as f64)],
    );
}

fn count(number: usize) -> Sample<'static> {
    Sample::new(number as f64)
}

/// Seconds since 1970.
fn seconds(moment: SystemTime) -> f64 {
    let since = moment.duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}
