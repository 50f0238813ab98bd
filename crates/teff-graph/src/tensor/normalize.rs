//! Normalisation layers as formulas.

use super::Tensor;
use crate::geometry::Window;
use crate::op::PoolKind;

impl Tensor {
    /// (x - mean) / sqrt(variance + epsilon) over `axes`.
    #[track_caller]
    pub fn standardize(&self, axes: &[isize], epsilon: f64) -> Tensor {
        let centred = self - self.mean_keep(axes);
        let variance = centred.square().mean_keep(axes);
        centred / (variance + epsilon).sqrt()
    }

    /// x / sqrt(mean of squares + epsilon) over `axes`.
    #[track_caller]
    pub fn rms_normalize(&self, axes: &[isize], epsilon: f64) -> Tensor {
        self / (self.square().mean_keep(axes) + epsilon).sqrt()
    }

    /// [`Tensor::standardize`] over the last `axes` axes.
    #[track_caller]
    pub fn layer_norm(&self, axes: usize, epsilon: f64) -> Tensor {
        let last: Vec<isize> = (1..=axes as isize).map(|a| -a).collect();
        self.standardize(&last, epsilon)
    }

    /// [`Tensor::standardize`] of each of `groups` groups of channels of `[N, C, D..]`.
    #[track_caller]
    pub fn group_norm(&self, groups: usize, epsilon: f64) -> Tensor {
        if self.rank() < 2 || groups == 0 || !self.shape()[1].is_multiple_of(groups) {
            let reason = format!("the channels do not divide into {groups} groups");
            return Tensor::invalid("group_norm", &[self], reason);
        }
        let per_group = self.shape()[1..].iter().product::<usize>() / groups;
        self.reshape(&[self.shape()[0], groups, per_group]).standardize(&[-1], epsilon).reshape(self.shape())
    }

    /// (x - mean) / sqrt(variance + epsilon) * scale + shift, each given per channel of `[N, C, D..]`.
    #[track_caller]
    pub fn batch_norm(
        &self,
        mean: &Tensor,
        variance: &Tensor,
        scale: &Tensor,
        shift: &Tensor,
        epsilon: f64,
    ) -> Tensor {
        let factor = (variance + epsilon).sqrt().recip() * scale;
        let offset = shift - mean * &factor;
        self * factor.per_channel(self.rank()) + offset.per_channel(self.rank())
    }

    /// `[C]` as `[1, C, 1..]` with `rank` axes, to broadcast over channels.
    #[track_caller]
    pub fn per_channel(&self, rank: usize) -> Tensor {
        self.along_axis(1, rank.max(2))
    }

    /// `x / (bias + alpha * s)^beta`, s the sum of the squares of `before` elements before along `axis`, the element itself and `after` after
    /// it: local response normalisation (Krizhevsky et al., 2012).
    #[track_caller]
    pub fn local_response_norm(
        &self,
        axis: usize,
        (before, after): (usize, usize),
        alpha: f64,
        beta: f64,
        bias: f64,
    ) -> Tensor {
        // The factor goes in before the sum, which would overflow without it.
        let weighted = if alpha > 0.0 { (self * alpha.sqrt()).square() } else { self.square() * alpha };
        let (lead, rest) = self.shape().split_at(axis.min(self.rank()));
        let Some((&size, rest)) = rest.split_first() else {
            return Tensor::invalid("local_response_norm", &[self], format!("there is no axis {axis}"));
        };
        // The axis is the only spatial one of a sum pool.
        let (outer, inner): (usize, usize) = (lead.iter().product(), rest.iter().product());
        let lines = weighted.reshape(&[outer, size, inner]).permute(&[0, 2, 1]);
        let window =
            Window { pad_low: vec![before], pad_high: vec![after], ..Window::new([before + 1 + after], [1]) };
        let sums = lines.pool(PoolKind::Sum, window).permute(&[0, 2, 1]).reshape(self.shape());
        self / (sums + bias).pow(beta)
    }
}
