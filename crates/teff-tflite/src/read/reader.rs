//! The state of a reading.

use super::constants::Constants;
use super::held::Held;
use super::{State, States};
use crate::model::ModelFile;
use crate::{Error, NodeAt, Result, TFLITE};
use std::collections::HashMap;
use std::rc::Rc;
use teff_graph::{Num, Tensor};
use teff_reader::{Fault, ReadState};

/// All operators together have no more inputs and outputs than this.
const MOST_OPERANDS: usize = 1 << 16;

/// What lasts from the first operator to the last.
pub(crate) struct Reader<'f, 'm> {
    pub(crate) file: &'f ModelFile<'m>,
    /// By position of the tensor in the file.
    values: Vec<Option<Held>>,
    /// The imaginary parts of what is complex, by position.
    pub(super) imaginary: HashMap<usize, Tensor>,
    /// A part of complex numbers is being moved.
    pub(super) moving_complex: bool,
    pub(super) constants: Constants,
    pub(super) reading: Rc<ReadState>,
    pub(super) states: States,
    pub(super) memories: Vec<StateTensor>,
    pub(super) variables: Variables<'m>,
    /// So many loops are around what is read.
    pub(super) depth: usize,
    operands: usize,
}

impl<'f, 'm> Reader<'f, 'm> {
    pub(crate) fn new(file: &'f ModelFile<'m>, bytes: usize, states: States) -> Self {
        Reader {
            file,
            values: vec![None; file.tensors.len()],
            imaginary: HashMap::new(),
            moving_complex: false,
            constants: Constants::new(bytes),
            reading: Rc::default(),
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
            values,
            constants: std::mem::replace(&mut self.constants, Constants::new(0)),
            reading: Rc::clone(&self.reading),
            depth: self.depth + 1,
            operands: self.operands,
            ..Reader::new(file, 0, self.states)
        }
    }

    /// Takes back what [`Reader::enter`] gave away.
    pub(super) fn leave(&mut self, inner: Reader<'_, 'm>) {
        self.constants = inner.constants;
        self.operands = inner.operands;
    }

    pub(crate) fn set(&mut self, index: usize, held: Held) {
        self.values[index] = Some(held);
    }

    /// The value of a tensor: what an operator or the caller gave, a constant of the file, or a memory. `None` when it has none.
    pub(crate) fn get(&mut self, index: usize) -> Result<Option<Held>> {
        if self.imaginary.contains_key(&index) {
            return Err(self.file.tensors[index].wrong(
                index,
                "is complex, which few operators take; give its magnitude, or its parts one by one",
            ));
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
    pub(crate) fn finish_states(&mut self) -> Vec<StateTensor> {
        std::mem::take(&mut self.memories)
    }

    /// Counts inputs and outputs of operators. Those of a loop count as often as they are lowered.
    pub(super) fn count_operands(&mut self, number: usize) -> Result<()> {
        self.operands = self.operands.saturating_add(number);
        if self.operands > MOST_OPERANDS {
            return Err(Error::model(format!(
                "its operators have more than {MOST_OPERANDS} inputs and outputs together"
            )));
        }
        Ok(())
    }
}

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

/// Where operator `i` is, for messages.
pub(crate) fn operator_at(file: &ModelFile, i: usize) -> NodeAt {
    let info = &file.operators[i];
    let output = info.outputs.iter().find_map(|o| file.tensors.get(usize::try_from(o).ok()?));
    let operator = match info.name {
        Some("CUSTOM") => format!("CUSTOM {}", info.custom),
        Some(name) => name.to_string(),
        None => format!("number {}", info.number),
    };
    NodeAt {
        format: &TFLITE,
        index: Some(i),
        node: output.map_or("", |t| t.name).into(),
        operator,
        version: info.version.into(),
    }
}

/// What to call a layer: the first of the names that the converter joins when it fuses operators.
pub(super) fn layer_name(at: &NodeAt) -> String {
    match at.node.split(';').next() {
        Some(name) if !name.is_empty() => name.to_string(),
        _ => format!("{}_{}", at.operator.to_lowercase(), at.index.unwrap_or_default()),
    }
}

pub(crate) fn no_operator(name: &str) -> Fault {
    let remedy = match name {
        "CUSTOM FlexDecodeAndCropJpeg"
        | "CUSTOM FlexDecodeBmp"
        | "CUSTOM FlexDecodeGif"
        | "CUSTOM FlexDecodeImage"
        | "CUSTOM FlexDecodeJpeg"
        | "CUSTOM FlexDecodePng" => {
            "decode the picture before the network: convert the model from the pixels on, which it then takes"
        }
        name if name.starts_with("CUSTOM") => "convert the model without custom operators",
        _ => "convert the model with operators that docs/tflite.md lists",
    };
    Fault::Unsupported("the operator is not supported".into(), remedy.into())
}
