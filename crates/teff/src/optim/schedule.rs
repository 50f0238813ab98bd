//! Learning-rate schedules.

use std::f64::consts::PI;

/// The learning rate over the course of training, as a share of the highest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Schedule {
    /// Always the highest.
    Constant,
    /// Multiplied by `factor` each time `every` (0 to 1) of the training is done.
    Step {
        /// Share of the training between two drops.
        every: f64,
        /// What each drop multiplies by.
        factor: f64,
    },
    /// Half a cosine from the highest to 0 (Loshchilov and Hutter, 2017).
    Cosine,
    /// From 1/25 up to the highest over the first `warmup` of the training, then down to almost 0, along cosines (Smith, 2018;
    /// the shape of PyTorch's OneCycleLR).
    OneCycle {
        /// Share of the training that the rate rises; 0.3 is usual.
        warmup: f64,
    },
}

impl Schedule {
    /// The factor when `done` (0 to 1) of the training is done.
    pub fn at(self, done: f64) -> f64 {
        let cosine = |from: f64, to: f64, t: f64| to + (from - to) * (1.0 + (PI * t).cos()) / 2.0;
        match self {
            Schedule::Constant => 1.0,
            Schedule::Step { every, factor } => factor.powf((done / every).floor()),
            Schedule::Cosine => cosine(1.0, 0.0, done),
            Schedule::OneCycle { warmup } if done < warmup => cosine(1.0 / 25.0, 1.0, done / warmup),
            Schedule::OneCycle { warmup } => cosine(1.0, 4e-6, (done - warmup) / (1.0 - warmup)),
        }
    }
}
