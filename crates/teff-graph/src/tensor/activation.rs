//! Activation functions. Constants are those of PyTorch and ONNX.

use super::Tensor;

impl Tensor {
    /// max(x, 0).
    #[track_caller]
    pub fn relu(&self) -> Tensor {
        self.maximum(0.0)
    }

    /// x where positive, else `slope` x.
    #[track_caller]
    pub fn leaky_relu(&self, slope: f64) -> Tensor {
        self.greater(0.0).select(self, &(self * slope))
    }

    /// x where positive, else `slope` x, with a tensor of slopes that broadcasts.
    #[track_caller]
    pub fn prelu(&self, slope: &Tensor) -> Tensor {
        self.greater(0.0).select(self, &(self * slope))
    }

    /// min(max(x, 0), 6).
    #[track_caller]
    pub fn relu6(&self) -> Tensor {
        self.clip(0.0, 6.0)
    }

    /// x where positive, else alpha (exp(x) - 1).
    #[track_caller]
    pub fn elu(&self, alpha: f64) -> Tensor {
        self.greater(0.0).select(self, &(self.negative_part().expm1() * alpha))
    }

    /// min(x, 0). An exponential that sees no positive x does not overflow, which would turn gradients into NaN.
    fn negative_part(&self) -> Tensor {
        // Of equal operands the second takes the gradient: at 0 that is x.
        self.full_like(0.0).minimum(self)
    }

    /// Scaled ELU (Klambauer et al., 2017).
    #[track_caller]
    pub fn selu(&self) -> Tensor {
        self.elu(1.673_263_242_354_377_2) * 1.050_700_987_355_480_5
    }

    /// max(x, 0) + min(alpha (exp(x / alpha) - 1), 0).
    #[track_caller]
    pub fn celu(&self, alpha: f64) -> Tensor {
        self.greater(0.0).select(self, &((self.negative_part() / alpha).expm1() * alpha))
    }

    /// x times the normal distribution function of x (Hendrycks and Gimpel, 2016).
    #[track_caller]
    pub fn gelu(&self) -> Tensor {
        // 1 + erf(x) is erfc(-x), which keeps its digits where the sum would cancel.
        self * 0.5 * (self * -std::f64::consts::FRAC_1_SQRT_2).erfc()
    }

    /// The approximation of [`Tensor::gelu`] by a hyperbolic tangent.
    #[track_caller]
    pub fn gelu_tanh(&self) -> Tensor {
        // (1 + tanh(u)) / 2 is sigmoid(2 u), which keeps its digits where the sum would cancel.
        let twice = (self + self * self * self * 0.044715) * (8.0 / std::f64::consts::PI).sqrt();
        self * twice.sigmoid()
    }

    /// x sigmoid(x), also called swish.
    #[track_caller]
    pub fn silu(&self) -> Tensor {
        self * self.sigmoid()
    }

    /// x tanh(softplus(x)).
    #[track_caller]
    pub fn mish(&self) -> Tensor {
        self * self.softplus().tanh()
    }

    /// log(1 + exp(x)), without overflow, and with all digits of exp(x) where little else is left.
    #[track_caller]
    pub fn softplus(&self) -> Tensor {
        // -|x|, whose gradient at 0 is that of x, as relu has none there: together 1 / 2.
        self.relu() + (-self).minimum(self).exp().log_of_one_more()
    }

    /// log(1 + x) of x from 0 to 1. What the sum has lost of x is added again times the derivative (Goldberg, "What Every Computer
    /// Scientist Should Know About Floating-Point Arithmetic", 1991, theorem 4, to first order).
    fn log_of_one_more(&self) -> Tensor {
        let sum = self + 1.0;
        sum.log() + ((self - (&sum - 1.0)) / &sum).stop_gradient()
    }

    /// x / (1 + |x|).
    #[track_caller]
    pub fn softsign(&self) -> Tensor {
        self / (self.abs() + 1.0)
    }

    /// clip(alpha x + beta, 0, 1).
    #[track_caller]
    pub fn hard_sigmoid(&self, alpha: f64, beta: f64) -> Tensor {
        (self * alpha + beta).clip(0.0, 1.0)
    }

    /// x clip(x / 6 + 1/2, 0, 1).
    #[track_caller]
    pub fn hard_swish(&self) -> Tensor {
        self * self.hard_sigmoid(1.0 / 6.0, 0.5)
    }

    /// exp(x) divided by its sum along `axis`.
    #[track_caller]
    pub fn softmax(&self, axis: isize) -> Tensor {
        let powers = (self - self.max_keep(&[axis]).stop_gradient()).exp();
        &powers / powers.sum_keep(&[axis])
    }

    /// The logarithm of [`Tensor::softmax`], without underflow.
    #[track_caller]
    pub fn log_softmax(&self, axis: isize) -> Tensor {
        let shifted = self - self.max_keep(&[axis]).stop_gradient();
        &shifted - shifted.exp().sum_keep(&[axis]).log()
    }
}
