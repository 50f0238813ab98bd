//! Picking, writing and sorting by index.

use super::Tensor;
use crate::dtype::{DType, Type, strides};
use crate::op::{Op, ScatterKind};
use teff_picture::Picture;

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
        if axis >= self.rank() {
            return Tensor::invalid(
                "take",
                &[self, indices],
                format!("axis {axis} of a tensor with {} axes", self.rank()),
            );
        }
        let shape = [&self.shape()[..axis], indices.shape(), &self.shape()[axis + 1..]].concat();
        self.gather(&indices.flatten_all(), axis).reshape(&shape)
    }

    /// Element `indices[.., k, ..]` of each line along `axis`: NumPy's `take_along_axis`. The indices have this tensor's shape on
    /// all other axes or less.
    #[track_caller]
    pub fn take_along(&self, indices: &Tensor, axis: usize) -> Tensor {
        match self.line_positions(indices, axis) {
            Ok(at) => self.flatten_all().gather(&at.flatten_all(), 0).reshape(indices.shape()),
            Err(invalid) => invalid,
        }
    }

    /// With `updates` combined in at the places [`Tensor::take_along`] reads.
    #[track_caller]
    pub fn scatter_along(
        &self,
        indices: &Tensor,
        updates: &Tensor,
        axis: usize,
        kind: ScatterKind,
    ) -> Tensor {
        match self.line_positions(indices, axis) {
            Ok(at) => {
                let flat = self.flatten_all();
                flat.scatter(&at.flatten_all(), &updates.flatten_all(), 0, kind).reshape(self.shape())
            }
            Err(invalid) => invalid,
        }
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

    /// The pixels, u8 `[height, width, channels]`, of the picture in a file: see [`Op::DecodePicture`].
    #[track_caller]
    pub fn decode_picture(&self, picture: Picture) -> Tensor {
        Tensor::apply(Op::DecodePicture(picture), std::slice::from_ref(self))
    }

    /// The indices (i64) that sort along `axis`.
    #[track_caller]
    pub fn argsort(&self, axis: isize, descending: bool) -> Tensor {
        match self.axis("argsort", axis) {
            Ok(axis) => Tensor::apply(Op::ArgSort { axis, descending }, std::slice::from_ref(self)),
            Err(invalid) => invalid,
        }
    }

    /// The `k` largest along `axis`, largest first, and their indices.
    #[track_caller]
    pub fn top_k(&self, k: usize, axis: isize) -> (Tensor, Tensor) {
        match self.axis("top_k", axis) {
            Ok(at) => {
                let indices = self.argsort(axis, true).narrow(at, 0, k);
                (self.take_along(&indices, at), indices)
            }
            Err(invalid) => (invalid.clone(), invalid),
        }
    }

    /// f32 `[.., classes]`: 1 at each index, 0 elsewhere.
    #[track_caller]
    pub fn one_hot(&self, classes: usize) -> Tensor {
        self.is_class(classes).cast(DType::F32)
    }

    /// bool `[.., classes]`: true at each index.
    #[track_caller]
    pub(super) fn is_class(&self, classes: usize) -> Tensor {
        let shape = [self.shape(), &[classes]].concat();
        let counted = Tensor::iota(Type::new(DType::I64, shape), self.rank());
        counted.equal(&self.cast(DType::I64).unsqueeze(-1))
    }
}
