//! What `--ceilings` measures of the host, before the runs that it stands beside.

use std::path::Path;

use crate::load::{
    bare::{self, Bare},
    ceiling::{self, Ceilings, Effort},
    compare::{Comparison, Round},
    process,
};

use super::{Failure, Live, failure};

/// Measures the host under `folder`, with the broker's cores and the client's.
pub(super) fn measure(folder: &Path, broker_cpus: &str, client_cpus: &str) -> Result<Ceilings, Failure> {
    ceiling::measure(folder, &cores(broker_cpus)?, &cores(client_cpus)?, Effort::FULL).map_err(failure)
}

/// Of a list such as 0 or 0-1; none of an empty one.
fn cores(list: &str) -> Result<Vec<usize>, Failure> {
    process::parse_cores_if_any(list).map_err(|error| Failure::Usage(error.to_string()))
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

    /// What it does of each of `rounds`: nothing of those that write nothing.
    pub(super) fn of(&mut self, rounds: &[Round], live: &Live) -> Result<BesideCases, Failure> {
        rounds.iter().map(|round| self.of_one(round, live)).collect::<Result<_, _>>().map(BesideCases)
    }

    fn of_one(&mut self, round: &Round, live: &Live) -> Result<Option<Bare>, Failure> {
        let (Some(folder), Some(shape)) = (self.folder, round.shape()) else { return Ok(None) };
        if let Some(known) = self.known.iter().find(|bare| bare.shape == shape) {
            return Ok(Some(*known));
        }
        live.say("measuring the device without a broker");
        let measured = bare::measure(folder, &self.cores, shape, Effort::FULL).map_err(failure)?;
        self.known.push(measured);
        Ok(Some(measured))
    }
}

/// What the device does of the cases of a comparison, in their order.
pub(super) struct BesideCases(Vec<Option<Bare>>);

impl BesideCases {
    /// Puts it beside them.
    pub(super) fn put(self, comparison: &mut Comparison) {
        for (case, bare) in comparison.cases.iter_mut().zip(self.0) {
            case.bare = bare;
        }
    }
}
