//! `.kafka_cleanshutdown`: says that the logs of a directory are complete and which broker epoch left them (KIP-966).
//!
//! Written last at a clean stop and removed before the first write after a start, so that it can never vouch for later
//! writes, and a start that fails leaves it where it was.

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

/// Reads the marker of a directory.
pub(super) fn read(dir: &Path) -> io::Result<CleanShutdown> {
    let text = match read_text(&dir.join(FILE_NAME), 4096) {
        Ok(None) => return Ok(CleanShutdown::Unclean),
        Ok(Some(text)) => text,
        Err(error) if error.kind() == io::ErrorKind::InvalidData => String::new(),
        Err(error) => return Err(error),
    };
    let marker: Value = serde_json::from_str(&text).unwrap_or_default();
    let epoch = marker.get("brokerEpoch").and_then(Value::as_i64).filter(|epoch| *epoch >= 0);
    Ok(CleanShutdown::Clean(epoch.map(BrokerEpoch)))
}

/// Removes the marker, if there is one. When this returns, it is gone from the device.
pub(super) fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_file(dir.join(FILE_NAME)) {
        Ok(()) => sync_dir(dir),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Writes the marker. Every log of the directory must be flushed and closed.
pub(super) fn write(dir: &Path, epoch: BrokerEpoch) -> io::Result<()> {
    write_atomic(&dir.join(FILE_NAME), json!({ "version": 0, "brokerEpoch": epoch.get() }).to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_is_there_until_it_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), CleanShutdown::Unclean);
        write(dir.path(), BrokerEpoch(18)).unwrap();
        assert_eq!(read(dir.path()).unwrap(), CleanShutdown::Clean(Some(BrokerEpoch(18))));
        remove(dir.path()).unwrap();
        remove(dir.path()).unwrap();
        assert_eq!(read(dir.path()).unwrap(), CleanShutdown::Unclean);
        for old in ["", "not json", "{\"version\":0,\"brokerEpoch\":-1}"] {
            fs::write(dir.path().join(FILE_NAME), old).unwrap();
            assert_eq!(read(dir.path()).unwrap(), CleanShutdown::Clean(None));
        }
    }
}
