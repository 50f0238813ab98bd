//! What lasts from the first node of a model to the last: notes, constants that are known, and what may still be computed.
//!
//! Exporters compute shapes from shapes; all that no input has a part in is computed while reading. How much one model may ask for is
//! bounded, so that a small file takes neither much time nor much memory.

use crate::error::{Fault, Lowered};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;
use teff_graph::facts::work;
use teff_graph::{Graph, Op, Tensor, Type, Value, evaluate};

/// A constant is computed while reading only if nothing on the way to it has more elements than this. More stays in the graph.
const MOST_ELEMENTS: usize = 1 << 22;
/// ... and if it takes, with all before it, no more multiplications and moves than this, about a second.
const MOST_WORK: usize = 1 << 25;
/// What lowerings may make or go through for all nodes together, in elements or steps: about a second, and a few hundred megabytes.
const MOST_COMPUTED: usize = 1 << 24;
/// A new tensor counts as so many elements.
const TENSOR: usize = 256;
/// A node's result is replaced by its value when it has at most so many elements and depends on no input.
const SMALL: usize = 1 << 12;

/// The state of a reading. Its methods take it shared, so that lowerings can ask while they hold parts of it.
#[derive(Default)]
pub struct ReadState {
    notes: RefCell<Vec<String>>,
    /// Whether a tensor is computed from constants alone, and with how much work; by tensor number.
    work: RefCell<HashMap<u64, Option<usize>>>,
    values: RefCell<HashMap<u64, Arc<Value>>>,
    worked: Cell<usize>,
    computed: Cell<usize>,
}

impl ReadState {
    /// Tells the user something that was decided while reading; once, however often it is said.
    pub fn note(&self, note: String) {
        let mut notes = self.notes.borrow_mut();
        if !notes.contains(&note) {
            notes.push(note);
        }
    }

    /// All notes.
    pub fn notes(&self) -> Vec<String> {
        self.notes.take()
    }

    /// Takes `count` elements or steps from what a model may have computed while it is read. To be called before anything is made
    /// whose size the model's shapes decide.
    ///
    /// # Errors
    /// [`Fault::TooLarge`] when there are no more.
    pub fn spend(&self, count: usize) -> Lowered<()> {
        self.computed.set(self.computed.get().saturating_add(count));
        if self.computed.get() > MOST_COMPUTED {
            return Err(Fault::TooLarge(
                "more would have to be computed while reading than any model may ask for",
            ));
        }
        Ok(())
    }

    /// As [`ReadState::spend`], for as many tensors.
    ///
    /// # Errors
    /// As there.
    pub fn spend_tensors(&self, count: usize) -> Lowered<()> {
        self.spend(count.saturating_mul(TENSOR))
    }

    /// A constant that a node is lowered to, its elements spent.
    ///
    /// # Errors
    /// As [`ReadState::spend`].
    pub fn made(&self, value: Value) -> Lowered {
        self.spend(value.len())?;
        Ok(Tensor::constant(value))
    }

    /// The value of `t` if it depends on no input and is not too large to compute here.
    pub fn value(&self, t: &Tensor) -> Option<Arc<Value>> {
        t.check().ok()?;
        if let Op::Constant(v) = t.op() {
            return Some(v.clone());
        }
        if let Some(v) = self.values.borrow().get(&t.id()) {
            return Some(v.clone());
        }
        let work = self.work(t).filter(|&w| w <= MOST_WORK - self.worked.get())?;
        self.worked.set(self.worked.get() + work);
        let graph = Graph::from_tensors("constant", &[], &[("", t.clone())]).ok()?;
        let value = Arc::new(evaluate(&graph, &[]).ok()?.swap_remove(0));
        self.values.borrow_mut().insert(t.id(), value.clone());
        Some(value)
    }

    /// How much work `t` takes, if it depends on no input.
    fn work(&self, t: &Tensor) -> Option<usize> {
        let mut known = self.work.borrow_mut();
        let mut open = vec![t.clone()];
        while let Some(top) = open.last().cloned() {
            let before = open.len();
            if !known.contains_key(&top.id()) {
                open.extend(top.operands().iter().filter(|o| !known.contains_key(&o.id())).cloned());
            }
            if open.len() == before {
                open.pop();
                let work = own_work(&top, &known);
                known.insert(top.id(), work);
            }
        }
        known[&t.id()]
    }

    /// `t` as a constant when it is small and computed from constants, else `t`.
    pub fn folded(&self, t: Tensor) -> Tensor {
        // Quantised weights say more than the floats they stand for.
        if matches!(t.op(), Op::Constant(_) | Op::Dequantize) || t.len() > SMALL {
            return t;
        }
        match self.value(&t) {
            Some(v) => {
                let constant = Tensor::constant(v);
                t.label().map_or(constant.clone(), |l| constant.named(&l))
            }
            None => t,
        }
    }
}

/// The work of `t` and of all before it, which is `known` of its operands.
fn own_work(t: &Tensor, known: &HashMap<u64, Option<usize>>) -> Option<usize> {
    if matches!(t.op(), Op::Input { .. } | Op::Param(_) | Op::Random { .. }) || t.len() > MOST_ELEMENTS {
        return None;
    }
    let operands: Vec<Type> = t.operands().iter().map(Tensor::ty).collect();
    let steps = work(t.op(), &operands, &t.ty());
    t.operands().iter().try_fold(steps, |sum, o| Some(sum.saturating_add(known[&o.id()]?)))
}

/// Labels every tensor that was made for a node after tensor `first_new`, from its result back; how many there are.
pub fn label(result: &Tensor, first_new: u64, name: &str) -> usize {
    let mut made = 0;
    let mut open = vec![result.clone()];
    while let Some(t) = open.pop() {
        let is_new = t.id() > first_new && t.label().is_none();
        if is_new && !matches!(t.op(), Op::Input { .. } | Op::Constant(_)) {
            t.named(name);
            made += 1;
            open.extend(t.operands().iter().cloned());
        }
    }
    made
}
