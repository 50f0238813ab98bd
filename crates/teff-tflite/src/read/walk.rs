//! The walk over the operators of a model.

use super::States;
use super::constants::{Constants, Folding};
use super::held::Held;
use super::node::{Fault, Lowered, Node};
use super::operators::{self, Lower};
use super::quantization::quantized;
use super::states::{Key, Memory};
use super::variables::Variables;
use crate::error::{Error, OperatorAt, Result};
use crate::model::{Element, ModelFile};
use crate::schema::tensor_type;
use std::collections::HashMap;
use teff_graph::{DType, Op, Tensor};

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
    /// The imaginary parts of what is complex, by position.
    pub(super) imaginary: HashMap<usize, Tensor>,
    /// A part of complex numbers is being moved.
    pub(super) moving_complex: bool,
    pub(super) constants: Constants,
    pub(super) folding: Folding,
    pub(super) states: States,
    pub(super) memories: Vec<Memory>,
    pub(super) variables: Variables<'m>,
    /// So many loops are around what is read.
    pub(super) depth: usize,
    operands: usize,
}

impl<'f, 'm> Reader<'f, 'm> {
    pub(crate) fn new(file: &'f ModelFile<'m>, bytes: usize, states: States) -> Self {
        Reader {
            file,
            notes: Vec::new(),
            values: vec![None; file.tensors.len()],
            imaginary: HashMap::new(),
            moving_complex: false,
            constants: Constants::new(bytes),
            folding: Folding::new(),
            states,
            memories: Vec::new(),
            variables: Variables::default(),
            depth: 0,
            operands: 0,
        }
    }

    /// A reader of a sub-graph that goes on with what this one has left, which [`Reader::leave`] gives back.
    pub(super) fn enter<'s>(&mut self, file: &'s ModelFile<'m>, values: Vec<Option<Held>>) -> Reader<'s, 'm> {
        Reader {
            file,
            notes: std::mem::take(&mut self.notes),
            values,
            imaginary: HashMap::new(),
            moving_complex: false,
            constants: std::mem::replace(&mut self.constants, Constants::new(0)),
            folding: std::mem::replace(&mut self.folding, Folding::new()),
            states: self.states,
            memories: Vec::new(),
            variables: Variables::default(),
            depth: self.depth + 1,
            operands: self.operands,
        }
    }

    /// Takes back what [`Reader::enter`] gave away.
    pub(super) fn leave(&mut self, inner: Reader<'_, 'm>) {
        self.notes = inner.notes;
        self.constants = inner.constants;
        self.folding = inner.folding;
        self.operands = inner.operands;
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
        if self.imaginary.contains_key(&index) {
            return Err(Error::Tensor {
                index,
                name: self.file.tensors[index].name.into(),
                reason: "is complex, which few operators take; give its magnitude, or its parts one by one"
                    .into(),
            });
        }
        if let Some(held) = &self.values[index] {
            return Ok(Some(held.clone()));
        }
        let file = self.file;
        let loaded = match self.constants.load(file, index)? {
            Some(t) => Some(t),
            None if file.tensors[index].is_variable && self.depth == 0 => Some(self.variable_tensor(index)?),
            None => None,
        };
        self.values[index] = loaded.map(Held::plain);
        Ok(self.values[index].clone())
    }

    /// The real parts of what is complex, with axes as in the file.
    ///
    /// # Panics
    /// When nothing has given it.
    pub(super) fn real_part(&self, index: usize) -> Tensor {
        self.values[index].clone().expect("what is complex was given").into_plain()
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

    /// Counts inputs and outputs of operators. Those of a loop count as often as they are lowered.
    pub(super) fn count_operands(&mut self, number: usize) -> Result<()> {
        self.operands = self.operands.saturating_add(number);
        if self.operands > MOST_OPERANDS {
            let reason = format!("its operators have more than {MOST_OPERANDS} inputs and outputs together");
            return Err(Error::InvalidModel { reason });
        }
        Ok(())
    }

    /// Lowers operator `i`.
    pub(super) fn operator(&mut self, i: usize) -> Result<()> {
        if self.moved_complex(i)? { Ok(()) } else { self.real_operator(i) }
    }

    /// Lowers operator `i`, which is given nothing complex.
    pub(super) fn real_operator(&mut self, i: usize) -> Result<()> {
        let file = self.file;
        let info = &file.operators[i];
        let at = operator_at(file, i);
        self.count_operands(1 + info.inputs.len() + info.outputs.len())?;
        let lower = info.name.and_then(operators::find).ok_or_else(|| no_operator(at.clone()))?;
        if let Lower::Walk(f) = lower {
            return f(self, i).map_err(|fault| fault.at(&at));
        }
        let inputs = info.inputs.iter().enumerate().map(|(k, index)| self.input(k, index, &at));
        let inputs = inputs.collect::<Result<Vec<_>>>()?;
        let first_new = Tensor::scalar(false).id();
        let mut node = Node::new(info, &file.tensors, &self.folding, inputs);
        let results = match lower {
            Lower::One(f) => f(&mut node).map(|held| vec![held]),
            Lower::Many(f) => f(&mut node),
            Lower::Walk(_) => unreachable!("it returned above"),
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
            label(&next, first_new, &layer_name(&at));
            self.set_state(info.inputs.get(k), next).map_err(|fault| fault.at(&at))?;
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
        let is_part = self.moving_complex && info.element == Element::Other(tensor_type::COMPLEX64);
        let held = if wanted == Some(given) || is_part {
            held
        } else if given == DType::F32 && info.quantization.is_some() {
            quantized(held, info, &self.folding)?
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

    fn set_state(&mut self, index: Option<i32>, next: Tensor) -> Lowered<()> {
        next.check()?;
        let Some(index) = index.and_then(|i| usize::try_from(i).ok()).filter(|&i| i < self.values.len())
        else {
            return Err(Fault::Invalid("its state is no tensor".into()));
        };
        self.remember(&Key::Tensor(index), &next)?;
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
pub(super) fn layer_name(at: &OperatorAt) -> String {
    match at.output.split(';').next() {
        Some(name) if !name.is_empty() => name.to_string(),
        _ => format!("{}_{}", at.operator.to_lowercase(), at.index),
    }
}

/// Labels every tensor that was made for an operator, from its result back.
pub(super) fn label(result: &Tensor, first_new: u64, name: &str) {
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
