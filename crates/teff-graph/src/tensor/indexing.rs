//! Picking, writing and sorting by index.

use super::Tensor;
use crate::dtype::{DType, Type, strides};
use crate::op::{Op, ScatterKind};
use crate::value::{Num, Value};

impl Tensor {
    /// The slices of axis `axis` at `indices` (1-D integers), which are clamped into range.
    #[track_caller]
    pub fn gather(&self, indices: &Tensor, axis: usize) -> Tensor {
        Tensor::apply(Op::Gather { axis }, &[self.clone(), indices.clone()])
    }

    /// With `updates` combined in at `indices` (1-D integers) of axis `axis`; see [`Op::Scatter`].
    #[track_caller]
    pub fn scatter(&self, indices: &Tensor, updates: &Tensor, axis: usize, kind: ScatterKind) -> Tensor {
        Tensor::apply(Op::Scatter { axis, kind }, &[self.clone(), indices.clone(), updates.clone()])
    }

    /// The rows at `indices` of any shape: NumPy's `take` along axis `axis`.
    #[track_caller]
    pub fn take(&self, indices: &Tensor, axis: usize) -> Tensor {
        let axis = valid!(self.axis("take", axis as isize));
        let shape = [&self.shape()[..axis], indices.shape(), &self.shape()[axis + 1..]].concat();
        self.gather(&indices.flatten_all(), axis).reshape(&shape)
    }

    /// Element `indices[.., k, ..]` of each line along `axis`: NumPy's `take_along_axis`. The indices have this tensor's shape on
    /// all other axes or less.
    #[track_caller]
    pub fn take_along(&self, indices: &Tensor, axis: usize) -> Tensor {
        let at = valid!(self.line_positions(indices, axis));
        self.flatten_all().gather(&at.flatten_all(), 0).reshape(indices.shape())
    }

    /// With `updates` combined in at the places [`Tensor::take_along`] reads.
    #[track_caller]
    pub fn scatter_along(&self, indices: &Tensor, updates: &Tensor, axis: usize, how: ScatterKind) -> Tensor {
        let at = valid!(self.line_positions(indices, axis)).flatten_all();
        self.flatten_all().scatter(&at, &updates.flatten_all(), 0, how).reshape(self.shape())
    }

    /// Positions in this tensor, flattened, that indices along `axis` name.
    #[track_caller]
    fn line_positions(&self, indices: &Tensor, axis: usize) -> Result<Tensor, Tensor> {
        let fits = indices.rank() == self.rank()
            && axis < self.rank()
            && (0..self.rank()).all(|i| i == axis || indices.shape()[i] <= self.shape()[i]);
        if !fits || !indices.dtype().is_int() {
            let reason = format!("the indices must be integers that fit on all axes but {axis}");
            return Err(Tensor::invalid("take_along", &[self, indices], reason));
        }
        let steps = strides(self.shape());
        let ty = Type::new(DType::I64, indices.shape());
        let along = indices.cast(DType::I64) * steps[axis] as f64;
        let others = (0..self.rank()).filter(|&i| i != axis);
        Ok(others.fold(along, |sum, i| sum + Tensor::iota(ty.clone(), i) * steps[i] as f64))
    }

    /// The indices (i64) that sort along `axis`.
    #[track_caller]
    pub fn argsort(&self, axis: isize, descending: bool) -> Tensor {
        let axis = valid!(self.axis("argsort", axis));
        Tensor::apply(Op::ArgSort { axis, descending }, std::slice::from_ref(self))
    }

    /// The `k` largest or smallest along `axis`, in this order, and their indices.
    #[track_caller]
    pub fn top_k(&self, k: usize, axis: usize, largest: bool) -> (Tensor, Tensor) {
        let indices = self.argsort(axis as isize, largest).narrow(axis, 0, k);
        (self.take_along(&indices, axis), indices)
    }

    /// f32 `[.., classes]`: 1 at each index, 0 elsewhere.
    #[track_caller]
    pub fn one_hot(&self, classes: usize) -> Tensor {
        self.is_index(classes, self.rank()).cast(DType::F32)
    }

    /// bool, true at each index along a new axis `axis` of `size` elements.
    #[track_caller]
    pub fn is_index(&self, size: usize, axis: usize) -> Tensor {
        let at = self.cast(DType::I64).unsqueeze(axis as isize);
        let mut shape = at.shape().to_vec();
        shape.iter_mut().skip(axis).take(1).for_each(|n| *n = size);
        Tensor::iota(Type::new(DType::I64, shape), axis).equal(&at)
    }

    /// Of indices `[.., depth]`, one for each of the first `depth` axes of `of`: row-major positions `[..]` among those axes, and `of` with
    /// them as one.
    fn row_major(&self, of: &Tensor) -> std::result::Result<(Tensor, Tensor), Tensor> {
        let depth = self.shape().last().copied().filter(|&depth| depth <= of.rank());
        let Some(depth) = depth.filter(|_| self.dtype().is_int()) else {
            let reason = "the last axis of the indices, integers, names a place along as many axes or fewer";
            return Err(Tensor::invalid("nd", &[of, self], reason));
        };
        let (lead, rest) = of.shape().split_at(depth);
        let (last, steps) = (self.rank() - 1, strides(lead));
        let zero = Tensor::full(Type::new(DType::I64, &self.shape()[..last]), 0.0);
        let column = |sum: Tensor, i: usize| sum + self.pick(last, i).cast(DType::I64) * steps[i] as f64;
        let at = (0..depth).fold(zero, column);
        Ok((at, of.reshape(&[&[lead.iter().product()], rest].concat())))
    }

    /// The slices at `indices` `[.., depth]`, each of which names a place along the first `depth` axes: TensorFlow's `gather_nd`.
    #[track_caller]
    pub fn gather_nd(&self, indices: &Tensor) -> Tensor {
        let (at, rows) = valid!(indices.row_major(self));
        rows.take(&at, 0)
    }

    /// With `updates`, one for each of the indices, combined in at the places [`Tensor::gather_nd`] reads.
    #[track_caller]
    pub fn scatter_nd(&self, indices: &Tensor, updates: &Tensor, kind: ScatterKind) -> Tensor {
        let (at, rows) = valid!(indices.row_major(self));
        let slices = [&[at.len()], &rows.shape()[1..]].concat();
        rows.scatter(&at.flatten_all(), &updates.reshape(&slices), 0, kind).reshape(self.shape())
    }

    /// Of each slice along axis `batch`, as many of the first elements along axis `time` turned around as `lengths` `[batch]` says.
    #[track_caller]
    pub fn reverse_sequences(&self, lengths: &Tensor, time: usize, batch: usize) -> Tensor {
        if time == batch || self.shape().get(batch).map(|&n| vec![n]).as_deref() != Some(lengths.shape()) {
            let reason = format!("one length for each slice of axis {batch}, another than axis {time}");
            return Tensor::invalid("reverse_sequences", &[self, lengths], reason);
        }
        let length = lengths.cast(DType::I64).along_axis(batch, self.rank());
        let at = Tensor::iota(Type::new(DType::I64, self.shape()), time);
        let source = at.less(&length).select(&(&length - &at - 1.0), &at);
        self.take_along(&source, time)
    }

    /// As many elements along `axis` as there are lists, each the sum of those at the indices of its list times their weights; 0 for an
    /// empty list. Interpolation is this.
    #[track_caller]
    pub fn weighted(&self, axis: usize, taps: &[Vec<(i64, f64)>]) -> Tensor {
        let mut along = vec![1; self.rank()];
        along[axis] = taps.len();
        let tap = |i: usize, k: usize| taps[i].get(k).copied().unwrap_or((0, 0.0));
        let all_ones = taps.iter().all(|list| matches!(list[..], [(_, 1.0)]));
        let count = taps.iter().map(Vec::len).max().unwrap_or(1);
        let terms = (0..count).filter(|&k| (0..taps.len()).any(|i| tap(i, k).1 != 0.0)).map(|k| {
            let positions: Vec<i64> = (0..taps.len()).map(|i| tap(i, k).0).collect();
            let picked = self.gather(&Tensor::from_slice(&positions), axis);
            let weights =
                Value::from_fn(&Type::new(self.dtype(), along.clone()), |i| Num::Float(tap(i, k).1));
            if all_ones { picked } else { picked * Tensor::constant(weights) }
        });
        terms.reduce(|a, b| a + b).unwrap_or_else(|| {
            let mut shape = self.shape().to_vec();
            shape[axis] = taps.len();
            Tensor::full(Type::new(self.dtype(), shape), 0.0)
        })
    }
}
