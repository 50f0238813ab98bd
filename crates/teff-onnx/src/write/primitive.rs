//! Each operation of the closed set as ONNX operators. What they cannot say as it is, `legalise` has rewritten before.

use super::patterns::{conv_plan, conv_transpose_plan, window_attributes};
use super::plan::{Arg, Attribute, Translation, ints, sizes};
use super::view::{GraphView, MOST_COUNTED, scalar};
use crate::proto::{ElementType, type_number};
use crate::read::{REDUCTIONS, name_of};
use teff_graph::{Binary, DType, NodeId, Num, Op, PoolKind, ReduceKind, ScatterKind, Type, Unary, Value};

/// How node `id` is written by itself, or why it cannot be.
pub(crate) fn primitive(v: &GraphView, id: NodeId) -> Result<Translation, String> {
    let operands = v.operands(id);
    let all = || operands.iter().map(|&o| Arg::Node(o)).collect::<Vec<_>>();
    let ty = v.ty(id);
    Ok(match v.op(id) {
        Op::Input { .. } | Op::Constant(_) | Op::Param(_) => {
            unreachable!("inputs and initialisers are no nodes")
        }
        Op::Iota { ty, axis } => iota(v, ty, *axis)?,
        Op::Random { .. } => {
            return Err(
                "ONNX has no random numbers that a key determines; export the network for inference".into()
            );
        }
        Op::Unary(_) | Op::Binary(_) => pointwise(v, id).ok_or("ONNX has no operator for it")?,
        Op::Select => Translation::of("Where", v.pointwise(operands, &ty.shape)),
        Op::Cast(to) => Translation::of("Cast", all()).int("to", type_number(ElementType::Plain(*to))),
        Op::Reshape(_) => reshape(v, id),
        Op::Permute(perm) => Translation::of("Transpose", all()).ints("perm", perm.clone()),
        // A size of 1 keeps whatever size there is.
        Op::Broadcast(_) => {
            Translation::of("Expand", [all(), vec![ints(v.shape_operand(id, 1), "shape")]].concat())
        }
        Op::Slice(axes) => slice(v, id, axes),
        Op::Pad(axes) => {
            let widths = axes.iter().map(|a| a.low).chain(axes.iter().map(|a| a.high));
            let pads = ints(widths.map(|w| w as i64), "pads");
            Translation::of("Pad", vec![Arg::Node(operands[0]), pads, Arg::Node(operands[1])])
        }
        Op::Concat { axis } => Translation::of("Concat", all()).int("axis", *axis as i64),
        Op::Reduce { kind, axes } => {
            let operator = match kind {
                ReduceKind::Sum => "ReduceSum",
                ReduceKind::Prod => "ReduceProd",
                ReduceKind::Max => "ReduceMax",
                ReduceKind::Min => "ReduceMin",
            };
            let plan = Translation::of(operator, [all(), vec![sizes(axes, "axes")]].concat());
            if axes.is_empty() { plan.int("noop_with_empty_axes", 1) } else { plan }
        }
        Op::ArgReduce { min, axis, last } => {
            let plan =
                Translation::of(if *min { "ArgMin" } else { "ArgMax" }, all()).int("axis", *axis as i64);
            plan.int("select_last_index", (*last).into())
        }
        Op::MatMul => Translation::of("MatMul", all()),
        Op::Conv(g) => conv_plan(v, id, g, None),
        Op::ConvTranspose { geometry, spatial } => conv_transpose_plan(v, id, geometry, spatial, None),
        Op::Pool { kind: PoolKind::Max, window } => {
            window_attributes(Translation::of("MaxPool", all()), window)
        }
        Op::Pool { kind: PoolKind::Sum, window } => {
            let n: usize = window.size.iter().product();
            let plan =
                window_attributes(Translation::of("AveragePool", all()), window).int("count_include_pad", 1);
            let dilated = window.dilation.iter().any(|&d| d != 1);
            let plan = if dilated { plan.needs_opset(19) } else { plan };
            plan.then("Mul", vec![Arg::Step(0), scalar(ty, n as f64, "count")])
        }
        Op::Gather { axis } => Translation::of("Gather", all()).int("axis", *axis as i64),
        Op::Scatter { axis, kind } => scatter(v, id, *axis, *kind),
        Op::ArgSort { axis, descending } => {
            let n = ints([ty.shape[*axis] as i64], "k");
            Translation::of("TopK", vec![Arg::Node(operands[0]), n])
                .int("axis", *axis as i64)
                .int("largest", (*descending).into())
                .giving(1, 2)
        }
        Op::Quantize { dtype, low, high } => quantize(v, id, *dtype, (*low, *high)),
        Op::Dequantize => quantization(v, "DequantizeLinear", id, v.ty(operands[0]).dtype),
        Op::Project(_) => Translation::of("Identity", all()),
        Op::Scan(_) => unreachable!("scans are written by the emitter, which knows names"),
        Op::Pool { kind: PoolKind::ArgMax, .. } => unreachable!("rewritten by legalise"),
        Op::ConvWeightGrad { .. } | Op::SumPoolGrad { .. } | Op::MaxPoolGrad { .. } => {
            return Err("it exists only in training; write the network without its gradients".into());
        }
    })
}

/// A size of 0 keeps the operand's, which is what an open batch wants; sizes that really are 0 need `allowzero`, and then the one
/// that is open is -1.
fn reshape(v: &GraphView, id: NodeId) -> Translation {
    let empty = v.shape(id).contains(&0);
    let shape = v.shape_operand(id, if empty { -1 } else { 0 });
    let plan = Translation::of("Reshape", vec![Arg::Node(v.operands(id)[0]), ints(shape, "shape")]);
    if empty { plan.int("allowzero", 1) } else { plan }
}

/// 0, 1, 2, ... as an initialiser, spread over the other axes.
fn iota(v: &GraphView, ty: &Type, axis: usize) -> Result<Translation, String> {
    if !v.count(ty.shape[axis]) {
        return Err(format!(
            "it counts along {} elements, and {MOST_COUNTED} are the most for all such axes together; make the axis shorter",
            ty.shape[axis]
        ));
    }
    let mut along = vec![1; ty.rank()];
    along[axis] = ty.shape[axis];
    let counted = Value::from_fn(&Type::new(ty.dtype, along), |i| Num::Int(i as i128));
    Ok(Translation::of("Expand", vec![Arg::Constant(counted, "count", None), sizes(&ty.shape, "shape")]))
}

/// The operator that is a pointwise operation: a row of the reader's tables, unless it says more than its operands.
fn pointwise(v: &GraphView, id: NodeId) -> Option<Translation> {
    let inputs = v.pointwise(v.operands(id), v.shape(id));
    let boolean = v.ty(v.operands(id)[0]).dtype == DType::Bool;
    let op = match v.op(id) {
        Op::Unary(Unary::IsInf) => return Some(Translation::of("IsInf", inputs)),
        Op::Unary(Unary::StopGradient) => return Some(Translation::of("Identity", inputs)),
        // Of no positive numbers, which `legalise` has seen to.
        Op::Unary(Unary::Expm1) => return Some(Translation::of("Elu", inputs)),
        Op::Binary(Binary::Pow) => return Some(Translation::of("Pow", inputs)),
        Op::Binary(Binary::Rem) => return Some(Translation::of("Mod", inputs).int("fmod", 1)),
        Op::Binary(Binary::Shl) => return Some(shift(inputs, "LEFT")),
        Op::Binary(Binary::Shr) => return Some(shift(inputs, "RIGHT")),
        Op::Binary(Binary::Max) if boolean => &Op::Binary(Binary::Or),
        Op::Binary(Binary::Min) if boolean => &Op::Binary(Binary::And),
        // What ONNX calls by one name, or not at all: `name_of` says.
        op => op,
    };
    name_of(op, boolean).map(|name| Translation::of(name, inputs))
}

fn shift(inputs: Vec<Arg>, direction: &'static str) -> Translation {
    Translation::of("BitShift", inputs).with("direction", Attribute::Text(direction))
}

fn slice(v: &GraphView, id: NodeId, axes: &[teff_graph::SliceAxis]) -> Translation {
    let x = v.operands(id)[0];
    // Only the axes that lose or turn something.
    let cut: Vec<usize> = (0..axes.len())
        .filter(|&i| axes[i].start != 0 || axes[i].step != 1 || axes[i].len != v.shape(x)[i])
        .collect();
    let start = cut.iter().map(|&i| axes[i].start as i64);
    // Past the first element, going backwards, only a very negative end is reached: -1 would be the last element.
    let end = cut.iter().map(|&i| {
        let a = axes[i];
        let end = (a.step as i64).saturating_mul(a.len as i64).saturating_add(a.start as i64);
        if a.len > 0 && end < 0 { i64::MIN / 2 } else { end.max(0) }
    });
    let (start, end) = (ints(start, "starts"), ints(end, "ends"));
    let steps = ints(cut.iter().map(|&i| axes[i].step as i64), "steps");
    Translation::of("Slice", vec![Arg::Node(x), start, end, sizes(&cut, "axes"), steps])
}

/// One index for a whole slice becomes an index for each of its elements.
fn scatter(v: &GraphView, id: NodeId, axis: usize, kind: ScatterKind) -> Translation {
    let [x, indices, updates] = v.operands(id) else { unreachable!("checked by the shape rule") };
    let mut along = vec![1i64; v.shape(*x).len()];
    along[axis] = v.shape(*indices)[0] as i64;
    let reduction = REDUCTIONS.iter().find(|(_, this)| *this == kind).expect("each is there").0;
    Translation::of("Cast", vec![Arg::Node(*indices)])
        .int("to", type_number(ElementType::Plain(DType::I64)))
        .then("Reshape", vec![Arg::Step(0), ints(along, "along")])
        .then("Expand", vec![Arg::Step(1), sizes(v.shape(*updates), "shape")])
        .then("ScatterElements", vec![Arg::Node(*x), Arg::Step(2), Arg::Node(*updates)])
        .int("axis", axis as i64)
        .with("reduction", Attribute::Text(reduction))
}

/// `QuantizeLinear`, and `Clip` where the range is narrower than the type.
fn quantize(v: &GraphView, id: NodeId, dtype: DType, (low, high): (i32, i32)) -> Translation {
    let plan = quantization(v, "QuantizeLinear", id, dtype);
    if dtype.int_range() == Some((low.into(), high.into())) {
        return plan;
    }
    let bound = |n: i32, word| scalar(&Type::new(dtype, []), n.into(), word);
    let last = plan.steps.len() - 1;
    plan.then("Clip", vec![Arg::Step(last), bound(low, "min"), bound(high, "max")])
}

/// Scale and zero point as ONNX takes them: scalars, a vector along one axis, or blocks along one.
fn quantization(v: &GraphView, operator: &'static str, id: NodeId, dtype: DType) -> Translation {
    let [x, scale, zero] = v.operands(id) else { unreachable!("checked by the shape rule") };
    let (shape, by) = (v.shape(*x), v.shape(*scale));
    let narrow = v.narrow.get(x).copied();
    // 16-bit and 4-bit integers and blocks came with version 21, 2-bit integers with 25.
    let wide = match narrow {
        Some(element) if element.bits() == 2 => 25,
        Some(_) => 21,
        None if dtype.size() == 2 => 21,
        None => 0,
    };
    let reshaped = |shape: &[usize]| {
        let plan = Translation::of("Reshape", vec![Arg::Node(*scale), sizes(shape, "shape")]);
        plan.then("Reshape", vec![Arg::Node(*zero), sizes(shape, "shape")])
    };
    // What is computed is reshaped in the model.
    let direct = |id: NodeId, shape: &[usize], word, element: Option<ElementType>| {
        let Op::Constant(c) = v.op(id) else { return None };
        Some(Arg::Constant(c.as_ref().clone().reshape(shape), word, element))
    };
    let operands =
        |shape: &[usize]| (direct(*scale, shape, "scale", None), direct(*zero, shape, "zero_point", narrow));
    let with = |shape: &[usize]| match operands(shape) {
        (Some(s), Some(z)) => Translation::of(operator, vec![Arg::Node(*x), s, z]),
        _ => reshaped(shape).then(operator, vec![Arg::Node(*x), Arg::Step(0), Arg::Step(1)]),
    };
    let many: Vec<usize> = (0..by.len()).filter(|&i| by[i] != 1).collect();
    match many[..] {
        [] => with(&[]).needs_opset(wide),
        [axis] if by[axis] == shape[axis] => with(&[by[axis]]).int("axis", axis as i64).needs_opset(wide),
        _ => {
            // Every axis but one has a scale for each element: blocks along that one.
            let blocked = (0..by.len()).find(|&i| by[i] != shape[i]).unwrap_or(0);
            let block = shape[blocked] / by[blocked].max(1);
            let zero_point = direct(*zero, by, "zero_point", narrow).filter(|_| narrow.is_some());
            let zero_point = zero_point.unwrap_or(Arg::Node(*zero));
            Translation::of(operator, vec![Arg::Node(*x), Arg::Node(*scale), zero_point])
                .int("axis", blocked as i64)
                .int("block_size", block as i64)
                .needs_opset(wide.max(21))
        }
    }
}
