//! The inputs and outputs of the model's graph.

use super::ReadOptions;
use super::item::{Item, Typed};
use super::walk::{Reader, Scope};
use crate::error::{Error, Result};
use crate::proto::{Dim, ElementType, GraphProto, ValueInfo, ValueKind};
use teff_graph::Tensor;

/// Makes an input tensor of each graph input that no initialiser gives.
pub(crate) fn graph_inputs<'m>(
    reader: &mut Reader<'m>,
    scope: &mut Scope<'_, 'm>,
    graph: &GraphProto<'m>,
    options: &ReadOptions,
) -> Result<Vec<Tensor>> {
    let given = |name: &str| {
        graph.initializers.iter().any(|t| t.name == name)
            || graph.sparse.iter().any(|s| s.values.name == name)
    };
    let asked =
        options.input_shapes.iter().map(|(n, _)| n).chain(options.fixed_inputs.iter().map(|(n, _)| n));
    for name in asked {
        if !graph.inputs.iter().any(|i| i.name == name) {
            let names: Vec<&str> = graph.inputs.iter().map(|i| i.name).collect();
            let reason = format!("a shape or value was given for it, but the model's inputs are {names:?}");
            return Err(Error::Interface { name: name.clone(), reason });
        }
    }
    let mut inputs = Vec::new();
    for info in graph.inputs.iter().filter(|i| !given(i.name)) {
        let shapes = options.input_shapes.iter().map(|(name, s)| (name, &s[..]));
        let shapes = shapes.chain(options.fixed_inputs.iter().map(|(name, v)| (name, v.shape())));
        let fixed = shapes.into_iter().find(|(name, _)| *name == info.name).map(|(_, s)| s);
        let (element, shape) = input_type(reader, info, fixed)?;
        let dtype = element.dtype().expect("strings are refused above");
        if let Some((_, value)) = options.fixed_inputs.iter().find(|(name, _)| name == info.name) {
            if value.dtype() != dtype || value.shape() != shape {
                let wanted = teff_graph::Type::new(dtype, shape);
                let reason = format!("the value given for it is {}, it takes {wanted}", value.ty());
                return Err(Error::Interface { name: info.name.into(), reason });
            }
            let tensor = Tensor::constant(value.clone()).named(info.name);
            scope.set(info.name, Item::Tensor(Typed { tensor, element }));
            continue;
        }
        let tensor = Tensor::input(info.name, dtype, &shape);
        tensor.check().map_err(|e| Error::Interface { name: info.name.into(), reason: e.to_string() })?;
        inputs.push(tensor.clone());
        scope.set(info.name, Item::Tensor(Typed { tensor, element }));
    }
    Ok(inputs)
}

fn input_type(
    reader: &mut Reader,
    info: &ValueInfo,
    fixed: Option<&[usize]>,
) -> Result<(ElementType, Vec<usize>)> {
    let wrong = |reason: String| Err(Error::Interface { name: info.name.into(), reason });
    let (data_type, dims) = match &info.kind {
        ValueKind::Tensor { data_type, dims } => (*data_type, dims.as_deref()),
        ValueKind::Unknown => return wrong("the model does not say its type".into()),
        ValueKind::Other(kind) => {
            return wrong(format!(
                "is a {kind}; only tensors are supported. Export the model with tensors instead"
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
    if !matches!(element, ElementType::Plain(_)) {
        let holder = element.dtype().expect("not a string");
        reader.note(format!("input {:?} is {} and is taken as {holder}", info.name, element.name()));
    }
    let Some(dims) = dims else {
        return match fixed {
            Some(shape) => Ok((element, shape.to_vec())),
            None => wrong(format!(
                "the model does not say its shape. Give it, for example --input-shape {}:1x3x32x32",
                info.name
            )),
        };
    };
    if let Some(shape) = fixed {
        let fits = shape.len() == dims.len()
            && shape.iter().zip(dims).all(|(&n, d)| match d {
                Dim::Size(size) => *size == n as i64,
                Dim::Symbol(_) => true,
            });
        return if fits {
            Ok((element, shape.to_vec()))
        } else {
            wrong(format!("the given shape {shape:?} does not fit the model's {}", shown(dims)))
        };
    }
    let mut shape = Vec::with_capacity(dims.len());
    for (axis, dim) in dims.iter().enumerate() {
        match dim {
            Dim::Size(n) if *n >= 0 => shape.push(*n as usize),
            // Exporters mark an open batch axis by a name, by nothing, or by a size of -1.
            Dim::Symbol(_) | Dim::Size(-1) if axis == 0 => {
                reader.note(format!(
                    "input {:?}: the batch axis of {} is pinned to 1",
                    info.name,
                    shown(dims)
                ));
                shape.push(1);
            }
            Dim::Symbol(_) | Dim::Size(_) => {
                return wrong(format!(
                    "its shape {} leaves axis {axis} open. Give it, for example --input-shape {}:{}",
                    shown(dims),
                    info.name,
                    example(dims)
                ));
            }
        }
    }
    Ok((element, shape))
}

fn shown(dims: &[Dim]) -> String {
    let one = |d: &Dim| match d {
        Dim::Size(n) => n.to_string(),
        Dim::Symbol("") => "?".into(),
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

/// The tensors that the graph's outputs are.
pub(crate) fn graph_outputs(scope: &Scope, graph: &GraphProto) -> Result<Vec<(String, Tensor)>> {
    if graph.outputs.is_empty() {
        return Err(Error::InvalidModel { reason: "the graph has no outputs".into() });
    }
    let mut outputs = Vec::new();
    for info in &graph.outputs {
        let wrong = |reason: &str| Error::Interface { name: info.name.into(), reason: reason.into() };
        match scope.get(info.name) {
            Some(Item::Tensor(t)) => outputs.push((info.name.to_string(), t.tensor.clone())),
            // A sequence leaves as its elements.
            Some(Item::Sequence(list)) => {
                outputs.extend(
                    list.iter().enumerate().map(|(i, t)| (format!("{}.{i}", info.name), t.tensor.clone())),
                );
            }
            Some(Item::Absent) => {
                return Err(wrong("is an optional without value; only tensors can leave a graph"));
            }
            None => return Err(wrong("is computed by no node")),
        }
    }
    Ok(outputs)
}
