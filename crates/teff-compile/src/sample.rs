//! What a self-test runs.

use teff_graph::Value;

/// Inputs and the outputs they must give.
#[derive(Clone, Debug)]
pub struct Sample {
    /// One value for each input.
    pub inputs: Vec<Value>,
    /// One value for each output.
    pub outputs: Vec<Value>,
}
