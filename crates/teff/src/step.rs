//! A computation captured once and run many times: a training step, or a network being evaluated.

use crate::error::Result;
use teff_graph::{Element, Graph, Param, Tensor, Value};
use teff_host::{Options, Plan};

/// What a run changes: each parameter takes the value of its tensor.
pub type Updates = Vec<(Param, Tensor)>;

/// A captured computation. Running it allocates nothing.
pub struct Step {
    plan: Plan,
    outputs: usize,
}

impl Step {
    /// Captures `outputs` as functions of `inputs`; after each run the parameters in `updates` have their new values.
    ///
    /// # Errors
    /// An invalid operation, an input that is used but not listed, a parameter updated twice.
    pub fn new(inputs: &[&Tensor], outputs: &[&Tensor], updates: &Updates, threads: usize) -> Result<Step> {
        let inputs: Vec<Tensor> = inputs.iter().map(|&t| t.clone()).collect();
        let results = outputs.iter().map(|&t| ("", t.clone()));
        let new_values = updates.iter().map(|(_, t)| ("", t.clone()));
        let all: Vec<(&str, Tensor)> = results.chain(new_values).collect();
        let graph = Graph::from_tensors("step", &inputs, &all)?;
        let updates: Vec<(usize, Param)> =
            updates.iter().enumerate().map(|(i, (p, _))| (outputs.len() + i, p.clone())).collect();
        let plan = Plan::with_updates(&graph, &updates, &Options { threads })?;
        Ok(Step { plan, outputs: outputs.len() })
    }

    /// The elements of input `i`, to be written before [`Step::run`].
    ///
    /// # Panics
    /// When there is no such input or its elements are not of type `T`.
    pub fn input_mut<T: Element>(&mut self, i: usize) -> &mut [T] {
        self.plan.input_mut(i)
    }

    /// Runs once.
    ///
    /// # Errors
    /// What the executor could not do.
    pub fn run(&mut self) -> Result<()> {
        Ok(self.plan.run()?)
    }

    /// The elements of output `i` after a run.
    ///
    /// # Panics
    /// When there is no such output or its elements are not of type `T`.
    pub fn output<T: Element>(&self, i: usize) -> &[T] {
        assert!(i < self.outputs, "output {i} of a step that has {}", self.outputs);
        self.plan.output(i)
    }

    /// Output `i` after a run.
    ///
    /// # Panics
    /// When there is no such output.
    pub fn output_value(&self, i: usize) -> Value {
        assert!(i < self.outputs, "output {i} of a step that has {}", self.outputs);
        self.plan.output_value(i)
    }

    /// The first element of output `i`, which is of f32: a loss.
    ///
    /// # Panics
    /// As [`Step::output`].
    pub fn item(&self, i: usize) -> f32 {
        self.output::<f32>(i)[0]
    }

    /// Every step of the executor, for reading.
    pub fn describe(&self) -> String {
        self.plan.describe()
    }
}
