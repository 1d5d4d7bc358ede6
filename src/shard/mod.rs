//! L6: what lives on one core, and the way to the other cores.
//!
//! A [`Shard`] holds the partitions that this core owns, the current image of the cluster, the flusher of each log
//! directory, the coordinators of its groups and the router. It is shared by `Rc` among the tasks of its executor and never leaves it.

pub mod fetch;
pub mod flusher;
mod groups;
mod mailbox;
mod maintenance;
mod reconcile;
mod router;
mod serve;
mod state;
mod watches;

pub use mailbox::{Parcel, Reply, Request};
pub use reconcile::Opening;
pub use router::{PeerLinks, Router};
pub use state::{Checkpoint, LogDirectory, Shard, ShardParts, owner};
