//! Sequences whose length is known while reading, and optionals of which it is known whether they hold something.

use super::*;

pub(super) const TABLE: Table = &[
    ("ConcatFromSequence", One(concat_from_sequence)),
    ("Optional", Many(optional)),
    ("OptionalGetElement", Many(optional_get_element)),
    ("OptionalHasElement", One(optional_has_element)),
    ("SequenceAt", Many(sequence_at)),
    ("SequenceConstruct", Many(sequence_construct)),
    ("SequenceEmpty", Many(sequence_empty)),
    ("SequenceErase", Many(sequence_erase)),
    ("SequenceInsert", Many(sequence_insert)),
    ("SequenceLength", One(|n| Ok(Tensor::constant(Value::scalar(sequence(n, 0)?.len() as i64))))),
    ("SequenceMap", Many(sequence_map)),
    ("SplitToSequence", Many(split_to_sequence)),
];

fn sequence(n: &Node, i: usize) -> Lowered<Vec<Typed>> {
    match n.item(i) {
        OnnxValue::Sequence(list) => Ok(list),
        OnnxValue::Tensor(_) | OnnxValue::Strings(_) | OnnxValue::Absent => {
            invalid!("input {i} must be a sequence")
        }
    }
}

/// The position that is given among `len`, which may count from the end, one past the last when `end` allows it; without one the last.
fn position(given: Option<i64>, len: usize, end: bool) -> Lowered<usize> {
    let p = given.unwrap_or(if end { len as i64 } else { -1 });
    let from_front = if p < 0 { p.saturating_add(len as i64) } else { p };
    match usize::try_from(from_front) {
        Ok(at) if at < len || end && at == len => Ok(at),
        _ => invalid!("position {p} in a sequence of {len}"),
    }
}

fn sequence_construct(n: &mut Node) -> Lowered<Outputs> {
    let list = (0..n.input_count()).map(|i| n.typed(i)).collect::<Lowered<Vec<_>>>()?;
    Ok(vec![OnnxValue::Sequence(list)])
}

fn sequence_empty(n: &mut Node) -> Lowered<Outputs> {
    n.ignore(&["dtype"]);
    Ok(vec![OnnxValue::Sequence(vec![])])
}

fn sequence_at(n: &mut Node) -> Lowered<Outputs> {
    let list = sequence(n, 0)?;
    let at = position(Some(n.int_of(1, "position")?), list.len(), false)?;
    Ok(vec![OnnxValue::Tensor(list[at].clone())])
}

fn sequence_insert(n: &mut Node) -> Lowered<Outputs> {
    let mut list = sequence(n, 0)?;
    let new = n.typed(1)?;
    let at = position(n.optional_int_of(2, "position")?, list.len(), true)?;
    list.insert(at, new);
    Ok(vec![OnnxValue::Sequence(list)])
}

fn sequence_erase(n: &mut Node) -> Lowered<Outputs> {
    let mut list = sequence(n, 0)?;
    ensure!(!list.is_empty(), "the sequence is empty");
    list.remove(position(n.optional_int_of(1, "position")?, list.len(), false)?);
    Ok(vec![OnnxValue::Sequence(list)])
}

fn concat_from_sequence(n: &mut Node) -> Lowered {
    let list: Vec<Tensor> = sequence(n, 0)?.into_iter().map(|t| t.tensor).collect();
    let Some(first) = list.first() else { return invalid!("the sequence is empty") };
    let new = n.flag("new_axis", false);
    let axis = axis_of(n.int("axis", 0), first.rank() + usize::from(new))?;
    Ok(if new { Tensor::stack(&list, axis) } else { Tensor::concat(&list, axis) })
}

/// Parts of sizes given as a list, of one size (the last may be smaller), or of one element each, whose axis may be dropped.
fn split_to_sequence(n: &mut Node) -> Lowered<Outputs> {
    let x = n.typed(0)?;
    let axis = axis_of(n.int("axis", 0), x.tensor.rank())?;
    let size = x.tensor.shape()[axis];
    let keep = n.flag("keepdims", true);
    let given = match n.item(1) {
        OnnxValue::Absent => None,
        OnnxValue::Tensor(t) => Some((t.tensor.rank() == 0, n.sizes_of(1, "split")?)),
        OnnxValue::Sequence(_) | OnnxValue::Strings(_) => return invalid!("input 1 must be a tensor"),
    };
    let each = given.as_ref().filter(|g| g.0).and_then(|g| g.1.first()).map_or(1, |&each| each.max(1));
    // Each part may leave the graph by itself, and takes more than one tensor then.
    n.spend_tensors(size.div_ceil(each).saturating_mul(4))?;
    let (parts, drop) = match given {
        None => (vec![1; size], !keep),
        Some((true, _)) => ((0..size.div_ceil(each)).map(|i| each.min(size - i * each)).collect(), false),
        Some((false, list)) => {
            n.spend_tensors(list.len().saturating_mul(4))?;
            (list, false)
        }
    };
    let list = x.tensor.split(axis, &parts).into_iter();
    let list = list.map(|t| if drop { t.squeeze(axis as isize) } else { t });
    Ok(vec![OnnxValue::Sequence(list.map(|tensor| Typed { tensor, element: x.element }).collect())])
}

/// A sub-graph applied to each element of a sequence, beside the elements of further sequences and whole tensors.
fn sequence_map(n: &mut Node) -> Lowered<Outputs> {
    let body = n.graph("body")?;
    let length = sequence(n, 0)?.len();
    let mut outputs = vec![Vec::new(); body.outputs.len()];
    let given: Vec<OnnxValue> = (0..n.input_count()).map(|k| n.item(k)).collect();
    for i in 0..length {
        let mut inputs = Vec::new();
        for item in &given {
            inputs.push(match item {
                OnnxValue::Sequence(list) => match list.get(i) {
                    Some(t) => OnnxValue::Tensor(t.clone()),
                    None => return invalid!("the sequences differ in length"),
                },
                item => item.clone(),
            });
        }
        for (list, item) in outputs.iter_mut().zip(n.reader.subgraph(n.scope, body, inputs)?) {
            list.push(item.into_typed("what the body gives")?);
        }
    }
    Ok(outputs.into_iter().map(OnnxValue::Sequence).collect())
}

/// What it holds, or nothing.
fn optional(n: &mut Node) -> Lowered<Outputs> {
    n.ignore(&["type"]);
    Ok(vec![n.item(0)])
}

fn optional_get_element(n: &mut Node) -> Lowered<Outputs> {
    match n.item(0) {
        OnnxValue::Absent => invalid!("the optional is empty"),
        item => Ok(vec![item]),
    }
}

fn optional_has_element(n: &mut Node) -> Lowered {
    Ok(Tensor::constant(Value::scalar(!matches!(n.item(0), OnnxValue::Absent))))
}
