//! Where a run took place: host, storage, broker. Printed with every figure, because a figure without them says little.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::client::{produce::Acks, session::Session};

use super::process::Process;

/// The host that the harness runs on. What cannot be read is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Host {
    pub cpu: Option<String>,
    pub cores: usize,
    pub memory_bytes: Option<u64>,
    pub kernel: Option<String>,
    pub governor: Option<String>,
    pub clocksource: Option<String>,
    pub transparent_huge_pages: Option<String>,
}

impl Host {
    /// Looks at this host.
    pub fn capture() -> Self {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = info.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let memory = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        });
        Self {
            cpu: field("model name").or_else(|| field("CPU part")),
            cores: info.lines().filter(|line| line.starts_with("processor")).count(),
            memory_bytes: memory.map(|kib| kib * 1024),
            kernel: line("/proc/sys/kernel/osrelease"),
            governor: line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            clocksource: line("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            transparent_huge_pages: line("/sys/kernel/mm/transparent_hugepage/enabled"),
        }
    }
}

/// The filesystem and the device under a path.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Storage {
    pub path: String,
    pub filesystem: Option<String>,
    pub options: Option<String>,
    pub device: Option<String>,
    /// "write back" means that a write is durable only after a flush.
    pub write_cache: Option<String>,
    pub rotational: Option<String>,
    pub scheduler: Option<String>,
    pub free_bytes: Option<u64>,
}

impl Storage {
    /// Bytes that are free under `path`, if it exists.
    pub fn free_bytes(path: &Path) -> Option<u64> {
        rustix::fs::statvfs(path).ok().map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Looks at what is under `path`, or under the nearest folder above it that exists.
    pub fn under(path: &Path) -> Self {
        let existing = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
        let mut found = Self { path: path.display().to_string(), ..Self::default() };
        found.free_bytes = Self::free_bytes(existing);
        let Ok(metadata) = fs::metadata(existing) else { return found };
        let (major, minor) = (rustix::fs::major(metadata.dev()), rustix::fs::minor(metadata.dev()));
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let wanted = format!("{major}:{minor}");
        for mount in mounts.lines() {
            let fields: Vec<&str> = mount.split(' ').collect();
            let Some(dash) = fields.iter().position(|field| *field == "-") else { continue };
            if fields.get(2) == Some(&wanted.as_str()) {
                found.filesystem = fields.get(dash + 1).map(|text| (*text).to_owned());
                found.device = fields.get(dash + 2).map(|text| (*text).to_owned());
                found.options = fields.get(dash + 3).map(|text| (*text).to_owned());
            }
        }
        if let Some(queue) = queue_of(major, minor) {
            found.write_cache = line(queue.join("write_cache"));
            found.rotational = line(queue.join("rotational"));
            found.scheduler = line(queue.join("scheduler"));
        }
        found
    }
}

/// The folder of a device's queue; a partition's is that of its disk.
fn queue_of(major: u32, minor: u32) -> Option<PathBuf> {
    let device = fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    let of_disk = [device.join("queue"), device.parent()?.join("queue")];
    of_disk.into_iter().find(|queue| queue.exists())
}

fn line(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// What an acknowledged record has survived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Durability {
    /// It is on the device: a power cut does not lose it.
    Flushed,
    /// It was given to the device, and may be in its cache.
    Written,
    /// It is in the broker's memory or the host's page cache: a power cut loses it.
    PageCache,
    /// Nothing was acknowledged.
    Unacknowledged,
    /// The broker does not say.
    Unknown,
}

impl Durability {
    /// In a word, to stand beside a figure.
    pub fn label(self) -> &'static str {
        match self {
            Self::Flushed => "durable",
            Self::Written => "written",
            Self::PageCache => "page cache",
            Self::Unacknowledged => "no acks",
            Self::Unknown => "unknown",
        }
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Flushed => "durable: acknowledged when flushed to the device",
            Self::Written => "not durable: acknowledged when written to the device, before its flush",
            Self::PageCache => "not durable: acknowledged from memory, before it is on the device",
            Self::Unacknowledged => "not durable: nothing is acknowledged",
            Self::Unknown => "durability unknown: the broker does not tell its configuration",
        }
    }
}

/// Who the broker is, as far as it tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Name and version, as far as known.
    pub product: String,
    /// What acknowledged records have survived.
    pub durability: Durability,
    /// The storage under its log directory, if it is on this host.
    pub storage: Option<Storage>,
    /// All configs of the broker.
    pub broker_configs: BTreeMap<String, String>,
    /// All configs of the topic.
    pub topic_configs: BTreeMap<String, String>,
}

impl Identity {
    /// Asks the broker and looks at its process.
    pub fn of(session: &mut Session, topic: &str, acks: Acks, process: Option<&Process>) -> Self {
        let node = session.describe(None).ok().and_then(|cluster| cluster.brokers.first().map(|broker| broker.node));
        // A broker that does not tell is measured all the same.
        let broker = node.and_then(|node| session.broker_configs(node).ok()).unwrap_or_default();
        let broker: BTreeMap<_, _> = broker.into_iter().collect();
        let topic: BTreeMap<_, _> = session.topic_configs(topic).unwrap_or_default().into_iter().collect();
        let is_corelog = broker.keys().chain(topic.keys()).any(|key| key.starts_with("corelog."));
        let version = process.and_then(|process| process.version(is_corelog));
        let name = match (is_corelog, version.is_some()) {
            (true, _) => "corelog",
            (false, true) => "Apache Kafka",
            (false, false) => "a broker that speaks Kafka's protocol",
        };
        let directory = ["log.dirs", "log.dir"].iter().find_map(|key| broker.get(*key)).filter(|_| process.is_some());
        let storage = directory.and_then(|list| list.split(',').next()).map(|path| Storage::under(Path::new(path.trim())));
        let in_memory = storage.as_ref().is_some_and(|storage| storage.filesystem.as_deref() == Some("tmpfs"));
        Self {
            product: version.map_or_else(|| name.to_owned(), |version| format!("{name} {version}")),
            durability: if in_memory { Durability::PageCache } else { durability(&topic, is_corelog, acks) },
            storage,
            broker_configs: broker,
            topic_configs: topic,
        }
    }
}

fn durability(topic: &BTreeMap<String, String>, is_corelog: bool, acks: Acks) -> Durability {
    let each_flushed = topic.get("flush.messages").is_some_and(|messages| messages == "1");
    match (acks, is_corelog) {
        (Acks::None, _) => Durability::Unacknowledged,
        (Acks::Leader, true) => Durability::Written,
        (Acks::All, true) => match topic.get("corelog.acks.all").map(String::as_str) {
            Some("written") => Durability::Written,
            Some("flushed") => Durability::Flushed,
            _ => Durability::Unknown,
        },
        (Acks::Leader | Acks::All, false) if topic.is_empty() => Durability::Unknown,
        (Acks::Leader | Acks::All, false) if each_flushed => Durability::Flushed,
        (Acks::Leader | Acks::All, false) => Durability::PageCache,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durability_is_what_the_configuration_says() {
        let topic = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        let kafka = |messages| durability(&topic("flush.messages", messages), false, Acks::All);
        assert_eq!(kafka("9223372036854775807"), Durability::PageCache);
        assert_eq!(kafka("1"), Durability::Flushed);
        let corelog = |mode, acks| durability(&topic("corelog.acks.all", mode), true, acks);
        assert_eq!(corelog("flushed", Acks::All), Durability::Flushed);
        assert_eq!(corelog("written", Acks::All), Durability::Written);
        assert_eq!(corelog("flushed", Acks::Leader), Durability::Written);
        assert_eq!(corelog("flushed", Acks::None), Durability::Unacknowledged);
        assert_eq!(durability(&BTreeMap::new(), false, Acks::All), Durability::Unknown);
    }

    #[test]
    fn this_host_is_seen() {
        let host = Host::capture();
        assert!(host.cores > 0 && host.kernel.is_some() && host.memory_bytes.unwrap() > 1 << 20);
        assert!(Storage::under(Path::new("/proc/none/of/this")).filesystem.is_some());
    }
}
