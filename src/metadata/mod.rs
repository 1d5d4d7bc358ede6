//! The cluster's metadata: what it is, how it is written down, where it is kept.
//!
//! ```text
//!  records  ──encode──▶  log (__cluster_metadata-0, snapshots)     one writer, flushed before anything is answered
//!     │                    │
//!     └──── apply ◀────────┘   batch by batch, below the high watermark
//!             │
//!           image              immutable, shared with every shard by cloning an Arc
//! ```
//!
//! Everything is Kafka's own format, so Kafka starts on what corelog wrote and the other way round. File work is
//! synchronous and belongs to the control thread; shards only ever read a [`ClusterImage`]. Nothing here decides
//! anything about the cluster: that is `controller/`.

pub mod map;
pub mod directory;
pub mod records;
pub mod image;
pub mod log;

pub use image::ClusterImage;
