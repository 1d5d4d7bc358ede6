//! Is there room for a run? A broker whose disk is full answers errors, or ends: neither is a figure.

use std::path::Path;

use super::{
    environment::Storage,
    plan::{Mode, Plan},
    schedule::Arrivals,
    setup::RunError,
};

/// The disk under a broker's data.
#[derive(Clone, Copy, Debug)]
pub(super) struct Disk<'a> {
    pub(super) path: &'a Path,
    /// Free bytes below which a run ends.
    pub(super) free_bytes_min: u64,
}

impl Disk<'_> {
    /// In words, that too little is free.
    pub(super) fn shortage(&self) -> Option<String> {
        let free = Storage::free_bytes(self.path)?;
        let gb = |bytes: u64| bytes as f64 / 1e9;
        (free < self.free_bytes_min).then(|| {
            format!("the disk: {:.2} GB are free under {}, and {:.2} GB are to stay free", gb(free), self.path.display(), gb(self.free_bytes_min))
        })
    }

    /// Refuses a run that cannot find room.
    pub(super) fn check_room(&self, plan: &Plan, batch_bytes: u64) -> Result<(), RunError> {
        if let Some(shortage) = self.shortage() {
            return Err(RunError::Broker(format!("no room for the run on {shortage}")));
        }
        let (Some(needed), Some(free)) = (bytes_of(plan, batch_bytes), Storage::free_bytes(self.path)) else { return Ok(()) };
        if needed.saturating_add(self.free_bytes_min) <= free {
            return Ok(());
        }
        Err(RunError::Broker(format!(
            "the run writes {:.1} GB, but only {:.1} GB are free under {}",
            needed as f64 / 1e9,
            free as f64 / 1e9,
            self.path.display()
        )))
    }
}

/// Bytes that a run writes, if that is known beforehand: of a schedule, or of what is written to be read.
fn bytes_of(plan: &Plan, batch_bytes: u64) -> Option<u64> {
    if plan.mode == Mode::Fetch {
        return Some(plan.fetch.prefill_bytes);
    }
    // The broker deletes while it writes.
    if plan.topic_configs.contains_key("retention.bytes") {
        return None;
    }
    let seconds = (plan.warmup_ms + plan.duration_ms) as f64 / 1e3;
    let requests = match plan.arrivals? {
        Arrivals::Constant { rate } | Arrivals::Poisson { rate } => rate * seconds,
        Arrivals::Burst { rate, on_ns, off_ns } => rate * seconds * on_ns as f64 / (on_ns + off_ns).max(1) as f64,
        Arrivals::Ramp { from, to, .. } => f64::midpoint(from, to) * seconds,
    };
    Some((requests * batch_bytes as f64) as u64)
}

#[cfg(test)]
mod tests {
    use super::{super::settings::Settings, *};

    fn plan(rate: Option<f64>, batch: &str) -> Plan {
        let settings = Settings { rate, batch_bytes: Some(batch.parse().unwrap()), ..Settings::default() };
        settings.plan().unwrap()
    }

    #[test]
    fn a_run_that_finds_no_room_is_refused_before_it_starts() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let free = Storage::free_bytes(here).unwrap();
        let disk = Disk { path: here, free_bytes_min: 0 };
        assert!(disk.shortage().is_none());
        disk.check_room(&plan(Some(10.0), "1KiB"), 1024).unwrap();
        disk.check_room(&plan(None, "1MiB"), 1 << 20).unwrap();
        let refused = disk.check_room(&plan(Some(1e9), "1MiB"), 1 << 20).unwrap_err().to_string();
        assert!(refused.starts_with("the run writes 12582912.0 GB, but only"), "{refused}");
        let disk = Disk { path: here, free_bytes_min: free.saturating_mul(2) };
        assert!(disk.shortage().unwrap().contains("to stay free"));
        assert!(disk.check_room(&plan(Some(10.0), "1KiB"), 1024).is_err());
    }

    #[test]
    fn a_burst_writes_only_while_it_lasts() {
        let settings = Settings { rate: Some(100.0), arrivals: Some("burst".into()), ..Settings::default() };
        // 12 seconds, a fifth of them at 100/s.
        assert_eq!(bytes_of(&settings.plan().unwrap(), 1000), Some(240_000));
    }
}
