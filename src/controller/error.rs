//! What ends the controller, and with it the process.

use crate::metadata::{directory::DirectoryError, image::ApplyError, log::LogError};

/// Why the controller cannot start or go on. Printed to the operator; the broker must stop.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// The metadata log cannot be read or written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A log directory cannot be written.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The log contradicts itself, or a decision contradicted the image.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The directory was used with another metadata.version.
    #[error(
        "the cluster's metadata.version is {found}, but this version of corelog writes {} (4.3-IV0) only; finalize it with \
         Kafka 4.3: kafka-features.sh upgrade --release-version 4.3",
        super::METADATA_VERSION_LEVEL
    )]
    MetadataVersion {
        /// The finalized level; 0 if there is none.
        found: i16,
    },
    /// The operating system has no random numbers.
    #[error("random numbers: {0}")]
    Random(#[from] std::io::Error),
}
