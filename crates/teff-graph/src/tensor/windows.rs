//! Convolution and pooling.

use super::Tensor;
use crate::geometry::{ConvGeometry, Window};
use crate::op::{Op, PoolKind};

impl Tensor {
    /// Cross-correlation of x `[N, C, D..]` with w `[O, C/groups, K..]`.
    #[track_caller]
    pub fn conv_general(&self, w: &Tensor, geometry: ConvGeometry) -> Tensor {
        Tensor::apply(Op::Conv(geometry), &[self.clone(), w.clone()])
    }

    /// The adjoint of [`Tensor::conv_general`] in x: `[N, O, E..]` to `[N, C, spatial..]`.
    #[track_caller]
    pub fn conv_adjoint(&self, w: &Tensor, geometry: ConvGeometry, spatial: &[usize]) -> Tensor {
        Tensor::apply(Op::ConvTranspose { geometry, spatial: spatial.into() }, &[self.clone(), w.clone()])
    }

    /// The adjoint of [`Tensor::conv_general`] in w, of this x and the gradient `y` of the result.
    #[track_caller]
    pub fn conv_weight_grad(&self, y: &Tensor, geometry: ConvGeometry, kernel: &[usize]) -> Tensor {
        Tensor::apply(Op::ConvWeightGrad { geometry, kernel: kernel.into() }, &[self.clone(), y.clone()])
    }

    /// 1-D convolution of `[N, C, L]` with `[O, C/groups, K]`.
    #[track_caller]
    pub fn conv1d(&self, w: &Tensor, stride: usize, pad: usize, dilation: usize, groups: usize) -> Tensor {
        self.conv_general(w, ConvGeometry::alike(1, stride, pad, dilation, groups))
    }

    /// 2-D convolution of `[N, C, H, W]` with `[O, C/groups, Kh, Kw]`; stride, padding and dilation are those of both axes.
    #[track_caller]
    pub fn conv2d(&self, w: &Tensor, stride: usize, pad: usize, dilation: usize, groups: usize) -> Tensor {
        self.conv_general(w, ConvGeometry::alike(2, stride, pad, dilation, groups))
    }

    /// Transposed convolution as PyTorch and ONNX define it: x `[N, C, D..]` with w `[C, O/groups, K..]` gives
    /// `[N, O, (D-1)*stride - pad_low - pad_high + dilation*(K-1) + 1 + output_padding ..]`.
    #[track_caller]
    pub fn conv_transpose(&self, w: &Tensor, geometry: ConvGeometry, output_padding: &[usize]) -> Tensor {
        let axes = geometry.stride.len();
        let lists = [&geometry.dilation, &geometry.pad_low, &geometry.pad_high];
        let fits = lists.iter().all(|l| l.len() == axes) && output_padding.len() == axes;
        if self.rank() != axes + 2 || w.rank() != axes + 2 || !fits {
            let reason = format!("the geometry is for {axes} spatial axes");
            return Tensor::invalid("conv_transpose", &[self, w], reason);
        }
        let size = |i: usize| {
            let span = geometry.dilation[i].checked_mul(w.shape()[i + 2].saturating_sub(1))?;
            let span = span.checked_add(1)?.checked_add(output_padding[i])?;
            let reach = self.shape()[i + 2].saturating_sub(1).checked_mul(geometry.stride[i])?;
            reach.checked_add(span)?.checked_sub(geometry.pad_low[i])?.checked_sub(geometry.pad_high[i])
        };
        match (0..axes).map(size).collect::<Option<Vec<_>>>() {
            Some(spatial) => self.conv_adjoint(w, geometry, &spatial),
            None => {
                let reason = "the padding is larger than the result, or that too large";
                Tensor::invalid("conv_transpose", &[self, w], reason)
            }
        }
    }

    /// Transposed 2-D convolution with one stride and padding for both axes; see [`Tensor::conv_transpose`].
    #[track_caller]
    pub fn conv_transpose2d(&self, w: &Tensor, stride: usize, pad: usize, output_padding: usize) -> Tensor {
        self.conv_transpose(w, ConvGeometry::alike(2, stride, pad, 1, 1), &[output_padding; 2])
    }

    /// Each window of `[N, C, D..]` combined.
    #[track_caller]
    pub fn pool(&self, kind: PoolKind, window: Window) -> Tensor {
        Tensor::apply(Op::Pool { kind, window }, std::slice::from_ref(self))
    }

    /// The adjoint of a sum pool, from the gradient of its result.
    #[track_caller]
    pub fn sum_pool_grad(&self, window: Window, spatial: &[usize]) -> Tensor {
        Tensor::apply(Op::SumPoolGrad { window, spatial: spatial.into() }, std::slice::from_ref(self))
    }

    /// The adjoint of a max pool at `x`, from the gradient of its result.
    #[track_caller]
    pub fn max_pool_grad(&self, x: &Tensor, window: Window) -> Tensor {
        Tensor::apply(Op::MaxPoolGrad { window }, &[self.clone(), x.clone()])
    }

    /// Largest of each window of `[N, C, H, W]`, `size` by `size` and `stride` apart.
    #[track_caller]
    pub fn max_pool2d(&self, size: usize, stride: usize) -> Tensor {
        self.pool(PoolKind::Max, Window::new([size; 2], [stride; 2]))
    }

    /// Mean of each window of `[N, C, H, W]`, `size` by `size` and `stride` apart.
    #[track_caller]
    pub fn avg_pool2d(&self, size: usize, stride: usize) -> Tensor {
        self.avg_pool(Window::new([size; 2], [stride; 2]), true)
    }

    /// Mean of each window; with padding counted as zeros, or left out of the mean.
    #[track_caller]
    pub fn avg_pool(&self, window: Window, count_padding: bool) -> Tensor {
        let sum = self.pool(PoolKind::Sum, window.clone());
        let padded = window.pad_low.iter().chain(&window.pad_high).any(|&p| p > 0);
        if count_padding || !padded {
            let n: f64 = window.size.iter().map(|&d| d as f64).product();
            return sum / n;
        }
        let mut one = vec![1, 1];
        one.extend(self.shape().iter().skip(2));
        let counts = Tensor::full(crate::Type::new(self.dtype(), one), 1.0).pool(PoolKind::Sum, window);
        sum / counts
    }

    /// Mean over all spatial axes of `[N, C, D..]`, which stay with size 1.
    #[track_caller]
    pub fn global_avg_pool(&self) -> Tensor {
        let axes: Vec<isize> = (2..self.rank() as isize).collect();
        if axes.is_empty() { self.clone() } else { self.mean_keep(&axes) }
    }
}
