//! Floats that are known to be integers times a scale.

use teff_graph::{DType, Num, Op, Tensor, Type, Value};

/// A float tensor as `(q - zero + offset) * scale`, exactly.
#[derive(Clone, Debug)]
pub(super) struct Affine {
    /// Integers of any type.
    pub(super) q: Tensor,
    /// What stands for 0 in `q`.
    pub(super) zero: i32,
    /// What is added to each channel of `q - zero`, along the axis of `scale`; nothing when empty.
    pub(super) offset: Vec<i64>,
    pub(super) scale: Scale,
    /// Smallest and largest value of `q - zero + offset`.
    pub(super) range: (i64, i64),
}

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
            [] => None,
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
        Affine {
            q: q.clone(),
            zero: 0,
            offset: Vec::new(),
            scale: Scale { axis: 0, values: vec![1.0] },
            range,
        }
    }

    /// `q - zero + offset` as i32.
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

    /// The same with nothing to take off or add.
    pub(super) fn settled(&self) -> Affine {
        Affine { q: self.int(), zero: 0, offset: Vec::new(), ..self.clone() }
    }

    /// The same in steps small enough that there are at least 2^12 of them.
    pub(super) fn refined(&self) -> Affine {
        let bits = 64 - (self.bound().max(1) as u64).leading_zeros();
        if bits > 12 {
            return self.clone();
        }
        let times = 1i64 << (20 - bits);
        Affine {
            q: self.int() * times as f64,
            zero: 0,
            offset: Vec::new(),
            scale: Scale {
                values: self.scale.values.iter().map(|s| s / times as f64).collect(),
                ..self.scale.clone()
            },
            range: (self.range.0 * times, self.range.1 * times),
        }
    }

    /// The largest magnitude.
    pub(super) fn bound(&self) -> i64 {
        self.range.0.abs().max(self.range.1.abs())
    }

    /// The same after an operation that only moves elements, `op` being that operation on integers; `axis` is where the axis of the
    /// scale goes, if it stays one.
    pub(super) fn moved(&self, op: &Op, axis: impl Fn(usize) -> Option<usize>) -> Option<Affine> {
        // What is put around has no offset.
        let padded = matches!(op, Op::Pad(_)) && !self.offset.is_empty();
        let from = if padded { self.settled() } else { self.clone() };
        let varies = from.scale.values.len() > 1 || from.offset.len() > 1;
        let axis = if varies { axis(from.scale.axis)? } else { 0 };
        let q = match op {
            // Zeros are put around, which `zero` stands for.
            Op::Pad(axes) => from.q.pad_axes(axes.clone(), f64::from(from.zero)),
            op => Tensor::apply(op.clone(), std::slice::from_ref(&from.q)),
        };
        Some(Affine { q, scale: Scale { axis, ..from.scale.clone() }, ..from })
    }

    /// Adds a constant to each channel, in units of the channel's scale; one for all, or as many as there are.
    pub(super) fn shifted(mut self, by: &[i64]) -> Affine {
        let channels = self.offset.len().max(by.len());
        let at = |list: &[i64], i: usize| {
            if list.len() > 1 { list[i] } else { list.first().copied().unwrap_or(0) }
        };
        self.offset = (0..channels).map(|i| at(&self.offset, i).wrapping_add(at(by, i))).collect();
        let least = by.iter().copied().min().unwrap_or(0);
        let most = by.iter().copied().max().unwrap_or(0);
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

/// A constant that differs along one axis of tensors of that rank.
pub(super) fn along<T: teff_graph::Element>(elements: Vec<T>, axis: usize, rank: usize) -> Tensor {
    let mut shape = vec![1; rank];
    if elements.len() > 1 {
        shape[axis] = elements.len();
    }
    Tensor::constant(Value::new(shape, elements))
}

/// The element that all elements of a constant are, if they are equal.
pub(super) fn uniform(value: &Value) -> Option<Num> {
    let first = (!value.is_empty()).then(|| value.get(0))?;
    (1..value.len()).all(|i| value.get(i) == first).then_some(first)
}
