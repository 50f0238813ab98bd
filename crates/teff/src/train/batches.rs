//! Putting batches together.

use teff_data::{Augmenter, Dataset, Scratch};

/// One batch.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) images: Vec<f32>,
    pub(super) labels: Vec<i32>,
}

/// Puts batches of an epoch together.
pub(super) struct Gather<'a> {
    data: &'a Dataset,
    augmenter: Option<(Augmenter, Scratch)>,
    epoch: u64,
}

impl<'a> Gather<'a> {
    pub(super) fn new(data: &'a Dataset, augmenter: Option<&Augmenter>, epoch: usize) -> Gather<'a> {
        let augmenter = augmenter.map(|a| (a.clone(), a.scratch()));
        Gather { data, augmenter, epoch: epoch as u64 }
    }

    /// Writes the images of these samples, changed if they are to be.
    pub(super) fn images(&mut self, batch: &[usize], out: &mut [f32]) {
        match &mut self.augmenter {
            Some((augmenter, scratch)) => augmenter.gather(self.data, batch, self.epoch, out, scratch),
            None => self.data.gather(batch, out),
        }
    }

    /// Writes their labels.
    pub(super) fn labels(&self, batch: &[usize], out: &mut [i32]) {
        self.data.gather_labels(batch, out);
    }
}
