//! The text form, for reading: one line a node.
//!
//! ```text
//! graph "square"
//! %0 = input "x" : f32[2]
//! %1 = mul(%0, %0) : f32[2]  # "layer 1"
//! %2 = reduce_sum(%1) axes=[0] : f32[1]
//! return "y" %2
//! ```
//!
//! Constants follow the type as ` = [elements]`. The body of a scan stands between braces on the lines after its node.

use crate::geometry::{ConvGeometry, Window};
use crate::graph::{Graph, Node};
use crate::op::Op;
use crate::with_data;
use std::fmt::Write;

/// The whole graph, constants in full.
pub fn print(graph: &Graph) -> String {
    let mut out = String::new();
    graph_lines(&mut out, graph, "", usize::MAX);
    out
}

/// The graph without constants of more than 8 elements.
pub fn print_brief(graph: &Graph) -> String {
    let mut out = String::new();
    graph_lines(&mut out, graph, "", 8);
    out
}

fn graph_lines(out: &mut String, graph: &Graph, indent: &str, most: usize) {
    let _ = writeln!(out, "{indent}graph {:?}", graph.name);
    for (i, node) in graph.nodes().iter().enumerate() {
        let _ = writeln!(out, "{indent}%{i} = {}", node_line(node, most));
        if let Op::Scan(scan) = &node.op {
            let _ = writeln!(out, "{indent}{{");
            graph_lines(out, &scan.body, &format!("{indent}  "), most);
            let _ = writeln!(out, "{indent}}}");
        }
    }
    for o in graph.outputs() {
        let _ = writeln!(out, "{indent}return {:?} %{}", o.name, o.node.index());
    }
}

fn node_line(node: &Node, most: usize) -> String {
    let mut line = node.op.name().to_string();
    if let Op::Input { name, .. } = &node.op {
        line += &format!(" {name:?}");
    } else if let Op::Param(p) = &node.op {
        line += &format!(" {:?}", p.name());
    }
    if !node.operands.is_empty() {
        let operands: Vec<String> = node.operands.iter().map(|o| format!("%{}", o.index())).collect();
        line += &format!("({})", operands.join(", "));
    }
    for (key, list) in attributes(&node.op) {
        line += &format!(" {key}=[{}]", list.iter().map(|n| n.to_string()).collect::<Vec<_>>().join(","));
    }
    line += &format!(" : {}", node.ty);
    if let Op::Constant(v) = &node.op {
        line += " = ";
        line += &if v.len() <= most { with_data!(v.data(), v => format!("{v:?}")) } else { "...".into() };
    }
    if let Some(label) = &node.label {
        line += &format!("  # {label:?}");
    }
    line
}

/// What an operation needs beside its operands and the type of its result, as named lists of integers.
fn attributes(op: &Op) -> Vec<(&'static str, Vec<i64>)> {
    let list = |v: &[usize]| v.iter().map(|&n| n as i64).collect::<Vec<_>>();
    match op {
        Op::Input { .. } | Op::Constant(_) | Op::Param(_) | Op::Random { .. } => vec![],
        Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Cast(_) => vec![],
        Op::Reshape(_) | Op::Broadcast(_) | Op::MatMul | Op::Dequantize => vec![],
        Op::Iota { axis, .. } | Op::Concat { axis } | Op::Gather { axis } | Op::Scatter { axis, .. } => {
            vec![("axis", list(&[*axis]))]
        }
        Op::Permute(perm) => vec![("perm", list(perm))],
        Op::Slice(axes) => vec![
            ("start", axes.iter().map(|a| a.start as i64).collect()),
            ("step", axes.iter().map(|a| a.step as i64).collect()),
        ],
        Op::Pad(axes) => vec![
            ("low", axes.iter().map(|a| a.low as i64).collect()),
            ("high", axes.iter().map(|a| a.high as i64).collect()),
            ("interior", axes.iter().map(|a| a.interior as i64).collect()),
        ],
        Op::Reduce { axes, .. } => vec![("axes", list(axes))],
        Op::ArgReduce { axis, last, .. } => vec![("axis", list(&[*axis])), ("last", vec![*last as i64])],
        Op::Conv(g) => geometry(g),
        Op::ConvTranspose { geometry: g, .. } => geometry(g),
        Op::ConvWeightGrad { geometry: g, .. } => geometry(g),
        Op::Pool { window: w, .. } | Op::SumPoolGrad { window: w, .. } | Op::MaxPoolGrad { window: w } => {
            window(w)
        }
        Op::ArgSort { axis, descending } => {
            vec![("axis", list(&[*axis])), ("descending", vec![*descending as i64])]
        }
        Op::Quantize { low, high, .. } => vec![("range", vec![*low as i64, *high as i64])],
        Op::Scan(s) => vec![
            ("states", list(&[s.states])),
            ("scanned", list(&[s.scanned])),
            ("length", list(&[s.length])),
            ("reverse", vec![s.reverse as i64]),
        ],
        Op::Project(index) => vec![("index", list(&[*index]))],
    }
}

fn geometry(g: &ConvGeometry) -> Vec<(&'static str, Vec<i64>)> {
    // Its windows have no size of their own: that is the kernel's.
    let mut all = window(&g.window(&[])).split_off(1);
    all.push(("groups", vec![g.groups as i64]));
    all
}

fn window(w: &Window) -> Vec<(&'static str, Vec<i64>)> {
    let list = |v: &[usize]| v.iter().map(|&n| n as i64).collect::<Vec<_>>();
    vec![
        ("size", list(&w.size)),
        ("stride", list(&w.stride)),
        ("dilation", list(&w.dilation)),
        ("low", list(&w.pad_low)),
        ("high", list(&w.pad_high)),
    ]
}
