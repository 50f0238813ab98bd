//! Reading: a model becomes a graph.

mod complex;
mod fixed;
mod held;
mod loops;
mod node;
mod operators;
mod quantization;
mod reader;
mod stablehlo;
mod states;
mod subgraph;
mod walk;

use crate::model::{ModelFile, TensorInfo};
use crate::{Error, Result};
use held::Held;
use reader::Reader;
use std::collections::HashSet;
use teff_graph::{Graph, Num, Tensor};
use teff_reader::{AxisSize, ElementType, check_names, pinned};

pub use operators::supported_operators;

/// What becomes of a model's variables: the memory that recurrent and streaming layers keep from one run to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum States {
    /// Each is an input and an output of the graph; the caller gives back what came out.
    #[default]
    Exposed,
    /// Each begins at its initial value in every run, as after a reset; what it becomes is dropped.
    Reset,
}

/// How to read a model.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// Shapes of inputs, by name, for those that the model leaves open or whose open sizes should not be 1.
    pub input_shapes: Vec<(String, Vec<usize>)>,
    /// What becomes of variables.
    pub states: States,
}

/// A memory of the model.
#[derive(Clone, Debug)]
pub struct State {
    /// Name of the graph input that takes it.
    pub input: String,
    /// Name of the graph output that gives its next value.
    pub output: String,
    /// What each of its elements is before the first run.
    pub initial: Num,
}

/// A model that was read.
#[derive(Clone, Debug)]
pub struct Model {
    /// What it computes.
    pub graph: Graph,
    /// Its memories, whose inputs and outputs follow the model's own, in this order. None with [`States::Reset`].
    pub states: Vec<State>,
    /// What was decided while reading, for the user to know.
    pub notes: Vec<String>,
    /// What the converter wrote about the file, such as `MLIR Converted.`
    pub description: String,
    /// The version of the file format.
    pub schema_version: u32,
}

/// The model in `bytes`.
///
/// # Errors
/// Whatever keeps it from becoming a graph; see [`Error`].
pub fn read(bytes: &[u8], options: &ReadOptions) -> Result<Model> {
    let file = ModelFile::decode(bytes)?;
    let mut reader = Reader::new(&file, bytes.len(), options.states);
    let mut given = inputs(&mut reader, options)?;
    reader.operators()?;
    let mut results = outputs(&mut reader)?;
    let memories = std::mem::take(&mut reader.memories);
    for m in &memories {
        given.push(m.input.clone());
        results.push((m.state.output.clone(), m.next.clone()));
    }
    let named: Vec<(&str, Tensor)> = results.iter().map(|(n, t)| (&**n, t.clone())).collect();
    let name = if file.name.is_empty() { "model" } else { file.name };
    let graph = Graph::from_tensors(name, &given, &named).map_err(|e| Error::model(e.to_string()))?;
    Ok(Model {
        graph,
        states: memories.into_iter().map(|m| m.state).collect(),
        notes: reader.reading.notes(),
        description: file.description.into(),
        schema_version: file.version,
    })
}

/// Makes an input of each input of the model.
fn inputs(reader: &mut Reader, options: &ReadOptions) -> Result<Vec<Tensor>> {
    let file = reader.file;
    let names: Vec<String> =
        (0..file.inputs.len()).map(|k| name_of(file, file.inputs[k], "input", k)).collect();
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    check_names(options.input_shapes.iter().map(|(name, _)| name), &known)?;
    let mut made = Vec::new();
    for (k, name) in names.iter().enumerate() {
        let index = file.inputs[k];
        if file.inputs[..k].contains(&index) {
            return Err(Error::interface(name, "is listed twice"));
        }
        let info = &file.tensors[index];
        let fixed = options.input_shapes.iter().find(|(n, _)| n == name).map(|(_, s)| &s[..]);
        let shape = pinned(&reader.reading, name, &sizes(info), fixed)?;
        let wrong = |reason: String| Error::interface(name, reason);
        let Some(dtype) = info.dtype() else {
            return Err(wrong(format!("is {}, which is not supported", info.element_name())));
        };
        if !matches!(info.element, Some(ElementType::Plain(_))) {
            reader.reading.note(format!("input {name:?} is {} and is taken as {dtype}", info.element_name()));
        }
        let tensor = Tensor::input(name, dtype, &shape);
        tensor.check().map_err(|e| wrong(e.to_string()))?;
        reader.set(index, Held::plain(tensor.clone()));
        made.push(tensor);
    }
    if file.subgraphs > 1 {
        reader.reading.note(format!("the file has {} sub-graphs; the first is the model", file.subgraphs));
    }
    Ok(made)
}

/// The name of a tensor that is input or output `k`.
fn name_of(file: &ModelFile, index: usize, what: &str, k: usize) -> String {
    let name = file.tensors[index].name;
    if name.is_empty() { format!("{what}{k}") } else { name.into() }
}

fn sizes(info: &TensorInfo) -> Vec<AxisSize<'static>> {
    let size = |(axis, &n): (usize, &i32)| match usize::try_from(n) {
        Ok(n) if !info.open.contains(&axis) => AxisSize::Known(n),
        _ => AxisSize::Open(""),
    };
    info.shape.iter().enumerate().map(size).collect()
}

/// The outputs of the model, with axes as in the file.
fn outputs(reader: &mut Reader) -> Result<Vec<(String, Tensor)>> {
    let file = reader.file;
    if file.outputs.is_empty() {
        return Err(Error::model("it has no outputs"));
    }
    let mut outputs = Vec::new();
    for (k, &index) in file.outputs.iter().enumerate() {
        let name = name_of(file, index, "output", k);
        match reader.get(index)? {
            Some(held) => outputs.push((name, held.into_plain())),
            None => return Err(Error::interface(name, "is given by no operator")),
        }
    }
    Ok(outputs)
}

/// Every operator of the model in `bytes` that no lowering exists for, each once, with its first use, those of loops after those of
/// the model. Options and shapes are not looked at: a model without such operators may still fail to read.
///
/// # Errors
/// When the bytes are no model.
pub fn unsupported(bytes: &[u8]) -> Result<Vec<Error>> {
    let mut seen = HashSet::new();
    let mut missing = Vec::new();
    for file in subgraphs(bytes)? {
        for i in 0..file.operators.len() {
            let at = reader::operator_at(&file, i);
            let first = seen.insert(at.operator.clone());
            if first && file.operators[i].name.and_then(operators::find).is_none() {
                missing.push(reader::no_operator(&at.operator).at(&at));
            }
        }
    }
    Ok(missing)
}

/// The operators that the model in `bytes` uses, sorted, each once.
///
/// # Errors
/// When the bytes are no model.
pub fn operators(bytes: &[u8]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for file in subgraphs(bytes)? {
        names.extend((0..file.operators.len()).map(|i| reader::operator_at(&file, i).operator));
        names.sort_unstable();
        names.dedup();
    }
    Ok(names)
}

/// The model and the sub-graphs that it runs. Of very many the rest is left out.
fn subgraphs(bytes: &[u8]) -> Result<Vec<ModelFile<'_>>> {
    let model = ModelFile::decode(bytes)?;
    let others = (1..model.subgraphs.min(MOST_SUBGRAPHS)).map(|index| ModelFile::subgraph(bytes, index));
    let others: Vec<_> = others.collect::<Result<_>>()?;
    Ok(std::iter::once(model).chain(others).collect())
}

/// Sub-graphs that are listed; they may share their operators, so that there are more of them than the file has bytes.
const MOST_SUBGRAPHS: usize = 64;
