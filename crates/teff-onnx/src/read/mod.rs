//! Reading: a model becomes a graph.

mod constants;
mod draw;
mod function;
mod interface;
mod item;
mod nearest;
mod node;
mod operators;
mod order;
mod reader;
mod walk;
mod words;

use crate::proto::{Message, ModelProto, TensorProto, tensor_value};
use crate::{Error, ONNX, Result};
use interface::{Leaving, graph_inputs, graph_outputs};
use reader::{Reader, Scope};
use teff_graph::{Graph, Tensor, Value};

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
