//! `.kafka_cleanshutdown`: says that the logs of a directory are complete and which broker epoch left them (KIP-966).
//!
//! Written last at a clean stop, read and removed first at a start, so that it can never vouch for later writes.

use std::{fs, io, path::Path};

use serde_json::{Value, json};

use super::files::{read_text, sync_dir, write_atomic};
use crate::types::BrokerEpoch;

/// Name of the file in every log directory.
pub(super) const FILE_NAME: &str = ".kafka_cleanshutdown";

/// What a start found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CleanShutdown {
    /// No marker: the logs must be recovered.
    Unclean,
    /// The logs are complete; the epoch is absent if the marker could not be read or is from before Kafka 3.9.
    Clean(Option<BrokerEpoch>),
}

/// Reads the marker of a directory and removes it. When this returns, it is gone from the device.
pub(super) fn take(dir: &Path) -> io::Result<CleanShutdown> {
    let path = dir.join(FILE_NAME);
    let text = match read_text(&path, 4096) {
        Ok(None) => return Ok(CleanShutdown::Unclean),
        Ok(Some(text)) => text,
        Err(error) if error.kind() == io::ErrorKind::InvalidData => String::new(),
        Err(error) => return Err(error),
    };
    fs::remove_file(&path)?;
    sync_dir(dir)?;
    let marker: Value = serde_json::from_str(&text).unwrap_or_default();
    let epoch = marker.get("brokerEpoch").and_then(Value::as_i64).filter(|epoch| *epoch >= 0);
    Ok(CleanShutdown::Clean(epoch.map(BrokerEpoch)))
}

/// Writes the marker. Every log of the directory must be flushed and closed.
pub(super) fn write(dir: &Path, epoch: BrokerEpoch) -> io::Result<()> {
    write_atomic(&dir.join(FILE_NAME), json!({ "version": 0, "brokerEpoch": epoch.get() }).to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_is_taken_once() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(take(dir.path()).unwrap(), CleanShutdown::Unclean);
        write(dir.path(), BrokerEpoch(18)).unwrap();
        assert_eq!(take(dir.path()).unwrap(), CleanShutdown::Clean(Some(BrokerEpoch(18))));
        assert_eq!(take(dir.path()).unwrap(), CleanShutdown::Unclean);
        for old in ["", "not json", "{\"version\":0,\"brokerEpoch\":-1}"] {
            fs::write(dir.path().join(FILE_NAME), old).unwrap();
            assert_eq!(take(dir.path()).unwrap(), CleanShutdown::Clean(None));
        }
    }
}
