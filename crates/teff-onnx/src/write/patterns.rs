//! What several graph nodes are known by in ONNX: `Relu`, `Gemm`, `Conv` with bias, `Softmax` and the like.
//!
//! A pattern is recognised from the node that gives its result. Nodes inside it must have no other user, or they would be computed
//! twice.

use super::plan::{Arg, Attribute, Translation, sizes};
use super::view::{GraphView, MOST_ELEMENTS, scalar};
use teff_graph::facts::{self, Softmax};
use teff_graph::{
    Binary, ConvGeometry, DType, NodeId, Num, Op, PoolKind, ReduceKind, Type, Unary, Value, Window,
};

/// The operator that node `id` and some before it are, if they are one.
pub(crate) fn pattern(v: &GraphView, id: NodeId) -> Option<Translation> {
    match v.op(id) {
        Op::Binary(Binary::Max) => relu(v, id),
        Op::Binary(Binary::Min) => clip(v, id),
        Op::Binary(Binary::Add) => {
            batch_norm(v, id).or_else(|| gemm(v, id)).or_else(|| conv_with_bias(v, id))
        }
        Op::Binary(Binary::Sub) => softmax("LogSoftmax", facts::log_softmax(v.graph, id)),
        Op::Binary(Binary::Div) => softmax("Softmax", facts::softmax(v.graph, id))
            .or_else(|| average(v, id))
            .or_else(|| reciprocal(v, id)),
        Op::Binary(Binary::Mul) => average_by_factor(v, id).or_else(|| gelu(v, id)),
        Op::MatMul => product(v, id),
        Op::Reduce { kind: ReduceKind::Max, axes } => global_max(v, id, axes),
        Op::Reshape(_) => flatten(v, id),
        // No operator of several operations ends in another.
        _ => None,
    }
}

/// Both orders of a node's two operands.
fn either(v: &GraphView, id: NodeId) -> Option<[(NodeId, NodeId); 2]> {
    let &[a, b] = v.operands(id) else { return None };
    Some([(a, b), (b, a)])
}

fn float(v: &GraphView, id: NodeId) -> bool {
    v.ty(id).dtype.is_float()
}

/// max(x, 0).
fn relu(v: &GraphView, id: NodeId) -> Option<Translation> {
    let (x, _) = either(v, id)?.into_iter().find(|&(_, zero)| v.is_uniform(zero, 0.0))?;
    (float(v, id) && v.shape(x) == v.shape(id)).then(|| Translation::of("Relu", vec![Arg::Node(x)]))
}

/// min(max(x, low), high).
fn clip(v: &GraphView, id: NodeId) -> Option<Translation> {
    let (inner, high) = either(v, id)?.into_iter().find_map(|(x, h)| Some((x, v.uniform(h)?)))?;
    if !matches!(v.op(inner), Op::Binary(Binary::Max)) || !v.single(inner) || !float(v, id) {
        return None;
    }
    let (x, low) = either(v, inner)?.into_iter().find_map(|(x, l)| Some((x, v.uniform(l)?)))?;
    let bound = |x: f64, word| scalar(v.ty(id), x, word);
    Some(Translation::of("Clip", vec![Arg::Node(x), bound(low, "min"), bound(high, "max")]))
}

/// x / 2 times 1 - erf(-x / sqrt(2)).
fn gelu(v: &GraphView, id: NodeId) -> Option<Translation> {
    let (half, complement) = v.binary(id, Binary::Mul)?;
    let (x, by) = v.binary_inside(half, Binary::Mul)?;
    let (one, erf) = v.binary_inside(complement, Binary::Sub)?;
    let (of, root) = v.binary_inside(v.unary_inside(erf, Unary::Erf)?, Binary::Mul)?;
    let is_root = |r: f64| (r + std::f64::consts::FRAC_1_SQRT_2).abs() < 1e-7;
    let fits = v.is_uniform(by, 0.5)
        && v.is_uniform(one, 1.0)
        && of == x
        && v.uniform(root).is_some_and(is_root)
        && v.ty(id).dtype == DType::F32;
    fits.then(|| Translation::of("Gelu", vec![Arg::Node(x)]).needs_opset(20))
}

/// A matrix operand and whether it is transposed, its transposition left to `Gemm`.
fn transposed(v: &GraphView, id: NodeId) -> (NodeId, bool) {
    let turned = matches!(v.op(id), Op::Permute(perm) if perm[..] == [1, 0]);
    (if turned { v.operands(id)[0] } else { id }, turned)
}

fn gemm_plan(v: &GraphView, product: NodeId, bias: Option<NodeId>) -> Translation {
    let (a, trans_a) = transposed(v, v.operands(product)[0]);
    let (b, trans_b) = transposed(v, v.operands(product)[1]);
    let inputs = [Some(a), Some(b), bias].into_iter().flatten().map(Arg::Node).collect();
    let mut plan = Translation::of("Gemm", inputs);
    for (name, on) in [("transA", trans_a), ("transB", trans_b)] {
        if on {
            plan = plan.int(name, 1);
        }
    }
    plan
}

/// A matrix product plus what broadcasts to it.
fn gemm(v: &GraphView, id: NodeId) -> Option<Translation> {
    let is_product = |x: NodeId| matches!(v.op(x), Op::MatMul) && v.single(x);
    let (product, bias) = either(v, id)?.into_iter().find(|&(x, _)| is_product(x))?;
    let bias = v.unbroadcast(bias);
    (float(v, id) && v.shape(id).len() == 2).then(|| gemm_plan(v, product, Some(bias)))
}

/// A product of matrices one of which is transposed; a product whose batch axes broadcast.
fn product(v: &GraphView, id: NodeId) -> Option<Translation> {
    let operands = v.operands(id);
    if v.shape(id).len() == 2 {
        let any = operands.iter().any(|&o| transposed(v, o).1);
        return (any && float(v, id)).then(|| gemm_plan(v, id, None));
    }
    let batch = &v.shape(id)[..v.shape(id).len() - 2];
    let bare: Vec<NodeId> = operands.iter().map(|&o| v.unbroadcast(o)).collect();
    let lead = |o: NodeId| &v.shape(o)[..v.shape(o).len().saturating_sub(2)];
    let kept =
        (0..2).all(|i| v.shape(bare[i]).len() >= 2 && v.shape(bare[i]).ends_with(last_two(v, operands[i])));
    let same = teff_graph::broadcast_shape(lead(bare[0]), lead(bare[1])).as_deref() == Some(batch);
    (bare != operands && kept && same)
        .then(|| Translation::of("MatMul", bare.into_iter().map(Arg::Node).collect()))
}

fn last_two<'g>(v: &GraphView<'g>, id: NodeId) -> &'g [usize] {
    let shape = v.shape(id);
    &shape[shape.len() - 2..]
}

/// A convolution plus one number a channel.
fn conv_with_bias(v: &GraphView, id: NodeId) -> Option<Translation> {
    if !float(v, id) || v.shape(id).len() < 3 {
        return None;
    }
    either(v, id)?.into_iter().filter(|&(conv, _)| v.single(conv)).find_map(|(conv, bias)| {
        let bias = || v.per_axis(bias, v.shape(id).len(), 1, v.shape(id)[1]);
        if let Op::Conv(g) = v.op(conv) {
            return Some(conv_plan(v, conv, g, Some(bias()?)));
        }
        let Op::ConvTranspose { geometry, spatial } = v.op(conv) else { return None };
        Some(conv_transpose_plan(v, conv, geometry, spatial, Some(bias()?)))
    })
}

fn geometry_attributes(plan: Translation, g: &ConvGeometry, kernel: &[usize]) -> Translation {
    let plan = plan.ints("kernel_shape", kernel.to_vec()).ints("strides", g.stride.clone());
    let plan = plan.ints("dilations", g.dilation.clone());
    plan.ints("pads", g.pad_low.iter().chain(&g.pad_high).copied()).int("group", g.groups as i64)
}

pub(crate) fn conv_plan(v: &GraphView, id: NodeId, g: &ConvGeometry, bias: Option<Arg>) -> Translation {
    let operands = v.operands(id);
    let inputs = operands.iter().map(|&o| Arg::Node(o)).chain(bias).collect();
    geometry_attributes(Translation::of("Conv", inputs), g, &v.shape(operands[1])[2..])
}

pub(crate) fn conv_transpose_plan(
    v: &GraphView,
    id: NodeId,
    g: &ConvGeometry,
    spatial: &[usize],
    bias: Option<Arg>,
) -> Translation {
    let operands = v.operands(id);
    let kernel = &v.shape(operands[1])[2..];
    let y = &v.shape(operands[0])[2..];
    let extra = (0..spatial.len()).map(|i| {
        let reach = (y[i].max(1) - 1) * g.stride[i] + (kernel[i] - 1) * g.dilation[i] + 1;
        (spatial[i] + g.pad_low[i] + g.pad_high[i]).saturating_sub(reach)
    });
    let inputs = operands.iter().map(|&o| Arg::Node(o)).chain(bias).collect();
    let plan = geometry_attributes(Translation::of("ConvTranspose", inputs), g, kernel);
    plan.ints("output_padding", extra.collect::<Vec<_>>())
}

pub(crate) fn window_attributes(plan: Translation, w: &Window) -> Translation {
    let plan = plan.ints("kernel_shape", w.size.clone()).ints("strides", w.stride.clone());
    let plan = plan.ints("pads", w.pad_low.iter().chain(&w.pad_high).copied());
    if w.dilation.iter().all(|&d| d == 1) { plan } else { plan.ints("dilations", w.dilation.clone()) }
}

/// A sum over windows or axes divided by how many elements it is of.
fn average(v: &GraphView, id: NodeId) -> Option<Translation> {
    let &[sum, count] = v.operands(id) else { return None };
    if let Some(n) = v.uniform(count) {
        return mean_of(v, sum, n);
    }
    // Divided by what each window sees, padding left out.
    let Op::Pool { kind: PoolKind::Sum, window } = v.op(sum) else { return None };
    let counts = v.constant(v.unbroadcast(count))?;
    let spatial = &v.shape(v.operands(sum)[0])[2..];
    if spatial.iter().product::<usize>() > MOST_ELEMENTS {
        return None;
    }
    let one_plane = Type::new(v.ty(id).dtype, [&[1, 1], spatial].concat());
    let ones = Value::full(&one_plane, Num::Float(1.0));
    let expected = teff_graph::evaluate_op(v.op(sum), &[&ones]);
    let same = counts.shape() == expected.shape() && *counts == expected;
    (same && v.single(sum)).then(|| average_pool(v, sum, window, false))
}

/// A sum times 1 / n.
fn average_by_factor(v: &GraphView, id: NodeId) -> Option<Translation> {
    let (sum, factor) = either(v, id)?.into_iter().find_map(|(x, f)| Some((x, v.uniform(f)?)))?;
    let n = (1.0 / factor).round();
    // Only a factor that is the nearest number to 1 / n.
    let exact =
        if v.ty(id).dtype.size() == 4 { (1.0 / n) as f32 as f64 == factor } else { 1.0 / n == factor };
    if exact && n > 1.0 { mean_of(v, sum, n) } else { None }
}

/// The sum `sum`, divided by `n`, as a mean.
fn mean_of(v: &GraphView, sum: NodeId, n: f64) -> Option<Translation> {
    if !v.single(sum) || !float(v, sum) {
        return None;
    }
    if let Op::Pool { kind: PoolKind::Sum, window } = v.op(sum) {
        let all: usize = window.size.iter().product();
        return (n == all as f64).then(|| average_pool(v, sum, window, true));
    }
    let Op::Reduce { kind: ReduceKind::Sum, axes } = v.op(sum) else { return None };
    let x = v.operands(sum)[0];
    let all: usize = axes.iter().map(|&a| v.shape(x)[a]).product();
    let spatial = v.shape(x).len() > 2 && axes.iter().copied().eq(2..v.shape(x).len());
    (n == all as f64 && !axes.is_empty()).then(|| match spatial {
        true => Translation::of("GlobalAveragePool", vec![Arg::Node(x)]),
        false => Translation::of("ReduceMean", vec![Arg::Node(x), sizes(axes, "axes")]),
    })
}

fn average_pool(v: &GraphView, sum: NodeId, window: &Window, count_padding: bool) -> Translation {
    let plan = Translation::of("AveragePool", vec![Arg::Node(v.operands(sum)[0])]);
    let plan = window_attributes(plan, window).int("count_include_pad", count_padding.into());
    // Dilated average pooling came with version 19.
    if window.dilation.iter().all(|&d| d == 1) { plan } else { plan.needs_opset(19) }
}

fn reciprocal(v: &GraphView, id: NodeId) -> Option<Translation> {
    let &[one, x] = v.operands(id) else { return None };
    (v.is_uniform(one, 1.0) && float(v, id) && v.shape(x) == v.shape(id))
        .then(|| Translation::of("Reciprocal", vec![Arg::Node(x)]))
}

/// The largest over all spatial axes.
fn global_max(v: &GraphView, id: NodeId, axes: &[usize]) -> Option<Translation> {
    let x = v.operands(id)[0];
    let rank = v.shape(x).len();
    (rank > 2 && float(v, id) && axes.iter().copied().eq(2..rank))
        .then(|| Translation::of("GlobalMaxPool", vec![Arg::Node(x)]))
}

/// A softmax, or its logarithm, along one axis.
fn softmax(operator: &'static str, found: Option<Softmax>) -> Option<Translation> {
    let Softmax { of, axes: &[axis], .. } = found? else { return None };
    Some(Translation::of(operator, vec![Arg::Node(of)]).int("axis", axis as i64))
}

/// x * f + (shift - mean * f) with f = scale / sqrt(variance + epsilon), all a channel, as the library's layer computes it.
fn batch_norm(v: &GraphView, id: NodeId) -> Option<Translation> {
    let rank = v.shape(id).len();
    if rank < 2 || !float(v, id) {
        return None;
    }
    let vector = |of: NodeId| match v.per_axis(of, rank, 1, v.shape(id)[1])? {
        Arg::Node(n) => Some(n),
        Arg::Step(_) | Arg::Constant(..) => None,
    };
    let (product, offset) = v.binary(id, Binary::Add)?;
    let (x, factor) = v.binary_inside(product, Binary::Mul)?;
    let (factor, offset) = (vector(factor)?, vector(offset)?);
    let (shift, moved) = v.binary(offset, Binary::Sub)?;
    let (mean, by) = v.binary(moved, Binary::Mul)?;
    let (inverse, scale) = v.binary(factor, Binary::Mul)?;
    let (one, root) = v.binary(inverse, Binary::Div)?;
    let (variance, epsilon) = v.binary(v.unary(root, Unary::Sqrt)?, Binary::Add)?;
    if by != factor || !v.is_uniform(one, 1.0) {
        return None;
    }
    let inputs = [x, scale, shift, mean, variance].map(Arg::Node).to_vec();
    let epsilon = v.uniform(epsilon)?;
    Some(Translation::of("BatchNormalization", inputs).with("epsilon", Attribute::Float(epsilon as f32)))
}

/// All axes but the first as one.
fn flatten(v: &GraphView, id: NodeId) -> Option<Translation> {
    let x = v.operands(id)[0];
    let (from, to) = (v.shape(x), v.shape(id));
    (to.len() == 2 && from.len() > 2 && from[0] == to[0])
        .then(|| Translation::of("Flatten", vec![Arg::Node(x)]).int("axis", 1))
}
