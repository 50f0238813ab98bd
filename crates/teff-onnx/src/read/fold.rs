//! Values known while reading: what exporters compute from shapes, and whatever else no input has a part in.

use std::collections::HashMap;
use std::sync::Arc;
use teff_graph::{Graph, Op, Tensor, Type, Value, evaluate, work};

/// A constant is computed while reading only if nothing on the way to it has more elements than this. More stays in the graph.
const MOST_ELEMENTS: usize = 1 << 22;
/// ... and if it takes, with all before it, no more multiplications and moves than this, about a second.
const MOST_WORK: usize = 1 << 25;

/// Evaluates constants, each once.
#[derive(Default)]
pub(crate) struct Folder {
    /// Whether a tensor is computed from constants alone, and with how much work; by tensor number.
    work: HashMap<u64, Option<usize>>,
    values: HashMap<u64, Arc<Value>>,
    spent: usize,
}

impl Folder {
    /// The value of `t` if it depends on no input and is not too large to compute here.
    pub(crate) fn value(&mut self, t: &Tensor) -> Option<Arc<Value>> {
        if let Op::Constant(v) = t.op() {
            return t.check().is_ok().then(|| v.clone());
        }
        if let Some(v) = self.values.get(&t.id()) {
            return Some(v.clone());
        }
        t.check().ok()?;
        let work = self.work(t).filter(|&w| w <= MOST_WORK - self.spent)?;
        self.spent += work;
        let graph = Graph::from_tensors("constant", &[], &[("", t.clone())]).ok()?;
        let value = Arc::new(evaluate(&graph, &[]).ok()?.swap_remove(0));
        self.values.insert(t.id(), value.clone());
        Some(value)
    }

    /// How much work `t` takes, if it depends on no input.
    fn work(&mut self, t: &Tensor) -> Option<usize> {
        let mut open = vec![t.clone()];
        while let Some(top) = open.last().cloned() {
            if self.work.contains_key(&top.id()) {
                open.pop();
                continue;
            }
            let unknown: Vec<Tensor> =
                top.operands().iter().filter(|o| !self.work.contains_key(&o.id())).cloned().collect();
            if unknown.is_empty() {
                open.pop();
                let work = self.own_work(&top);
                self.work.insert(top.id(), work);
            } else {
                open.extend(unknown);
            }
        }
        self.work[&t.id()]
    }

    fn own_work(&self, t: &Tensor) -> Option<usize> {
        if matches!(t.op(), Op::Input { .. } | Op::Param(_) | Op::Random { .. }) || t.len() > MOST_ELEMENTS {
            return None;
        }
        let operands: Vec<Type> = t.operands().iter().map(Tensor::ty).collect();
        let steps = work(t.op(), &operands, &t.ty());
        t.operands().iter().try_fold(steps, |sum, o| Some(sum.saturating_add(self.work[&o.id()]?)))
    }

    /// `t` as a constant when it is small and computed from constants, else `t`.
    pub(crate) fn folded(&mut self, t: Tensor, most: usize) -> Tensor {
        // Quantised weights say more than the floats they stand for.
        if matches!(t.op(), Op::Constant(_) | Op::Dequantize) || t.len() > most {
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
