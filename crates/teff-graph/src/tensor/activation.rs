//! Activation functions. Constants are those of PyTorch and ONNX.

use super::Tensor;

impl Tensor {
    /// max(x, 0).
    #[track_caller]
    pub fn relu(&self) -> Tensor {
        self.maximum(&self.full_like(0.0))
    }

    /// x where positive, else `slope` x.
    #[track_caller]
    pub fn leaky_relu(&self, slope: f64) -> Tensor {
        self.positive().select(self, &(self * slope))
    }

    /// x where positive, else `slope` x, with a tensor of slopes that broadcasts.
    #[track_caller]
    pub fn prelu(&self, slope: &Tensor) -> Tensor {
        self.positive().select(self, &(self * slope))
    }

    fn positive(&self) -> Tensor {
        self.full_like(0.0).less(self)
    }

    /// min(max(x, 0), 6).
    #[track_caller]
    pub fn relu6(&self) -> Tensor {
        self.clip(0.0, 6.0)
    }

    /// x where positive, else alpha (exp(x) - 1).
    #[track_caller]
    pub fn elu(&self, alpha: f64) -> Tensor {
        // The exponential sees no positive x, whose overflow would turn the gradient into NaN.
        let below = self.minimum(&self.full_like(0.0)).exp() - 1.0;
        self.positive().select(self, &(below * alpha))
    }

    /// Scaled ELU (Klambauer et al., 2017).
    #[track_caller]
    pub fn selu(&self) -> Tensor {
        self.elu(1.673_263_242_354_377_2) * 1.050_700_987_355_480_5
    }

    /// max(x, 0) + min(alpha (exp(x / alpha) - 1), 0).
    #[track_caller]
    pub fn celu(&self, alpha: f64) -> Tensor {
        (self / alpha).elu(1.0) * alpha
    }

    /// x times the normal distribution function of x (Hendrycks and Gimpel, 2016).
    #[track_caller]
    pub fn gelu(&self) -> Tensor {
        self * ((self * std::f64::consts::FRAC_1_SQRT_2).erf() + 1.0) * 0.5
    }

    /// The approximation of [`Tensor::gelu`] by a hyperbolic tangent.
    #[track_caller]
    pub fn gelu_tanh(&self) -> Tensor {
        let inner = (self + self * self * self * 0.044715) * (2.0 / std::f64::consts::PI).sqrt();
        self * (inner.tanh() + 1.0) * 0.5
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

    /// log(1 + exp(x)), without overflow.
    #[track_caller]
    pub fn softplus(&self) -> Tensor {
        self.relu() + ((-self.abs()).exp() + 1.0).log()
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
