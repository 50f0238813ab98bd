//! A graph that computes the same with operations that ONNX operators say as they are.
//!
//! ONNX leaves undefined what this graph defines (a division by zero, an index outside), and lacks some dtypes for some
//! operators in its own specification or in onnxruntime.

use super::view::inexpressible;
use crate::{Error, Result};
use std::sync::Arc;
use teff_graph::facts::Known;
use teff_graph::{
    Binary, ConvGeometry, DType, Graph, NodeId, Num, Op, PadAxis, PoolKind, ReduceKind, ScatterKind,
    SliceAxis,
};
use teff_graph::{Tensor, Type, Unary, Value, Window, infer};

/// `graph` with every operation rewritten that has no direct counterpart. Labels stay.
pub(crate) fn legalise(graph: &Graph) -> Result<Graph> {
    let mut taken = 0;
    for (id, node) in graph.ids().zip(graph.nodes()) {
        taken = parts(&node.op, &graph.operand_types(id)).saturating_add(taken);
        if taken > MOST_PARTS {
            let reason = format!(
                "its windows or groups are written one by one, and there are more than {MOST_PARTS}; use smaller ones"
            );
            return Err(inexpressible(graph, id, reason));
        }
    }
    let known = Known::new(graph);
    graph
        .rewritten(|id, operands, t| rewritten(graph, &known, id, operands).unwrap_or(t))
        .map_err(|e| Error::model(e.to_string()))
}

/// What has no operator of its own is written in parts; so many for a whole graph.
const MOST_PARTS: usize = 1 << 14;

/// How many parts an operation is written in: the taps of its windows, its groups.
fn parts(op: &Op, operands: &[Type]) -> usize {
    let taps = |sizes: &[usize]| sizes.iter().fold(1usize, |n, &d| n.saturating_mul(d));
    let is_float = operands.first().is_none_or(|x| x.dtype.is_float());
    if let (Op::Conv(_), false) = (op, is_float) {
        return taps(&operands[1].shape[2..]);
    }
    let Op::Pool { kind, window } = op else { return 0 };
    if *kind == PoolKind::ArgMax || *kind == PoolKind::Sum && !is_float { taps(&window.size) } else { 0 }
}

fn rewritten(graph: &Graph, known: &Known, id: NodeId, operands: &[Tensor]) -> Option<Tensor> {
    let op = &graph[id].op;
    // What operand 1 is where that is known, in whatever shape.
    let second = || known.compact(graph[id].operands[1]);
    match op {
        Op::Binary(b) => binary(*b, &operands[0], &operands[1], &second),
        // Written as `Elu`.
        Op::Unary(Unary::Expm1)
            if graph[id].ty.dtype == DType::F32 && never_positive(graph, graph[id].operands[0]) =>
        {
            None
        }
        Op::Unary(u) => unary(*u, &operands[0]),
        Op::Pad(axes) if axes.iter().any(|a| a.interior > 0) => Some(interior_pad(axes, operands)),
        Op::Reduce { kind, .. } => {
            let extreme = matches!(kind, ReduceKind::Max | ReduceKind::Min);
            let bytes: &[DType] = if extreme { &[DType::I8, DType::U8] } else { &[] };
            through(wider(operands[0].dtype(), bytes)?, op, operands)
        }
        Op::ArgReduce { .. } | Op::ArgSort { .. } => through(wider(operands[0].dtype(), &[])?, op, operands),
        Op::MatMul => product(&operands[0], &operands[1]),
        Op::Conv(g) if !operands[0].dtype().is_float() => Some(integer_conv(g, &operands[0], &operands[1])),
        Op::Pool { kind: PoolKind::ArgMax, window } => Some(arg_max_pool(&operands[0], window)),
        Op::Pool { kind: PoolKind::Sum, window } if !operands[0].dtype().is_float() => {
            Some(integer_conv_sum(&operands[0], window))
        }
        Op::Gather { axis } if inside(second(), operands[0].shape()[*axis]) => None,
        Op::Gather { axis } => Some(gather(*axis, &operands[0], &operands[1])),
        Op::Scatter { axis, .. } if inside(second(), operands[0].shape()[*axis]) => None,
        Op::Scatter { axis, kind } => scatter(*axis, *kind, operands),
        Op::Quantize { .. } | Op::Dequantize => one_blocked_axis(op, operands),
        Op::Input { .. } | Op::Constant(_) | Op::Param(_) | Op::Iota { .. } | Op::Random { .. } => None,
        Op::Select => select(operands),
        Op::Cast(_) | Op::Reshape(_) | Op::Permute(_) | Op::Broadcast(_) | Op::Slice(_) => None,
        Op::Pad(_) | Op::Concat { .. } | Op::Conv(_) | Op::ConvTranspose { .. } | Op::Pool { .. } => None,
        Op::Scan(_) | Op::Project(_) => None,
        Op::ConvWeightGrad { .. } | Op::SumPoolGrad { .. } | Op::MaxPoolGrad { .. } => None,
    }
}

/// A selection of what is broadcast, as [`select`] has it.
fn choose(c: &Tensor, a: &Tensor, b: &Tensor) -> Tensor {
    select(&[c.clone(), a.clone(), b.clone()]).unwrap_or_else(|| c.select(a, b))
}

/// Truth values are chosen by logic, and integers that onnxruntime has no `Where` for in a wider type.
fn select(operands: &[Tensor]) -> Option<Tensor> {
    let [c, a, b] = operands else { return None };
    match a.dtype() {
        DType::F32 | DType::F64 | DType::I32 | DType::I64 | DType::U8 => None,
        DType::Bool => Some(c.and(a).or(c.not().and(b))),
        DType::I8 | DType::I16 | DType::U16 | DType::U32 | DType::U64 => {
            Some(c.select(a.cast(DType::I64), b.cast(DType::I64)).cast(a.dtype()))
        }
    }
}

fn unary(u: Unary, x: &Tensor) -> Option<Tensor> {
    // Negating an unsigned number wraps; ONNX negates signed ones only.
    if u == Unary::Neg && matches!(x.dtype(), DType::U8 | DType::U16 | DType::U32 | DType::U64) {
        return Some(0.0 - x);
    }
    match u {
        Unary::Expm1 => Some(expm1(x)),
        Unary::Erfc => Some(1.0 - x.erf()),
        // ONNX has the others, or `primitive` says that it has not.
        _ => None,
    }
}

/// True of the smaller of something and 0, also when scaled.
fn never_positive(graph: &Graph, id: NodeId) -> bool {
    let operands = &graph[id].operands;
    let bound = |o: NodeId| graph.uniform(o).map(Num::as_f64);
    if graph[id].op == Op::Binary(Binary::Min) {
        return operands.iter().any(|&o| bound(o).is_some_and(|b| b <= 0.0));
    }
    let is_scaled = matches!(graph[id].op, Op::Binary(Binary::Mul | Binary::Div));
    is_scaled && bound(operands[1]).is_some_and(|b| b > 0.0) && never_positive(graph, operands[0])
}

/// With t = tanh(-|x| / 2), e^-|x| - 1 is 2 t / (1 - t), and e^|x| - 1 is less that times e^|x|.
fn expm1(x: &Tensor) -> Tensor {
    let t = (x.abs() * -0.5).tanh();
    let below = &t * 2.0 / (1.0 - &t);
    x.greater(0.0).select(&-(&below * x.exp()), &below)
}

/// `known` gives what `y` is, if that is known.
fn binary(b: Binary, x: &Tensor, y: &Tensor, known: &dyn Fn() -> Option<Arc<Value>>) -> Option<Tensor> {
    let is_never_zero = || known().is_some_and(|v| v.to_f64().iter().all(|&x| x != 0.0));
    let dtype = x.dtype();
    match b {
        Binary::Div | Binary::Rem if dtype.is_int() && !is_never_zero() => {
            let zero = y.full_like(0.0);
            let is_zero = y.equal(&zero);
            let safe = choose(&is_zero, &y.full_like(1.0), y);
            let out = Tensor::apply(Op::Binary(b), &[x.clone(), safe]);
            Some(choose(&is_zero, &zero, &out))
        }
        Binary::MulHigh => Some(upper_half(x, y)),
        Binary::Shl | Binary::Shr if dtype.is_int() => {
            shift(b, x, y, known().and_then(|v| v.uniform()).map(Num::as_f64))
        }
        Binary::Max | Binary::Min if matches!(dtype, DType::I16 | DType::U16) => {
            through(DType::I32, &Op::Binary(b), &[x.clone(), y.clone()])
        }
        Binary::Add | Binary::Sub | Binary::Mul | Binary::Div | Binary::Rem | Binary::Pow => None,
        Binary::Max | Binary::Min | Binary::And | Binary::Or | Binary::Xor => None,
        Binary::Shl | Binary::Shr | Binary::Eq | Binary::Lt | Binary::Le => None,
    }
}

/// The upper half of a product of 64 bits: it is divided by 2^32, and one less where that rounded up.
fn upper_half(x: &Tensor, y: &Tensor) -> Tensor {
    let product = x.cast(DType::I64) * y.cast(DType::I64);
    let unit = product.full_like(2f64.powi(32));
    let quotient = &product / &unit;
    let above = product.less(&(&quotient * &unit)).cast(DType::I64);
    (quotient - above).cast(DType::I32)
}

fn unsigned(dtype: DType) -> DType {
    match dtype {
        DType::I8 => DType::U8,
        DType::I16 => DType::U16,
        DType::I32 => DType::U32,
        DType::I64 => DType::U64,
        DType::Bool | DType::U8 | DType::U16 | DType::U32 | DType::U64 | DType::F32 | DType::F64 => dtype,
    }
}

/// ONNX shifts unsigned integers, by less than their width. A negative number is shifted right through its complement.
fn shift(b: Binary, x: &Tensor, by: &Tensor, known: Option<f64>) -> Option<Tensor> {
    let dtype = x.dtype();
    let width = 8.0 * dtype.size() as f64;
    if known.is_some_and(|n| n >= 0.0 && n < width) && unsigned(dtype) == dtype {
        return None;
    }
    let inside = by.greater_equal(0.0).and(by.less(width));
    let by = choose(&inside, by, &by.full_like(0.0)).cast(unsigned(dtype));
    let shifted =
        |x: &Tensor| Tensor::apply(Op::Binary(b), &[x.cast(unsigned(dtype)), by.clone()]).cast(dtype);
    let zero = x.full_like(0.0);
    if b == Binary::Shl {
        return Some(choose(&inside, &shifted(x), &zero));
    }
    let outside =
        if dtype.is_signed_int() { choose(&x.less(&zero), &x.full_like(-1.0), &zero) } else { zero.clone() };
    let out = if dtype.is_signed_int() {
        choose(&x.less(&zero), &shifted(&x.not()).not(), &shifted(x))
    } else {
        shifted(x)
    };
    Some(choose(&inside, &out, &outside))
}

/// Between the elements: each axis gets one of its own for them, which is padded and merged.
fn interior_pad(axes: &[PadAxis], operands: &[Tensor]) -> Tensor {
    let (x, fill) = (&operands[0], &operands[1]);
    let pad = |x: &Tensor, axes: Vec<PadAxis>| Tensor::apply(Op::Pad(axes), &[x.clone(), fill.clone()]);
    let mut out = x.clone();
    for (axis, a) in axes.iter().enumerate().filter(|(axis, a)| a.interior > 0 && x.shape()[*axis] > 1) {
        let mut split = out.shape().to_vec();
        split.insert(axis + 1, 1);
        let mut widths = vec![PadAxis::default(); split.len()];
        widths[axis + 1].high = a.interior;
        let mut merged = out.shape().to_vec();
        merged[axis] *= a.interior + 1;
        let size = merged[axis] - a.interior;
        out = pad(&out.reshape(&split), widths).reshape(&merged).narrow(axis, 0, size);
    }
    let outside: Vec<PadAxis> = axes.iter().map(|a| PadAxis { interior: 0, ..*a }).collect();
    if outside.iter().all(|a| *a == PadAxis::default()) { out } else { pad(&out, outside) }
}

/// True when indices are known and lie within `size` elements.
fn inside(known: Option<Arc<Value>>, size: usize) -> bool {
    known.is_some_and(|v| v.to_i64().iter().all(|&i| (0..size as i64).contains(&i)))
}

/// An index outside is clamped; ONNX takes negative ones from the end and calls the rest errors.
fn gather(axis: usize, x: &Tensor, indices: &Tensor) -> Tensor {
    let (wide, last) = (indices.cast(DType::I64), x.shape()[axis] as f64 - 1.0);
    x.gather(&wide.clip(0.0, last), axis)
}

/// An index outside is dropped: it writes into one more element at the end, which is cut off.
fn scatter(axis: usize, kind: ScatterKind, operands: &[Tensor]) -> Option<Tensor> {
    let [x, indices, updates] = operands else { return None };
    let size = x.shape()[axis];
    let wide = indices.cast(DType::I64);
    let last = wide.full_like(size as f64);
    let inside = wide.greater_equal(0.0).and(wide.less(&last));
    let mut one_more = x.shape().to_vec();
    one_more[axis] = 1;
    let spare = Tensor::full(Type::new(x.dtype(), one_more), 0.0);
    let longer = Tensor::concat(&[x.clone(), spare], axis);
    Some(longer.scatter(&inside.select(&wide, &last), updates, axis, kind).narrow(axis, 0, size))
}

/// ONNX has blocks along one axis; more become one scale an element.
fn one_blocked_axis(op: &Op, operands: &[Tensor]) -> Option<Tensor> {
    let [x, scale, zero] = operands else { return None };
    let (shape, by) = (x.shape(), scale.shape());
    let partial = (0..by.len()).filter(|&i| by[i] != shape[i]).count();
    let many = by.iter().filter(|&&b| b != 1).count();
    let vector = many == 1 && (0..by.len()).all(|i| by[i] == 1 || by[i] == shape[i]);
    if many == 0 || vector || partial <= 1 {
        return None;
    }
    Some(Tensor::apply(op.clone(), &[x.clone(), scale.in_blocks(shape), zero.in_blocks(shape)]))
}

/// `op` computed in another dtype, its result taken back to the dtype it has by itself.
fn through(dtype: DType, op: &Op, operands: &[Tensor]) -> Option<Tensor> {
    let types: Vec<Type> = operands.iter().map(Tensor::ty).collect();
    let result = infer(op, &types).ok()?.dtype;
    let wide: Vec<Tensor> = operands.iter().map(|o| o.cast(dtype)).collect();
    Some(Tensor::apply(op.clone(), &wide).cast(result))
}

/// A dtype that onnxruntime has an operator in, where it does not in this one; it has it in those `as_they_are`, in i32 and in i64.
fn wider(dtype: DType, as_they_are: &[DType]) -> Option<DType> {
    match dtype {
        _ if as_they_are.contains(&dtype) => None,
        DType::F32 | DType::F64 | DType::I32 | DType::I64 => None,
        DType::Bool | DType::I8 | DType::U8 | DType::I16 | DType::U16 => Some(DType::I32),
        DType::U32 | DType::U64 => Some(DType::I64),
    }
}

/// A product of matrices where it needs a wider type: taken modulo the narrower one, it is the product in the narrower one.
fn product(a: &Tensor, b: &Tensor) -> Option<Tensor> {
    through(wider(a.dtype(), &[DType::U32, DType::U64])?, &Op::MatMul, &[a.clone(), b.clone()])
}

/// What each window sees at each of its taps: for every tap a strided slice of the padded input, `[N, C, E..]`.
fn taps(x: &Tensor, window: &Window, fill: &Tensor) -> Vec<Tensor> {
    let axes = window.size.len();
    let spatial = &x.shape()[2..];
    let Ok(output) = window.output(spatial) else { return vec![] };
    let none = PadAxis::default();
    let pads = (0..axes).map(|i| PadAxis { low: window.pad_low[i], high: window.pad_high[i], interior: 0 });
    let pads: Vec<PadAxis> = [none, none].into_iter().chain(pads).collect();
    let padded = if pads.iter().all(|p| *p == none) {
        x.clone()
    } else {
        Tensor::apply(Op::Pad(pads), &[x.clone(), fill.clone()])
    };
    let count: usize = window.size.iter().product();
    let tap = |mut t: usize| {
        let mut cut: Vec<SliceAxis> = x.shape()[..2].iter().map(|&len| SliceAxis::whole(len)).collect();
        let mut starts = vec![0; axes];
        for i in (0..axes).rev() {
            starts[i] = t % window.size[i] * window.dilation[i];
            t /= window.size[i];
        }
        cut.extend((0..axes).map(|i| SliceAxis {
            start: starts[i],
            step: window.stride[i] as isize,
            len: output[i],
        }));
        padded.slice_axes(cut)
    };
    (0..count).map(tap).collect()
}

/// ONNX convolves floats only (and 8-bit integers without wrapping): a matrix product a tap.
fn integer_conv(g: &ConvGeometry, x: &Tensor, w: &Tensor) -> Tensor {
    let window = g.window(&w.shape()[2..]);
    let zero = Tensor::full(Type::new(x.dtype(), []), 0.0);
    let (n, o, per) = (x.shape()[0], w.shape()[0], w.shape()[1]);
    let count: usize = window.size.iter().product();
    let flat_w = w.reshape(&[g.groups, o / g.groups.max(1), per, count]);
    let parts = taps(x, &window, &zero);
    let output: Vec<usize> = parts.first().map_or(vec![], |t| t.shape()[2..].to_vec());
    let area: usize = output.iter().product();
    let products = parts.iter().enumerate().map(|(t, part)| {
        let weights = flat_w.narrow(3, t, 1).reshape(&[1, g.groups, o / g.groups, per]);
        let columns = part.reshape(&[n, g.groups, per, area]);
        let shape = [n, g.groups, o / g.groups, per];
        let weights = weights.broadcast_to(&shape);
        product(&weights, &columns).unwrap_or_else(|| weights.matmul(&columns))
    });
    let sum = products.reduce(|a, b| a + b).unwrap_or(zero);
    sum.reshape(&[&[n, o], &output[..]].concat())
}

fn integer_conv_sum(x: &Tensor, window: &Window) -> Tensor {
    let zero = Tensor::full(Type::new(x.dtype(), []), 0.0);
    taps(x, window, &zero).into_iter().reduce(|a, b| a + b).unwrap_or(zero)
}

/// The position of the first largest element of each window: a running comparison over the taps, in their order.
fn arg_max_pool(x: &Tensor, window: &Window) -> Tensor {
    let plane: usize = x.shape()[2..].iter().product();
    let position =
        Tensor::iota(Type::new(DType::I64, [plane]), 0).reshape(&[&[1, 1], &x.shape()[2..]].concat());
    // Of the padding the position is -1: it never wins.
    let outside = Tensor::full(Type::new(DType::I64, []), -1.0);
    let zero = Tensor::full(Type::new(x.dtype(), []), 0.0);
    let all = taps(x, window, &zero).into_iter().zip(taps(&position, window, &outside));
    let best = all.reduce(|(best, best_at), (value, at)| {
        let at = at.broadcast_to(value.shape());
        let best_at = best_at.broadcast_to(value.shape());
        let none = best_at.less(0.0);
        let there = at.greater_equal(0.0);
        let larger = best.less(&value);
        let wins = there.and(none.or(&if x.dtype().is_float() {
            larger.or(value.is_nan().and(best.is_nan().not()))
        } else {
            larger
        }));
        (wins.select(&value, &best), wins.select(&at, &best_at))
    });
    best.map_or(outside, |(value, at)| at.broadcast_to(value.shape()))
}
