//! Quantisation that training can see through.

use super::Tensor;
use crate::op::{Op, Unary};

impl Tensor {
    /// Rounded to the nearest integer, halves to even, with the gradient of x itself: the straight-through estimator (Bengio, Leonard
    /// and Courville, "Estimating or propagating gradients through stochastic neurons", 2013).
    #[track_caller]
    pub fn round_straight_through(&self) -> Tensor {
        // x - x is exactly 0, so the value is that of the rounding.
        let itself = Tensor::apply(Op::Unary(Unary::StopGradient), std::slice::from_ref(self));
        self.round() + (self - itself)
    }

    /// What [`Tensor::quantize`] and [`Tensor::dequantize`] to integers from `low` to `high` leave of a float, bit for bit:
    /// `round(clip(x / scale, low - zero, high - zero)) * scale`. `scale` broadcasts against x.
    ///
    /// The gradient passes straight through the rounding. In x it is 1 where x is in range and 0 outside; in the scale it is
    /// `round(x / scale) - x / scale` in range and the bound outside, which is that of learned step size quantisation (Esser et al.,
    /// ICLR 2020, equation 3).
    #[track_caller]
    pub fn fake_quantize(&self, scale: &Tensor, zero: i32, low: i32, high: i32) -> Tensor {
        let (low, high) = (f64::from(low) - f64::from(zero), f64::from(high) - f64::from(zero));
        (self / scale).clip(low, high).round_straight_through() * scale
    }
}
