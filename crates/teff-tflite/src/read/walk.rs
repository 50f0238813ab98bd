//! The walk over the operators of a model.

use super::States;
use super::constants::Constants;
use super::held::Held;
use super::node::{Fault, Lowered, NextStates, Node, ensure, invalid};
use super::operators::{self, Lower};
use super::quantization::quantized;
use super::states::{Key, StateTensor};
use super::subgraph::given;
use super::variables::Variables;
use crate::model::{ModelFile, OperatorInfo};
use crate::schema::tensor_type;
use crate::{Error, NodeAt, Result, TFLITE};
use std::collections::HashMap;
use std::rc::Rc;
use teff_graph::{DType, Tensor};
use teff_reader::{ReadState, label};

/// A model has no more operators than this.
const MOST_OPERATORS: usize = 1 << 14;
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
            file,
            values,
            imaginary: HashMap::new(),
            moving_complex: false,
            constants: std::mem::replace(&mut self.constants, Constants::new(0)),
            reading: Rc::clone(&self.reading),
            states: self.states,
            memories: Vec::new(),
            variables: Variables::default(),
            depth: self.depth + 1,
            operands: self.operands,
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

    /// Lowers all operators in order.
    pub(crate) fn operators(&mut self) -> Result<()> {
        let count = self.file.operators.len();
        if count > MOST_OPERATORS {
            let reason = format!("it has {count} operators; up to {MOST_OPERATORS} are supported");
            return Err(Error::model(reason));
        }
        (0..count).try_for_each(|i| self.operator(i))
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

    /// Lowers operator `i`.
    pub(super) fn operator(&mut self, i: usize) -> Result<()> {
        if self.moved_complex(i)? { Ok(()) } else { self.real_operator(i) }
    }

    /// Lowers operator `i`, which is given nothing complex.
    pub(super) fn real_operator(&mut self, i: usize) -> Result<()> {
        let at = operator_at(self.file, i);
        self.lowered(i, &at).map_err(|fault| fault.at(&at))
    }

    fn lowered(&mut self, i: usize, at: &NodeAt) -> Lowered<()> {
        let file = self.file;
        let info = &file.operators[i];
        self.count_operands(1 + info.inputs.len() + info.outputs.len())?;
        let lower = info.name.and_then(operators::find).ok_or_else(|| no_operator(&at.operator))?;
        let first_new = Tensor::scalar(false).id();
        let (results, next_states) = match lower {
            Lower::Walk(f) => return f(self, i),
            Lower::Subgraphs(f) => {
                let inputs = given(self, info)?;
                (f(self, i, inputs)?.into_iter().map(Held::plain).collect(), vec![])
            }
            Lower::One(f) => self.by_node(info, |node| Ok(vec![f(node)?]))?,
            Lower::Many(f) => self.by_node(info, f)?,
        };
        let (given, named) = (results.len(), info.outputs.len());
        ensure!(given == named, "it gives {given} results and names {named} outputs");
        for (index, held) in info.outputs.iter().zip(results) {
            // An output that is not wanted is -1.
            let Ok(index) = usize::try_from(index) else { continue };
            let held = self.finished(index, held)?;
            label(&held.tensor, first_new, &layer_name(at));
            self.set(index, Held { tensor: self.reading.folded(held.tensor), layout: held.layout });
        }
        for (k, next) in next_states {
            label(&next, first_new, &layer_name(at));
            self.set_state(info.inputs.get(k), next)?;
        }
        Ok(())
    }

    /// What a lowering of an operator by itself gives: its results, and the next values of its states by input.
    fn by_node(
        &mut self,
        info: &OperatorInfo<'m>,
        lower: impl FnOnce(&mut Node) -> Lowered<Vec<Held>>,
    ) -> Lowered<(Vec<Held>, NextStates)> {
        let inputs = info.inputs.iter().enumerate().map(|(k, index)| self.input(k, index));
        let inputs = inputs.collect::<Lowered<Vec<_>>>()?;
        let mut node = Node::new(info, &self.file.tensors, &self.reading, inputs);
        let results = lower(&mut node)?;
        node.all_looked_at()?;
        Ok((results, node.next_states))
    }

    /// What is given as input `k` of an operator, tensor `index` of the file; nothing where that is -1.
    pub(super) fn input(&mut self, k: usize, index: i32) -> Lowered<Option<Held>> {
        if index == -1 {
            return Ok(None);
        }
        let known = usize::try_from(index).ok().filter(|&i| i < self.file.tensors.len());
        let Some(index) = known else {
            return invalid!("its input {k} is tensor {index}, which does not exist");
        };
        let name = self.file.tensors[index].name;
        match self.get(index)? {
            Some(held) => Ok(Some(held)),
            None => invalid!(
                "its input {k}, tensor {index} ({name:?}), is given by no earlier operator, input or constant"
            ),
        }
    }

    /// Checks what an operator gave for output tensor `index`, and makes of it what the file says it is.
    fn finished(&self, index: usize, held: Held) -> Lowered<Held> {
        held.tensor.check()?;
        let Some(info) = self.file.tensors.get(index) else {
            return invalid!("its output is tensor {index}, which does not exist");
        };
        let (given, wanted) = (held.tensor.dtype(), info.dtype());
        let is_part = self.moving_complex && info.number == tensor_type::COMPLEX64;
        let held = if wanted == Some(given) || is_part {
            held
        } else if given == DType::F32 && info.quantization.is_some() {
            quantized(held, info, &self.reading)?
        } else {
            let (name, element) = (info.name, info.element_name());
            let scale = if info.quantization.is_none() { " without a scale" } else { "" };
            return invalid!("it gives {given}, but its output {name:?} is {element}{scale}");
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
