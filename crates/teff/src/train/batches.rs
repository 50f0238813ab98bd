//! Putting batches together.

use teff_data::{Augmenter, Dataset};

/// One batch.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) images: Vec<f32>,
    pub(super) labels: Vec<i32>,
}

impl Batch {
    pub(super) fn new(size: usize, sample_len: usize) -> Batch {
        Batch { images: vec![0.0; size * sample_len], labels: vec![0; size] }
    }
}

/// Puts batches together.
pub(super) struct Gather<'a> {
    pub(super) data: &'a Dataset,
    pub(super) augmenter: Option<Augmenter>,
    pub(super) epoch: u64,
}

/// A [`Gather`] with the memory it works in.
pub(super) struct Ready<'a> {
    gather: Gather<'a>,
    scratch: Option<teff_data::Scratch>,
    pub(super) buffer: Batch,
}

impl<'a> Gather<'a> {
    pub(super) fn ready(self, batch: usize) -> Ready<'a> {
        let scratch = self.augmenter.as_ref().map(Augmenter::scratch);
        let buffer = Batch::new(batch, self.data.sample_len());
        Ready { gather: self, scratch, buffer }
    }
}

impl Ready<'_> {
    pub(super) fn fill(&mut self, batch: &[usize]) {
        let Gather { data, augmenter, epoch } = &self.gather;
        match (augmenter, &mut self.scratch) {
            (Some(a), Some(scratch)) => a.gather(data, batch, *epoch, &mut self.buffer.images, scratch),
            _ => data.gather(batch, &mut self.buffer.images),
        }
        data.gather_labels(batch, &mut self.buffer.labels);
    }
}
