//! Metrics as text in the format of OpenMetrics, for Prometheus.
//!
//! Only gauges and counters are used, so that programs which read Prometheus's older text format,
//! such as node_exporter's textfile collector, read it too.

use std::fmt::Write;

/// The text of metrics.
#[derive(Debug, Default)]
pub struct OpenMetrics {
    text: String,
}

/// One value of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample<'l> {
    labels: Vec<(&'l str, &'l str)>,
    value: f64,
}

impl<'l> Sample<'l> {
    /// A value without labels.
    #[must_use]
    pub fn new(value: f64) -> Sample<'l> {
        Sample {
            labels: Vec::new(),
            value,
        }
    }

    /// The same for a condition: 1 if it is met, or else 0.
    #[must_use]
    pub fn of(condition: bool) -> Sample<'l> {
        Sample::new(f64::from(u8::from(condition)))
    }

    /// Adds a label.
    #[must_use]
    pub fn with(mut self, label: &'l str, value: &'l str) -> Sample<'l> {
        self.labels.push((label, value));
        self
    }
}

impl OpenMetrics {
    /// Adds a gauge: a value that goes up and down. The name ends with its unit, if it has one.
    pub fn gauge<'l>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = Sample<'l>>,
    ) {
        self.family(name, "gauge", help);
        self.samples(name, samples);
    }

    /// Adds a counter: a value that grows until its program restarts. The name is without `_total`,
    /// which the samples get.
    pub fn counter<'l>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = Sample<'l>>,
    ) {
        self.family(name, "counter", help);
        self.samples(&format!("{name}_total"), samples);
    }

    /// The whole text.
    #[must_use]
    pub fn finish(mut self) -> String {
        self.text.push_str("# EOF\n");
        self.text
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.add(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn samples<'l>(&mut self, name: &str, samples: impl IntoIterator<Item = Sample<'l>>) {
        for Sample { labels, value } in samples {
            let labels: Vec<String> = labels
                .iter()
                .map(|(label, text)| format!("{label}=\"{}\"", escaped(text)))
                .collect();
            let labels = if labels.is_empty() {
                String::new()
            } else {
                format!("{{{}}}", labels.join(","))
            };
            self.add(format_args!("{name}{labels} {value}\n"));
        }
    }

    fn add(&mut self, text: std::fmt::Arguments<'_>) {
        // A String takes everything.
        let _ = self.text.write_fmt(text);
    }
}

/// The value of a label as it is written between quotes.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_written_as_openmetrics_reads_them() {
        let mut metrics = OpenMetrics::default();
        metrics.gauge("up", "Whether it is.", [Sample::of(true)]);
        let odd = Sample::new(2.5).with("hash", "a\"b\\c\nd").with("x", "y");
        metrics.counter("changes", "All.", [Sample::new(1e15), odd]);
        assert_eq!(
            metrics.finish(),
            "# HELP up Whether it is.\n# TYPE up gauge\nup 1\n\
             # HELP changes All.\n# TYPE changes counter\n\
             changes_total 1000000000000000\n\
             changes_total{hash=\"a\\\"b\\\\c\\nd\",x=\"y\"} 2.5\n# EOF\n"
        );
    }
}
