//! What the integers of a quantised network's inputs and outputs stand for, as both languages print it.

use crate::program::{Port, Program, Quantizer};
use teff_graph::DType;

/// An input or output whose integers stand for floats. Elements lie as `[outer, quantizers.len(), inner]`: they share a scale along `outer`
/// and `inner`.
pub(crate) struct End {
    pub(crate) quantizers: Vec<Quantizer>,
    pub(crate) outer: usize,
    pub(crate) inner: usize,
    /// What scales and floats are multiplied by before; see [`Quantizer`].
    pub(crate) factor: f32,
}

impl End {
    /// Nothing for a port of floats or of wider integers, or of scales that are no positive numbers.
    pub(crate) fn of(port: &Port) -> Option<End> {
        let quantization = port.quantization.as_ref().filter(|_| !port.ty.is_empty())?;
        let quantizers = Quantizer::all(quantization)?;
        let factor = quantizers.first()?.factor();
        if quantizers.iter().any(|q| q.factor() != factor) {
            return None;
        }
        if quantizers.iter().all(|q| *q == quantizers[0]) {
            return Some(End { quantizers: vec![quantizers[0]], outer: 1, inner: port.ty.len(), factor });
        }
        let (shape, blocks) = (&port.ty.shape, quantization.scale.shape());
        let differ: Vec<usize> = (0..blocks.len()).filter(|a| blocks[*a] > 1).collect();
        if let [axis] = differ[..] {
            let outer = shape[..axis].iter().product();
            let inner = shape[axis + 1..].iter().product::<usize>() * (shape[axis] / blocks[axis]);
            return Some(End { quantizers, outer, inner, factor });
        }
        // Along several axes: a scale for each element.
        let place = |mut i: usize| {
            let (mut at, mut step) = (0, 1);
            for (n, b) in shape.iter().zip(blocks).rev() {
                at += i % n / (n / b) * step;
                i /= n;
                step *= b;
            }
            at
        };
        let quantizers = (0..port.ty.len()).map(|i| quantizers[place(i)]).collect();
        Some(End { quantizers, outer: 1, inner: 1, factor })
    }

    /// Whether products of integers, less the zero point, and scales have 32 bits, and are no subnormal floats.
    pub(crate) fn has_short_products(&self) -> bool {
        self.factor == 1.0 && self.quantizers[0].bits() == 8
    }

    /// The only one, if there is only one.
    pub(crate) fn single(&self) -> Option<Quantizer> {
        if let [one] = self.quantizers[..] { Some(one) } else { None }
    }
}

/// The inputs, then the outputs, whose integers stand for floats, as [`Program::ports`] gives them.
pub(crate) fn ends(program: &Program) -> impl Iterator<Item = (&'static str, usize, &Port, End)> {
    program.ports().filter_map(|(kind, i, port)| Some((kind, i, port, End::of(port)?)))
}

/// How many classes the network tells apart: the elements of its only output, where they lie along one axis, and are as many as labels
/// where there are labels.
pub(crate) fn classes(program: &Program) -> Option<usize> {
    let [output] = &program.outputs[..] else { return None };
    let long = output.ty.shape.iter().filter(|n| **n > 1).count();
    let numbers = output.ty.dtype != DType::Bool;
    (long == 1 && numbers && output.ty.len() > 1).then(|| output.ty.len())
}
