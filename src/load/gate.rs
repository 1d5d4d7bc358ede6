//! Conditions under which a run counts as failed, for CI: `p99>5ms`, `mb/s<500`, `end-to-end.p99.9>20ms`.

use super::report::{Durations, RunReport};

/// A condition on one figure of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    text: String,
    figure: Figure,
    above: bool,
    bound: f64,
}

#[derive(Clone, Debug, PartialEq)]
enum Figure {
    Latency(Which, String),
    ProducedMb,
    FetchedMb,
    Requests,
    CpuPerRequest,
    CpuPerGb,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Which {
    Headline,
    Service,
    EndToEnd,
}

const FIGURES: [&str; 5] = ["mb/s", "fetched-mb/s", "requests/s", "cpu-us/request", "cpu-s/gb"];
const QUANTILES: [&str; 7] = ["p50", "p90", "p99", "p99.9", "p99.99", "p99.999", "max"];

impl std::str::FromStr for Gate {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let at = text.find(['<', '>']).ok_or_else(|| format!("{text:?} has neither < nor >, as in p99>5ms"))?;
        let (name, bound) = (text[..at].trim().to_lowercase(), text[at + 1..].trim());
        let (which, quantile) = match name.split_once('.') {
            Some(("service", quantile)) => (Which::Service, quantile),
            Some(("end-to-end", quantile)) => (Which::EndToEnd, quantile),
            _ => (Which::Headline, name.as_str()),
        };
        let figure = match name.as_str() {
            "mb/s" => Figure::ProducedMb,
            "fetched-mb/s" => Figure::FetchedMb,
            "requests/s" => Figure::Requests,
            "cpu-us/request" => Figure::CpuPerRequest,
            "cpu-s/gb" => Figure::CpuPerGb,
            _ if QUANTILES.contains(&quantile) => Figure::Latency(which, quantile.to_owned()),
            _ => {
                let all: Vec<&str> = QUANTILES.into_iter().chain(FIGURES).collect();
                let near = super::settings::nearest(&name, &all).map(|near| format!(", did you mean {near}?"));
                return Err(format!("{name:?} is no figure of a run ({}){}", all.join(", "), near.unwrap_or_default()));
            }
        };
        let bound = match figure {
            Figure::Latency(..) => milliseconds(bound),
            _ => bound.parse().ok(),
        };
        let bound = bound.filter(|bound: &f64| bound.is_finite());
        let bound = bound.ok_or_else(|| format!("{text:?}: what stands behind the sign is no such quantity, as in p99>5ms"))?;
        Ok(Self { text: text.to_owned(), figure, above: text[at..].starts_with('>'), bound })
    }
}

fn milliseconds(text: &str) -> Option<f64> {
    let units = [("ms", 1.0), ("us", 1e-3), ("ns", 1e-6), ("s", 1e3)];
    let (number, scale) = units.iter().find_map(|(unit, scale)| Some((text.strip_suffix(unit)?, scale)))?;
    Some(number.trim().parse::<f64>().ok()? * scale)
}

impl Gate {
    /// Why `report` fails, if it does. A figure that the run does not have fails, too: it proves nothing.
    pub fn failure(&self, report: &RunReport) -> Option<String> {
        let Some(value) = self.figure.of(report) else {
            return Some(format!("{}: the run has no such figure to show", self.text));
        };
        let fails = if self.above { value > self.bound } else { value < self.bound };
        fails.then(|| format!("{}: it is {value:.3}", self.text))
    }
}

impl Figure {
    fn of(&self, report: &RunReport) -> Option<f64> {
        let rate = |value: f64| (value > 0.0).then_some(value);
        match self {
            Self::Latency(which, quantile) => {
                let of: &Durations = match which {
                    Which::Headline => &report.latency,
                    Which::Service => &report.service,
                    Which::EndToEnd => &report.end_to_end,
                };
                of.ms(quantile)
            }
            Self::ProducedMb => rate(report.produced.mb_per_s),
            Self::FetchedMb => rate(report.fetched.mb_per_s),
            Self::Requests => rate(report.produced.requests_per_s),
            Self::CpuPerRequest => report.broker.as_ref()?.cpu_us_per_request,
            Self::CpuPerGb => report.broker.as_ref()?.cpu_s_per_gb,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read() {
        let gate: Gate = "p99.9 > 500us".parse().unwrap();
        assert_eq!((gate.figure, gate.above, gate.bound), (Figure::Latency(Which::Headline, "p99.9".into()), true, 0.5));
        let gate: Gate = "end-to-end.p99>1s".parse().unwrap();
        assert_eq!((gate.figure, gate.bound), (Figure::Latency(Which::EndToEnd, "p99".into()), 1000.0));
        let gate: Gate = "MB/s<500".parse().unwrap();
        assert_eq!((gate.figure, gate.above), (Figure::ProducedMb, false));
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for text in ["p99", "p98>5ms", "p99>5", "mb/s<fast", "p99>nanms"] {
            assert!(text.parse::<Gate>().is_err(), "{text}");
        }
        assert!("p999>5ms".parse::<Gate>().unwrap_err().contains("did you mean p99"));
    }
}
