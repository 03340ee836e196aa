//! What is counted, as text for Prometheus (OpenMetrics 1.0).

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cloudhosts_config::gateway::ProblemCode;

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
        let mut text = String::new();
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut all = 0;
        head(
            &mut text,
            "requests",
            "counter",
            "Requests, by what they asked for and the result.",
        );
        for (operation, results) in Operation::ALL.iter().zip(&self.requests) {
            let names = ProblemCode::ALL.map(ProblemCode::name);
            let names = std::iter::once("done").chain(names);
            for (result, counter) in names.zip(results) {
                let count = value(counter);
                all += count;
                if count > 0 {
                    let operation = operation.name();
                    line(
                        &mut text,
                        &format!(
                            "requests_total{{operation=\"{operation}\",result=\"{result}\"}} {count}"
                        ),
                    );
                }
            }
        }
        head(&mut text, "request_seconds", "summary", "Time of requests.");
        line(&mut text, &format!("request_seconds_count {all}"));
        let micros = value(&self.micros);
        let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
        line(
            &mut text,
            &format!("request_seconds_sum {seconds}.{rest:06}"),
        );
        for (name, help, counter) in [
            (
                "unchanged",
                "Updates by dyndns2 that were answered without Redis (nochg).",
                &self.unchanged,
            ),
            (
                "failed_logins",
                "Requests without a token that is known.",
                &self.failed_logins,
            ),
            (
                "failed_handshakes",
                "TLS handshakes that failed or took too long.",
                &self.failed_handshakes,
            ),
            ("connections", "Connections.", &self.connections),
            (
                "refused_connections",
                "Connections closed because their address had too many.",
                &self.refused_connections,
            ),
            (
                "overdue_connections",
                "Connections closed because they took too long.",
                &self.overdue_connections,
            ),
        ] {
            head(&mut text, name, "counter", help);
            line(&mut text, &format!("{name}_total {}", value(counter)));
        }
        head(
            &mut text,
            "open_connections",
            "gauge",
            "Connections that are open.",
        );
        line(
            &mut text,
            &format!("open_connections {}", value(&self.open)),
        );
        head(
            &mut text,
            "redis_up",
            "gauge",
            "Whether Redis was reached by the last attempt.",
        );
        line(&mut text, &format!("redis_up {}", u8::from(redis_up)));
        text.push_str("# EOF\n");
        text
    }
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "# TYPE cloudhosts_gateway_{name} {kind}");
    let _ = writeln!(text, "# HELP cloudhosts_gateway_{name} {help}");
}

fn line(text: &mut String, line: &str) {
    let _ = writeln!(text, "cloudhosts_gateway_{line}");
}
