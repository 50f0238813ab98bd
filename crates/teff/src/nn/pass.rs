//! What a pass through layers needs to know and leaves behind.

use crate::step::Updates;
use std::cell::{Cell, RefCell};
use teff_graph::{DType, Param, Tensor, Value};

/// One pass through layers, for training or for use. It gives random keys to layers that drop, and collects what layers learn
/// outside of the gradient (running statistics).
pub struct Pass {
    key: Option<Param>,
    draws: Cell<u64>,
    updates: RefCell<Updates>,
}

impl Pass {
    /// A pass that uses the network: no dropout, statistics as learned.
    pub fn evaluation() -> Pass {
        Pass { key: None, draws: Cell::new(0), updates: RefCell::default() }
    }

    /// A pass that trains it. Random numbers follow from `seed` and differ from step to step.
    pub fn training(seed: u64) -> Pass {
        let key = Param::new("random.key", Value::scalar(seed as i64));
        Pass { key: Some(key), draws: Cell::new(0), updates: RefCell::default() }
    }

    /// True in training.
    pub fn is_training(&self) -> bool {
        self.key.is_some()
    }

    /// f32 uniform in [0, 1), other numbers at each call and in each step.
    ///
    /// # Panics
    /// Outside of training.
    pub fn random(&self, shape: &[usize]) -> Tensor {
        let key = self.key.as_ref().expect("random numbers are for training");
        let draw = self.draws.replace(self.draws.get() + 1);
        // Far apart, so that draw d of step s is not draw d - 1 of step s + 1.
        let offset = Tensor::scalar((draw as i64).wrapping_mul(0x1000_0000_01b3));
        Tensor::random(&(Tensor::param(key) + offset), shape)
    }

    /// Lets `param` take the value of `new` after each step.
    pub fn update(&self, param: &Param, new: Tensor) {
        self.updates.borrow_mut().push((param.clone(), new));
    }

    /// What changes with each step beside the weights: running statistics, and the random key if it was used.
    pub fn updates(&self) -> Updates {
        let mut all = self.updates.borrow().clone();
        if let Some(key) = self.key.as_ref().filter(|_| self.draws.get() > 0) {
            all.push((
                key.clone(),
                Tensor::param(key) + Tensor::full(teff_graph::Type::new(DType::I64, []), 1.0),
            ));
        }
        all
    }

    /// The parameters that the updates change and that no layer holds: the random key, if it was used.
    pub fn state(&self) -> Vec<Param> {
        self.key.iter().filter(|_| self.draws.get() > 0).cloned().collect()
    }
}
