//! Floats that are known to be integers times a scale.

use teff_graph::facts::axis_after;
use teff_graph::{DType, Op, Tensor, Type, Value};

/// A float tensor as `(q - zero + offset + fraction) * scale`, exactly.
#[derive(Clone, Debug)]
pub(super) struct Affine {
    /// Integers of any type.
    pub(super) q: Tensor,
    /// What stands for 0 in `q`.
    pub(super) zero: i32,
    /// What is added to each channel of `q - zero`, along the axis of `scale`; nothing when empty.
    pub(super) offset: Vec<i64>,
    /// What is added to each channel beside that and is no whole number, from -1/2 to 1/2, as of a bias of floats; as many as offsets, or
    /// nothing when all are 0.
    pub(super) fraction: Vec<f64>,
    pub(super) scale: Scale,
    /// Smallest and largest value of `q - zero + offset`.
    pub(super) range: (i64, i64),
}

/// Bits that a sum may have with its sign.
pub(super) const MOST: u32 = 31;

/// Bits that it is brought to where a fraction is to be kept and a product with 8 bits may follow.
const BITS: u32 = 22;

/// One factor for all elements, or one for each index along an axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scale {
    pub(super) axis: usize,
    pub(super) values: Vec<f64>,
}

impl Scale {
    /// The only factor, if there is one.
    pub(super) fn single(&self) -> Option<f64> {
        match self.values[..] {
            [one] => Some(one),
            _ => None,
        }
    }

    /// The scale that a constant operand of `Quantize` or `Dequantize` gives to a tensor of type `ty`.
    pub(super) fn of(value: &Value, ty: &Type) -> Option<Scale> {
        let values = value.to_f64();
        if values.iter().any(|s| !(s.is_finite() && *s > 0.0)) {
            return None;
        }
        match &values[..] {
            [_] => Some(Scale { axis: 0, values }),
            _ => {
                let axis = value.shape().iter().position(|n| *n > 1)?;
                let whole = value.shape()[axis] == values.len() && ty.shape.get(axis) == Some(&values.len());
                whole.then_some(Scale { axis, values })
            }
        }
    }
}

impl Affine {
    /// A plain integer tensor: scale 1, nothing taken off.
    pub(super) fn plain(q: &Tensor) -> Affine {
        let (low, high) = q.dtype().int_range().unwrap_or((0, 1));
        let range = (low.max(i32::MIN.into()) as i64, high.min(i32::MAX.into()) as i64);
        Affine::of(q.clone(), range)
    }

    /// The integers `q` themselves, on a scale of 1.
    pub(super) fn of(q: Tensor, range: (i64, i64)) -> Affine {
        let scale = Scale { axis: 0, values: vec![1.0] };
        Affine { q, zero: 0, offset: Vec::new(), fraction: Vec::new(), scale, range }
    }

    /// `q - zero + offset` as i32; a fraction is left out.
    pub(super) fn int(&self) -> Tensor {
        let mut t = self.q.cast(DType::I32);
        if !self.offset.is_empty() {
            let all: Vec<i32> = self.offset.iter().map(|o| o.wrapping_sub(self.zero.into()) as i32).collect();
            if all.iter().any(|o| *o != 0) {
                t = &t + &along(all, self.scale.axis, t.rank());
            }
        } else if self.zero != 0 {
            t = &t - self.zero;
        }
        t
    }

    /// What it stands for.
    pub(super) fn float(&self) -> Tensor {
        let a = self.settled(MOST);
        let scales = along(a.scale.values.iter().map(|s| *s as f32).collect(), a.scale.axis, a.q.rank());
        let zeros = along(vec![0i32; a.scale.values.len()], a.scale.axis, a.q.rank());
        a.q.cast(DType::I32).dequantize(&scales, &zeros)
    }

    /// The same with nothing to take off or add. A fraction goes into steps that are smaller by a power of two: no smaller than it takes to
    /// hold it, and all fit into `most` bits, or into fewer that leave room for a product.
    pub(super) fn settled(&self, most: u32) -> Affine {
        if self.fraction.is_empty() {
            return Affine { q: self.int(), zero: 0, offset: Vec::new(), ..self.clone() };
        }
        self.refined(self.finer(self.reach().min(most)))
    }

    /// The most bits that are of use to a fraction.
    fn reach(&self) -> u32 {
        BITS.max(self.bits() + 14).min(MOST)
    }

    /// By which power of two steps can be smaller.
    pub(super) fn room(&self) -> u32 {
        self.reach().saturating_sub(self.bits() + 1)
    }

    /// By which power of two steps are to be smaller so that they hold the fraction, as well as that can be within so many bits.
    pub(super) fn finer(&self, bits: u32) -> u32 {
        let whole = |k: u32| self.fraction.iter().all(|f| (f * 2f64.powi(k as i32)).fract() == 0.0);
        let room = bits.saturating_sub(self.bits() + 1);
        (0..room).find(|k| whole(*k)).unwrap_or(room)
    }

    /// The same in steps that are smaller by 2^k, to the nearest of which a fraction is rounded.
    pub(super) fn refined(&self, k: u32) -> Affine {
        let times = 1i64 << k;
        let add: Vec<i64> = if self.offset.is_empty() {
            vec![-i64::from(self.zero) * times]
        } else {
            let fraction = |i: usize| self.fraction.get(i).map_or(0, |f| (f * times as f64).round() as i64);
            let whole = |o: i64| o.wrapping_sub(self.zero.into()).wrapping_mul(times);
            (0..self.offset.len()).map(|i| whole(self.offset[i]).wrapping_add(fraction(i))).collect()
        };
        let mut q = self.q.cast(DType::I32);
        if k > 0 {
            q = q * times as f64;
        }
        if add.iter().any(|x| *x != 0) {
            // Only the last 32 bits count.
            q = &q + &along(add.iter().map(|x| *x as i32).collect(), self.scale.axis, q.rank());
        }
        let values = self.scale.values.iter().map(|s| s / times as f64).collect();
        let half = if self.fraction.is_empty() { 0 } else { (times + 1) / 2 };
        Affine {
            scale: Scale { values, ..self.scale.clone() },
            ..Affine::of(q, (self.range.0 * times - half, self.range.1 * times + half))
        }
    }

    /// The same with each channel times 1 or -1, one for all or as many as there are along `axis`.
    pub(super) fn signed(&self, signs: Vec<i32>, axis: usize) -> Affine {
        let a = self.settled(MOST);
        let q = &a.q * &along(signs, axis, a.q.rank());
        Affine { q, range: (-a.bound(), a.bound()), ..a }
    }

    /// How many bits the largest magnitude has.
    pub(super) fn bits(&self) -> u32 {
        64 - (self.bound().max(1) as u64).leading_zeros()
    }

    /// The largest magnitude.
    pub(super) fn bound(&self) -> i64 {
        self.range.0.abs().max(self.range.1.abs())
    }

    /// The same after an operation that only moves elements, with its other operands; `None` where scales lose their axis.
    pub(super) fn moved(&self, op: &Op, others: &[Tensor]) -> Option<Affine> {
        let operands: Vec<Tensor> = [&self.q].into_iter().chain(others).cloned().collect();
        let types: Vec<Type> = operands.iter().map(Tensor::ty).collect();
        let axis = |axis: usize| axis_after(op, 0, axis, &types);
        // What is put around has no offset, and an offset alone needs no axis.
        let padded = matches!(op, Op::Pad(_)) && !self.offset.is_empty();
        let lost = self.scale.values.len() == 1 && self.offset.len() > 1 && axis(self.scale.axis).is_none();
        let from = if padded || lost { self.settled(MOST) } else { self.clone() };
        let varies = from.scale.values.len() > 1 || from.offset.len() > 1;
        let axis = if varies { axis(from.scale.axis)? } else { 0 };
        let q = match op {
            // Zeros are put around, which `zero` stands for.
            Op::Pad(axes) => from.q.pad_axes(axes.clone(), f64::from(from.zero)),
            // All others move elements, whatever these stand for.
            op => Tensor::apply(op.clone(), &[std::slice::from_ref(&from.q), others].concat()),
        };
        Some(Affine { q, scale: Scale { axis, ..from.scale.clone() }, ..from })
    }

    /// Adds a constant to each channel, in units of the channel's scale; one for all, or as many as there are.
    pub(super) fn shifted(mut self, by: &[f64]) -> Affine {
        let channels = self.offset.len().max(by.len());
        let sums: Vec<f64> = (0..channels).map(|i| at(&self.fraction, i) + at(by, i)).collect();
        let whole: Vec<i64> = sums.iter().map(|x| x.round() as i64).collect();
        self.offset = (0..channels).map(|i| at(&self.offset, i).wrapping_add(whole[i])).collect();
        self.fraction = match sums.iter().all(|x| is_whole(*x)) {
            true => Vec::new(),
            false => sums.iter().map(|x| if is_whole(*x) { 0.0 } else { x - x.round() }).collect(),
        };
        let least = whole.iter().copied().min().unwrap_or(0);
        let most = whole.iter().copied().max().unwrap_or(0);
        self.range = (self.range.0 + least, self.range.1 + most);
        self
    }

    /// How many channels there are along `axis`, with one scale for all of them repeated.
    pub(super) fn scales(&self, axis: usize, channels: usize) -> Option<Vec<f64>> {
        match self.scale.single() {
            Some(s) => Some(vec![s; channels]),
            None => (self.scale.axis == axis).then(|| self.scale.values.clone()),
        }
    }
}

/// What channel `i` has of a list with one number for each channel, one for all, or none, which stands for zeros.
pub(super) fn at<T: Copy + Default>(list: &[T], i: usize) -> T {
    if list.len() > 1 { list[i] } else { list.first().copied().unwrap_or_default() }
}

/// Whether a number of steps is a whole one within the roundings of the float that it comes from: that of a bias that was computed as a
/// product, and that of the scale.
pub(super) fn is_whole(x: f64) -> bool {
    (x - x.round()).abs() <= x.abs() * 2f64.powi(-23)
}

/// A constant that differs along one axis of tensors of that rank.
pub(super) fn along<T: teff_graph::Element>(elements: Vec<T>, axis: usize, rank: usize) -> Tensor {
    let mut shape = vec![1; rank];
    if elements.len() > 1 {
        shape[axis] = elements.len();
    }
    Tensor::constant(Value::new(shape, elements))
}
