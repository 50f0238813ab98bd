//! Loss functions.

use super::Tensor;

/// How the losses of single samples become the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// One loss a sample.
    None,
    /// Their mean, a scalar.
    Mean,
    /// Their sum, a scalar.
    Sum,
}

impl Reduction {
    #[track_caller]
    fn of(self, losses: &Tensor) -> Tensor {
        match self {
            Reduction::None => losses.clone(),
            Reduction::Mean => losses.mean(&[]),
            Reduction::Sum => losses.sum(&[]),
        }
    }
}

impl Tensor {
    /// Mean cross-entropy of logits `[N, classes]` with integer labels `[N]`.
    #[track_caller]
    pub fn cross_entropy(&self, labels: &Tensor) -> Tensor {
        self.cross_entropy_smoothed(labels, 0.0, Reduction::Mean)
    }

    /// Cross-entropy of logits `[N, classes]` with integer labels `[N]`, of which `smoothing` (0 to 1) is spread evenly over all
    /// classes.
    #[track_caller]
    pub fn cross_entropy_smoothed(&self, labels: &Tensor, smoothing: f64, reduction: Reduction) -> Tensor {
        if self.rank() != 2 || labels.shape() != &self.shape()[..1] {
            let reason = "takes logits [N, classes] and labels [N]";
            return Tensor::invalid("cross_entropy", &[self, labels], reason);
        }
        let classes = self.shape()[1];
        let (logs, hit) = (self.log_softmax(-1), labels.is_index(classes, labels.rank()));
        // Without smoothing the other classes are left out, not weighted by 0: a logit may be minus infinity.
        let terms = if smoothing == 0.0 {
            hit.select(&logs, 0.0)
        } else {
            logs * (hit.cast(self.dtype()) * (1.0 - smoothing) + smoothing / classes as f64)
        };
        reduction.of(&-terms.sum(&[-1]))
    }

    /// Mean squared error.
    #[track_caller]
    pub fn mse(&self, target: &Tensor) -> Tensor {
        (self - target).square().mean(&[])
    }

    /// Mean absolute error.
    #[track_caller]
    pub fn l1_loss(&self, target: &Tensor) -> Tensor {
        (self - target).abs().mean(&[])
    }

    /// Mean Huber loss: e^2 / 2 for |e| <= delta, else delta (|e| - delta / 2).
    #[track_caller]
    pub fn huber(&self, target: &Tensor, delta: f64) -> Tensor {
        let e = (self - target).abs();
        let near = e.square() * 0.5;
        let far = (&e - 0.5 * delta) * delta;
        e.less_equal(delta).select(&near, &far).mean(&[])
    }
}
