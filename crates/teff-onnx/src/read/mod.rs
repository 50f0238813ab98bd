//! Reading: a model becomes a graph.

mod constants;
mod function;
mod item;
mod node;
mod operators;
mod reader;
mod walk;

use crate::proto::{
    Dim, ElementType, GraphProto, Message, ModelProto, TensorProto, ValueKind, element_type, tensor_value,
};
use crate::{Error, ONNX, Result};
use item::{OnnxValue, Typed, holder};
use reader::{Reader, Scope};
use std::collections::HashSet;
use teff_graph::{Graph, Tensor, Type, Value};
use teff_reader::{AxisSize, check_names, pinned, rule_broken};

pub use operators::supported_operators;
pub(crate) use operators::{REDUCTIONS, name_of};

/// How to read a model.
#[derive(Default)]
pub struct ReadOptions<'a> {
    /// Shapes of inputs, by name, for those that the model leaves open or whose open sizes should not be 1.
    pub input_shapes: Vec<(String, Vec<usize>)>,
    /// Values of inputs, by name, that are the same in every run. They become constants and are no inputs of the graph any more, so
    /// that shapes may depend on them.
    pub fixed_inputs: Vec<(String, Value)>,
    /// Shapes of the elements of inputs that are sequences, by name. Each element becomes an input of the graph: `name.0`, `name.1` ...
    pub sequence_inputs: Vec<(String, Vec<Vec<usize>>)>,
    /// Optional inputs, by name, that hold nothing. An optional that is not named here holds something.
    pub absent_inputs: Vec<String>,
    /// Gives the bytes of tensors that are stored outside the model file, or says why not.
    pub external: Option<&'a Fetch<'a>>,
}

/// Gives the bytes of a tensor that is stored outside the model file, or says why not.
pub type Fetch<'a> = dyn Fn(&ExternalData) -> std::result::Result<Vec<u8>, String> + 'a;

/// Where the bytes of a tensor are that is stored outside the model file.
#[derive(Clone, Debug, PartialEq)]
pub struct ExternalData {
    /// Path relative to the model's directory; never absolute, never with `..`.
    pub location: String,
    /// First byte in that file.
    pub offset: u64,
    /// Number of bytes; to the end of the file when not said.
    pub length: Option<u64>,
}

/// A model that was read.
#[derive(Clone, Debug)]
pub struct Model {
    /// What it computes.
    pub graph: Graph,
    /// Outputs that are strings in the file, by name: what each position means that the graph gives instead.
    pub words: Vec<(String, Vec<String>)>,
    /// What was decided while reading, for the user to know: pinned sizes, types held in wider ones.
    pub notes: Vec<String>,
    /// Whether the file has floats of 16 bits, whose arithmetic the graph does in 32: what computes in 16 rounds every result.
    pub is_half: bool,
    /// Who wrote the file, such as `pytorch 2.9.0`.
    pub producer: String,
    /// The version of the file format.
    pub ir_version: i64,
    /// Operator set versions by domain; the default domain is empty.
    pub opsets: Vec<(String, i64)>,
}

/// The model in `bytes`.
///
/// # Errors
/// Whatever keeps it from becoming a graph; see [`Error`].
pub fn read(bytes: &[u8], options: &ReadOptions) -> Result<Model> {
    let model = decode(bytes)?;
    let proto = model.graph.as_ref().expect("checked by decode");
    let mut reader = Reader::new(&model, options);
    let mut scope = Scope::new(&model.opsets);
    let inputs = graph_inputs(&mut reader, &mut scope, proto, options)?;
    reader.initializers(&mut scope, proto)?;
    reader.nodes(&mut scope, &proto.nodes)?;
    let Leaving { tensors: outputs, words } = graph_outputs(&mut reader, &scope, proto)?;
    let named: Vec<(&str, Tensor)> = outputs.iter().map(|(n, t)| (&**n, t.clone())).collect();
    let name = if proto.name.is_empty() { "model" } else { proto.name };
    let graph = Graph::from_tensors(name, &inputs, &named).map_err(|e| Error::model(e.to_string()))?;
    Ok(Model {
        graph,
        words,
        notes: reader.reading.notes(),
        is_half: reader.is_half,
        producer: format!("{} {}", model.producer_name, model.producer_version).trim().into(),
        ir_version: model.ir_version,
        opsets: model.opsets.iter().map(|&(d, v)| (d.into(), v)).collect(),
    })
}

/// Makes an input tensor of each graph input that no initialiser gives.
fn graph_inputs<'m>(
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
struct Leaving {
    /// Outputs by name.
    tensors: Vec<(String, Tensor)>,
    /// Those of them that are positions in lists of strings, with the lists.
    words: Vec<(String, Vec<String>)>,
}

/// The tensors that the graph's outputs are.
fn graph_outputs(reader: &mut Reader, scope: &Scope, graph: &GraphProto) -> Result<Leaving> {
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

/// Every operator of the model in `bytes` that no lowering exists for, each once, with the first node that uses it. Attributes and
/// shapes are not looked at: a model without such operators may still fail to read.
///
/// # Errors
/// When the bytes are no model.
pub fn unsupported(bytes: &[u8]) -> Result<Vec<Error>> {
    let model = decode(bytes)?;
    Ok(function::unsupported_operators(&model))
}

/// The operators that the model in `bytes` uses, sub-graphs and functions included, sorted, each once.
///
/// # Errors
/// When the bytes are no model.
pub fn operators(bytes: &[u8]) -> Result<Vec<String>> {
    Ok(function::operators_used(&decode(bytes)?))
}

/// A single tensor in a file of its own, as ONNX test data is: its name and value.
///
/// # Errors
/// When the bytes are no tensor, or one of a type that graphs cannot hold.
pub fn read_tensor(bytes: &[u8]) -> Result<(String, Value)> {
    let t = TensorProto::decode(bytes, 0)
        .map_err(|e| Error::NotModel { format: &ONNX, reason: format!("a tensor file: {e}") })?;
    match tensor_value(&t, None) {
        Ok((_, value)) => Ok((t.name.into(), value)),
        Err(reason) => Err(Error::tensor(t.name, reason)),
    }
}

fn decode(bytes: &[u8]) -> Result<ModelProto<'_>> {
    let not_onnx = |reason: String| Err(Error::NotModel { format: &ONNX, reason });
    if bytes.is_empty() {
        return not_onnx("the file is empty".into());
    }
    let model = match ModelProto::decode(bytes, 0) {
        Ok(model) => model,
        Err(e) => return not_onnx(format!("{e} ({} bytes)", bytes.len())),
    };
    if model.graph.is_none() || model.opsets.is_empty() {
        return not_onnx("it has no graph or names no operator set".into());
    }
    Ok(model)
}
