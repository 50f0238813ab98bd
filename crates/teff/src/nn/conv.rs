//! Convolution and pooling layers.

use super::{Layer, Pass, uniform};
use teff_data::Rng;
use teff_graph::{ConvGeometry, Param, PoolKind, Tensor, Window};

/// Convolution of `[N, inputs, L]` or `[N, inputs, H, W]`.
pub struct Conv {
    /// `[outputs, inputs / groups, kernel..]`.
    pub weight: Param,
    /// `[outputs]`.
    pub bias: Option<Param>,
    /// Stride, dilation, padding and groups.
    pub geometry: ConvGeometry,
    name: String,
}

impl Conv {
    /// With a bias, stride 1, no padding; `kernel` is its size along each spatial axis.
    pub fn new(name: &str, inputs: usize, outputs: usize, kernel: &[usize], rng: &mut Rng) -> Conv {
        Conv::with(name, inputs, outputs, kernel, ConvGeometry::new(kernel.len()), rng)
    }

    /// With a bias and this geometry.
    pub fn with(
        name: &str,
        inputs: usize,
        outputs: usize,
        kernel: &[usize],
        geometry: ConvGeometry,
        rng: &mut Rng,
    ) -> Conv {
        let per_group = inputs / geometry.groups.max(1);
        let fan_in = per_group * kernel.iter().product::<usize>();
        let weight =
            uniform(format!("{name}.weight"), &[&[outputs, per_group], kernel].concat(), fan_in, rng);
        let bias = uniform(format!("{name}.bias"), &[outputs], fan_in, rng);
        Conv { weight, bias: Some(bias), geometry, name: name.into() }
    }

    /// Without its bias: for what a normalisation follows.
    pub fn without_bias(self) -> Conv {
        Conv { bias: None, ..self }
    }
}

impl Layer for Conv {
    fn forward(&self, x: &Tensor, _: &Pass) -> Tensor {
        let y = x.conv_general(&Tensor::param(&self.weight), self.geometry.clone()).named(&self.name);
        match &self.bias {
            Some(b) => (&y + Tensor::param(b).per_channel(y.rank())).named(&self.name),
            None => y,
        }
    }

    fn params(&self) -> Vec<Param> {
        std::iter::once(&self.weight).chain(&self.bias).cloned().collect()
    }
}

/// Transposed convolution of `[N, inputs, H, W]`.
pub struct ConvTranspose2d {
    /// `[inputs, outputs, kernel, kernel]`.
    pub weight: Param,
    /// `[outputs]`.
    pub bias: Param,
    /// Distance between the places that neighbouring inputs write to.
    pub stride: usize,
    /// Rows and columns cut off around the result.
    pub padding: usize,
    /// Rows and columns added after it.
    pub output_padding: usize,
    name: String,
}

impl ConvTranspose2d {
    /// With a bias, no padding.
    pub fn new(
        name: &str,
        inputs: usize,
        outputs: usize,
        kernel: usize,
        stride: usize,
        rng: &mut Rng,
    ) -> Self {
        // PyTorch takes the fan from the second axis of the weights here as well.
        let fan_in = outputs * kernel * kernel;
        let weight = uniform(format!("{name}.weight"), &[inputs, outputs, kernel, kernel], fan_in, rng);
        let bias = uniform(format!("{name}.bias"), &[outputs], fan_in, rng);
        ConvTranspose2d { weight, bias, stride, padding: 0, output_padding: 0, name: name.into() }
    }
}

impl Layer for ConvTranspose2d {
    fn forward(&self, x: &Tensor, _: &Pass) -> Tensor {
        let w = Tensor::param(&self.weight);
        let y = x.conv_transpose2d(&w, self.stride, self.padding, self.output_padding).named(&self.name);
        (&y + Tensor::param(&self.bias).per_channel(y.rank())).named(&self.name)
    }

    fn params(&self) -> Vec<Param> {
        vec![self.weight.clone(), self.bias.clone()]
    }
}

/// Largest of each window over all spatial axes.
pub struct MaxPool {
    /// Side of a window.
    pub size: usize,
    /// Distance between windows.
    pub stride: usize,
}

/// Mean of each window over all spatial axes.
pub struct AvgPool {
    /// Side of a window.
    pub size: usize,
    /// Distance between windows.
    pub stride: usize,
}

/// Mean over all spatial axes, giving `[N, C]`.
pub struct GlobalAvgPool;

fn windows(x: &Tensor, size: usize, stride: usize) -> Window {
    let axes = x.rank().saturating_sub(2);
    Window::new(vec![size; axes], vec![stride; axes])
}

impl Layer for MaxPool {
    fn forward(&self, x: &Tensor, _: &Pass) -> Tensor {
        x.pool(PoolKind::Max, windows(x, self.size, self.stride))
    }
}

impl Layer for AvgPool {
    fn forward(&self, x: &Tensor, _: &Pass) -> Tensor {
        x.avg_pool(windows(x, self.size, self.stride), true)
    }
}

impl Layer for GlobalAvgPool {
    fn forward(&self, x: &Tensor, _: &Pass) -> Tensor {
        x.global_avg_pool().flatten(1)
    }
}
