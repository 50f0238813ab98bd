//! Sums, extremes and statistics along axes.

use super::Tensor;
use crate::op::{Binary, Op, ReduceKind};

macro_rules! reductions {
    ($($(#[$doc:meta])* $method:ident = $kind:ident, $keep:literal;)*) => {
        impl Tensor {
            $($(#[$doc])* #[track_caller] pub fn $method(&self, axes: &[isize]) -> Tensor {
                self.reduced(ReduceKind::$kind, axes, $keep)
            })*
        }
    };
}

reductions! {
    /// Sum along `axes` (negative ones count from the end; none means all), which are dropped.
    sum = Sum, false;
    /// As [`Tensor::sum`], the axes staying with size 1.
    sum_keep = Sum, true;
    /// Largest along `axes`, which are dropped.
    max = Max, false;
    /// Largest along `axes`, which stay with size 1.
    max_keep = Max, true;
    /// Smallest along `axes`, which are dropped.
    min = Min, false;
}

impl Tensor {
    /// All elements along `axes` (ascending) combined; the axes stay with size 1.
    #[track_caller]
    pub fn reduce(&self, kind: ReduceKind, axes: &[usize]) -> Tensor {
        Tensor::apply(Op::Reduce { kind, axes: axes.into() }, std::slice::from_ref(self))
    }

    /// Axes counted from the front, sorted, each once; all of them when none is given.
    #[track_caller]
    fn axes(&self, op: &'static str, axes: &[isize]) -> Result<Vec<usize>, Tensor> {
        if axes.is_empty() {
            return Ok((0..self.rank()).collect());
        }
        let mut out = axes.iter().map(|&a| self.axis(op, a)).collect::<Result<Vec<_>, _>>()?;
        out.sort_unstable();
        out.dedup();
        Ok(out)
    }

    #[track_caller]
    fn reduced(&self, kind: ReduceKind, axes: &[isize], keep: bool) -> Tensor {
        let axes = valid!(self.axes(kind.name(), axes));
        let out = self.reduce(kind, &axes);
        if keep { out } else { out.without(&axes) }
    }

    /// Mean along `axes`, which are dropped.
    #[track_caller]
    pub fn mean(&self, axes: &[isize]) -> Tensor {
        self.mean_of(self.sum(axes))
    }

    /// Mean along `axes`, which stay with size 1.
    #[track_caller]
    pub fn mean_keep(&self, axes: &[isize]) -> Tensor {
        self.mean_of(self.sum_keep(axes))
    }

    #[track_caller]
    fn mean_of(&self, sum: Tensor) -> Tensor {
        let n = self.len() as f64 / sum.len().max(1) as f64;
        sum / n
    }

    /// Variance (dividing by n) along `axes`, which stay with size 1.
    #[track_caller]
    pub fn variance_keep(&self, axes: &[isize]) -> Tensor {
        (self - self.mean_keep(axes)).square().mean_keep(axes)
    }

    /// Index (i64) of the first largest along `axis`, which is dropped.
    #[track_caller]
    pub fn argmax(&self, axis: isize) -> Tensor {
        let axis = valid!(self.axis("argmax", axis));
        self.arg_reduce(false, axis, false).without(&[axis])
    }

    /// Index (i64) of an extreme along `axis`, which stays with size 1; see [`Op::ArgReduce`].
    #[track_caller]
    pub fn arg_reduce(&self, min: bool, axis: usize, last: bool) -> Tensor {
        Tensor::apply(Op::ArgReduce { min, axis, last }, std::slice::from_ref(self))
    }

    /// Log of the sum of exponentials along `axes` (ascending), which stay with size 1: shifted by the largest finite element, so that
    /// nothing overflows and a plus infinity gives one. As in ONNX's reference, NaN where no element is finite; of nothing, minus infinity.
    #[track_caller]
    pub fn log_sum_exp(&self, axes: &[usize]) -> Tensor {
        if self.is_empty() {
            return self.reduce(ReduceKind::Sum, axes).log();
        }
        let top = self.is_inf().select(f64::NEG_INFINITY, self).reduce(ReduceKind::Max, axes).stop_gradient();
        (self - &top).exp().reduce(ReduceKind::Sum, axes).log() + top
    }

    /// Sums over what [`Tensor::broadcast_to`] from `shape` would repeat: its adjoint.
    #[track_caller]
    pub fn sum_to(&self, shape: &[usize]) -> Tensor {
        let Some(lead) = self.rank().checked_sub(shape.len()) else {
            return Tensor::invalid("sum_to", &[self], format!("has fewer axes than {shape:?}"));
        };
        let repeated = |&a: &usize| a < lead || shape[a - lead] == 1 && self.shape()[a] != 1;
        let axes: Vec<usize> = (0..self.rank()).filter(repeated).collect();
        let sum = if axes.is_empty() { self.clone() } else { self.reduce(ReduceKind::Sum, &axes) };
        sum.reshape(shape)
    }

    /// Sum of the elements up to each along `axis`; without the element itself when `exclusive`, from the end when `reverse`.
    #[track_caller]
    pub fn cumsum(&self, axis: isize, exclusive: bool, reverse: bool) -> Tensor {
        self.cumulated(Binary::Add, 0.0, axis, exclusive, reverse)
    }

    /// Product of the elements up to each along `axis`; without the element itself when `exclusive`, from the end when `reverse`.
    #[track_caller]
    pub fn cumprod(&self, axis: isize, exclusive: bool, reverse: bool) -> Tensor {
        self.cumulated(Binary::Mul, 1.0, axis, exclusive, reverse)
    }

    /// A loop: linear in time and memory, and what is not a number reaches only what comes after it.
    #[track_caller]
    fn cumulated(&self, step: Binary, start: f64, axis: isize, exclusive: bool, reverse: bool) -> Tensor {
        let axis = valid!(self.axis("cumulate", axis)) as isize;
        let lines = self.swap_axes(axis, 0);
        let slice = crate::Type::new(self.dtype(), lines.shape().get(1..).unwrap_or_default());
        let (_, stacks) = Tensor::scan(&[Tensor::full(slice, start)], &[lines], reverse, |sums, slices| {
            let next = Tensor::apply(Op::Binary(step), &[sums[0].clone(), slices[0].clone()]);
            (vec![next.clone()], vec![if exclusive { sums[0].clone() } else { next }])
        });
        stacks[0].swap_axes(axis, 0)
    }
}
