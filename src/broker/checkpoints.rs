//! The checkpoint files of the log directories: recovery points, high watermarks, log starts.
//!
//! Written by the control thread from what the shards report, now and then and at the end; read once at the start. A
//! recovery point that is too old only makes the next start slower; so a file that cannot be written is logged, not fatal.

use std::{collections::BTreeMap, path::Path};

use crate::{
    log::{encode_offsets, parse_offsets},
    metadata::directory::LogDir,
    shard::{Checkpoint, Opening},
    types::{Offset, TopicPartition},
};

const RECOVERY_POINT: &str = "recovery-point-offset-checkpoint";
const HIGH_WATERMARK: &str = "replication-offset-checkpoint";
const LOG_START: &str = "log-start-offset-checkpoint";

type Offsets = BTreeMap<TopicPartition, Offset>;

/// Writes the files of every directory. `first_segment` partitions whose log starts at zero are left out of the log starts,
/// as Kafka leaves them out.
pub(super) fn write(directories: &[&LogDir], checkpoints: &[&Checkpoint]) {
    for directory in directories {
        let own = || checkpoints.iter().filter(|checkpoint| checkpoint.directory == directory.id);
        let file = |name: &str, of: &dyn Fn(&Checkpoint) -> Option<Offset>| {
            let offsets: Offsets = own().filter_map(|entry| Some((entry.partition.clone(), of(entry)?))).collect();
            if let Err(error) = write_file(&directory.path.join(name), &offsets) {
                tracing::error!(directory = %directory.path.display(), file = name, %error, "cannot write a checkpoint");
            }
        };
        file(RECOVERY_POINT, &|entry| Some(entry.recovery_point));
        file(HIGH_WATERMARK, &|entry| Some(entry.high_watermark));
        file(LOG_START, &|entry| (entry.log_start > Offset::ZERO).then_some(entry.log_start));
    }
}

/// Reads what the files of every directory say. A file that is missing says nothing; a malformed one is reported and
/// taken as missing: recovery then scans more. The high watermark of a single node is found by recovery itself.
pub(super) fn read(directories: &[LogDir]) -> Opening {
    let mut opening = Opening::default();
    for directory in directories {
        if directory.clean {
            opening.clean.insert(directory.id);
        }
        for (partition, offset) in read_file(&directory.path.join(RECOVERY_POINT)) {
            opening.known.entry(partition).or_default().recovery_point = Some(offset);
        }
        for (partition, offset) in read_file(&directory.path.join(LOG_START)) {
            opening.known.entry(partition).or_default().log_start = Some(offset);
        }
    }
    opening
}

fn read_file(path: &Path) -> Offsets {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Offsets::new(),
        Err(error) => {
            tracing::error!(file = %path.display(), %error, "cannot read a checkpoint: recovery will scan more");
            return Offsets::new();
        }
    };
    parse_offsets(&text).unwrap_or_else(|error| {
        tracing::error!(file = %path.display(), %error, "malformed checkpoint: recovery will scan more");
        Offsets::new()
    })
}

/// Writes beside the file and renames, so that a crash leaves the old or the new one whole.
fn write_file(path: &Path, offsets: &Offsets) -> std::io::Result<()> {
    let beside = path.with_extension("tmp");
    let mut file = std::fs::File::create(&beside)?;
    std::io::Write::write_all(&mut file, encode_offsets(offsets).as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    std::fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
