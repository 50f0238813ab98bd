//! Where integers begin and end: `Quantize` and `Dequantize`.

use super::affine::{Affine, Scale};
use super::requantize::{Quantization, requantize};
use super::{IntegerPass, table};
use teff_graph::{Binary, NodeId, Op, Tensor};

impl IntegerPass<'_> {
    /// A `Quantize` in integers.
    pub(super) fn quantized(&mut self, id: NodeId) -> Option<Tensor> {
        let node = &self.graph[id];
        let [x, scale, zero] = node.operands[..] else { return None };
        let Op::Quantize { dtype, low, high } = node.op else { return None };
        if let Some(source) = self.sources.source(x)
            && let Some(values) = self.sources.table(self.graph, id, &self.known)
        {
            return Some(table::look_up(self.made(source), values));
        }
        let scale = Scale::of(&*self.known.compact(scale)?, &self.graph[x].ty)?.single()?;
        let zero = self.known.uniform(zero)?.as_int() as i32;
        let target = Quantization { dtype, low, high, scale, zero };
        let (x, target) = self.unclamped(x, target);
        let Some(a) = self.affine(x).cloned() else {
            return self.joined_quantized(x, &target).or_else(|| table::softmax(self, x, &target));
        };
        if let Some(pooled) = self.quantised_before_pool(x, &target) {
            return Some(pooled);
        }
        let tensor = requantize(&a, &target)?;
        self.before.insert(id, (a, target));
        Some(tensor)
    }

    /// Tensors on scales of their own, joined: each is brought to the scale of all.
    fn joined_quantized(&self, x: NodeId, target: &Quantization) -> Option<Tensor> {
        let Op::Concat { axis } = self.graph[x].op else { return None };
        let part = |o: &NodeId| requantize(self.affine(*o)?, target);
        let parts: Vec<Tensor> = self.graph[x].operands.iter().map(part).collect::<Option<_>>()?;
        Some(Tensor::concat(&parts, axis))
    }

    /// What is brought to the target's range instead of `x`, and that range: bounds of `x` that are the same everywhere are bounds of the
    /// result, rounded as any element.
    fn unclamped(&self, x: NodeId, target: Quantization) -> (NodeId, Quantization) {
        let node = &self.graph[x];
        let (Op::Binary(op @ (Binary::Max | Binary::Min)), &[a, b]) = (&node.op, &node.operands[..]) else {
            return (x, target);
        };
        let bound = |id| self.known.uniform(id).map(|c| c.as_f64()).filter(|c| !c.is_nan());
        let (inner, bound) = match (bound(a), bound(b)) {
            (_, Some(bound)) => (a, bound),
            (Some(bound), None) => (b, bound),
            (None, None) => return (x, target),
        };
        // The quotient is rounded to a float first, as in the float graph.
        let step = f64::from((bound / target.scale) as f32).round_ties_even() + f64::from(target.zero);
        let step = step.clamp(target.low.into(), target.high.into()) as i32;
        let target = if *op == Binary::Max {
            Quantization { low: step, ..target }
        } else {
            Quantization { high: step, ..target }
        };
        self.unclamped(inner, target)
    }

    pub(super) fn dequantized(&self, id: NodeId) -> Option<Affine> {
        let [q, scale, zero] = self.graph[id].operands[..] else { return None };
        let scale = Scale::of(&*self.known.compact(scale)?, &self.graph[q].ty)?;
        let zero = self.known.uniform(zero)?.as_int();
        let plain = Affine::plain(self.made(q));
        let zero = i64::try_from(zero).ok().filter(|z| z.abs() < 1 << 16)?;
        let range = (plain.range.0 - zero, plain.range.1 - zero);
        Some(Affine { zero: zero as i32, scale, range, ..plain })
    }
}
