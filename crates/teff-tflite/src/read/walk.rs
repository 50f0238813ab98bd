//! The walk over the operators of a model.

use super::held::Held;
use super::node::{NextStates, Node};
use super::operators;
use super::operators::Lower;
use super::quantization::quantized;
use super::reader::{Reader, layer_name, no_operator, operator_at};
use super::states::Key;
use super::subgraph::given;
use crate::model::OperatorInfo;
use crate::schema::tensor_type;
use crate::{Error, NodeAt, Result};
use teff_graph::{DType, Tensor};
use teff_reader::{Lowered, Operands, ensure, invalid, label};

/// A model has no more operators than this.
const MOST_OPERATORS: usize = 1 << 14;

impl<'m> Reader<'_, 'm> {
    /// Lowers all operators in order.
    pub(crate) fn operators(&mut self) -> Result<()> {
        let count = self.file.operators.len();
        if count > MOST_OPERATORS {
            let reason = format!("it has {count} operators; up to {MOST_OPERATORS} are supported");
            return Err(Error::model(reason));
        }
        (0..count).try_for_each(|i| self.operator(i))
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
            Lower::Of(f) => {
                self.by_node(info, |node| node.x(0).and_then(|x| Ok(vec![Held::plain(f(node, x)?)])))?
            }
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
        let Some(index) = self.file.position(Some(index)) else {
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
        let Some(index) = self.file.position(index) else { return invalid!("its state is no tensor") };
        self.remember(&Key::Tensor(index), &next)?;
        self.set(index, Held::plain(next));
        Ok(())
    }
}
