//! Quantised tensors: floats for them, and integers for floats.

use super::held::Held;
use crate::model::{Quantization, TensorInfo};
use teff_graph::{DType, Num, Op, Tensor, Type, Value};
use teff_reader::{ElementType, Fault, Lowered, ReadState, ensure, invalid};

/// Whether arithmetic takes the tensor's integers for floats. 32-bit integers with a scale are biases, counts or indices; where they
/// stand for floats, their operator says so.
pub(crate) fn stands_for_floats(info: &TensorInfo) -> bool {
    let narrow = matches!(
        info.element,
        Some(ElementType::I4 | ElementType::Plain(DType::I8 | DType::U8 | DType::I16))
    );
    narrow && info.quantization.is_some()
}

impl TensorInfo<'_> {
    /// Scale and zero point of a tensor with one of each.
    pub(crate) fn scale(&self) -> Lowered<(f32, i64)> {
        let Some(Quantization { scales, zeros, .. }) = &self.quantization else {
            return invalid!("tensor {:?} has no scale", self.name);
        };
        match (scales.len(), scales.get(0), zeros.get(0).unwrap_or(0)) {
            (1, Some(scale), zero) if scale.is_finite() && scale > 0.0 => Ok((scale, zero)),
            (1, scale, _) => invalid!("tensor {:?} has the scale {scale:?}", self.name),
            (n, ..) => invalid!("tensor {:?} has {n} scales where one is needed", self.name),
        }
    }
}

impl Quantization<'_> {
    /// Scales and zero points to stand beside a tensor of `shape` whose axis `axis` of the file is at `position`.
    fn beside(
        &self,
        info: &TensorInfo,
        shape: &[usize],
        reading: &ReadState,
        position: impl Fn(usize) -> usize,
    ) -> Lowered<(Tensor, Tensor)> {
        let n = self.scales.len();
        let mut aside = vec![1; shape.len()];
        if n != 1 {
            let axis = usize::try_from(self.axis).ok().filter(|&a| a < shape.len());
            // A bias has one axis whatever is written there: old converters write the axis of the weights.
            let axis = axis.or((shape.len() == 1).then_some(0)).map(position);
            match axis {
                Some(axis) if shape[axis] == n => aside[axis] = n,
                _ => {
                    return invalid!(
                        "tensor {:?} of shape {:?} has {n} scales along axis {}",
                        info.name,
                        info.shape,
                        self.axis
                    );
                }
            }
        }
        ensure!(
            self.zeros.len() <= 1 || self.zeros.len() == n,
            "tensor {:?} has {n} scales and {} zero points",
            info.name,
            self.zeros.len()
        );
        if let Some(bad) = self.scales.iter().find(|s| !s.is_finite() || *s < 0.0) {
            return invalid!("tensor {:?} has the scale {bad}", info.name);
        }
        let dtype = holder(info)?;
        let zero = |i: usize| self.zeros.get(if self.zeros.len() == 1 { 0 } else { i }).unwrap_or(0);
        let (low, high) = dtype.int_range().unwrap_or((0, 0));
        if let Some(bad) = (0..n).map(zero).find(|&z| i128::from(z) < low || i128::from(z) > high) {
            return invalid!("tensor {:?} is {dtype} with the zero point {bad}", info.name);
        }
        let scales = Value::new(aside.clone(), self.scales.iter().collect::<Vec<f32>>());
        let zeros = Value::from_fn(&Type::new(dtype, aside), |i| Num::Int(zero(i).into()));
        Ok((reading.made(scales)?, reading.made(zeros)?))
    }
}

fn holder(info: &TensorInfo) -> Lowered<DType> {
    info.dtype().ok_or_else(|| {
        Fault::Invalid(format!("tensor {:?} is {} and quantised", info.name, info.element_name()))
    })
}

/// Floats for integers `q`, a tensor whose axes have been moved: axis i of the file is at `position(i)`.
pub(crate) fn dequantized(
    q: &Tensor,
    info: &TensorInfo,
    reading: &ReadState,
    position: impl Fn(usize) -> usize,
) -> Lowered {
    let Some(quantization) = &info.quantization else {
        return invalid!("tensor {:?} is {} without a scale", info.name, q.dtype());
    };
    let (scale, zero) = quantization.beside(info, q.shape(), reading, position)?;
    Ok(q.dequantize(&scale, &zero))
}

/// Floats for the integers of a value that has the shape the file says.
pub(crate) fn real(x: Held, info: &TensorInfo, reading: &ReadState) -> Lowered<Held> {
    let layout = x.layout;
    let tensor = dequantized(&x.tensor, info, reading, |axis| x.position(axis))?;
    Ok(Held { tensor, layout })
}

/// Integers for floats.
pub(crate) fn quantized(x: Held, info: &TensorInfo, reading: &ReadState) -> Lowered<Held> {
    let Some(quantization) = &info.quantization else {
        return invalid!(
            "tensor {:?} is {} without a scale and is given floats",
            info.name,
            info.element_name()
        );
    };
    let dtype = holder(info)?;
    let (scale, zero) = quantization.beside(info, x.tensor.shape(), reading, |axis| x.position(axis))?;
    let (low, high) = info.element.and_then(ElementType::int_range).unwrap_or((0, 0));
    let clamp = |n: i128| n.clamp(i32::MIN.into(), i32::MAX.into()) as i32;
    let op = Op::Quantize { dtype, low: clamp(low), high: clamp(high) };
    Ok(Held { tensor: Tensor::apply(op, &[x.tensor, scale, zero]), layout: x.layout })
}

/// Whether two tensors mean the same by the same integers.
pub(crate) fn same(a: &TensorInfo, b: &TensorInfo) -> bool {
    match (&a.quantization, &b.quantization) {
        (None, None) => true,
        (Some(a), Some(b)) => a.scales.iter().eq(b.scales.iter()) && a.zeros.iter().eq(b.zeros.iter()),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// The scale of integer sums of products of `x` and `w`: one, or one for each of `channels`.
pub(crate) fn bias_scale(x: &TensorInfo, w: &TensorInfo, channels: usize) -> Lowered<Vec<f32>> {
    let Some(of_w) = w.quantization.filter(|_| x.quantization.is_some()) else {
        return invalid!("its bias is of integers, but {:?} and {:?} are not both quantised", x.name, w.name);
    };
    let (scale, _) = x.scale()?;
    ensure!(
        of_w.scales.len() == 1 || of_w.scales.len() == channels,
        "{} scales of weights for a bias of {channels}",
        of_w.scales.len()
    );
    Ok(of_w.scales.iter().map(|s| s * scale).collect())
}

/// Integers held within what an activation lets through, by the scale of `info`.
pub(crate) fn clamped(q: Tensor, info: &TensorInfo, activation: i8) -> Lowered {
    use crate::schema::activation_function_type::*;
    let (low, high) = match activation {
        NONE => return Ok(q),
        RELU => (Some(0.0), None),
        RELU_N1_TO_1 => (Some(-1.0), Some(1.0)),
        RELU6 => (Some(0.0), Some(6.0)),
        other => return invalid!("activation {other} of integers"),
    };
    let (scale, zero) = if info.quantization.is_some() { info.scale()? } else { (1.0, 0) };
    // A bound outside the type's range binds nothing.
    let (least, most) = q.dtype().int_range().unwrap_or((i128::MIN, i128::MAX));
    let at = |x: f32| (f64::from((x / scale).round()) + zero as f64).clamp(least as f64, most as f64);
    let raised = low.map_or(q.clone(), |x| q.maximum(at(x)));
    Ok(high.map_or(raised.clone(), |x| raised.minimum(at(x))))
}
