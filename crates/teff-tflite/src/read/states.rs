//! What a model keeps from one run to the next: an input and an output of the graph, or nothing when it is reset in every run.
//!
//! Variable tensors are kept by position. Resource variables are memory that operators refer to by name, as streaming Keras models keep
//! it: one that is read before it is written in a run is a [`State`]. What `CALL_ONCE` assigns is its initial value.

use super::held::Held;
use super::operators::{Lower, Table};
use super::reader::Reader;
use super::{State, States};
use crate::Result;
use crate::model::{ModelFile, OperatorInfo, TensorInfo};
use crate::schema::{call_once_options, var_handle_options};
use std::collections::HashMap;
use teff_graph::{DType, Num, Tensor, Type};
use teff_reader::{Fault, Lowered, ensure, invalid, unsupported};

/// What names a memory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Key {
    /// A variable tensor, by its position.
    Tensor(usize),
    /// A resource variable, by its name.
    Variable(String),
}

/// A memory: the input it begins as, and what it is now.
pub(crate) struct StateTensor {
    pub(super) key: Key,
    pub(crate) state: State,
    pub(crate) input: Tensor,
    pub(crate) next: Tensor,
}

/// The variables of a model.
#[derive(Default)]
pub(crate) struct Variables<'m> {
    /// Names, by the position of the tensor that refers to the variable.
    pub(super) handles: HashMap<usize, &'m str>,
    /// What each is now, by name, once it was read or written.
    pub(super) values: HashMap<&'m str, Tensor>,
    /// What each begins with, by name, where the model says it.
    pub(super) initial: HashMap<&'m str, Num>,
    /// Sub-graphs that were called to set them.
    pub(super) calls: usize,
}

impl Reader<'_, '_> {
    /// The first value in a run of variable tensor `index`.
    pub(super) fn variable_tensor(&mut self, index: usize) -> Result<Tensor> {
        let info = &self.file.tensors[index];
        let name = if info.name.is_empty() { format!("state{index}") } else { info.name.to_string() };
        // Runtimes reset int8 to its zero point and everything else to zero bytes.
        let zeros = info.quantization.filter(|_| info.dtype() == Some(DType::I8)).map(|q| q.zeros);
        let zero = zeros.and_then(|zeros| zeros.get(0)).unwrap_or(0);
        let made = self.memory(Key::Tensor(index), name, info, Num::Int(zero.into()));
        made.map_err(|reason| info.wrong(index, reason))
    }

    /// Makes an input of what begins as `initial` and has the type of `info`, or a constant if it is reset in every run.
    pub(super) fn memory(
        &mut self,
        key: Key,
        name: String,
        info: &TensorInfo,
        initial: Num,
    ) -> std::result::Result<Tensor, String> {
        let shape: Option<Vec<usize>> = info.shape.iter().map(|&n| usize::try_from(n).ok()).collect();
        let (Some(shape), Some(dtype)) = (shape, info.dtype()) else {
            let element = info.element_name();
            return Err(format!("keeps a state of {element} {:?}, which is not supported", info.shape));
        };
        let input = Tensor::input(&name, dtype, &shape);
        input.check().map_err(|e| e.to_string())?;
        if self.states == States::Reset {
            self.reading.note(format!("state {name:?} begins anew in every run"));
            return Ok(Tensor::full(Type::new(dtype, shape), initial.as_f64()).named(&name));
        }
        let begin = initial.as_f64();
        self.reading.note(format!(
            "state {name:?} is an input and an output: begin with {begin}, then give back what came out"
        ));
        let state = State { output: format!("{name}.next"), input: name, initial };
        self.memories.push(StateTensor { key, state, next: input.clone(), input: input.clone() });
        Ok(input)
    }

    /// Notes the value that a memory has from now on. What is written before it is ever read needs no memory.
    pub(super) fn remember(&mut self, key: &Key, next: &Tensor) -> Lowered<()> {
        let Some(memory) = self.memories.iter_mut().find(|m| m.key == *key) else { return Ok(()) };
        if memory.input.ty() != next.ty() {
            let name = &memory.state.input;
            return invalid!("its state {name:?} is {} and becomes {next}", memory.input.ty());
        }
        memory.next = next.clone();
        Ok(())
    }
}

pub(super) const TABLE: Table = &[
    ("ASSIGN_VARIABLE", Lower::Walk(assign)),
    ("CALL_ONCE", Lower::Walk(call_once)),
    ("READ_VARIABLE", Lower::Walk(read)),
    ("VAR_HANDLE", Lower::Walk(handle)),
];

/// No more operators than this set variables at the beginning, in no more sub-graphs than that.
const MOST_INITIAL: usize = 1 << 10;
const MOST_CALLS: usize = 16;

/// The name in the options of a `VAR_HANDLE`.
fn name_of<'m>(info: &OperatorInfo<'m>) -> Lowered<&'m str> {
    ensure!(info.options.is_some(), "it names no variable");
    info.options(var_handle_options::UNION)?.text(var_handle_options::SHARED_NAME)
}

/// What is kept from run to run cannot change from trip to trip of a loop.
fn outside_loops(reader: &Reader) -> Lowered<()> {
    if reader.depth == 0 {
        return Ok(());
    }
    unsupported("a variable inside a loop", "convert with frozen variables, for example by from_keras_model")
}

fn handle(reader: &mut Reader, i: usize) -> Lowered<()> {
    outside_loops(reader)?;
    let info = &reader.file.operators[i];
    reader.variables.handles.insert(reader.file.entry(info.outputs, 0, "output")?, name_of(info)?);
    Ok(())
}

/// The variable that input 0 of operator `i` refers to.
fn variable<'m>(reader: &Reader<'_, 'm>, i: usize) -> Lowered<&'m str> {
    let at = reader.file.entry(reader.file.operators[i].inputs, 0, "input")?;
    let found = reader.variables.handles.get(&at).copied();
    found.ok_or_else(|| Fault::Invalid(format!("its input 0 is tensor {at}, which refers to no variable")))
}

fn read(reader: &mut Reader, i: usize) -> Lowered<()> {
    let name = variable(reader, i)?;
    let output = reader.file.entry(reader.file.operators[i].outputs, 0, "output")?;
    let info = &reader.file.tensors[output];
    let value = match reader.variables.values.get(name) {
        Some(value) => value.clone(),
        None => {
            let initial = reader.variables.initial.get(name).copied().unwrap_or(Num::Int(0));
            let key = Key::Variable(name.into());
            let value = reader.memory(key, name.into(), info, initial).map_err(Fault::Invalid)?;
            reader.variables.values.insert(name, value.clone());
            value
        }
    };
    if Some(value.dtype()) != info.dtype() {
        let element = info.element_name();
        return invalid!("variable {name:?} is {value} and is read as {element}");
    }
    reader.set(output, Held::plain(value));
    Ok(())
}

fn assign(reader: &mut Reader, i: usize) -> Lowered<()> {
    let name = variable(reader, i)?;
    let value = reader.given_input(i, 1)?;
    reader.remember(&Key::Variable(name.into()), &value)?;
    reader.variables.values.insert(name, value);
    Ok(())
}

/// Runs the sub-graph that gives variables their initial values: handles and assignments of constants.
fn call_once(reader: &mut Reader, i: usize) -> Lowered<()> {
    outside_loops(reader)?;
    let info = &reader.file.operators[i];
    let index = info.options(call_once_options::UNION)?.get(call_once_options::INIT_SUBGRAPH_INDEX)?;
    let Some(index) = usize::try_from(index).ok().filter(|&index| index > 0) else {
        return invalid!("it calls sub-graph {index}");
    };
    reader.variables.calls += 1;
    if reader.variables.calls > MOST_CALLS {
        return unsupported(format!("more than {MOST_CALLS} calls"), "set all variables in one");
    }
    let outside = |e: crate::Error| Fault::Invalid(format!("in sub-graph {index}: {e}"));
    let file = ModelFile::subgraph(reader.file.bytes, index).map_err(outside)?;
    ensure!(file.operators.len() <= MOST_INITIAL, "sub-graph {index} has more than {MOST_INITIAL} operators");
    let mut handles = HashMap::new();
    for info in &file.operators {
        match info.name {
            Some("VAR_HANDLE") => {
                handles.insert(file.entry(info.outputs, 0, "output")?, name_of(info)?);
            }
            Some("ASSIGN_VARIABLE") => {
                let (at, from) = (file.entry(info.inputs, 0, "input")?, file.entry(info.inputs, 1, "input")?);
                let Some(&name) = handles.get(&at) else {
                    return invalid!("in sub-graph {index}, tensor {at} refers to no variable");
                };
                let value = reader.constant(&file, from).map_err(outside)?;
                reader.variables.initial.insert(name, uniform(value.as_ref(), name)?);
            }
            other => {
                let what = other.unwrap_or("an operator without a name");
                return unsupported(format!("{what} in sub-graph {index}"), "let it assign constants alone");
            }
        }
    }
    Ok(())
}

/// The one value that all elements of a constant have.
fn uniform(value: Option<&Tensor>, name: &str) -> Lowered<Num> {
    let Some(teff_graph::Op::Constant(value)) = value.map(Tensor::op) else {
        return unsupported(format!("variable {name:?} does not begin as a constant"), "assign a constant");
    };
    let first = if value.is_empty() { Num::Int(0) } else { value.get(0) };
    if (0..value.len()).any(|i| value.get(i) != first) {
        return unsupported(
            format!("variable {name:?} begins with elements that differ"),
            "begin with equal elements, and add what differs in the model",
        );
    }
    Ok(first)
}
