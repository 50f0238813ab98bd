//! How to train.

use super::goal::Loss;
use crate::error::{Error, Result};
use crate::optim::{Optimizer, Rule, Schedule};
use teff_data::Augment;

/// How to train.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How often every sample is seen.
    pub epochs: usize,
    /// Samples in a step. What is left over of an epoch is not used in it; the order changes with each epoch.
    pub batch: usize,
    /// Highest learning rate.
    pub rate: f64,
    /// How the rate changes over the whole training.
    pub schedule: Schedule,
    /// What changes the weights.
    pub rule: Rule,
    /// What is made small.
    pub loss: Loss,
    /// Share of each label spread over all classes, 0 to below 1.
    pub label_smoothing: f64,
    /// Strength of weight decay.
    pub weight_decay: f64,
    /// Largest norm of all gradients together.
    pub clip_norm: Option<f64>,
    /// Changes to the images, if any.
    pub augment: Option<Augment>,
    /// Determines order, augmentation and dropout.
    pub seed: u64,
    /// Threads that share the work.
    pub threads: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            epochs: 5,
            batch: 128,
            rate: 1e-3,
            schedule: Schedule::Constant,
            rule: Rule::Adam,
            loss: Loss::Auto,
            label_smoothing: 0.0,
            weight_decay: 0.0,
            clip_norm: None,
            augment: None,
            seed: 42,
            threads: teff_host::Options::default().threads,
        }
    }
}

impl Settings {
    pub(super) fn check(&self) -> Result<()> {
        let fail = |reason: String| Err(Error::Setting(reason));
        let momentum = match self.rule {
            Rule::Sgd { momentum, .. } => momentum,
            Rule::Adam | Rule::AdamW => 0.0,
        };
        // Written so that NaN is refused too.
        if !(self.rate > 0.0 && self.rate.is_finite()) {
            fail(format!("the learning rate is {}, and must be above 0", self.rate))
        } else if !(0.0..1.0).contains(&momentum) {
            fail(format!("the momentum is {momentum}, and must be from 0 to below 1"))
        } else if !(0.0..1.0).contains(&self.label_smoothing) {
            fail(format!("label smoothing is {}, and must be from 0 to below 1", self.label_smoothing))
        } else if !(self.weight_decay >= 0.0 && self.weight_decay.is_finite()) {
            fail(format!("weight decay is {}, and must be from 0", self.weight_decay))
        } else if self.clip_norm.is_some_and(|n| n.is_nan() || n <= 0.0) {
            fail("the norm to clip gradients to must be above 0".into())
        } else if self.batch == 0 || self.epochs == 0 || self.threads == 0 {
            fail("epochs, batch and threads must be at least 1".into())
        } else {
            Ok(())
        }
    }

    /// Threads for the step itself: all, or all but the one that changes the images.
    pub(super) fn step_threads(&self) -> usize {
        if self.augment.is_some() { self.threads.saturating_sub(1).max(1) } else { self.threads }
    }

    pub(super) fn optimizer(&self) -> Optimizer {
        let optimizer = Optimizer::new(self.rule, self.rate).weight_decay(self.weight_decay);
        match self.clip_norm {
            Some(norm) => optimizer.clip_norm(norm),
            None => optimizer,
        }
    }
}
