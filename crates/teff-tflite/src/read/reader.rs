//! The state of a reading.

use super::States;
use super::held::Held;
use super::states::{StateTensor, Variables};
use crate::model::ModelFile;
use crate::{Error, NodeAt, Result, TFLITE};
use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use teff_graph::{Tensor, Type};
use teff_reader::{Fault, Lowered, ReadState, invalid};

/// All operators together have no more inputs and outputs than this.
const MOST_OPERANDS: usize = 1 << 16;

/// So many bytes of constants are made for each byte of the file: tensors may share a buffer, and f16 and i4 are widened.
const MOST_GROWTH: usize = 16;

/// What lasts from the first operator to the last.
pub(crate) struct Reader<'f, 'm> {
    pub(crate) file: &'f ModelFile<'m>,
    /// By position of the tensor in the file.
    values: Vec<Option<Held>>,
    /// The imaginary parts of what is complex, by position.
    pub(super) imaginary: HashMap<usize, Tensor>,
    /// A part of complex numbers is being moved.
    pub(super) moving_complex: bool,
    /// Bytes of constants that may still be made.
    left: Rc<Cell<usize>>,
    pub(super) reading: Rc<ReadState>,
    pub(super) states: States,
    pub(super) memories: Vec<StateTensor>,
    pub(super) variables: Variables<'m>,
    /// So many loops are around what is read.
    pub(super) depth: usize,
    operands: Rc<Cell<usize>>,
}

impl<'f, 'm> Reader<'f, 'm> {
    pub(crate) fn new(file: &'f ModelFile<'m>, bytes: usize, states: States) -> Self {
        Reader {
            file,
            values: vec![None; file.tensors.len()],
            imaginary: HashMap::new(),
            moving_complex: false,
            left: Rc::new(Cell::new(bytes.saturating_mul(MOST_GROWTH).saturating_add(1 << 16))),
            reading: Rc::default(),
            states,
            memories: Vec::new(),
            variables: Variables::default(),
            depth: 0,
            operands: Rc::default(),
        }
    }

    /// A reader of a sub-graph that goes on with what this one has left.
    pub(super) fn enter<'s>(&self, file: &'s ModelFile<'m>, values: Vec<Option<Held>>) -> Reader<'s, 'm> {
        Reader {
            values,
            left: Rc::clone(&self.left),
            reading: Rc::clone(&self.reading),
            depth: self.depth + 1,
            operands: Rc::clone(&self.operands),
            ..Reader::new(file, 0, self.states)
        }
    }

    /// Input `k` of operator `i`, which must be given, with axes as in the file.
    pub(super) fn given_input(&mut self, i: usize, k: usize) -> Lowered {
        match self.input(k, self.file.operators[i].inputs.get(k).unwrap_or(-1))? {
            Some(held) => Ok(held.into_plain()),
            None => invalid!("input {k} is missing"),
        }
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
        let mut loaded = self.constant(self.file, index)?;
        if loaded.is_none() && self.file.tensors[index].is_variable && self.depth == 0 {
            loaded = Some(self.variable_tensor(index)?);
        }
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

    /// Tensor `index` of `file`, if the file gives its elements; no more of them than the file accounts for.
    pub(super) fn constant(&self, file: &ModelFile, index: usize) -> Result<Option<Tensor>> {
        let info = &file.tensors[index];
        let wrong = |reason: String| info.wrong(index, reason);
        let outside =
            |_| wrong(format!("has its data in buffer {}, which lies outside the file", info.buffer));
        let data = file.data(info.buffer).map_err(outside)?;
        let no_elements = info.buffer != 0 && info.shape.contains(&0);
        let Some(data) = data.or(no_elements.then_some(&[])) else { return Ok(None) };
        if let Some(odd) = info.odd {
            return Err(wrong(format!("is {odd}, which is not supported; convert the model without it")));
        }
        let shape: Option<Vec<usize>> = info.shape.iter().map(|&n| usize::try_from(n).ok()).collect();
        let shape = shape.ok_or_else(|| wrong(format!("has the negative size {:?}", info.shape)))?;
        let Some((element, dtype)) = info.element.zip(info.dtype()) else {
            return Err(wrong(format!("is {}, which is not supported", info.element_name())));
        };
        let ty = Type::new(dtype, shape);
        let Some(value) = element.value(&ty, data) else {
            return Err(wrong(format!("is {ty} and its data has {} bytes", data.len())));
        };
        let reason =
            "and those before it take more memory than the file accounts for: too many share one buffer";
        let left = self.left.get().checked_sub(ty.bytes()).ok_or_else(|| info.wrong(index, reason))?;
        self.left.set(left);
        Ok(Some(Tensor::constant(value).named(info.name)))
    }

    /// Counts inputs and outputs of operators. Those of a loop count as often as they are lowered.
    pub(super) fn count_operands(&self, number: usize) -> Result<()> {
        self.operands.set(self.operands.get().saturating_add(number));
        if self.operands.get() > MOST_OPERANDS {
            return Err(Error::model(format!(
                "its operators have more than {MOST_OPERANDS} inputs and outputs together"
            )));
        }
        Ok(())
    }
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
