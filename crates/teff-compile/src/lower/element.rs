//! The value of a node at an index, as an expression.

use super::Lowering;
use crate::program::{Expr, Index, Quantizer, ravel, unravel};
use teff_graph::{Binary, DType, Node, NodeId, Num, Op, PadAxis, Type, Unary};

impl<'a> Lowering<'a> {
    /// Element `index` of `node`. Values used more than once get a name in the current body.
    pub(super) fn element(&mut self, node: NodeId, index: &[Index]) -> Expr {
        self.element_of(node, index, true)
    }

    /// As [`Lowering::element`]; without names where the value may not be computed unless a condition holds.
    pub(super) fn element_of(&mut self, id: NodeId, index: &[Index], name: bool) -> Expr {
        if let Some((anchor, value)) = &self.anchor
            && *anchor == id
        {
            return value.clone();
        }
        let node = self.node(id);
        if let Some(known) = self.builder.named.get(&(id, index.to_vec())) {
            return known.clone();
        }
        let in_memory = self.scope.storage.get(&id).filter(|_| self.computing != Some(id)).cloned();
        let value = match in_memory {
            Some(s) => Expr::Load(s.buffer, node.ty.dtype, s.base.plus(&ravel(index, &node.ty.shape))),
            None => self.computed(node, id, index, name),
        };
        let is_leaf = matches!(value, Expr::Const(_) | Expr::Var(..) | Expr::Index(..));
        if name && self.scope.groups.uses[id.index()] > 1 && !is_leaf && self.computing != Some(id) {
            let hint = self.names.of_value(self.scope.graph, id);
            let value = self.name_value(&hint, value);
            self.builder.named.insert((id, index.to_vec()), value.clone());
            return value;
        }
        value
    }

    fn computed(&mut self, node: &'a Node, id: NodeId, index: &[Index], name: bool) -> Expr {
        let operand = |l: &mut Self, i: usize, at: &[Index]| l.element_of(node.operands[i], at, name);
        let operand_type = |i: usize| &self.node(node.operands[i]).ty;
        let apart = || unreachable!("{} %{} has memory", node.op, id.index());
        match &node.op {
            Op::Constant(v) if v.len() == 1 => Expr::constant(v.dtype(), v.get(0)),
            Op::Constant(v) => {
                let buffer = self.constant_buffer(id, v);
                Expr::Load(buffer, v.dtype(), ravel(index, v.shape()))
            }
            Op::Iota { ty, axis } => count(ty.dtype, index[*axis].clone()),
            Op::Unary(Unary::StopGradient) => operand(self, 0, index),
            Op::Unary(u) => Expr::unary(*u, operand(self, 0, index)),
            Op::Binary(b) => binary(*b, operand(self, 0, index), operand(self, 1, index)),
            Op::Select => {
                let condition = operand(self, 0, index);
                // Both values may be computed: a select in a graph has no effects to guard.
                Expr::select(condition, operand(self, 1, index), operand(self, 2, index))
            }
            Op::Cast(dtype) => operand(self, 0, index).cast(*dtype),
            Op::Reshape(_) => {
                let at = ravel(index, &node.ty.shape);
                let at = unravel(&at, &operand_type(0).shape, self.vars());
                operand(self, 0, &at)
            }
            Op::Permute(perm) => {
                let mut at = vec![Index::zero(); perm.len()];
                perm.iter().zip(index).for_each(|(&axis, i)| at[axis] = i.clone());
                operand(self, 0, &at)
            }
            Op::Broadcast(shape) => {
                let from = &operand_type(0).shape;
                let lead = shape.len() - from.len();
                let pick = |(axis, &n): (usize, &usize)| {
                    if n == 1 { Index::zero() } else { index[axis + lead].clone() }
                };
                let at: Vec<Index> = from.iter().enumerate().map(pick).collect();
                operand(self, 0, &at)
            }
            Op::Slice(axes) => {
                let at: Vec<Index> = axes
                    .iter()
                    .zip(index)
                    .map(|(s, i)| i.times(s.step as i64).offset(s.start as i64))
                    .collect();
                operand(self, 0, &at)
            }
            Op::Pad(axes) => self.padded(node, axes, index, name),
            Op::Concat { axis } => self.joined(node, *axis, index),
            Op::Gather { axis } => {
                let size = operand_type(0).shape[*axis];
                let at = operand(self, 1, &index[*axis..=*axis]);
                let mut from = index.to_vec();
                from[*axis] = clamped(at, size);
                operand(self, 0, &from)
            }
            Op::Quantize { .. } | Op::Dequantize => self.scaled(node, index, name),
            Op::Input { .. } | Op::Param(_) | Op::Project(_) | Op::Scan(_) | Op::Random { .. } => apart(),
            Op::Reduce { .. } | Op::ArgReduce { .. } | Op::MatMul | Op::Scatter { .. } => apart(),
            Op::Conv(_) | Op::ConvTranspose { .. } | Op::ConvWeightGrad { .. } | Op::ArgSort { .. } => {
                apart()
            }
            Op::Pool { .. } | Op::SumPoolGrad { .. } | Op::MaxPoolGrad { .. } => apart(),
        }
    }

    /// A quantised or dequantised element.
    fn scaled(&mut self, node: &Node, index: &[Index], name: bool) -> Expr {
        let [x, scale, zero] = node.operands[..] else {
            unreachable!("takes a value, a scale and a zero point")
        };
        let block = scale_index(index, &self.node(x).ty, &self.node(scale).ty);
        let is_zero = self.scope.known.uniform(zero).is_some_and(|z| z == Num::Int(0));
        let x = self.element_of(x, index, name);
        let scale = self.element_of(scale, &block, name);
        let zero = self.element_of(zero, &block, name);
        if let Op::Quantize { dtype, low, high } = &node.op {
            if let Some(to) = self.by_bits(&x, &scale, &zero, (*low, *high), *dtype) {
                return Expr::Quantize(to, Box::new(x));
            }
            let quantise = if self.target.steps > 1 { quantized } else { quantized_slowly };
            return quantise(x, scale, zero, *dtype, *low, *high);
        }
        let (q, zero) = (x.cast(DType::I32), zero.cast(DType::I32));
        let steps = if is_zero { q } else { Expr::binary(Binary::Sub, q, zero) };
        Expr::binary(Binary::Mul, steps.cast(scale.dtype()), scale)
    }

    /// How the float becomes an integer by its bits: where floats are software, and the scale is one constant.
    fn by_bits(
        &self,
        x: &Expr,
        scale: &Expr,
        zero: &Expr,
        range: (i32, i32),
        dtype: DType,
    ) -> Option<Quantizer> {
        let (Expr::Const(scale), Expr::Const(zero)) = (scale, zero) else { return None };
        let slow = !self.target.float_unit && x.dtype() == DType::F32;
        let (scale, zero) = (scale.get().as_f64() as f32, zero.get().as_int() as i32);
        Quantizer::new(scale, zero, range, dtype).filter(|_| slow)
    }

    /// Inside the operand, or the fill. Nothing in it is named: it may not be computed outside.
    fn padded(&mut self, node: &Node, axes: &[PadAxis], index: &[Index], name: bool) -> Expr {
        let shape = self.node(node.operands[0]).ty.shape.clone();
        if shape.contains(&0) {
            return self.element_of(node.operands[1], &[], name);
        }
        let mut inside = None;
        let mut at = Vec::new();
        for ((p, i), &n) in axes.iter().zip(index).zip(&shape) {
            debug_assert_eq!(p.interior, 0, "padding between elements gets memory");
            let i = i.offset(-(p.low as i64));
            inside = self.also_inside(inside, &i, n);
            at.push(i);
        }
        let fill = |l: &mut Self| l.element_of(node.operands[1], &[], name);
        self.inside_or(inside, fill, |l, always| l.element_of(node.operands[0], &at, name && always))
    }

    /// The operand that holds the index along `axis`.
    fn joined(&mut self, node: &Node, axis: usize, index: &[Index]) -> Expr {
        let mut start = 0;
        let mut parts = Vec::new();
        for &o in &node.operands {
            let n = self.node(o).ty.shape[axis] as i64;
            let along = index[axis].offset(-start);
            start += n;
            let inside = along.interval(self.vars()).is_none_or(|(low, high)| low < n && high >= 0);
            if n == 0 || !inside {
                continue;
            }
            let mut at = index.to_vec();
            at[axis] = along.clone();
            parts.push((Expr::InRange { index: along, low: 0, high: n }, self.element_of(o, &at, false)));
        }
        let (_, last) = parts.pop().expect("an index inside the result is inside an operand");
        // The tests run from the front, so the last operand needs none; but bounds are proved from what is tested.
        parts.into_iter().rev().fold(last, |rest, (inside, value)| Expr::select(inside, value, rest))
    }
}

/// A function of two values; a comparison of a value with itself is what it always is.
fn binary(op: Binary, a: Expr, b: Expr) -> Expr {
    if a != b || !matches!(op, Binary::Lt | Binary::Eq | Binary::Le) {
        Expr::binary(op, a, b)
    } else if op != Binary::Lt && a.dtype().is_float() {
        Expr::unary(Unary::Not, Expr::unary(Unary::IsNan, a))
    } else {
        Expr::int(DType::Bool, (op != Binary::Lt).into())
    }
}

/// An index as a number of the network.
pub(super) fn count(dtype: DType, index: Index) -> Expr {
    if dtype.is_int() { Expr::Index(dtype, index) } else { Expr::Index(DType::I32, index).cast(dtype) }
}

/// An integer of the network as an index of an axis with `n` elements: outside is clamped to the nearest inside.
pub(super) fn clamped(at: Expr, n: usize) -> Index {
    let dtype = at.dtype();
    let last = (n as i128 - 1).min(dtype.int_range().map_or(0, |r| r.1)) as i64;
    match at {
        Expr::Const(s) => match s.get() {
            Num::Int(i) => Index::from(i.clamp(0, n as i128 - 1) as i64),
            Num::Float(_) => unreachable!("indices are integers"),
        },
        Expr::Index(_, i) => Index::value(clamp_expr(Expr::Index(dtype, i), last)),
        at => Index::value(clamp_expr(at, last)),
    }
}

fn clamp_expr(at: Expr, last: i64) -> Expr {
    let dtype = at.dtype();
    let above = if dtype.is_signed_int() { Expr::binary(Binary::Max, at, Expr::int(dtype, 0)) } else { at };
    Expr::binary(Binary::Min, above, Expr::int(dtype, last))
}

/// The block of a scale that serves an element.
fn scale_index(index: &[Index], x: &Type, scale: &Type) -> Vec<Index> {
    let block = |((i, &n), &blocks): ((&Index, &usize), &usize)| match blocks {
        1 => Index::zero(),
        b if b == n => i.clone(),
        b => Index::atom(crate::program::Atom::Div(Box::new(i.clone()), (n / b) as i64)),
    };
    index.iter().zip(&x.shape).zip(&scale.shape).map(block).collect()
}

/// The same as [`quantized`], for machines whose floats are software: it clamps integers, and a zero that was loaded, as most of a
/// picture's elements are, is not divided.
fn quantized_slowly(x: Expr, scale: Expr, zero: Expr, dtype: DType, low: i32, high: i32) -> Expr {
    if dtype.size() > 2 {
        return quantized(x, scale, zero, dtype, low, high);
    }
    let (is_load, float) = (matches!(x, Expr::Load(..)), x.dtype());
    let is_plain = matches!(&scale, Expr::Const(s) if s.get().as_f64() > 0.0 && s.get().as_f64().is_finite());
    let rounded = Expr::unary(Unary::Round, Expr::binary(Binary::Div, x.clone(), scale));
    let clamped = |q: Expr, low: i64, high: i64| {
        let q = Expr::binary(Binary::Max, q, Expr::int(DType::I32, low));
        Expr::binary(Binary::Min, q, Expr::int(DType::I32, high))
    };
    let from = |q: Expr| {
        let q = Expr::binary(Binary::Add, q, zero.clone().cast(DType::I32));
        clamped(q, low.into(), high.into()).cast(dtype)
    };
    let q = from(clamped(rounded.cast(DType::I32), -1 << 20, 1 << 20));
    if !is_load || !is_plain {
        return q;
    }
    let is_zero = Expr::binary(Binary::Eq, x, Expr::constant(float, Num::Float(0.0)));
    Expr::select(is_zero, from(Expr::int(DType::I32, 0)), q)
}

/// `clamp(round_half_even(x / scale) + zero, low, high)`: the quotient is held to a range where the sum is exact.
fn quantized(x: Expr, scale: Expr, zero: Expr, dtype: DType, low: i32, high: i32) -> Expr {
    let float = x.dtype();
    // Beyond these the result is clamped whatever the zero point is; both are exact in f32.
    let (wide, limit) = if dtype.size() <= 2 { (DType::I32, 1i64 << 20) } else { (DType::I64, 1i64 << 40) };
    let rounded = Expr::unary(Unary::Round, Expr::binary(Binary::Div, x, scale));
    let held = Expr::binary(Binary::Max, rounded, Expr::constant(float, Num::Float(-limit as f64)));
    let held = Expr::binary(Binary::Min, held, Expr::constant(float, Num::Float(limit as f64)));
    let is_zero = matches!(&zero, Expr::Const(s) if s.get() == Num::Int(0));
    let mut q = held.cast(wide);
    if !is_zero {
        q = Expr::binary(Binary::Add, q, zero.cast(wide));
    }
    let q = Expr::binary(Binary::Max, q, Expr::int(wide, low as i64));
    Expr::binary(Binary::Min, q, Expr::int(wide, high as i64)).cast(dtype)
}
