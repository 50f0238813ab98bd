//! The inputs and outputs of the model's graph.

use super::ReadOptions;
use super::item::{Item, Typed};
use super::node::{holder, rule_broken};
use super::walk::{Reader, Scope};
use crate::error::{Error, Result};
use crate::proto::{Dim, ElementType, GraphProto, ValueKind};
use std::collections::HashSet;
use teff_graph::{Tensor, Type};

/// Makes an input tensor of each graph input that no initialiser gives.
pub(crate) fn graph_inputs<'m>(
    reader: &mut Reader<'m>,
    scope: &mut Scope<'_, 'm>,
    graph: &GraphProto<'m>,
    options: &ReadOptions,
) -> Result<Vec<Tensor>> {
    let initializers = graph.initializers.iter().map(|t| t.name);
    let given: HashSet<&str> = initializers.chain(graph.sparse.iter().map(|s| s.values.name)).collect();
    let asked = options.input_shapes.iter().map(|(n, _)| n);
    let asked = asked.chain(options.fixed_inputs.iter().map(|(n, _)| n));
    let asked = asked.chain(options.sequence_inputs.iter().map(|(n, _)| n)).chain(&options.absent_inputs);
    for name in asked {
        if !graph.inputs.iter().any(|i| i.name == name) {
            let names: Vec<&str> = graph.inputs.iter().map(|i| i.name).collect();
            let reason = format!("a shape or value was given for it, but the model's inputs are {names:?}");
            return Err(Error::Interface { name: name.clone(), reason });
        }
    }
    let mut inputs = Vec::new();
    for info in graph.inputs.iter().filter(|i| !given.contains(i.name)) {
        if scope.holds(info.name) {
            let reason = "is listed twice".into();
            return Err(Error::Interface { name: info.name.into(), reason });
        }
        let item = input(reader, info.name, &info.kind, options, &mut inputs)?;
        scope.set(info.name, item);
    }
    Ok(inputs)
}

/// What an input's name stands for. The tensors that the caller of the graph must give are added to `inputs`.
fn input(
    reader: &mut Reader,
    name: &str,
    kind: &ValueKind,
    options: &ReadOptions,
    inputs: &mut Vec<Tensor>,
) -> Result<Item> {
    let wrong = |reason: String| Err(Error::Interface { name: name.into(), reason });
    let elements = options.sequence_inputs.iter().find(|(n, _)| n == name).map(|(_, shapes)| shapes);
    let is_absent = options.absent_inputs.iter().any(|n| n == name);
    match (kind, elements) {
        (ValueKind::Optional(_), _) if is_absent => Ok(Item::Absent),
        (ValueKind::Optional(kind), _) => input(reader, name, kind, options, inputs),
        _ if is_absent => wrong("is said to be absent, but it is no optional".into()),
        (ValueKind::Sequence(kind), Some(shapes)) => {
            let mut element = |(i, shape): (usize, &Vec<usize>)| {
                let (element, shape) = input_type(reader, name, kind, Some(shape))?;
                Ok(Typed { tensor: new_input(&format!("{name}.{i}"), element, &shape, inputs)?, element })
            };
            Ok(Item::Sequence(shapes.iter().enumerate().map(&mut element).collect::<Result<_>>()?))
        }
        (ValueKind::Sequence(_), None) => wrong(
            "is a sequence. Say what shapes its elements have (`sequence_inputs` of the library's options), or export the model \
             with tensors instead"
                .into(),
        ),
        (_, Some(_)) => wrong("shapes of elements were given for it, but it is no sequence".into()),
        (ValueKind::Tensor { .. } | ValueKind::Unknown | ValueKind::Other(_), None) => {
            tensor_input(reader, name, kind, options, inputs)
        }
    }
}

fn tensor_input(
    reader: &mut Reader,
    name: &str,
    kind: &ValueKind,
    options: &ReadOptions,
    inputs: &mut Vec<Tensor>,
) -> Result<Item> {
    let value = options.fixed_inputs.iter().find(|(n, _)| n == name).map(|(_, v)| v);
    let shape = options.input_shapes.iter().find(|(n, _)| n == name).map(|(_, s)| &s[..]);
    let (element, shape) = input_type(reader, name, kind, shape.or(value.map(|v| v.shape())))?;
    let tensor = match value {
        None => new_input(name, element, &shape, inputs)?,
        Some(value) => {
            let wanted = Type::new(holder(element), shape);
            if value.ty() != wanted {
                let reason = format!("the value given for it is {}, it takes {wanted}", value.ty());
                return Err(Error::Interface { name: name.into(), reason });
            }
            Tensor::constant(value.clone()).named(name)
        }
    };
    Ok(Item::narrow(tensor, element))
}

fn new_input(name: &str, element: ElementType, shape: &[usize], inputs: &mut Vec<Tensor>) -> Result<Tensor> {
    let tensor = Tensor::input(name, holder(element), shape);
    tensor.check().map_err(|e| Error::Interface { name: name.into(), reason: rule_broken(&e) })?;
    inputs.push(tensor.clone());
    Ok(tensor)
}

/// Element type and shape of a tensor, pinned where the model leaves it open.
fn input_type(
    reader: &mut Reader,
    name: &str,
    kind: &ValueKind,
    fixed: Option<&[usize]>,
) -> Result<(ElementType, Vec<usize>)> {
    let wrong = |reason: String| Err(Error::Interface { name: name.into(), reason });
    let (data_type, dims) = match kind {
        ValueKind::Tensor { data_type, dims } => (*data_type, dims.as_deref()),
        ValueKind::Unknown => return wrong("the model does not say its type".into()),
        ValueKind::Sequence(_) | ValueKind::Optional(_) => {
            return wrong("nests sequences or optionals in a way that ONNX does not".into());
        }
        ValueKind::Other(kind) => {
            return wrong(format!(
                "is a {kind}; only tensors, sequences and optionals are supported. Export the model with tensors instead"
            ));
        }
    };
    let element = match ElementType::from_number(data_type) {
        Some(ElementType::String) => {
            return wrong("holds strings. Export the model without its text processing".into());
        }
        None => return wrong(format!("has element type {data_type}, which is not supported")),
        Some(e) => e,
    };
    reader.note_held(&format!("input {name:?}: "), element);
    let Some(dims) = dims else {
        return match fixed {
            Some(shape) => Ok((element, shape.to_vec())),
            None => wrong(format!(
                "the model does not say its shape. Give it, for example --input-shape {}:1x3x32x32",
                name
            )),
        };
    };
    if let Some(shape) = fixed {
        let fits = shape.len() == dims.len()
            // No network takes nothing: 0 is how some exporters say that a size is open.
            && shape.iter().zip(dims).all(|(&n, d)| is_open(d) || [0, n as i64].map(Dim::Size).contains(d));
        return if fits {
            Ok((element, shape.to_vec()))
        } else {
            wrong(format!("the given shape {shape:?} does not fit the model's {}", shown(dims)))
        };
    }
    let mut shape = Vec::with_capacity(dims.len());
    for (axis, dim) in dims.iter().enumerate() {
        match dim {
            Dim::Size(n) if !is_open(dim) => {
                if *n == 0 {
                    let example = example(dims);
                    reader.note(format!(
                        "input {name:?} has no elements: {}; if 0 stands for an open size, give --input-shape {name}:{example}",
                        shown(dims)
                    ));
                }
                shape.push(*n as usize);
            }
            Dim::Symbol(_) | Dim::Size(_) if axis == 0 => {
                reader.note(format!("input {name:?}: the batch axis of {} is pinned to 1", shown(dims)));
                shape.push(1);
            }
            Dim::Symbol(_) | Dim::Size(_) => {
                return wrong(format!(
                    "its shape {} leaves axis {axis} open. Give it, for example --input-shape {}:{}",
                    shown(dims),
                    name,
                    example(dims)
                ));
            }
        }
    }
    Ok((element, shape))
}

/// Exporters mark an open size by a name, by nothing, or by a negative number.
fn is_open(dim: &Dim) -> bool {
    match dim {
        Dim::Size(n) => *n < 0,
        Dim::Symbol(_) => true,
    }
}

fn shown(dims: &[Dim]) -> String {
    let one = |d: &Dim| match d {
        Dim::Size(n) if !is_open(d) => n.to_string(),
        Dim::Symbol("") | Dim::Size(_) => "?".into(),
        Dim::Symbol(name) => (*name).into(),
    };
    format!("[{}]", dims.iter().map(one).collect::<Vec<_>>().join(", "))
}

fn example(dims: &[Dim]) -> String {
    let one = |(axis, d): (usize, &Dim)| match d {
        Dim::Size(n) if *n > 0 => n.to_string(),
        Dim::Size(_) | Dim::Symbol(_) => if axis == 0 { "1" } else { "32" }.into(),
    };
    dims.iter().enumerate().map(one).collect::<Vec<_>>().join("x")
}

/// What leaves a graph.
#[derive(Default)]
pub(crate) struct Leaving {
    /// Outputs by name.
    pub(crate) tensors: Vec<(String, Tensor)>,
    /// Those of them that are positions in lists of strings, with the lists.
    pub(crate) words: Vec<(String, Vec<String>)>,
}

/// The tensors that the graph's outputs are.
pub(crate) fn graph_outputs(reader: &mut Reader, scope: &Scope, graph: &GraphProto) -> Result<Leaving> {
    if graph.outputs.is_empty() {
        return Err(Error::InvalidModel { reason: "the graph has no outputs".into() });
    }
    let mut leaving = Leaving::default();
    for info in &graph.outputs {
        let wrong = |reason: &str| Error::Interface { name: info.name.into(), reason: reason.into() };
        match scope.get(info.name) {
            Some(Item::Tensor(t)) => leaving.tensors.push((info.name.to_string(), t.tensor.clone())),
            // A sequence leaves as its elements.
            Some(Item::Sequence(list)) => {
                leaving.tensors.extend(
                    list.iter().enumerate().map(|(i, t)| (format!("{}.{i}", info.name), t.tensor.clone())),
                );
            }
            Some(Item::Words(words)) => {
                reader.note(format!(
                    "output {:?} holds strings; the graph gives their positions: {}",
                    info.name,
                    words.shown()
                ));
                leaving.tensors.push((info.name.to_string(), words.positions.clone()));
                leaving.words.push((info.name.to_string(), words.list.to_vec()));
            }
            Some(Item::Absent) => {
                return Err(wrong("is an optional without value; only tensors can leave a graph"));
            }
            None => {
                return Err(wrong(&format!("is computed by no node{}", scope.hint(info.name))));
            }
        }
    }
    Ok(leaving)
}
