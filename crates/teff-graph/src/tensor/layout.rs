//! Moving elements: shapes, axes, parts.

use super::Tensor;
use crate::geometry::{PadAxis, SliceAxis};
use crate::op::Op;

impl Tensor {
    /// The same elements under another shape.
    #[track_caller]
    pub fn reshape(&self, shape: &[usize]) -> Tensor {
        if self.shape() == shape {
            self.clone()
        } else {
            Tensor::apply(Op::Reshape(shape.into()), std::slice::from_ref(self))
        }
    }

    /// All axes from `start` on as one.
    #[track_caller]
    pub fn flatten(&self, start: isize) -> Tensor {
        let (front, back) = self.shape().split_at(valid!(self.axis("flatten", start)));
        self.reshape(&[front, &[back.iter().product()]].concat())
    }

    /// One axis with all elements.
    #[track_caller]
    pub fn flatten_all(&self) -> Tensor {
        self.reshape(&[self.len()])
    }

    /// Axis i of the result is axis `perm[i]`.
    #[track_caller]
    pub fn permute(&self, perm: &[usize]) -> Tensor {
        if perm.iter().copied().eq(0..self.rank()) {
            return self.clone();
        }
        Tensor::apply(Op::Permute(perm.into()), std::slice::from_ref(self))
    }

    /// The last two axes exchanged.
    #[track_caller]
    pub fn transpose(&self) -> Tensor {
        self.swap_axes(-2, -1)
    }

    /// Two axes exchanged.
    #[track_caller]
    pub fn swap_axes(&self, a: isize, b: isize) -> Tensor {
        let mut perm: Vec<usize> = (0..self.rank()).collect();
        perm.swap(valid!(self.axis("swap_axes", a)), valid!(self.axis("swap_axes", b)));
        self.permute(&perm)
    }

    /// A new axis of size 1 that becomes axis `axis` of the result.
    #[track_caller]
    pub fn unsqueeze(&self, axis: isize) -> Tensor {
        let rank = self.rank() as isize + 1;
        let axis = if axis < 0 { axis + rank } else { axis };
        if !(0..rank).contains(&axis) {
            let reason = format!("axis {axis} of a result with {rank} axes");
            return Tensor::invalid("unsqueeze", &[self], reason);
        }
        let mut shape = self.shape().to_vec();
        shape.insert(axis as usize, 1);
        self.reshape(&shape)
    }

    /// Without axis `axis`, which has size 1.
    #[track_caller]
    pub fn squeeze(&self, axis: isize) -> Tensor {
        let axis = valid!(self.axis("squeeze", axis));
        if self.shape()[axis] != 1 {
            let reason = format!("axis {axis} has {} elements", self.shape()[axis]);
            return Tensor::invalid("squeeze", &[self], reason);
        }
        self.without(&[axis])
    }

    /// Without these axes, each of size 1.
    #[track_caller]
    pub fn without(&self, axes: &[usize]) -> Tensor {
        let kept: Vec<usize> =
            (0..self.rank()).filter(|a| !axes.contains(a)).map(|a| self.shape()[a]).collect();
        self.reshape(&kept)
    }

    /// All elements along axis `axis` of `rank` axes, to broadcast against a tensor with as many.
    #[track_caller]
    pub fn along_axis(&self, axis: usize, rank: usize) -> Tensor {
        let mut shape = vec![1; rank];
        shape.iter_mut().skip(axis).take(1).for_each(|n| *n = self.len());
        self.reshape(&shape)
    }

    /// Axes of size 1 repeated, axes added in front.
    #[track_caller]
    pub fn broadcast_to(&self, shape: &[usize]) -> Tensor {
        if self.shape() == shape {
            self.clone()
        } else {
            Tensor::apply(Op::Broadcast(shape.into()), std::slice::from_ref(self))
        }
    }

    /// Elements `start .. start + len` of axis `axis`.
    #[track_caller]
    pub fn narrow(&self, axis: usize, start: usize, len: usize) -> Tensor {
        self.slice_along(axis, |_| SliceAxis { start, step: 1, len })
    }

    /// Element `index` of axis `axis`, which is dropped.
    #[track_caller]
    pub fn pick(&self, axis: usize, index: usize) -> Tensor {
        self.narrow(axis, index, 1).squeeze(axis as isize)
    }

    /// Elements `start, start + step, ...` before `end` of axis `axis`, by Python's rules: negative positions count from the
    /// end, positions outside are clamped, `step` may be negative.
    #[track_caller]
    pub fn slice(&self, axis: usize, start: isize, end: isize, step: isize) -> Tensor {
        if step == 0 {
            return Tensor::invalid("slice", &[self], "the step is 0");
        }
        self.slice_along(axis, |len| SliceAxis::clamped(len, start, end, step))
    }

    /// Elements of axis `axis`, of whose length `part` is told, and all of the others.
    #[track_caller]
    fn slice_along(&self, axis: usize, part: impl FnOnce(usize) -> SliceAxis) -> Tensor {
        let axis = valid!(self.axis("slice", axis as isize));
        let mut axes = self.whole();
        axes[axis] = part(self.shape()[axis]);
        self.slice_axes(axes)
    }

    /// Some elements along every axis.
    #[track_caller]
    pub fn slice_axes(&self, axes: Vec<SliceAxis>) -> Tensor {
        if axes == self.whole() {
            self.clone()
        } else {
            Tensor::apply(Op::Slice(axes), std::slice::from_ref(self))
        }
    }

    fn whole(&self) -> Vec<SliceAxis> {
        self.shape().iter().map(|&len| SliceAxis::whole(len)).collect()
    }

    /// The order of axis `axis` reversed.
    #[track_caller]
    pub fn flip(&self, axis: usize) -> Tensor {
        self.slice_along(axis, |len| SliceAxis { start: len.saturating_sub(1), step: -1, len })
    }

    /// `(before, after)` copies of `fill` around each axis.
    #[track_caller]
    pub fn pad(&self, widths: &[(usize, usize)], fill: f64) -> Tensor {
        self.pad_axes(widths.iter().map(|&(low, high)| PadAxis { low, high, interior: 0 }).collect(), fill)
    }

    /// Cut, or filled with zeros at the end, to `n` elements along axis `axis`.
    #[track_caller]
    pub fn fitted(&self, axis: usize, n: usize) -> Tensor {
        let axis = valid!(self.axis("fitted", axis as isize));
        let mut widths = vec![(0, 0); self.rank()];
        widths[axis].1 = n.saturating_sub(self.shape()[axis]);
        self.pad(&widths, 0.0).narrow(axis, 0, n)
    }

    /// Copies of `fill` around and between the elements of each axis.
    #[track_caller]
    pub fn pad_axes(&self, axes: Vec<PadAxis>, fill: f64) -> Tensor {
        if axes.len() == self.rank() && axes.iter().all(|a| *a == PadAxis::default()) {
            return self.clone();
        }
        let fill = Tensor::full(crate::Type::new(self.dtype(), []), fill);
        Tensor::apply(Op::Pad(axes), &[self.clone(), fill])
    }

    /// Tensors one after another along axis `axis`.
    #[track_caller]
    pub fn concat(tensors: &[Tensor], axis: usize) -> Tensor {
        match tensors {
            [one] => one.clone(),
            _ => Tensor::apply(Op::Concat { axis }, tensors),
        }
    }

    /// Tensors of one shape along a new axis.
    #[track_caller]
    pub fn stack(tensors: &[Tensor], axis: usize) -> Tensor {
        let parts: Vec<Tensor> = tensors.iter().map(|t| t.unsqueeze(axis as isize)).collect();
        Tensor::concat(&parts, axis)
    }

    /// Parts of these sizes along axis `axis`, which they make up.
    #[track_caller]
    pub fn split(&self, axis: usize, sizes: &[usize]) -> Vec<Tensor> {
        let sum = sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size));
        if sum.as_ref() != self.shape().get(axis) {
            let reason = format!("parts of {sizes:?} do not make up axis {axis}");
            return vec![Tensor::invalid("split", &[self], reason); sizes.len().max(1)];
        }
        let mut start = 0;
        let mut part = |&len: &usize| {
            let part = self.narrow(axis, start, len);
            start += len;
            part
        };
        sizes.iter().map(&mut part).collect()
    }

    /// The tensor repeated `counts[i]` times along each axis i.
    #[track_caller]
    pub fn repeat(&self, counts: &[usize]) -> Tensor {
        if counts.len() != self.rank() {
            let reason = format!("{} counts for {} axes", counts.len(), self.rank());
            return Tensor::invalid("repeat", &[self], reason);
        }
        let with_ones: Vec<usize> = self.shape().iter().flat_map(|&n| [1, n]).collect();
        let repeated: Vec<usize> = self.shape().iter().zip(counts).flat_map(|(&n, &c)| [c, n]).collect();
        let shape: Vec<usize> = self.shape().iter().zip(counts).map(|(n, &c)| n.saturating_mul(c)).collect();
        self.reshape(&with_ones).broadcast_to(&repeated).reshape(&shape)
    }

    /// Each element repeated to a block: of `shape`, whose sizes are multiples of this tensor's.
    #[track_caller]
    pub fn in_blocks(&self, shape: &[usize]) -> Tensor {
        let with_ones: Vec<usize> = self.shape().iter().flat_map(|&n| [n, 1]).collect();
        let both = self.shape().iter().zip(shape);
        let repeated: Vec<usize> = both.flat_map(|(&n, &to)| [n, to / n.max(1)]).collect();
        self.reshape(&with_ones).broadcast_to(&repeated).reshape(shape)
    }

    /// Elements moved `by` places towards the end of axis `axis`, those that leave it entering at the front.
    #[track_caller]
    pub fn roll(&self, axis: usize, by: usize) -> Tensor {
        let n = self.shape().get(axis).copied().unwrap_or(0);
        let by = by.checked_rem(n).unwrap_or(0);
        if by == 0 {
            return self.clone();
        }
        Tensor::concat(&[self.narrow(axis, n - by, by), self.narrow(axis, 0, n - by)], axis)
    }
}

/// Blocks of pixels in channels, and back: images are `[N, C, H, W]`. In a block of channels the place of a pixel counts before the depth
/// (`DCR` in ONNX, all there is in TensorFlow), or after it (`CRD`).
impl Tensor {
    /// `block * block` channels as so many pixels.
    #[track_caller]
    pub fn depth_to_space(&self, block: usize, place_first: bool) -> Tensor {
        let area = block.checked_mul(block);
        let (&[n, c, h, w], Some(area @ 1..)) = (self.shape(), area) else {
            let reason = format!("no [N, C, H, W], or blocks of {block}");
            return Tensor::invalid("depth_to_space", &[self], reason);
        };
        let (Some(tall), Some(wide)) = (h.checked_mul(block), w.checked_mul(block)) else {
            return Tensor::invalid("depth_to_space", &[self], "the result is too large");
        };
        if c % area != 0 {
            let reason = format!("{c} channels do not divide into blocks of {block} by {block}");
            return Tensor::invalid("depth_to_space", &[self], reason);
        }
        let moved = match place_first {
            true => self.reshape(&[n, block, block, c / area, h, w]).permute(&[0, 3, 4, 1, 5, 2]),
            false => self.reshape(&[n, c / area, block, block, h, w]).permute(&[0, 1, 4, 2, 5, 3]),
        };
        moved.reshape(&[n, c / area, tall, wide])
    }

    /// Blocks of `block` by `block` pixels as channels.
    #[track_caller]
    pub fn space_to_depth(&self, block: usize, place_first: bool) -> Tensor {
        let &[n, c, h, w] = self.shape() else {
            return Tensor::invalid("space_to_depth", &[self], "no [N, C, H, W]");
        };
        let deep = block.checked_mul(block).and_then(|area| c.checked_mul(area));
        let (Some(deep), true) = (deep, block > 0 && h % block.max(1) == 0 && w % block.max(1) == 0) else {
            let reason =
                format!("the image does not divide into blocks of {block} by {block}, or is too large");
            return Tensor::invalid("space_to_depth", &[self], reason);
        };
        let blocks = self.reshape(&[n, c, h / block, block, w / block, block]);
        let moved = blocks.permute(if place_first { &[0, 3, 5, 1, 2, 4] } else { &[0, 1, 3, 5, 2, 4] });
        moved.reshape(&[n, deep, h / block, w / block])
    }
}

impl SliceAxis {
    /// A whole axis of `len` elements.
    pub fn whole(len: usize) -> SliceAxis {
        SliceAxis { start: 0, step: 1, len }
    }

    /// The elements that Python's `[start:end:step]` takes of `n`; `step` is not 0.
    pub fn clamped(n: usize, start: isize, end: isize, step: isize) -> SliceAxis {
        let n = n as isize;
        let from_end = |i: isize| if i < 0 { i.saturating_add(n) } else { i };
        let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
        let (start, end) = (from_end(start).clamp(low, high), from_end(end).clamp(low, high));
        let distance = if step > 0 { end - start } else { start - end };
        let len = if distance > 0 { (distance as usize).div_ceil(step.unsigned_abs()) } else { 0 };
        SliceAxis { start: start.max(0) as usize, step, len }
    }
}
