//! How far the images that the controller published have come: which of them each shard shows.
//!
//! Written by the controller's task and by the shards, read by who waits on a shard; never waits itself.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::{
    metadata::ClusterImage,
    types::{Offset, ShardId},
};

/// The end offsets of the newest image that was published and of the one that each shard has taken over. Whoever has the
/// controller's answer finds its change in what is [published](Spread::published): from the moment that this offset is
/// [everywhere](Spread::is_everywhere), the change shows wherever a client asks.
#[derive(Debug)]
pub struct Spread {
    published: AtomicI64,
    taken: Box<[AtomicI64]>,
}

impl Spread {
    /// Nothing is published yet.
    pub fn new(shards: u16) -> Self {
        let nothing = || AtomicI64::new(Offset::ZERO.get());
        Self { published: nothing(), taken: (0..shards).map(|_| nothing()).collect() }
    }

    /// An image was sent to every shard.
    pub(super) fn publish(&self, image: &ClusterImage) {
        self.published.store(image.end_offset.get(), Ordering::Release);
    }

    /// The newest image that was sent to every shard.
    pub fn published(&self) -> Offset {
        Offset::saturating(self.published.load(Ordering::Acquire))
    }

    /// From now on the shard answers from `image`.
    pub fn take_over(&self, shard: ShardId, image: &ClusterImage) {
        if let Some(taken) = self.taken.get(shard.index()) {
            taken.store(image.end_offset.get(), Ordering::Release);
        }
    }

    /// Whether every shard answers from an image that ends there or further on.
    pub fn is_everywhere(&self, end: Offset) -> bool {
        self.taken.iter().all(|taken| taken.load(Ordering::Acquire) >= end.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_everywhere_when_the_last_shard_has_it() {
        let spread = Spread::new(2);
        let image = |end| ClusterImage { end_offset: Offset::saturating(end), ..ClusterImage::default() };
        spread.publish(&image(7));
        assert!(!spread.is_everywhere(spread.published()));
        spread.take_over(ShardId(0), &image(7));
        spread.take_over(ShardId(1), &image(6));
        assert!(!spread.is_everywhere(spread.published()) && spread.is_everywhere(Offset::saturating(6)));
        spread.take_over(ShardId(1), &image(9));
        assert!(spread.is_everywhere(spread.published()));
    }
}
