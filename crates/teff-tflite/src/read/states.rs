//! What a model keeps from one run to the next: an input and an output of the graph, or nothing when it is reset in every run.

use super::reader::{Key, Reader, StateTensor};
use super::{State, States};
use crate::Result;
use crate::model::TensorInfo;
use teff_graph::{DType, Num, Tensor, Type};
use teff_reader::{Lowered, invalid};

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
