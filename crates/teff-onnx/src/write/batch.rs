//! Which values have the batch as their leading axis, so that its size can be left open.
//!
//! A value is *batched* when its axis 0 counts samples and each sample is computed from the same sample of the inputs alone. This is
//! followed from the inputs by a rule an operation; an operation that mixes samples, or needs to know how many there are, is an error.

use crate::{Error, Result};
use teff_graph::{Graph, Node, NodeId, Op};

/// How a value depends on the batch.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Not at all.
    Fixed,
    /// Axis 0 is the batch.
    Batched,
    /// The same for every sample, repeated for as many as there are: whoever uses it must broadcast it.
    Repeated,
}

/// For each node whether axis 0 of its value is the batch, which all inputs have as theirs, with one sample in it: a constant that
/// was computed for one sample broadcasts over any number.
pub(crate) fn batched(graph: &Graph) -> Result<Vec<bool>> {
    if let Some(&other) = graph.inputs().iter().find(|&&i| graph[i].ty.shape.first() != Some(&1)) {
        return Err(Error::Interface {
            name: graph.input_name(other).into(),
            reason: format!(
                "is {}; to leave the batch open, build the graph for a batch of one sample",
                graph[other].ty
            ),
        });
    }
    let mut kinds: Vec<Kind> = Vec::with_capacity(graph.nodes().len());
    for id in graph.ids() {
        let node = &graph[id];
        let operands: Vec<Kind> = node.operands.iter().map(|o| kinds[o.index()]).collect();
        let shapes: Vec<&[usize]> = node.operands.iter().map(|o| &graph[*o].ty.shape[..]).collect();
        let kind = kind(node, &operands, &shapes).ok_or_else(|| mixes(node, id))?;
        kinds.push(kind);
    }
    Ok(kinds.into_iter().map(|k| k == Kind::Batched).collect())
}

fn mixes(node: &Node, id: NodeId) -> Error {
    Error::Inexpressible {
        node: node.label.as_ref().map_or_else(|| format!("node %{}", id.index()), |l| l.to_string()),
        operation: node.op.name(),
        reason: "it mixes samples or needs their number, so the batch size cannot be left open; write with a fixed one".into(),
    }
}

/// The rule of an operation; nothing where it does not allow an open batch.
fn kind(node: &Node, operands: &[Kind], shapes: &[&[usize]]) -> Option<Kind> {
    use Kind::{Batched, Fixed, Repeated};
    let only = || operands.iter().all(|&k| k == Fixed).then_some(Fixed);
    // The first operand carries the batch through, the others are the same for every sample.
    let first = |allowed: bool| match (operands[0], operands[1..].iter().all(|&k| k == Fixed)) {
        (Batched, true) if allowed => Some(Batched),
        _ => only(),
    };
    match &node.op {
        Op::Input { .. } => Some(Batched),
        Op::Constant(_) | Op::Param(_) | Op::Iota { .. } => Some(Fixed),
        Op::Unary(_) | Op::Cast(_) => first(true),
        Op::Binary(_) | Op::Select => pointwise(operands, shapes),
        Op::Reshape(shape) => first(shape.first() == Some(&1)),
        Op::Permute(perm) => first(perm.first() == Some(&0)),
        Op::Broadcast(shape) => match operands[0] {
            Batched if shapes[0].len() == shape.len() => Some(Batched),
            Fixed if shape.first() == Some(&1) => Some(Repeated),
            Fixed => Some(Fixed),
            Batched | Repeated => None,
        },
        Op::Slice(axes) => first(axes.first().is_some_and(|a| a.start == 0 && a.step == 1 && a.len == 1)),
        Op::Pad(axes) => first(axes.first().is_some_and(|a| (a.low, a.high, a.interior) == (0, 0, 0))),
        Op::Concat { axis } if operands.iter().all(|&k| k == Batched) => (*axis != 0).then_some(Batched),
        Op::Reduce { axes, .. } => first(!axes.contains(&0)),
        Op::ArgReduce { axis, .. } | Op::ArgSort { axis, .. } | Op::Gather { axis } => first(*axis != 0),
        Op::MatMul => match (operands[0], operands[1]) {
            (Batched, Fixed) if shapes[0].len() == 2 => Some(Batched),
            (Batched, Batched) if shapes[0].len() > 2 => Some(Batched),
            (Batched, Repeated) | (Repeated, Batched) if shapes[0].len() > 2 => Some(Batched),
            _ => only(),
        },
        Op::Conv(_) | Op::ConvTranspose { .. } | Op::Pool { .. } => first(true),
        Op::Quantize { .. } | Op::Dequantize => first(shapes[1].first() == Some(&1)),
        Op::Concat { .. } | Op::Random { .. } | Op::Scatter { .. } | Op::ConvWeightGrad { .. } => only(),
        Op::SumPoolGrad { .. } | Op::MaxPoolGrad { .. } | Op::Scan(_) | Op::Project(_) => only(),
        Op::DecodePicture(_) => only(),
    }
}

/// What is fixed or repeated beside something batched must broadcast over the batch.
fn pointwise(operands: &[Kind], shapes: &[&[usize]]) -> Option<Kind> {
    if operands.contains(&Kind::Batched) {
        // A fixed operand has the full shape here: it would have to have one element along the batch.
        let fits = operands.iter().zip(shapes).all(|(&k, s)| k != Kind::Fixed || s.first() == Some(&1));
        return fits.then_some(Kind::Batched);
    }
    if operands.contains(&Kind::Repeated) {
        return operands.iter().all(|&k| k == Kind::Repeated).then_some(Kind::Repeated);
    }
    Some(Kind::Fixed)
}
