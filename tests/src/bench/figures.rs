//! Numbers: samples, medians, and how they are written.

use std::time::Duration;

/// How many times must have been taken before their 99th percentile means anything.
const ENOUGH: usize = 100;

/// Times of one kind in one process, in nanoseconds.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// How many were taken.
    pub taken: usize,
    /// Those, in order of size; of many, evenly chosen ones.
    sorted: Vec<u64>,
}

impl Sample {
    /// Of times that were taken here.
    pub fn new(mut times: Vec<u64>) -> Sample {
        times.sort_unstable();
        Sample {
            taken: times.len(),
            sorted: times,
        }
    }

    /// As `tests/bench/lookups.c` prints it: how many were taken, then the times in order.
    pub fn read(line: &str) -> Sample {
        let mut numbers = line.split_whitespace().map(|word| word.parse::<u64>());
        let mut next = || numbers.next().map(|number| number.expect("a number"));
        let taken = usize::try_from(next().expect("how many there are")).expect("a count");
        Sample {
            taken,
            sorted: std::iter::from_fn(next).collect(),
        }
    }

    /// Half are at most this.
    pub fn median(&self) -> f64 {
        self.at(50)
    }

    /// 99 of 100 are at most this; none where there are too few.
    pub fn p99(&self) -> Option<f64> {
        (self.taken >= ENOUGH).then(|| self.at(99))
    }

    /// The largest.
    pub fn worst(&self) -> f64 {
        self.at(100)
    }

    fn at(&self, percent: usize) -> f64 {
        let last = self.sorted.len().saturating_sub(1);
        self.sorted
            .get(last * percent / 100)
            .map_or(f64::NAN, |&time| time as f64)
    }
}

/// The median of numbers; of an even count, the mean of the middle two.
pub fn median(numbers: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = numbers.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len() / 2, sorted.len() % 2) {
        (_, _) if sorted.is_empty() => f64::NAN,
        (middle, 1) => sorted[middle],
        (middle, _) => (sorted[middle - 1] + sorted[middle]) / 2.0,
    }
}

/// Nanoseconds, in the unit that suits them.
pub fn time(nanos: f64) -> String {
    match nanos {
        nanos if nanos.is_nan() => "—".to_owned(),
        nanos if nanos < 1e3 => format!("{nanos:.0} ns"),
        nanos if nanos < 1e6 => format!("{} µs", digits(nanos / 1e3)),
        nanos if nanos < 1e9 => format!("{} ms", digits(nanos / 1e6)),
        nanos => format!("{} s", digits(nanos / 1e9)),
    }
}

/// The same of a span.
pub fn span(span: Duration) -> String {
    time(nanos(span))
}

/// A span in nanoseconds.
pub fn nanos(span: Duration) -> f64 {
    span.as_secs_f64() * 1e9
}

/// Bytes, in the unit that suits them.
pub fn bytes(bytes: f64) -> String {
    match bytes {
        bytes if bytes.is_nan() => "—".to_owned(),
        bytes if bytes < 1e3 => format!("{bytes:.0} B"),
        bytes if bytes < 1e6 => format!("{} kB", digits(bytes / 1e3)),
        bytes if bytes < 1e9 => format!("{} MB", digits(bytes / 1e6)),
        bytes => format!("{} GB", digits(bytes / 1e9)),
    }
}

/// How many times as much.
pub fn ratio(ratio: f64) -> String {
    match ratio {
        ratio if ratio.is_nan() => "—".to_owned(),
        ratio if ratio < 10.0 => format!("{ratio:.2}×"),
        ratio => format!("{}×", count(ratio.round() as u64)),
    }
}

/// Three digits that count.
pub fn digits(number: f64) -> String {
    match number {
        number if number.is_nan() => "—".to_owned(),
        number if number < 10.0 => format!("{number:.2}"),
        number if number < 100.0 => format!("{number:.1}"),
        number => count(number.round() as u64),
    }
}

/// A whole number, with commas.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).expect("digits"))
        .collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_to_be_read() {
        assert_eq!(time(412.0), "412 ns");
        assert_eq!(time(1_270.0), "1.27 µs");
        assert_eq!(time(63_400_000.0), "63.4 ms");
        assert_eq!(bytes(366_352.0), "366 kB");
        assert_eq!(count(1_000_000), "1,000,000");
        assert_eq!(ratio(5_063.2), "5,063×");
        assert_eq!(ratio(f64::NAN), "—");
    }

    #[test]
    fn a_sample_of_few_has_no_99th_percentile() {
        let sample = Sample::new((1..=99).collect());
        assert_eq!((sample.median(), sample.worst()), (50.0, 99.0));
        assert_eq!(sample.p99(), None);
        assert_eq!(Sample::new((0..=100).collect()).p99(), Some(99.0));
        assert_eq!(Sample::read("200 1 2 3").p99(), Some(2.0));
    }

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0]), 2.5);
        assert!(median([]).is_nan());
    }
}
