//! What a partition's folder holds, found in one visit of a blocking thread: a thousand logs must open in a moment.
//!
//! Makes the folder if it is missing, finishes interrupted swaps and removes what crashes left over. Reads no batches.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    runtime::fs::absent_is_fine,
    types::{Offset, Uuid},
};

use super::{
    checkpoint,
    epochs::EpochStart,
    names::{self, Found, Kind},
    state::State,
};

/// Largest `corelog.state` that is read.
const STATE_BYTES_MAX: u64 = 1 << 30;
/// Largest of the small text files that is read.
const TEXT_BYTES_MAX: u64 = 16 << 20;

/// The content of a folder.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Nothing was there; what was made is not flushed yet.
    pub(super) created: bool,
    /// Size of every `.log` file, by base offset.
    pub(super) segments: BTreeMap<Offset, u64>,
    /// Offsets of producer snapshots.
    pub(super) snapshots: Vec<Offset>,
    pub(super) topic_id: Option<Uuid>,
    pub(super) epochs: Vec<EpochStart>,
    pub(super) state: Option<State>,
    /// Why an earlier start refused the partition.
    pub(super) refused: Option<String>,
}

/// Visits `folder`; blocks. A folder without segments gets an empty one at `start`, and the topic id if it has none.
pub(super) fn survey(folder: &Path, topic_id: Uuid, start: Offset) -> io::Result<Survey> {
    let mut survey = Survey::default();
    match fs::read_dir(folder) {
        Ok(entries) => survey.read(folder, entries)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(folder)?;
            survey.created = true;
        }
        Err(error) => return Err(error),
    }
    let empty = survey.segments.values().all(|bytes| *bytes == 0);
    if survey.topic_id.is_none() && empty {
        // New, or a crash came before it was flushed: nothing was acknowledged before that.
        fs::write(folder.join(names::PARTITION_METADATA), checkpoint::encode_partition_metadata(topic_id))?;
        survey.topic_id = Some(topic_id);
        survey.created = true;
    }
    if survey.segments.is_empty() {
        fs::File::create_new(names::path(folder, Kind::Log, start))?;
        survey.segments.insert(start, 0);
        survey.created = true;
    }
    Ok(survey)
}

impl Survey {
    fn read(&mut self, folder: &Path, entries: fs::ReadDir) -> io::Result<()> {
        let mut swaps = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            match names::classify(name) {
                Found::File(Kind::Log, base) => match entry.metadata() {
                    Ok(metadata) => {
                        self.segments.insert(base, metadata.len());
                    }
                    // An earlier log of this process may still be deleting its segments.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                },
                Found::File(Kind::Snapshot, offset) => self.snapshots.push(offset),
                Found::File(..) => {}
                Found::Swap(kind, base) => swaps.push((kind, base)),
                Found::Leftover => remove(&entry.path())?,
                Found::Other => self.read_other(name, &entry.path())?,
            }
        }
        self.snapshots.sort_unstable();
        self.finish_swaps(folder, &swaps)
    }

    fn read_other(&mut self, name: &str, path: &Path) -> io::Result<()> {
        match name {
            names::PARTITION_METADATA => self.topic_id = checkpoint::parse_partition_metadata(&read_text(path)?),
            names::DAMAGED => self.refused = Some(read_text(path)?),
            names::STATE => self.state = State::decode(&read_bounded(path, STATE_BYTES_MAX)?),
            names::LEADER_EPOCHS => match checkpoint::parse_epochs(&read_text(path)?) {
                Ok(epochs) => self.epochs = epochs,
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "the leader epochs are unreadable and taken from the batches that are scanned");
                }
            },
            _ => {}
        }
        Ok(())
    }

    /// Finishes compactions that were interrupted while their result took the place of what it was made from
    /// (LogLoader.java): segments in the range of a swap are removed, then the swap gets its name.
    fn finish_swaps(&mut self, folder: &Path, swaps: &[(Kind, Offset)]) -> io::Result<()> {
        let logs: Vec<Offset> = swaps.iter().filter(|(kind, _)| *kind == Kind::Log).map(|(_, base)| *base).collect();
        for base in &logs {
            let swap = swap_path(folder, Kind::Log, *base);
            let end = end_of(&swap)?.unwrap_or(*base);
            let covered: Vec<Offset> = self.segments.range(*base..end.max(base.next())).map(|(base, _)| *base).collect();
            for old in covered {
                for kind in Kind::OF_SEGMENT.into_iter().filter(|kind| *kind != Kind::Snapshot) {
                    remove(&names::path(folder, kind, old))?;
                }
                self.segments.remove(&old);
            }
            self.segments.insert(*base, fs::metadata(&swap)?.len());
        }
        for (kind, base) in swaps {
            let swap = swap_path(folder, *kind, *base);
            if logs.contains(base) {
                fs::rename(&swap, names::path(folder, *kind, *base))?;
            } else {
                remove(&swap)?;
            }
        }
        Ok(())
    }
}

fn swap_path(folder: &Path, kind: Kind, base: Offset) -> PathBuf {
    let mut path = names::path(folder, kind, base);
    path.as_mut_os_string().push(".swap");
    path
}

/// The offset after the last batch of a file, by its headers.
fn end_of(path: &Path) -> io::Result<Option<Offset>> {
    use crate::record::{BatchHeader, HEADER_BYTES};
    use std::os::unix::fs::FileExt;
    let file = fs::File::open(path)?;
    let bytes = file.metadata()?.len();
    let (mut position, mut end) = (0, None);
    let mut raw = [0; HEADER_BYTES];
    while position + HEADER_BYTES as u64 <= bytes {
        file.read_exact_at(&mut raw, position)?;
        let Ok(header) = BatchHeader::parse(&raw) else { break };
        position += header.total_len() as u64;
        if position > bytes {
            break;
        }
        end = Some(header.next_offset());
    }
    Ok(end)
}

fn remove(path: &Path) -> io::Result<()> {
    absent_is_fine(fs::remove_file(path))
}

fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    use io::Read;
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Text with anything that is not UTF-8 replaced, so that it fails to parse and not to be read.
fn read_text(path: &Path) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&read_bounded(path, TEXT_BYTES_MAX)?).into_owned())
}
