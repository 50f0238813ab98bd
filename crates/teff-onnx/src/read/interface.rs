//! The inputs and outputs of the model's graph.

use super::ReadOptions;
use super::item::{OnnxValue, Typed, holder};
use super::reader::{Reader, Scope};
use crate::proto::{Dim, ElementType, GraphProto, ValueKind, element_type};
use crate::{Error, Result};
use std::collections::HashSet;
use teff_graph::{Tensor, Type};
use teff_reader::{AxisSize, check_names, pinned, rule_broken};

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
    check_names(asked, &graph.inputs.iter().map(|i| i.name).collect::<Vec<_>>())?;
    let mut inputs = GraphInputs { reader, options, made: Vec::new() };
    for info in graph.inputs.iter().filter(|i| !given.contains(i.name)) {
        if scope.holds(info.name) {
            return Err(Error::interface(info.name, "is listed twice"));
        }
        let item = inputs.input(info.name, &info.kind)?;
        scope.set(info.name, item);
    }
    Ok(inputs.made)
}

/// The inputs of a graph while they are made.
struct GraphInputs<'r, 'm, 'o> {
    reader: &'r mut Reader<'m>,
    options: &'r ReadOptions<'o>,
    /// What the caller of the graph must give.
    made: Vec<Tensor>,
}

impl GraphInputs<'_, '_, '_> {
    /// What an input's name stands for.
    fn input(&mut self, name: &str, kind: &ValueKind) -> Result<OnnxValue> {
        let options = self.options;
        let wrong = |reason: String| Err(Error::interface(name, reason));
        let elements = options.sequence_inputs.iter().find(|(n, _)| n == name).map(|(_, shapes)| shapes);
        let is_absent = options.absent_inputs.iter().any(|n| n == name);
        match (kind, elements) {
            (ValueKind::Optional(_), _) if is_absent => Ok(OnnxValue::Absent),
            (ValueKind::Optional(kind), _) => self.input(name, kind),
            _ if is_absent => wrong("is said to be absent, but it is no optional".into()),
            (ValueKind::Sequence(kind), Some(shapes)) => {
                let mut element = |(i, shape): (usize, &Vec<usize>)| {
                    let (element, shape) = self.input_type(name, kind, Some(shape))?;
                    Ok(Typed { tensor: self.new_input(&format!("{name}.{i}"), element, &shape)?, element })
                };
                Ok(OnnxValue::Sequence(shapes.iter().enumerate().map(&mut element).collect::<Result<_>>()?))
            }
            (ValueKind::Sequence(_), None) => wrong(
                "is a sequence. Say what shapes its elements have (`sequence_inputs` of the library's \
             options), or export the model with tensors instead"
                    .into(),
            ),
            (_, Some(_)) => wrong("shapes of elements were given for it, but it is no sequence".into()),
            (ValueKind::Tensor { .. } | ValueKind::Unknown | ValueKind::Other(_), None) => {
                self.tensor_input(name, kind)
            }
        }
    }

    fn tensor_input(&mut self, name: &str, kind: &ValueKind) -> Result<OnnxValue> {
        let options = self.options;
        let value = options.fixed_inputs.iter().find(|(n, _)| n == name).map(|(_, v)| v);
        let shape = options.input_shapes.iter().find(|(n, _)| n == name).map(|(_, s)| &s[..]);
        let (element, shape) = self.input_type(name, kind, shape.or(value.map(|v| v.shape())))?;
        let tensor = match value {
            None => self.new_input(name, element, &shape)?,
            Some(value) => {
                let wanted = Type::new(holder(element), shape);
                if value.ty() != wanted {
                    let reason = format!("the value given for it is {}, it takes {wanted}", value.ty());
                    return Err(Error::interface(name, reason));
                }
                Tensor::constant(value.clone()).named(name)
            }
        };
        Ok(OnnxValue::narrow(tensor, element))
    }

    fn new_input(&mut self, name: &str, element: ElementType, shape: &[usize]) -> Result<Tensor> {
        let tensor = Tensor::input(name, holder(element), shape);
        tensor.check().map_err(|e| Error::interface(name, rule_broken(&e)))?;
        self.made.push(tensor.clone());
        Ok(tensor)
    }

    /// Element type and shape of a tensor, pinned where the model leaves it open.
    fn input_type(
        &mut self,
        name: &str,
        kind: &ValueKind,
        fixed: Option<&[usize]>,
    ) -> Result<(ElementType, Vec<usize>)> {
        let wrong = |reason: String| Err(Error::interface(name, reason));
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
        let element = match element_type(data_type) {
            Some(ElementType::String) => {
                return wrong("holds strings. Export the model without its text processing".into());
            }
            None => return wrong(format!("has element type {data_type}, which is not supported")),
            Some(e) => e,
        };
        self.reader.note_held(&format!("input {name:?}: "), element);
        let Some(dims) = dims else {
            return match fixed {
                Some(shape) => Ok((element, shape.to_vec())),
                None => wrong(format!(
                    "the model does not say its shape. Give it, for example --input-shape {name}:1x3x32x32"
                )),
            };
        };
        let sizes: Vec<AxisSize> = dims.iter().map(size).collect();
        Ok((element, pinned(&self.reader.reading, name, &sizes, fixed)?))
    }
}

/// Exporters mark an open size by a name, by nothing, or by a negative number.
fn size<'d>(dim: &Dim<'d>) -> AxisSize<'d> {
    match dim {
        Dim::Size(n) => usize::try_from(*n).map_or(AxisSize::Open(""), AxisSize::Known),
        Dim::Symbol(name) => AxisSize::Open(name),
    }
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
        return Err(Error::model("the graph has no outputs"));
    }
    let mut leaving = Leaving::default();
    for info in &graph.outputs {
        let wrong = |reason: &str| Error::interface(info.name, reason);
        match scope.get(info.name) {
            Some(OnnxValue::Tensor(t)) => leaving.tensors.push((info.name.to_string(), t.tensor.clone())),
            // A sequence leaves as its elements.
            Some(OnnxValue::Sequence(list)) => {
                leaving.tensors.extend(
                    list.iter().enumerate().map(|(i, t)| (format!("{}.{i}", info.name), t.tensor.clone())),
                );
            }
            Some(OnnxValue::Strings(words)) => {
                reader.reading.note(format!(
                    "output {:?} holds strings; the graph gives their positions: {}",
                    info.name,
                    words.shown()
                ));
                leaving.tensors.push((info.name.to_string(), words.positions.clone()));
                leaving.words.push((info.name.to_string(), words.list.to_vec()));
            }
            Some(OnnxValue::Absent) => {
                return Err(wrong("is an optional without value; only tensors can leave a graph"));
            }
            None => {
                return Err(wrong(&format!("is computed by no node{}", scope.hint(info.name))));
            }
        }
    }
    Ok(leaving)
}
