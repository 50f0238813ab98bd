//! Resource variables: memory that operators refer to by name, as streaming Keras models keep it.
//!
//! A variable that is read before it is written in a run is a [`super::State`]. What `CALL_ONCE` assigns is its initial value.

use super::held::Held;
use super::lower::{Lower, Table};
use super::reader::{Key, Reader};
use crate::flatbuffer::Vector;
use crate::model::{ModelFile, OperatorInfo};
use crate::schema::{call_once_options, var_handle_options};
use std::collections::HashMap;
use teff_graph::{Num, Tensor};
use teff_reader::{Fault, Lowered, ensure, invalid, unsupported};

pub(super) const TABLE: Table = &[
    ("ASSIGN_VARIABLE", Lower::Walk(assign)),
    ("CALL_ONCE", Lower::Walk(call_once)),
    ("READ_VARIABLE", Lower::Walk(read)),
    ("VAR_HANDLE", Lower::Walk(handle)),
];

/// No more operators than this set variables at the beginning, in no more sub-graphs than that.
const MOST_INITIAL: usize = 1 << 10;
const MOST_CALLS: usize = 16;

/// Entry `i` of a list of tensors.
fn tensor(list: Vector<i32>, i: usize, what: &str) -> Lowered<usize> {
    match list.get(i).and_then(|n| usize::try_from(n).ok()) {
        Some(n) => Ok(n),
        None => invalid!("{what} {i} is missing"),
    }
}

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
    reader.variables.handles.insert(tensor(info.outputs, 0, "output")?, name_of(info)?);
    Ok(())
}

/// The variable that input 0 of operator `i` refers to.
fn variable<'m>(reader: &Reader<'_, 'm>, i: usize) -> Lowered<&'m str> {
    let at = tensor(reader.file.operators[i].inputs, 0, "input")?;
    let found = reader.variables.handles.get(&at).copied();
    found.ok_or_else(|| Fault::Invalid(format!("its input 0 is tensor {at}, which refers to no variable")))
}

fn read(reader: &mut Reader, i: usize) -> Lowered<()> {
    let name = variable(reader, i)?;
    let output = tensor(reader.file.operators[i].outputs, 0, "output")?;
    let Some(info) = reader.file.tensors.get(output) else {
        return invalid!("its output is tensor {output}, which does not exist");
    };
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
    let at = reader.file.operators[i].inputs.get(1).unwrap_or(-1);
    let Some(held) = reader.input(1, at)? else { return invalid!("input 1 is missing") };
    let value = held.into_plain();
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
                handles.insert(tensor(info.outputs, 0, "output")?, name_of(info)?);
            }
            Some("ASSIGN_VARIABLE") => {
                let (at, from) = (tensor(info.inputs, 0, "input")?, tensor(info.inputs, 1, "input")?);
                let Some(&name) = handles.get(&at) else {
                    return invalid!("in sub-graph {index}, tensor {at} refers to no variable");
                };
                let value = match from < file.tensors.len() {
                    true => reader.constants.load(&file, from).map_err(outside)?,
                    false => None,
                };
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
