//! Views: where the elements of a value lie in a buffer.
//!
//! Movement costs nothing while it can be said in strides: a permuted, broadcast, sliced and mostly also a reshaped value is
//! another view of the same buffer. A layout is nothing but the order of the strides.

use crate::memory::BufferId;
use teff_graph::{DType, SliceAxis, strides as row_major_strides};

/// The elements of a value: axis i of size `shape[i]` steps by `strides[i]` elements from `offset`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct View {
    pub(crate) buffer: BufferId,
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<usize>,
    pub(crate) strides: Vec<isize>,
    pub(crate) offset: usize,
}

impl View {
    /// The whole of a buffer, its axes stored in `order`, outermost first.
    pub(crate) fn dense(buffer: BufferId, dtype: DType, shape: &[usize], order: &[usize]) -> View {
        View { buffer, dtype, shape: shape.to_vec(), strides: dense_strides(shape, order), offset: 0 }
    }

    /// The whole of a buffer, row-major.
    pub(crate) fn row_major(buffer: BufferId, dtype: DType, shape: &[usize]) -> View {
        View::dense(buffer, dtype, shape, &identity(shape.len()))
    }

    /// Number of elements.
    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Every element once, in row-major order, without gaps.
    pub(crate) fn is_row_major(&self) -> bool {
        self.is_dense_in(&identity(self.shape.len()))
    }

    /// Every element once, without gaps, the axes in `order`.
    pub(crate) fn is_dense_in(&self, order: &[usize]) -> bool {
        let dense = dense_strides(&self.shape, order);
        self.len() == 0 || (0..self.shape.len()).all(|i| self.shape[i] == 1 || self.strides[i] == dense[i])
    }

    /// The order of axes, outermost first, in which this view is dense, if it is in any. Axes of size 1 go where they would be
    /// in row-major order.
    pub(crate) fn dense_order(&self) -> Option<Vec<usize>> {
        if self.is_row_major() {
            return Some(identity(self.shape.len()));
        }
        let mut order = identity(self.shape.len());
        order.sort_by_key(|&i| {
            std::cmp::Reverse(if self.shape[i] == 1 { isize::MAX } else { self.strides[i] })
        });
        self.is_dense_in(&order).then_some(order)
    }

    pub(crate) fn permute(&self, perm: &[usize]) -> View {
        View {
            shape: perm.iter().map(|&a| self.shape[a]).collect(),
            strides: perm.iter().map(|&a| self.strides[a]).collect(),
            ..self.clone()
        }
    }

    pub(crate) fn broadcast(&self, shape: &[usize]) -> View {
        let lead = shape.len() - self.shape.len();
        let stride =
            |i: usize| if i < lead || self.shape[i - lead] != shape[i] { 0 } else { self.strides[i - lead] };
        View { shape: shape.to_vec(), strides: (0..shape.len()).map(stride).collect(), ..self.clone() }
    }

    pub(crate) fn slice(&self, axes: &[SliceAxis]) -> View {
        let start: isize = axes.iter().zip(&self.strides).map(|(a, s)| a.start as isize * s).sum();
        let empty = axes.iter().any(|a| a.len == 0);
        View {
            shape: axes.iter().map(|a| a.len).collect(),
            strides: axes.iter().zip(&self.strides).map(|(a, s)| a.step * s).collect(),
            offset: if empty { 0 } else { (self.offset as isize + start) as usize },
            ..self.clone()
        }
    }

    /// The same elements, in row-major order of the indices, under another shape; `None` when no strides say it.
    pub(crate) fn reshape(&self, shape: &[usize]) -> Option<View> {
        let mut view = View { shape: shape.to_vec(), strides: vec![0; shape.len()], ..self.clone() };
        if self.len() == 0 {
            view.strides = row_major_strides(shape).into_iter().map(|s| s as isize).collect();
            return Some(view);
        }
        let old: Vec<(usize, isize)> =
            self.shape.iter().copied().zip(self.strides.iter().copied()).filter(|d| d.0 != 1).collect();
        let (mut i, mut j) = (0, 0);
        // Match runs of old axes with runs of new axes of the same product; inside a run the old axes must be mergeable.
        while i < old.len() {
            let (first_old, first_new) = (i, j);
            let (mut have, mut want) = (old[i].0, 1);
            i += 1;
            while have != want || want == 1 {
                if want < have {
                    want *= shape.get(j)?;
                    j += 1;
                } else {
                    have *= old.get(i)?.0;
                    i += 1;
                }
            }
            let mergeable = |w: &[(usize, isize)]| w[0].1 == w[1].0 as isize * w[1].1;
            if !old[first_old..i].windows(2).all(mergeable) {
                return None;
            }
            let mut stride = old[i - 1].1;
            for a in (first_new..j).rev() {
                view.strides[a] = stride;
                stride *= shape[a] as isize;
            }
        }
        Some(view)
    }
}

/// 0, 1, .. n - 1: the axes in row-major order.
pub(crate) fn identity(n: usize) -> Vec<usize> {
    (0..n).collect()
}

/// Strides of a dense array whose axes are stored in `order`, outermost first.
pub(crate) fn dense_strides(shape: &[usize], order: &[usize]) -> Vec<isize> {
    let mut out = vec![0; shape.len()];
    let mut stride = 1;
    for &a in order.iter().rev() {
        out[a] = stride;
        stride *= shape[a].max(1) as isize;
    }
    out
}

/// Axes to walk several views in step: sizes, and for each axis a stride for each view. Axes that every view steps through as
/// one are one, and axes of size 1 are gone.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Walk {
    pub(crate) sizes: Vec<usize>,
    /// `strides[v][axis]`.
    pub(crate) strides: Vec<Vec<isize>>,
}

impl Walk {
    /// Walks `shape` with its axes in `order`; each of `views` has one stride an axis of `shape`.
    pub(crate) fn new(shape: &[usize], order: &[usize], views: &[&[isize]]) -> Walk {
        let mut sizes: Vec<usize> = Vec::new();
        let mut strides: Vec<Vec<isize>> = vec![Vec::new(); views.len()];
        for &axis in order.iter().filter(|&&a| shape[a] != 1) {
            let size = shape[axis];
            let joins = !sizes.is_empty()
                && views.iter().zip(&strides).all(|(v, s)| s[s.len() - 1] == v[axis] * size as isize);
            match sizes.last_mut().filter(|_| joins) {
                Some(last) => *last *= size,
                None => sizes.push(size),
            }
            for (v, s) in views.iter().zip(&mut strides) {
                if joins {
                    s.pop();
                }
                s.push(v[axis]);
            }
        }
        Walk { sizes, strides }
    }

    /// The offset in view `view` of the element numbered `i` of the first `axes` axes.
    #[inline]
    pub(crate) fn offset(&self, view: usize, axes: usize, i: usize) -> isize {
        let (mut rest, mut offset) = (i, 0);
        for (size, stride) in self.sizes[..axes].iter().zip(&self.strides[view]).rev() {
            offset += (rest % size) as isize * stride;
            rest /= size;
        }
        offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(shape: &[usize], order: &[usize]) -> View {
        View::dense(BufferId(0), DType::F32, shape, order)
    }

    #[test]
    fn batch_innermost_flattens_without_a_copy() {
        let v = view(&[128, 16, 5, 5], &[1, 2, 3, 0]);
        let flat = v.reshape(&[128, 400]).unwrap();
        assert_eq!((flat.strides.clone(), flat.shape.clone()), (vec![1, 128], vec![128, 400]));
        assert_eq!(flat.reshape(&[128, 16, 5, 5]).unwrap().strides, v.strides);
        assert_eq!(v.reshape(&[128 * 16, 25]), None);
    }

    #[test]
    fn ones_come_and_go() {
        let v = view(&[3, 1, 4], &[2, 1, 0]);
        assert_eq!(v.reshape(&[1, 3, 4, 1]).unwrap().strides[1..3], [1, 3]);
        assert_eq!(v.reshape(&[12]), None);
        assert_eq!(view(&[1, 1], &[0, 1]).reshape(&[]).unwrap().shape, [0usize; 0]);
        assert_eq!(view(&[6], &[0]).reshape(&[1, 2, 1, 3]).unwrap().strides[1], 3);
        assert_eq!(
            view(&[2, 6], &[0, 1])
                .slice(&[SliceAxis { start: 0, step: 1, len: 2 }, SliceAxis { start: 5, step: -2, len: 3 }])
                .strides,
            [6, -2]
        );
    }

    #[test]
    fn a_walk_merges_axes() {
        let (a, b) = (view(&[4, 5, 6], &[0, 1, 2]), view(&[6], &[0]).broadcast(&[4, 5, 6]));
        let walk = Walk::new(&a.shape, &[0, 1, 2], &[&a.strides, &b.strides]);
        assert_eq!(walk, Walk { sizes: vec![20, 6], strides: vec![vec![6, 1], vec![0, 1]] });
    }
}
