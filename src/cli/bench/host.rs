//! What `--ceilings` measures of the host, before the runs that it stands beside.

use std::path::Path;

use crate::load::{
    bare::{self, Bare},
    ceiling::{self, Ceilings, Effort},
    compare::Round,
    process,
};

use super::{Failure, Live, failure};

/// Measures the host under `folder`, with the broker's cores and the client's.
pub(super) fn measure(folder: &Path, broker_cpus: &str, client_cpus: &str) -> Result<Ceilings, Failure> {
    ceiling::measure(folder, &cores(broker_cpus)?, &cores(client_cpus)?, Effort::FULL).map_err(failure)
}

/// Of a list such as 0 or 0-1; none of an empty one.
fn cores(list: &str) -> Result<Vec<usize>, Failure> {
    match list {
        "" => Ok(Vec::new()),
        list => process::parse_cores(list).ok_or_else(|| Failure::Usage(format!("{list:?} is no list of cores, such as 1 or 2-3,5"))),
    }
}

/// What the device alone does of loads: measured once for all that look the same to it.
pub(super) struct BareDevice<'a> {
    /// Nothing is measured without one.
    folder: Option<&'a Path>,
    cores: Vec<usize>,
    known: Vec<Bare>,
}

impl<'a> BareDevice<'a> {
    pub(super) fn new(folder: Option<&'a Path>, broker_cpus: &str) -> Result<Self, Failure> {
        Ok(Self { folder, cores: cores(broker_cpus)?, known: Vec::new() })
    }

    /// Puts it beside each of `rounds` that writes.
    pub(super) fn beside(&mut self, rounds: &mut [Round], live: &Live) -> Result<(), Failure> {
        let Some(folder) = self.folder else { return Ok(()) };
        for round in rounds {
            let Some(shape) = round.shape() else { continue };
            round.bare = match self.known.iter().find(|bare| bare.shape == shape) {
                Some(known) => Some(*known),
                None => {
                    live.say("measuring the device without a broker");
                    let measured = bare::measure(folder, &self.cores, shape, Effort::FULL).map_err(failure)?;
                    self.known.push(measured);
                    Some(measured)
                }
            };
        }
        Ok(())
    }
}
