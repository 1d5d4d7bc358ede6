//! The latencies of a run as an HdrHistogram log (V2): what HdrHistogram's own tools read.

use std::fmt::Write;

use super::report::RunReport;

/// The log: one line for every whole second of the run.
pub fn log(report: &RunReport) -> String {
    let start = report.started_ms as f64 / 1e3 + report.load.warmup_ms as f64 / 1e3;
    let mut out = format!(
        "#[Histogram log format version 1.3]\n#[StartTime: {start:.3} (seconds since epoch)]\n#[BaseTime: 0.000 (seconds since epoch)]\n\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n"
    );
    for second in &report.seconds {
        if !second.histogram.is_empty() {
            let max_ms = second.max_ns.unwrap_or_default() as f64 / 1e6;
            // Writing into a string cannot fail.
            let _ = writeln!(out, "{:.3},1.000,{max_ms:.3},{}", start + second.at as f64, second.histogram);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    #[test]
    fn the_log_is_read_by_the_library() {
        let mut histogram = crate::load::tally::histogram();
        histogram.record(1_234_567).unwrap();
        let line = format!("12.000,1.000,1.234,{}\n", crate::load::report::encode(&histogram));
        let entries: Vec<_> = IntervalLogIterator::new(line.as_bytes()).collect();
        let [Ok(LogEntry::Interval(interval))] = &entries[..] else { panic!("{entries:?}") };
        assert_eq!(interval.encoded_histogram(), crate::load::report::encode(&histogram));
    }
}
