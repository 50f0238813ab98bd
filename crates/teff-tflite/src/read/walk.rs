//! The walk over the operators of a model.

use super::State;
use super::States;
use super::constants::{Constants, Folding};
use super::held::Held;
use super::node::{Fault, Lowered, Node};
use super::operators::{self, Lower};
use super::quantization::quantized;
use crate::error::{Error, OperatorAt, Result};
use crate::model::{Element, ModelFile};
use teff_graph::{DType, Op, Tensor, Type};

/// A model has no more operators than this.
const MOST_OPERATORS: usize = 1 << 14;
/// All operators together have no more inputs and outputs than this.
const MOST_OPERANDS: usize = 1 << 16;

/// What lasts from the first operator to the last.
pub(crate) struct Reader<'f, 'm> {
    pub(crate) file: &'f ModelFile<'m>,
    pub(crate) notes: Vec<String>,
    /// By position of the tensor in the file.
    values: Vec<Option<Held>>,
    constants: Constants,
    folding: Folding,
    states: States,
    memories: Vec<Memory>,
    operands: usize,
}

/// A variable tensor: the input it begins as, and what it is now.
pub(crate) struct Memory {
    index: usize,
    pub(crate) state: State,
    pub(crate) input: Tensor,
    pub(crate) next: Tensor,
}

impl<'f, 'm> Reader<'f, 'm> {
    pub(crate) fn new(file: &'f ModelFile<'m>, bytes: usize, states: States) -> Self {
        Reader {
            file,
            notes: Vec::new(),
            values: vec![None; file.tensors.len()],
            constants: Constants::new(bytes),
            folding: Folding::new(),
            states,
            memories: Vec::new(),
            operands: 0,
        }
    }

    pub(crate) fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    pub(crate) fn set(&mut self, index: usize, held: Held) {
        self.values[index] = Some(held);
    }

    /// The value of a tensor: what an operator or the caller gave, a constant of the file, or a memory. `None` when it has none.
    pub(crate) fn get(&mut self, index: usize) -> Result<Option<Held>> {
        if let Some(held) = &self.values[index] {
            return Ok(Some(held.clone()));
        }
        let file = self.file;
        let loaded = match self.constants.load(file, index)? {
            Some(t) => Some(t),
            None if file.tensors[index].is_variable => Some(self.memory(index)?),
            None => None,
        };
        self.values[index] = loaded.map(Held::plain);
        Ok(self.values[index].clone())
    }

    /// Makes an input, or a constant, of a variable tensor.
    fn memory(&mut self, index: usize) -> Result<Tensor> {
        let info = &self.file.tensors[index];
        let wrong = |reason: String| Error::Tensor { index, name: info.name.into(), reason };
        let shape: Option<Vec<usize>> = info.shape.iter().map(|&n| usize::try_from(n).ok()).collect();
        let (Some(shape), Some(dtype)) = (shape, info.element.dtype()) else {
            let element = info.element.name();
            return Err(wrong(format!(
                "keeps a state of {element} {:?}, which is not supported",
                info.shape
            )));
        };
        let name = if info.name.is_empty() { format!("state{index}") } else { info.name.to_string() };
        let input = Tensor::input(&name, dtype, &shape);
        input.check().map_err(|e| wrong(e.to_string()))?;
        // Runtimes reset int8 to its zero point and everything else to zero bytes.
        let zero = match (info.element, &info.quantization) {
            (Element::Plain(DType::I8), Some(q)) => q.zeros.get(0).unwrap_or(0),
            _ => 0,
        };
        if self.states == States::Reset {
            self.note(format!("state {name:?} begins anew in every run"));
            return Ok(Tensor::full(Type::new(dtype, shape), zero as f64).named(&name));
        }
        self.note(format!(
            "state {name:?} is an input and an output: begin with {zero}, then give back what came out"
        ));
        let state = State { output: format!("{name}.next"), input: name, initial: zero };
        self.memories.push(Memory { index, state, next: input.clone(), input: input.clone() });
        Ok(input)
    }

    /// The memories, each with its last value.
    pub(crate) fn finish_states(&mut self) -> Vec<Memory> {
        std::mem::take(&mut self.memories)
    }

    /// Lowers all operators in order.
    pub(crate) fn operators(&mut self) -> Result<()> {
        let count = self.file.operators.len();
        if count > MOST_OPERATORS {
            let reason = format!("it has {count} operators; up to {MOST_OPERATORS} are supported");
            return Err(Error::InvalidModel { reason });
        }
        (0..count).try_for_each(|i| self.operator(i))
    }

    fn operator(&mut self, i: usize) -> Result<()> {
        let file = self.file;
        let info = &file.operators[i];
        let at = operator_at(file, i);
        self.operands += 1 + info.inputs.len() + info.outputs.len();
        if self.operands > MOST_OPERANDS {
            let reason = format!("its operators have more than {MOST_OPERANDS} inputs and outputs together");
            return Err(Error::InvalidModel { reason });
        }
        let lower = info.name.and_then(operators::find).ok_or_else(|| no_operator(at.clone()))?;
        let inputs = info.inputs.iter().enumerate().map(|(k, index)| self.input(k, index, &at));
        let inputs = inputs.collect::<Result<Vec<_>>>()?;
        let first_new = Tensor::scalar(false).id();
        let mut node = Node::new(info, &file.tensors, &self.folding, inputs);
        let results = match lower {
            Lower::One(f) => f(&mut node).map(|held| vec![held]),
            Lower::Many(f) => f(&mut node),
        };
        let results =
            results.and_then(|r| node.all_looked_at().map(|()| r)).map_err(|fault| fault.at(&at))?;
        let next_states = node.next_states;
        if results.len() != info.outputs.len() {
            let reason =
                format!("it gives {} results and names {} outputs", results.len(), info.outputs.len());
            return Err(Error::InvalidOperator { at, reason });
        }
        for (index, held) in info.outputs.iter().zip(results) {
            // An output that is not wanted is -1.
            let Ok(index) = usize::try_from(index) else { continue };
            let held = self.finished(index, held).map_err(|fault| fault.at(&at))?;
            label(&held.tensor, first_new, &layer_name(&at));
            self.set(index, Held { tensor: self.folding.folded(held.tensor), layout: held.layout });
        }
        for (k, next) in next_states {
            self.set_state(info.inputs.get(k), next, &at)?;
        }
        Ok(())
    }

    fn input(&mut self, k: usize, index: i32, at: &OperatorAt) -> Result<Option<Held>> {
        if index == -1 {
            return Ok(None);
        }
        let wrong = |reason: String| Error::InvalidOperator { at: at.clone(), reason };
        let known = usize::try_from(index).ok().filter(|&i| i < self.file.tensors.len());
        let index =
            known.ok_or_else(|| wrong(format!("its input {k} is tensor {index}, which does not exist")))?;
        let name = self.file.tensors[index].name;
        match self.get(index)? {
            Some(held) => Ok(Some(held)),
            None => Err(wrong(format!(
                "its input {k}, tensor {index} ({name:?}), is given by no earlier operator, input or constant"
            ))),
        }
    }

    /// Checks what an operator gave for output tensor `index`, and makes of it what the file says it is.
    fn finished(&self, index: usize, held: Held) -> Lowered<Held> {
        held.tensor.check()?;
        let Some(info) = self.file.tensors.get(index) else {
            return Err(Fault::Invalid(format!("its output is tensor {index}, which does not exist")));
        };
        let (given, wanted) = (held.tensor.dtype(), info.element.dtype());
        let held = if wanted == Some(given) {
            held
        } else if given == DType::F32 && info.quantization.is_some() {
            quantized(held, info)?
        } else {
            let (name, element) = (info.name, info.element.name());
            let scale = if info.quantization.is_none() { " without a scale" } else { "" };
            return Err(Fault::Invalid(format!(
                "it gives {given}, but its output {name:?} is {element}{scale}"
            )));
        };
        held.tensor.check()?;
        Ok(held)
    }

    fn set_state(&mut self, index: Option<i32>, next: Tensor, at: &OperatorAt) -> Result<()> {
        let index = index.and_then(|i| usize::try_from(i).ok()).unwrap_or(usize::MAX);
        let fail = |reason: String| Err(Error::InvalidOperator { at: at.clone(), reason });
        if let Err(e) = next.check() {
            return fail(e.to_string());
        }
        if let Some(memory) = self.memories.iter_mut().find(|m| m.index == index) {
            if memory.input.ty() != next.ty() {
                return fail(format!(
                    "its state {:?} is {} and becomes {}",
                    memory.state.input,
                    memory.input.ty(),
                    next.ty()
                ));
            }
            label(&next, memory.input.id(), &layer_name(at));
            memory.next = next.clone();
        }
        self.values[index] = Some(Held::plain(next));
        Ok(())
    }
}

/// Where operator `i` is, for messages.
pub(crate) fn operator_at(file: &ModelFile, i: usize) -> OperatorAt {
    let info = &file.operators[i];
    let output = info.outputs.iter().find_map(|o| file.tensors.get(usize::try_from(o).ok()?));
    let operator = match info.name {
        Some("CUSTOM") => format!("CUSTOM {}", info.custom),
        Some(name) => name.to_string(),
        None => format!("number {}", info.number),
    };
    OperatorAt { index: i, operator, version: info.version, output: output.map_or("", |t| t.name).into() }
}

/// What to call a layer: the first of the names that the converter joins when it fuses operators.
fn layer_name(at: &OperatorAt) -> String {
    match at.output.split(';').next() {
        Some(name) if !name.is_empty() => name.to_string(),
        _ => format!("{}_{}", at.operator.to_lowercase(), at.index),
    }
}

/// Labels every tensor that was made for an operator, from its result back.
fn label(result: &Tensor, first_new: u64, name: &str) {
    let mut open = vec![result.clone()];
    while let Some(t) = open.pop() {
        let is_new = t.id() > first_new && t.label().is_none();
        if is_new && !matches!(t.op(), Op::Input { .. } | Op::Constant(_)) {
            t.named(name);
            open.extend(t.operands().iter().cloned());
        }
    }
}

pub(crate) fn no_operator(at: OperatorAt) -> Error {
    let remedy = match at.operator.starts_with("CUSTOM") {
        true => "convert the model without custom operators",
        false => "convert the model with operators that docs/tflite.md lists",
    };
    Error::Unsupported { at, what: "the operator is not supported".into(), remedy: remedy.into() }
}
