//! Where operations look: slices, padding, windows, convolutions.

use crate::dtype::Shape;
use std::ops::Range;

/// Elements `start, start + step, ...` of one axis, `len` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SliceAxis {
    /// First index.
    pub start: usize,
    /// Distance between indices; negative goes backwards, never 0.
    pub step: isize,
    /// How many.
    pub len: usize,
}

/// Padding of one axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PadAxis {
    /// Elements before the first.
    pub low: usize,
    /// Elements after the last.
    pub high: usize,
    /// Elements between any two.
    pub interior: usize,
}

/// Geometry of a convolution; every list has one entry for each spatial axis.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConvGeometry {
    /// Distance between outputs, at least 1.
    pub stride: Vec<usize>,
    /// Distance between taps, at least 1.
    pub dilation: Vec<usize>,
    /// Zeros before the first element.
    pub pad_low: Vec<usize>,
    /// Zeros after the last element.
    pub pad_high: Vec<usize>,
    /// Channels are split into so many groups, each convolved by itself.
    pub groups: usize,
}

impl ConvGeometry {
    /// Stride and dilation 1, no padding, one group.
    pub fn new(spatial_axes: usize) -> ConvGeometry {
        ConvGeometry::alike(spatial_axes, 1, 0, 1, 1)
    }

    /// The same along all axes.
    pub fn alike(axes: usize, stride: usize, pad: usize, dilation: usize, groups: usize) -> ConvGeometry {
        let [stride, dilation, pad_low, pad_high] = [stride, dilation, pad, pad].map(|n| vec![n; axes]);
        ConvGeometry { stride, dilation, pad_low, pad_high, groups }
    }

    /// The windows that a kernel of these sizes sees.
    pub fn window(&self, kernel: &[usize]) -> Window {
        Window {
            size: kernel.to_vec(),
            stride: self.stride.clone(),
            dilation: self.dilation.clone(),
            pad_low: self.pad_low.clone(),
            pad_high: self.pad_high.clone(),
        }
    }
}

/// Sliding windows over the spatial axes; every list has one entry for each.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Elements a window sees along each axis.
    pub size: Vec<usize>,
    /// Distance between windows, at least 1.
    pub stride: Vec<usize>,
    /// Distance between the elements of a window, at least 1.
    pub dilation: Vec<usize>,
    /// Padding before the first element.
    pub pad_low: Vec<usize>,
    /// Padding after the last element.
    pub pad_high: Vec<usize>,
}

/// Elements of padding with which windows `stride` apart are as many as strides begun in `size` elements; `None` where that is too large.
pub fn same_padding(size: usize, kernel: usize, stride: usize, dilation: usize) -> Option<usize> {
    let span = kernel.saturating_sub(1).checked_mul(dilation)?.checked_add(1)?;
    let reach = size.div_ceil(stride.max(1)).saturating_sub(1).checked_mul(stride)?;
    Some(reach.checked_add(span)?.saturating_sub(size))
}

impl Window {
    /// Windows of `size`, `stride` apart, without padding or dilation.
    pub fn new(size: impl Into<Vec<usize>>, stride: impl Into<Vec<usize>>) -> Window {
        let (size, stride) = (size.into(), stride.into());
        let n = size.len();
        Window { size, stride, dilation: vec![1; n], pad_low: vec![0; n], pad_high: vec![0; n] }
    }

    /// E: how many windows fit into the spatial sizes D, or what is wrong.
    pub fn output(&self, spatial: &[usize]) -> Result<Shape, String> {
        let n = self.size.len();
        let lists =
            [self.stride.len(), self.dilation.len(), self.pad_low.len(), self.pad_high.len(), spatial.len()];
        if lists.iter().any(|&l| l != n) {
            return Err(format!(
                "window, stride, dilation, padding and input differ in spatial axes: {n}, {lists:?}"
            ));
        }
        if self.size.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).is_none() {
            return Err(format!("windows of {:?} are too large", self.size));
        }
        (0..n)
            .map(|i| {
                if self.size[i] == 0 || self.stride[i] == 0 || self.dilation[i] == 0 {
                    return Err(format!("window size, stride and dilation must be at least 1 on spatial axis {i}"));
                }
                let span = (self.size[i] - 1).checked_mul(self.dilation[i]).and_then(|s| s.checked_add(1));
                let padded = spatial[i].checked_add(self.pad_low[i]).and_then(|s| s.checked_add(self.pad_high[i]));
                match (span, padded) {
                    (Some(span), Some(padded)) if span <= padded => Ok((padded - span) / self.stride[i] + 1),
                    _ => Err(format!(
                        "a window of {} (dilation {}) does not fit into {} elements padded by {} and {} on spatial axis {i}",
                        self.size[i], self.dilation[i], spatial[i], self.pad_low[i], self.pad_high[i]
                    )),
                }
            })
            .collect()
    }

    /// The index along spatial axis `axis` that tap `tap` of window `at` sees, or `None` in the padding.
    pub fn tap(&self, axis: usize, at: usize, tap: usize, size: usize) -> Option<usize> {
        (at * self.stride[axis] + tap * self.dilation[axis])
            .checked_sub(self.pad_low[axis])
            .filter(|&i| i < size)
    }

    /// The taps of window `at` that see one of the `size` elements of spatial axis `axis`.
    pub(crate) fn taps_inside(&self, axis: usize, at: usize, size: usize) -> Range<usize> {
        let start = at * self.stride[axis];
        let before =
            |end: usize| end.saturating_sub(start).div_ceil(self.dilation[axis]).min(self.size[axis]);
        before(self.pad_low[axis])..before(self.pad_low[axis] + size)
    }
}
