//! Where else the writes of a disk go: what a copy of it has already must follow what the guest changes.

use std::fmt;
use std::sync::Arc;

use reeve_image::{Image, ImageError};

/// What gets the writes too.
#[derive(Debug)]
pub(super) enum Follower {
    /// An image of the disk's own chain, at this depth.
    Layer(usize),
    /// Another image.
    Image(Box<Image>),
}

/// A follower, and how much of the disk it has.
pub(super) struct Mirror {
    pub follower: Follower,
    /// Everything before this offset is in the follower and must stay as the disk is.
    pub upto: u64,
    /// Why it does not follow any more.
    failure: Option<ImageError>,
    /// Called when it fails.
    told: Arc<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirror")
            .field("follower", &self.follower)
            .field("upto", &self.upto)
            .finish_non_exhaustive()
    }
}

impl Mirror {
    /// A mirror of nothing yet.
    pub fn new(follower: Follower, told: Arc<dyn Fn() + Send + Sync>) -> Self {
        Self { follower, upto: 0, failure: None, told }
    }

    /// Why it does not follow any more.
    pub fn failure(&self) -> Option<&ImageError> {
        self.failure.as_ref()
    }

    /// The copy has everything before this offset. An error when it lost what it had.
    pub fn reached(&mut self, offset: u64) -> Result<(), ImageError> {
        match self.failure.take() {
            Some(error) => Err(error),
            None => {
                self.upto = offset;
                Ok(())
            }
        }
    }

    /// The disk was written, or partly so.
    pub fn follow_write(&mut self, image: &mut Image, data: &[u8], offset: u64, written: bool) {
        let covered = self.covered(offset, data.len() as u64) as usize;
        if !written {
            return self.follow_whatever(image, offset, covered as u64);
        }
        if covered > 0 {
            let followed = self.to(image, |to| to.write(&data[..covered], offset));
            self.note(followed);
        }
    }

    /// A range of the disk was zeroed, or a part of it.
    pub fn follow_zero(&mut self, image: &mut Image, offset: u64, length: u64, zeroed: bool) {
        let covered = self.covered(offset, length);
        if !zeroed {
            return self.follow_whatever(image, offset, covered);
        }
        if covered > 0 {
            let followed = self.to(image, |to| to.zero(offset, covered));
            self.note(followed);
        }
    }

    /// What became of the disk is not known: it is read.
    fn follow_whatever(&mut self, image: &mut Image, offset: u64, covered: u64) {
        const PIECE: u64 = 1 << 20;
        let mut done = 0;
        while done < covered && self.failure.is_none() {
            let mut bytes = vec![0; (covered - done).min(PIECE) as usize];
            let at = offset + done;
            let read = image.read(&mut bytes, at);
            let followed = read.and_then(|()| self.to(image, |to| to.write(&bytes, at)));
            self.note(followed);
            done += bytes.len() as u64;
        }
    }

    fn covered(&self, offset: u64, length: u64) -> u64 {
        if self.failure.is_some() { 0 } else { self.upto.saturating_sub(offset).min(length) }
    }

    fn to<T>(
        &mut self,
        image: &mut Image,
        act: impl FnOnce(&mut Image) -> Result<T, ImageError>,
    ) -> Result<T, ImageError> {
        match &mut self.follower {
            Follower::Image(to) => act(to),
            Follower::Layer(depth) => act(image
                .layer_mut(*depth)
                .expect("nobody shortens the chain of a disk while a job needs it")),
        }
    }

    fn note(&mut self, followed: Result<(), ImageError>) {
        if let Err(error) = followed {
            self.failure = Some(error);
            (self.told)();
        }
    }
}
