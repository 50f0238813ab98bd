//! What a quantised network gives by the text of ONNX, in numbers without rounding: the judge of its integer form.
//!
//! Every float of the graph is a real number here, and nothing is rounded but where `QuantizeLinear` says so: `saturate(round(x / scale) +
//! zero)`, halves to even. Functions that are no quotients (tanh, exp) are computed in 64 bits. Each `QuantizeLinear` is judged by itself:
//! it is given what the integer form has before it, so that one difference is not counted again behind it.

#![allow(missing_docs, unreachable_pub, dead_code)]

pub mod nets;
pub mod real;

use real::{Number, Real};
use std::collections::HashMap;
use teff_graph::{
    Binary, ConvGeometry, Graph, Node, NodeId, Num, Op, PoolKind, ReduceKind, Unary, Value, Window, evaluate,
};

/// What became of all integers that were judged.
#[derive(Debug, Default)]
pub struct Verdict {
    pub all: usize,
    /// One step off where the real number is halfway between two integers.
    pub ties: usize,
    /// One step off, and how far the real number is from halfway at most.
    pub near: usize,
    pub farthest: f64,
    /// Others: what they are.
    pub wrong: Vec<String>,
}

/// How far from halfway a real number may be for its neighbour to be right too, as a share of itself: what roundings to floats, of which
/// tables are computed and bounds, make of it; and integers of 31 bits. Functions of floats are some units of the last place off.
const NEAR: f64 = 1.0 / 8_388_608.0;
const NEAR_FUNCTION: f64 = 8.0 * NEAR;
/// What integers of 31 bits leave behind the point of results of 16 bits, where a bias or a second scale takes some of them.
const NEAR_WIDE: f64 = 1.0 / 64.0;
/// What the table of a softmax adds to that: 20 bits of exponentials that are summed.
const SOFTMAX: f64 = 1.0 / 256.0;

/// The graph with each quantised tensor as an output, behind its own.
pub fn with_all_integers(graph: &Graph) -> (Graph, Vec<NodeId>) {
    let mut all = graph.clone();
    let quantised = |id: &NodeId| matches!(graph[*id].op, Op::Quantize { .. });
    let ids: Vec<NodeId> = graph.ids().filter(quantised).collect();
    ids.iter().for_each(|id| all.add_output(&format!("judged{}", id.index()), *id));
    (all, ids)
}

/// Judges the integers that `rewritten`, the integer form of [`with_all_integers`], gives for `inputs`.
pub fn judge(graph: &Graph, rewritten: &Graph, inputs: &[Value], verdict: &mut Verdict) {
    let (_, ids) = with_all_integers(graph);
    let outputs = evaluate(rewritten, inputs).unwrap();
    let found: HashMap<NodeId, Value> =
        ids.into_iter().zip(outputs.into_iter().skip(graph.outputs().len())).collect();
    let mut next = inputs.iter();
    let mut all: Vec<Array> = Vec::new();
    for id in graph.ids() {
        let node = &graph[id];
        let operands: Vec<&Array> = node.operands.iter().map(|o| &all[o.index()]).collect();
        let array = match &node.op {
            Op::Input { .. } => Array::of(next.next().unwrap()),
            Op::Constant(v) => Array::of(v),
            Op::Quantize { low, high, .. } => {
                quantized(node, &operands, (*low, *high), &found[&id], verdict);
                Array::of(&found[&id])
            }
            _ => computed(graph, node, &operands),
        };
        assert_eq!(array.shape, node.ty.shape, "{}", node.op);
        all.push(array);
    }
}

/// Elements in row-major order.
#[derive(Clone)]
pub struct Array {
    shape: Vec<usize>,
    elements: Elements,
}

#[derive(Clone)]
enum Elements {
    Exact(Vec<Real>),
    Near(Vec<f64>),
}

impl Array {
    fn of(v: &Value) -> Array {
        let number = |i| match v.get(i) {
            Num::Int(n) => Real::of(n as f64),
            Num::Float(x) => Real::of(x),
        };
        Array { shape: v.shape().to_vec(), elements: Elements::Exact((0..v.len()).map(number).collect()) }
    }

    fn near(&self) -> Vec<f64> {
        match &self.elements {
            Elements::Exact(all) => all.iter().map(|x| x.to_f64()).collect(),
            Elements::Near(all) => all.clone(),
        }
    }
}

/// `QuantizeLinear`: y = saturate(round(x / scale) + zero_point), beside what was found.
fn quantized(
    node: &Node,
    operands: &[&Array],
    (low, high): (i32, i32),
    found: &Value,
    verdict: &mut Verdict,
) {
    let [x, scale, zero] = operands else { unreachable!() };
    let (scale_of, zero_of) = (spread(scale, &x.shape), spread(zero, &x.shape));
    let (scales, zeros) = (scale.near(), zero.near());
    for i in 0..found.len() {
        let (scale, zero) = (scales[scale_of[i]], zeros[zero_of[i]] as i128);
        let (rounded, from_half, y) = match &x.elements {
            Elements::Exact(all) => {
                let y = all[i].div(Real::of(scale));
                let (rounded, from_half) = y.rounded();
                (rounded, from_half, y.to_f64())
            }
            Elements::Near(all) => {
                let y = all[i] / scale;
                (y.round_ties_even() as i128, (y - y.floor() - 0.5).abs(), y)
            }
        };
        let clamped = |n: i128| (n + zero).clamp(low.into(), high.into());
        let is = found.get(i).as_int();
        verdict.all += 1;
        if is == clamped(rounded) {
            continue;
        }
        let margin = match x.elements {
            Elements::Exact(_) if found.dtype().size() > 1 => NEAR_WIDE,
            Elements::Exact(_) => y.abs().max(1.0) * NEAR,
            Elements::Near(_) => y.abs() * NEAR_FUNCTION + SOFTMAX,
        };
        let other = clamped(if rounded as f64 > y { rounded - 1 } else { rounded + 1 });
        if is == other && from_half == 0.0 {
            verdict.ties += 1;
        } else if is == other && from_half <= margin {
            verdict.near += 1;
            verdict.farthest = verdict.farthest.max(from_half);
        } else {
            let label = node.label.as_deref().unwrap_or("");
            verdict.wrong.push(format!("{label}[{i}] is {is}, by ONNX {} of {y} + {zero}", clamped(rounded)));
        }
    }
}

/// For each element of a tensor, the position of what is spread over it, in blocks or by broadcasting.
fn spread(p: &Array, shape: &[usize]) -> Vec<usize> {
    let lead = shape.len() - p.shape.len();
    indices(shape)
        .map(|at| {
            let own = (0..p.shape.len()).map(|k| at[k + lead] * p.shape[k] / shape[k + lead].max(1));
            own.zip(&p.shape).fold(0, |offset, (i, n)| offset * n + i)
        })
        .collect()
}

/// All indices of a shape, the last axis fastest.
fn indices(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> + '_ {
    (0..shape.iter().product()).map(|mut i| {
        let mut at = vec![0; shape.len()];
        for k in (0..shape.len()).rev() {
            (at[k], i) = (i % shape[k], i / shape[k]);
        }
        at
    })
}

fn position(shape: &[usize], at: &[usize]) -> usize {
    at.iter().zip(shape).fold(0, |offset, (i, n)| offset * n + i)
}

fn computed(graph: &Graph, node: &Node, operands: &[&Array]) -> Array {
    let exact: Option<Vec<(&[usize], &[Real])>> = operands
        .iter()
        .map(|a| match &a.elements {
            Elements::Exact(all) => Some((&a.shape[..], &all[..])),
            Elements::Near(_) => None,
        })
        .collect();
    let is_function = match &node.op {
        Op::Unary(u) => !matches!(u, Unary::Neg | Unary::Abs | Unary::StopGradient),
        Op::Binary(b) => *b == Binary::Pow,
        _ => false,
    };
    let elements = match exact.filter(|_| !is_function) {
        Some(operands) => Elements::Exact(elements(graph, node, &operands, &|u, x| match u {
            Unary::Neg => Real::of(0.0).sub(x),
            Unary::Abs => {
                if x < Real::of(0.0) {
                    Real::of(0.0).sub(x)
                } else {
                    x
                }
            }
            Unary::StopGradient => x,
            other => unreachable!("{other:?} is computed in floats"),
        })),
        None => {
            let near: Vec<Vec<f64>> = operands.iter().map(|a| a.near()).collect();
            let near: Vec<_> = operands.iter().zip(&near).map(|(a, x)| (&a.shape[..], &x[..])).collect();
            Elements::Near(elements(graph, node, &near, &function))
        }
    };
    Array { shape: node.ty.shape.to_vec(), elements }
}

fn function(u: Unary, x: f64) -> f64 {
    match u {
        Unary::Neg => -x,
        Unary::Abs => x.abs(),
        Unary::Sign => x.signum() * f64::from(x != 0.0),
        Unary::Floor => x.floor(),
        Unary::Ceil => x.ceil(),
        Unary::Round => x.round_ties_even(),
        Unary::Sqrt => x.sqrt(),
        Unary::Exp => x.exp(),
        Unary::Log => x.ln(),
        Unary::Tanh => x.tanh(),
        Unary::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Unary::StopGradient => x,
        other => panic!("the oracle does not know {other:?}; add it"),
    }
}

/// What a node computes, by the text of the operator in ONNX that it stands for.
fn elements<N: Number>(
    graph: &Graph,
    node: &Node,
    operands: &[(&[usize], &[N])],
    unary: &dyn Fn(Unary, N) -> N,
) -> Vec<N> {
    let shape = &node.ty.shape[..];
    let (from, x) = operands[0];
    let each = |f: &dyn Fn(Vec<usize>) -> N| indices(shape).map(f).collect::<Vec<N>>();
    match &node.op {
        Op::Dequantize => {
            let array = |i: usize| Array { shape: operands[i].0.to_vec(), elements: Elements::Near(vec![]) };
            let (scale_of, zero_of) = (spread(&array(1), shape), spread(&array(2), shape));
            (0..x.len())
                .map(|i| x[i].sub(operands[2].1[zero_of[i]]).mul(operands[1].1[scale_of[i]]))
                .collect()
        }
        // Integers that are cast fit.
        Op::Cast(to) => {
            let given = graph[node.operands[0]].ty.dtype;
            assert!(to.is_float() || given.is_int() && to.size() >= given.size(), "a cast to {to}");
            x.to_vec()
        }
        Op::Unary(u) => x.iter().map(|x| unary(*u, *x)).collect(),
        Op::Binary(op) => x.iter().zip(operands[1].1).map(|(a, b)| binary(*op, *a, *b)).collect(),
        Op::Reduce { kind, axes } => each(&|at| {
            let inside: Vec<usize> = axes.iter().map(|a| from[*a]).collect();
            let all = indices(&inside).map(|tap| {
                let mut own = at.clone();
                axes.iter().zip(&tap).for_each(|(a, i)| own[*a] = *i);
                x[position(from, &own)]
            });
            match kind {
                ReduceKind::Sum => all.fold(N::of(0.0), N::add),
                ReduceKind::Max => all.reduce(|a, b| if b > a { b } else { a }).unwrap(),
                ReduceKind::Min => all.reduce(|a, b| if b < a { b } else { a }).unwrap(),
                ReduceKind::Prod => all.fold(N::of(1.0), N::mul),
            }
        }),
        Op::MatMul => {
            let (w, y) = operands[1];
            let lead = shape.len() - 2;
            each(&|at| {
                (0..from[lead + 1]).fold(N::of(0.0), |sum, k| {
                    let (mut a, mut b) = (at.clone(), at.clone());
                    (a[lead + 1], b[lead]) = (k, k);
                    sum.add(x[position(from, &a)].mul(y[position(w, &b)]))
                })
            })
        }
        Op::Conv(geometry) => conv(shape, operands, geometry),
        Op::ConvTranspose { geometry, .. } => conv_transpose(shape, operands, geometry),
        Op::Pool { kind, window } => each(&|at| {
            let taps = windowed(&at, window, from).map(|own| x[position(from, &own)]);
            match kind {
                PoolKind::Max => taps.reduce(|a, b| if b > a { b } else { a }).unwrap(),
                PoolKind::Sum => taps.fold(N::of(0.0), N::add),
                PoolKind::ArgMax => panic!("positions are no numbers"),
            }
        }),
        _ => moved(graph, node, operands),
    }
}

/// Operators that move elements without computing.
fn moved<N: Number>(graph: &Graph, node: &Node, operands: &[(&[usize], &[N])]) -> Vec<N> {
    let shape = &node.ty.shape[..];
    let (from, x) = operands[0];
    let each = |f: &dyn Fn(Vec<usize>) -> N| indices(shape).map(f).collect::<Vec<N>>();
    match &node.op {
        Op::Reshape(_) => x.to_vec(),
        Op::Permute(perm) => each(&|at| {
            let mut own = vec![0; from.len()];
            perm.iter().enumerate().for_each(|(i, axis)| own[*axis] = at[i]);
            x[position(from, &own)]
        }),
        Op::Broadcast(_) => {
            let lead = shape.len() - from.len();
            each(&|at| {
                let own: Vec<usize> =
                    (0..from.len()).map(|i| if from[i] == 1 { 0 } else { at[i + lead] }).collect();
                x[position(from, &own)]
            })
        }
        Op::Slice(axes) => each(&|at| {
            let own = at.iter().zip(axes).map(|(i, a)| (a.start as isize + *i as isize * a.step) as usize);
            x[position(from, &own.collect::<Vec<_>>())]
        }),
        Op::Pad(axes) => each(&|at| {
            let own = at.iter().zip(axes).zip(from).map(|((i, a), n)| {
                let i = i.checked_sub(a.low).filter(|i| i % (a.interior + 1) == 0)?;
                Some(i / (a.interior + 1)).filter(|i| i < n)
            });
            own.collect::<Option<Vec<usize>>>().map_or(operands[1].1[0], |own| x[position(from, &own)])
        }),
        Op::Concat { axis } => each(&|mut at| {
            let mut k = 0;
            while at[*axis] >= operands[k].0[*axis] {
                at[*axis] -= operands[k].0[*axis];
                k += 1;
            }
            operands[k].1[position(operands[k].0, &at)]
        }),
        Op::Gather { axis } => {
            let chosen = &graph[node.operands[1]].op;
            let Op::Constant(chosen) = chosen else { panic!("indices that are computed") };
            each(&|mut at| {
                at[*axis] = chosen.get(at[*axis]).as_int() as usize;
                x[position(from, &at)]
            })
        }
        other => panic!("the oracle does not know {other}; add it"),
    }
}

fn binary<N: Number>(op: Binary, a: N, b: N) -> N {
    match op {
        Binary::Add => a.add(b),
        Binary::Sub => a.sub(b),
        Binary::Mul => a.mul(b),
        Binary::Div => a.div(b),
        Binary::Max => {
            if b > a {
                b
            } else {
                a
            }
        }
        Binary::Min => {
            if b < a {
                b
            } else {
                a
            }
        }
        other => panic!("the oracle does not know {other:?}; add it"),
    }
}

/// The elements that a window sees, those of the padding left out.
fn windowed<'a>(
    at: &'a [usize],
    window: &'a Window,
    from: &'a [usize],
) -> impl Iterator<Item = Vec<usize>> + 'a {
    indices(&window.size).filter_map(move |tap| {
        let mut own = at[..2].to_vec();
        for k in 0..tap.len() {
            let i = at[k + 2] * window.stride[k] + tap[k] * window.dilation[k];
            own.push(i.checked_sub(window.pad_low[k]).filter(|i| *i < from[k + 2])?);
        }
        Some(own)
    })
}

fn conv<N: Number>(shape: &[usize], operands: &[(&[usize], &[N])], geometry: &ConvGeometry) -> Vec<N> {
    let [(from, x), (kernel, w)] = operands else { unreachable!() };
    let (inputs, outputs) = (kernel[1], shape[1] / geometry.groups);
    let sum = |at: Vec<usize>| {
        let first = at[1] / outputs * inputs;
        let mut sum = N::of(0.0);
        for tap in indices(&kernel[1..]) {
            let mut own = vec![at[0], first + tap[0]];
            for k in 0..geometry.stride.len() {
                let i = at[k + 2] * geometry.stride[k] + tap[k + 1] * geometry.dilation[k];
                own.extend(i.checked_sub(geometry.pad_low[k]).filter(|i| *i < from[k + 2]));
            }
            if own.len() == from.len() {
                let weight: Vec<usize> = std::iter::once(at[1]).chain(tap).collect();
                sum = sum.add(x[position(from, &own)].mul(w[position(kernel, &weight)]));
            }
        }
        sum
    };
    indices(shape).map(sum).collect()
}

/// Each input, times each weight, to where ONNX's ConvTranspose puts it.
fn conv_transpose<N: Number>(
    shape: &[usize],
    operands: &[(&[usize], &[N])],
    geometry: &ConvGeometry,
) -> Vec<N> {
    let [(from, x), (kernel, w)] = operands else { unreachable!() };
    let mut sums = vec![N::of(0.0); shape.iter().product()];
    for (own, x) in indices(from).zip(*x) {
        let group = own[1] / (from[1] / geometry.groups);
        for tap in indices(&kernel[1..]) {
            let mut at = vec![own[0], group * kernel[1] + tap[0]];
            for k in 0..geometry.stride.len() {
                let i = own[k + 2] * geometry.stride[k] + tap[k + 1] * geometry.dilation[k];
                at.extend(i.checked_sub(geometry.pad_low[k]).filter(|i| *i < shape[k + 2]));
            }
            if at.len() == shape.len() {
                let weight: Vec<usize> = std::iter::once(own[1]).chain(tap).collect();
                let to = position(shape, &at);
                sums[to] = sums[to].add(x.mul(w[position(kernel, &weight)]));
            }
        }
    }
    sums
}
