//! What a run may be told, on the command line and in a scenario file alike: the same names, the same values.

use std::{collections::BTreeMap, str::FromStr};

use serde::{Deserialize, Deserializer};

use crate::{client::produce::Acks, record::Codec};

use super::{
    body::Shape,
    plan::{FetchPlan, GroupPlan, Mode, Plan, PlanError},
    schedule::Arrivals,
};

/// Everything that can be set. What is absent keeps its default.
#[derive(Clone, Debug, Default, Deserialize, clap::Args)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// Broker to connect to [default: 127.0.0.1:9092].
    #[arg(long, value_name = "HOST:PORT")]
    pub bootstrap: Option<String>,
    /// produce, fetch or end-to-end [default: produce].
    #[arg(long)]
    pub mode: Option<String>,
    /// Topic to use, made if it does not exist; without it, one is made and deleted again.
    #[arg(long)]
    pub topic: Option<String>,
    /// Leave a topic that the run made [default: false].
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    pub keep_topic: Option<bool>,
    /// Partitions of a topic that is made [default: 16].
    #[arg(long)]
    pub partitions: Option<i32>,
    /// Replicas of a topic that is made; -1 is the broker's default [default: 1].
    #[arg(long, allow_negative_numbers = true)]
    pub replicas: Option<i16>,
    /// Configs of a topic that is made, as key=value; may be given several times.
    #[arg(skip)]
    #[serde(default)]
    pub topic_config: BTreeMap<String, String>,
    /// Bytes of a batch, header included: one batch a request [default: 64KiB].
    #[arg(long, value_name = "BYTES")]
    pub batch_bytes: Option<Bytes>,
    /// Bytes of a record's value; the last of a batch takes what is left [default: 1KiB].
    #[arg(long, value_name = "BYTES")]
    pub record_bytes: Option<Bytes>,
    /// Bytes of a record's key [default: 0, no key].
    #[arg(long, value_name = "BYTES")]
    pub key_bytes: Option<Bytes>,
    /// none, gzip, snappy, lz4 or zstd [default: none].
    #[arg(long)]
    pub codec: Option<String>,
    /// Percent of a value that cannot be compressed [default: 100].
    #[arg(long, value_name = "PERCENT")]
    pub random_percent: Option<u8>,
    /// Producing connections [default: 4].
    #[arg(long)]
    pub connections: Option<usize>,
    /// Unanswered requests of one connection at most [default: 4; 1024 in an open loop].
    #[arg(long)]
    pub in_flight: Option<usize>,
    /// 0, 1 or all [default: all].
    #[arg(long)]
    #[serde(default, deserialize_with = "word")]
    pub acks: Option<String>,
    /// Every connection is an idempotent producer [default: false].
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    pub idempotent: Option<bool>,
    /// Requests a second, over all connections: an open loop. Without it, a closed loop at full speed.
    #[arg(long)]
    pub rate: Option<f64>,
    /// constant, poisson, burst or ramp [default: constant].
    #[arg(long)]
    pub arrivals: Option<String>,
    /// Length of a burst [default: 2s].
    #[arg(long, value_name = "TIME")]
    pub burst_on: Option<Span>,
    /// Silence before a burst [default: 8s].
    #[arg(long, value_name = "TIME")]
    pub burst_off: Option<Span>,
    /// Requests a second at the foot of a ramp [default: 0].
    #[arg(long, value_name = "RATE")]
    pub ramp_from: Option<f64>,
    /// Length of a ramp [default: the warm-up and the duration].
    #[arg(long, value_name = "TIME")]
    pub ramp_over: Option<Span>,
    /// Consuming connections [default: 1].
    #[arg(long)]
    pub consumers: Option<usize>,
    /// Every consumer reads all partitions [default: false].
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    pub fan_out: Option<bool>,
    /// Members of a consumer group that read instead of consumers with fixed partitions; end-to-end runs only.
    #[arg(long)]
    pub group_members: Option<usize>,
    /// How often a member of the group leaves and another one takes its place [default: never].
    #[arg(long, value_name = "TIME")]
    pub group_churn: Option<Span>,
    /// Bytes of one fetch answer [default: 50MiB].
    #[arg(long, value_name = "BYTES")]
    pub fetch_max_bytes: Option<Bytes>,
    /// Bytes of one partition in a fetch answer [default: 1MiB].
    #[arg(long, value_name = "BYTES")]
    pub fetch_partition_bytes: Option<Bytes>,
    /// Longest that the broker may wait for data [default: 500ms].
    #[arg(long, value_name = "TIME")]
    pub fetch_max_wait: Option<Span>,
    /// Bytes that the broker waits for [default: 1].
    #[arg(long, value_name = "BYTES")]
    pub fetch_min_bytes: Option<Bytes>,
    /// Bytes written before a fetch run, over all partitions [default: 128MiB; cold: 4GiB].
    #[arg(long, value_name = "BYTES")]
    pub prefill: Option<Bytes>,
    /// Empty the page cache first, and read once from the beginning [default: false].
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    pub cold: Option<bool>,
    /// Time before anything counts [default: 2s; cold: 0s].
    #[arg(long, value_name = "TIME")]
    pub warmup: Option<Span>,
    /// Time that counts [default: 10s; cold: at most 600s, ends when all is read].
    #[arg(long, value_name = "TIME")]
    pub duration: Option<Span>,
    /// Cores of the client, as 1 or 2-3,5: one thread on each. Without it, one thread anywhere.
    #[arg(long, value_name = "LIST")]
    #[serde(default, deserialize_with = "word")]
    pub cpus: Option<String>,
    /// Keep the client awake: exact, at the price of its cores [default: false].
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    pub spin: Option<bool>,
    /// Stamp every record, and read all of them back [default: false].
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    pub verify: Option<bool>,
    /// Free bytes under the broker's data below which a run ends early, if the broker is on this host [default: 1GiB].
    #[arg(long, value_name = "BYTES")]
    pub min_free: Option<Bytes>,
}

/// A number of bytes: 65536, 64KiB, 64K, 1MiB, 4GiB; kB, MB and GB are powers of ten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

/// A length of time in milliseconds: 10s, 500ms, 2m, 1h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub u64);

/// A latency in nanoseconds: 5ms, 500us, 1s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency(pub u64);

impl FromStr for Latency {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let units: &[(&str, u64)] = &[("ms", 1_000_000), ("us", 1000), ("ns", 1), ("s", 1_000_000_000)];
        quantity(text, units).map(Self).ok_or_else(|| format!("{text:?} is no latency, such as 5ms or 500us"))
    }
}

impl<'de> Deserialize<'de> for Latency {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        text_or_number(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl FromStr for Bytes {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let units: &[(&str, u64)] = &[
            ("KiB", 1 << 10),
            ("MiB", 1 << 20),
            ("GiB", 1 << 30),
            ("kB", 1000),
            ("MB", 1_000_000),
            ("GB", 1_000_000_000),
            ("K", 1 << 10),
            ("M", 1 << 20),
            ("G", 1 << 30),
            ("B", 1),
            ("", 1),
        ];
        quantity(text, units).map(Self).ok_or_else(|| format!("{text:?} is no number of bytes, such as 65536, 64KiB or 1MiB"))
    }
}

impl FromStr for Span {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let units: &[(&str, u64)] = &[("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
        quantity(text, units).map(Self).ok_or_else(|| format!("{text:?} is no length of time, such as 10s, 500ms or 2m"))
    }
}

fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let (_, scale) = units.iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<u64>().ok()?.checked_mul(*scale)
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        text_or_number(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        text_or_number(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A word that may be a number, such as `acks = 1`.
fn word<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    text_or_number(from).map(Some)
}

fn text_or_number<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
    }
    Ok(match Either::deserialize(from)? {
        Either::Number(number) => number.to_string(),
        Either::Text(text) => text,
    })
}

impl Settings {
    /// These settings, and where they are silent those of `under`.
    #[must_use]
    pub fn over(self, under: Self) -> Self {
        macro_rules! merge {
            ($($field:ident),*) => { Self { $($field: self.$field.or(under.$field),)* topic_config: {
                let mut configs = under.topic_config;
                configs.extend(self.topic_config);
                configs
            } } };
        }
        merge!(
            bootstrap, mode, topic, keep_topic, partitions, replicas, batch_bytes, record_bytes, key_bytes, codec,
            random_percent, connections, in_flight, acks, idempotent, rate, arrivals, burst_on, burst_off, ramp_from,
            ramp_over, consumers, fan_out, group_members, group_churn, fetch_max_bytes, fetch_partition_bytes, fetch_max_wait, fetch_min_bytes,
            prefill, cold, warmup, duration, cpus, spin, verify, min_free
        )
    }

    /// The run that these settings mean, checked.
    ///
    /// # Errors
    /// If a value is not among those that are possible, or values do not go together.
    pub fn plan(&self) -> Result<Plan, PlanError> {
        let cold = self.cold.unwrap_or(false);
        let warmup_ms = self.warmup.map_or(if cold { 0 } else { 2000 }, |span| span.0);
        let duration_ms = self.duration.map_or(if cold { 600_000 } else { 10_000 }, |span| span.0);
        let bytes = |value: Option<Bytes>, default: u64| value.map_or(default, |bytes| bytes.0);
        let arrivals = self.arrivals(warmup_ms + duration_ms)?;
        let batch_bytes = bytes(self.batch_bytes, 64 << 10) as usize;
        let i32_of = |bytes: u64, what: &str| i32::try_from(bytes).map_err(|_| PlanError(format!("{what}: at most 2 GiB")));
        let plan = Plan {
            bootstrap: self.bootstrap.clone().unwrap_or_else(|| "127.0.0.1:9092".to_owned()),
            mode: self.mode()?,
            topic: self.topic.clone(),
            keep_topic: self.keep_topic.unwrap_or(false) || self.topic.is_some(),
            partitions: self.partitions.unwrap_or(16),
            replicas: self.replicas.unwrap_or(1),
            topic_configs: self.topic_config.clone(),
            shape: Shape {
                batch_bytes,
                record_bytes: bytes(self.record_bytes, 1 << 10) as usize,
                key_bytes: bytes(self.key_bytes, 0) as usize,
                codec: self.codec()?,
                random_percent: self.random_percent.unwrap_or(100),
            },
            producers: self.connections.unwrap_or(4),
            in_flight: self.in_flight.unwrap_or(if arrivals.is_some() { 1024 } else { 4 }),
            acks: self.acks()?,
            idempotent: self.idempotent.unwrap_or(false),
            arrivals,
            fetch: FetchPlan {
                consumers: self.consumers.unwrap_or(1),
                fan_out: self.fan_out.unwrap_or(false),
                max_bytes: i32_of(bytes(self.fetch_max_bytes, 50 << 20), "fetch-max-bytes")?,
                partition_max_bytes: i32_of(bytes(self.fetch_partition_bytes, 1 << 20), "fetch-partition-bytes")?,
                max_wait_ms: i32_of(self.fetch_max_wait.map_or(500, |span| span.0), "fetch-max-wait")?,
                min_bytes: i32_of(bytes(self.fetch_min_bytes, 1), "fetch-min-bytes")?,
                prefill_bytes: bytes(self.prefill, if cold { 4 << 30 } else { 128 << 20 }),
                cold,
            },
            group: self.group()?,
            warmup_ms,
            duration_ms,
            cpus: self.cpus()?,
            spin: self.spin.unwrap_or(false),
            verify: self.verify.unwrap_or(false),
            free_bytes_min: bytes(self.min_free, 1 << 30),
        };
        plan.check()?;
        Ok(plan)
    }

    fn group(&self) -> Result<Option<GroupPlan>, PlanError> {
        let churn_ms = self.group_churn.map_or(0, |span| span.0);
        match self.group_members {
            None if churn_ms > 0 => Err(PlanError("group-churn needs group-members".to_owned())),
            members => Ok(members.map(|members| GroupPlan { members, churn_ms })),
        }
    }

    fn mode(&self) -> Result<Mode, PlanError> {
        match self.mode.as_deref() {
            None | Some("produce") => Ok(Mode::Produce),
            Some("fetch") => Ok(Mode::Fetch),
            Some("end-to-end") => Ok(Mode::EndToEnd),
            Some(other) => Err(choice("mode", other, &["produce", "fetch", "end-to-end"])),
        }
    }

    fn acks(&self) -> Result<Acks, PlanError> {
        match self.acks.as_deref() {
            None | Some("all" | "-1") => Ok(Acks::All),
            Some("1") => Ok(Acks::Leader),
            Some("0") => Ok(Acks::None),
            Some(other) => Err(choice("acks", other, &["0", "1", "all"])),
        }
    }

    fn codec(&self) -> Result<Codec, PlanError> {
        match self.codec.as_deref() {
            None | Some("none") => Ok(Codec::None),
            Some("gzip") => Ok(Codec::Gzip),
            Some("snappy") => Ok(Codec::Snappy),
            Some("lz4") => Ok(Codec::Lz4),
            Some("zstd") => Ok(Codec::Zstd),
            Some(other) => Err(choice("codec", other, &["none", "gzip", "snappy", "lz4", "zstd"])),
        }
    }

    fn arrivals(&self, length_ms: u64) -> Result<Option<Arrivals>, PlanError> {
        let kind = self.arrivals.as_deref();
        let Some(rate) = self.rate else {
            return kind.map_or(Ok(None), |kind| Err(PlanError(format!("arrivals {kind} needs a rate"))));
        };
        if !(rate > 0.0 && rate.is_finite()) {
            return Err(PlanError(format!("a rate of {rate} sends nothing")));
        }
        let ns = |span: Option<Span>, default_ms: u64| span.map_or(default_ms, |span| span.0) * 1_000_000;
        match kind {
            None | Some("constant") => Ok(Some(Arrivals::Constant { rate })),
            Some("poisson") => Ok(Some(Arrivals::Poisson { rate })),
            Some("burst") => {
                let (on_ns, off_ns) = (ns(self.burst_on, 2000), ns(self.burst_off, 8000));
                if on_ns == 0 {
                    return Err(PlanError("a burst of no length sends nothing".to_owned()));
                }
                Ok(Some(Arrivals::Burst { rate, on_ns, off_ns }))
            }
            Some("ramp") => {
                let (from, over_ns) = (self.ramp_from.unwrap_or(0.0), ns(self.ramp_over, length_ms));
                if !(from >= 0.0 && from.is_finite()) || over_ns == 0 {
                    return Err(PlanError("a ramp needs a foot of 0/s or more, and a length".to_owned()));
                }
                Ok(Some(Arrivals::Ramp { from, to: rate, over_ns }))
            }
            Some(other) => Err(choice("arrivals", other, &["constant", "poisson", "burst", "ramp"])),
        }
    }

    fn cpus(&self) -> Result<Vec<usize>, PlanError> {
        let Some(list) = &self.cpus else { return Ok(Vec::new()) };
        super::process::parse_cores(list).map_err(|error| PlanError(error.to_string()))
    }
}

/// A refusal that names what is possible, and the nearest of it.
fn choice(what: &str, given: &str, possible: &[&str]) -> PlanError {
    let near = nearest(given, possible).map(|near| format!(", did you mean {near}?")).unwrap_or_default();
    PlanError(format!("{what}: {given:?} is not one of {}{near}", possible.join(", ")))
}

/// The one of `possible` that is most like `given`, if any is at all.
pub fn nearest<'a>(given: &str, possible: &[&'a str]) -> Option<&'a str> {
    let scored = possible.iter().map(|name| (strsim::jaro_winkler(given, name), *name));
    scored.filter(|(score, _)| *score > 0.75).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_read_in_their_units() {
        assert_eq!("64KiB".parse(), Ok(Bytes(65_536)));
        assert_eq!("100".parse(), Ok(Bytes(100)));
        assert_eq!("4 GB".parse(), Ok(Bytes(4_000_000_000)));
        assert!("64KB".parse::<Bytes>().is_err());
        assert!("99999999999999999999".parse::<Bytes>().is_err());
        assert_eq!("500ms".parse(), Ok(Span(500)));
        assert_eq!("2m".parse(), Ok(Span(120_000)));
        assert!("10".parse::<Span>().is_err());
    }

    #[test]
    fn what_is_said_last_wins() {
        let file = Settings { partitions: Some(4), acks: Some("1".into()), ..Settings::default() };
        let line = Settings { partitions: Some(8), ..Settings::default() };
        let both = line.over(file);
        assert_eq!((both.partitions, both.acks.as_deref()), (Some(8), Some("1")));
    }

    #[test]
    fn a_wrong_word_is_answered_with_the_nearest_right_one() {
        let settings = Settings { mode: Some("prodcue".into()), ..Settings::default() };
        assert!(settings.plan().unwrap_err().0.contains("did you mean produce?"));
        let settings = Settings { arrivals: Some("poisson".into()), ..Settings::default() };
        assert_eq!(settings.plan().unwrap_err().0, "arrivals poisson needs a rate");
    }
}
