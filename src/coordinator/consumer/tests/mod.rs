//! What consumer groups do, step by step and at random.

mod fixture;
mod protocol;
mod migration;
mod regexes;
mod simulation;

pub(super) use fixture::image;
