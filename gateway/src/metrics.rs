//! What is counted, as text for Prometheus (OpenMetrics 1.0).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cloudhosts_config::gateway::ProblemCode;
use cloudhosts_config::{OpenMetrics, Sample};

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Claim,
    Join,
    Leave,
    Release,
    Hold,
    NicUpdate,
    Health,
    Metrics,
    Other,
}

impl Operation {
    const ALL: [Operation; 9] = [
        Operation::Claim,
        Operation::Join,
        Operation::Leave,
        Operation::Release,
        Operation::Hold,
        Operation::NicUpdate,
        Operation::Health,
        Operation::Metrics,
        Operation::Other,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Operation::Claim => "claim",
            Operation::Join => "join",
            Operation::Leave => "leave",
            Operation::Release => "release",
            Operation::Hold => "hold",
            Operation::NicUpdate => "nic_update",
            Operation::Health => "health",
            Operation::Metrics => "metrics",
            Operation::Other => "other",
        }
    }
}

/// The results of one operation: those that were done, and for each code those that were not.
type Results = [AtomicU64; 1 + ProblemCode::ALL.len()];

/// What is counted.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    requests: [Results; Operation::ALL.len()],
    /// Micro-seconds of all requests.
    micros: AtomicU64,
    pub(crate) unchanged: AtomicU64,
    pub(crate) failed_logins: AtomicU64,
    pub(crate) failed_handshakes: AtomicU64,
    pub(crate) connections: AtomicU64,
    pub(crate) refused_connections: AtomicU64,
    pub(crate) overdue_connections: AtomicU64,
    pub(crate) open: AtomicU64,
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Metrics {
    /// Counts a request.
    pub(crate) fn request(
        &self,
        operation: Operation,
        result: Result<(), ProblemCode>,
        took: Duration,
    ) {
        let row = Operation::ALL.iter().position(|&one| one == operation);
        let column = match result {
            Ok(()) => Some(0),
            Err(code) => ProblemCode::ALL
                .iter()
                .position(|&one| one == code)
                .map(|at| at + 1),
        };
        let counter = row
            .zip(column)
            .and_then(|(row, column)| self.requests.get(row)?.get(column));
        if let Some(counter) = counter {
            count(counter);
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// The text.
    pub(crate) fn text(&self, redis_up: bool) -> String {
        let mut metrics = OpenMetrics::default();
        let sample = |counter: &AtomicU64| Sample::new(counter.load(Ordering::Relaxed) as f64);
        let rows = Operation::ALL.iter().zip(&self.requests);
        let requests = rows.flat_map(|(operation, results)| {
            let codes = ProblemCode::ALL.map(ProblemCode::name);
            let names = std::iter::once("done").chain(codes);
            names.zip(results).filter_map(|(result, counter)| {
                let some = counter.load(Ordering::Relaxed) > 0;
                some.then(|| {
                    sample(counter)
                        .with("operation", operation.name())
                        .with("result", result)
                })
            })
        });
        metrics.counter(
            "cloudhosts_gateway_requests",
            "Requests, by what they asked for and the result.",
            requests,
        );
        let micros = self.micros.load(Ordering::Relaxed);
        metrics.counter(
            "cloudhosts_gateway_request_seconds",
            "Time of all requests together.",
            [Sample::new(Duration::from_micros(micros).as_secs_f64())],
        );
        for (name, help, counter) in [
            (
                "cloudhosts_gateway_unchanged",
                "Updates by dyndns2 that were answered without Redis (nochg).",
                &self.unchanged,
            ),
            (
                "cloudhosts_gateway_failed_logins",
                "Requests without a token that is known.",
                &self.failed_logins,
            ),
            (
                "cloudhosts_gateway_failed_handshakes",
                "TLS handshakes that failed or took too long.",
                &self.failed_handshakes,
            ),
            (
                "cloudhosts_gateway_connections",
                "Connections.",
                &self.connections,
            ),
            (
                "cloudhosts_gateway_refused_connections",
                "Connections closed because their address had too many.",
                &self.refused_connections,
            ),
            (
                "cloudhosts_gateway_overdue_connections",
                "Connections closed because they took too long.",
                &self.overdue_connections,
            ),
        ] {
            metrics.counter(name, help, [sample(counter)]);
        }
        metrics.gauge(
            "cloudhosts_gateway_open_connections",
            "Connections that are open.",
            [sample(&self.open)],
        );
        metrics.gauge(
            "cloudhosts_gateway_redis_up",
            "Whether Redis was reached by the last attempt.",
            [Sample::of(redis_up)],
        );
        metrics.finish()
    }
}
