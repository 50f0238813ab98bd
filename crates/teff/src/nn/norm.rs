//! Normalisation layers.

use super::{Layer, Pass, filled};
use teff_graph::{Param, Tensor};

/// Each channel of `[N, C, ..]` to mean 0 and variance 1 over the batch, then scaled and shifted (Ioffe and Szegedy, 2015).
pub struct BatchNorm {
    /// `[C]`.
    pub scale: Param,
    /// `[C]`.
    pub shift: Param,
    /// `[C]`: running mean, used in evaluation.
    pub mean: Param,
    /// `[C]`: running variance, used in evaluation.
    pub variance: Param,
    /// Share of the running statistics that one batch replaces; 0.1 at first.
    pub momentum: f64,
    /// Added to variances; 1e-5 at first.
    pub epsilon: f64,
    name: String,
}

impl BatchNorm {
    /// For `channels` channels.
    pub fn new(name: &str, channels: usize) -> BatchNorm {
        BatchNorm {
            scale: filled(format!("{name}.weight"), &[channels], 1.0),
            shift: filled(format!("{name}.bias"), &[channels], 0.0),
            mean: filled(format!("{name}.running_mean"), &[channels], 0.0),
            variance: filled(format!("{name}.running_var"), &[channels], 1.0),
            momentum: 0.1,
            epsilon: 1e-5,
            name: name.into(),
        }
    }
}

impl Layer for BatchNorm {
    fn forward(&self, x: &Tensor, pass: &Pass) -> Tensor {
        let (scale, shift) = (Tensor::param(&self.scale), Tensor::param(&self.shift));
        if !pass.is_training() {
            let (mean, variance) = (Tensor::param(&self.mean), Tensor::param(&self.variance));
            return x.batch_norm(&mean, &variance, &scale, &shift, self.epsilon).named(&self.name);
        }
        let axes: Vec<isize> = (0..x.rank() as isize).filter(|&a| a != 1).collect();
        let channels = scale.len();
        let mean = x.mean(&axes);
        let variance = x.variance_keep(&axes).reshape(&[channels]);
        // The running variance is the unbiased one.
        let n = (x.len() / channels.max(1)) as f64;
        let unbiased = &variance * (n / (n - 1.0).max(1.0));
        for (running, batch) in [(&self.mean, &mean), (&self.variance, &unbiased)] {
            let old = Tensor::param(running);
            pass.update(running, &old + (batch - &old) * self.momentum);
        }
        x.batch_norm(&mean, &variance, &scale, &shift, self.epsilon).named(&self.name)
    }

    fn params(&self) -> Vec<Param> {
        vec![self.scale.clone(), self.shift.clone(), self.mean.clone(), self.variance.clone()]
    }
}

/// The last axes of each sample to mean 0 and variance 1, then scaled and shifted.
pub struct LayerNorm {
    /// Has the shape of the normalised axes.
    pub scale: Param,
    /// Has the shape of the normalised axes.
    pub shift: Param,
    /// Added to variances; 1e-5 at first.
    pub epsilon: f64,
    name: String,
}

impl LayerNorm {
    /// Over the last axes, of these sizes.
    pub fn new(name: &str, shape: &[usize]) -> LayerNorm {
        let scale = filled(format!("{name}.weight"), shape, 1.0);
        LayerNorm {
            scale,
            shift: filled(format!("{name}.bias"), shape, 0.0),
            epsilon: 1e-5,
            name: name.into(),
        }
    }
}

impl Layer for LayerNorm {
    fn forward(&self, x: &Tensor, _: &Pass) -> Tensor {
        let normal = x.layer_norm(self.scale.ty().rank(), self.epsilon);
        (normal * Tensor::param(&self.scale) + Tensor::param(&self.shift)).named(&self.name)
    }

    fn params(&self) -> Vec<Param> {
        vec![self.scale.clone(), self.shift.clone()]
    }
}

/// Each group of channels of each sample of `[N, C, ..]` to mean 0 and variance 1, then scaled and shifted per channel.
pub struct GroupNorm {
    /// `[C]`.
    pub scale: Param,
    /// `[C]`.
    pub shift: Param,
    /// How many groups the channels are split into.
    pub groups: usize,
    /// Added to variances; 1e-5 at first.
    pub epsilon: f64,
    name: String,
}

impl GroupNorm {
    /// For `channels` channels in `groups` groups.
    pub fn new(name: &str, channels: usize, groups: usize) -> GroupNorm {
        let scale = filled(format!("{name}.weight"), &[channels], 1.0);
        let shift = filled(format!("{name}.bias"), &[channels], 0.0);
        GroupNorm { scale, shift, groups, epsilon: 1e-5, name: name.into() }
    }
}

impl Layer for GroupNorm {
    fn forward(&self, x: &Tensor, _: &Pass) -> Tensor {
        let normal = x.group_norm(self.groups, self.epsilon);
        let per_channel = |p: &Param| Tensor::param(p).per_channel(x.rank());
        (normal * per_channel(&self.scale) + per_channel(&self.shift)).named(&self.name)
    }

    fn params(&self) -> Vec<Param> {
        vec![self.scale.clone(), self.shift.clone()]
    }
}
