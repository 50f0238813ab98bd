//! Computing tensors.

use crate::error::Result;
use teff_graph::{Element, Graph, Tensor, Value};
use teff_host::{Options, Plan};

/// Computes what a tensor stands for. For what is computed again and again there is [`crate::Step`].
pub trait Run {
    /// The value, computed now. Inputs must not be among what it is computed from.
    ///
    /// # Errors
    /// The invalid operation the tensor carries, or an input it depends on.
    fn value(&self) -> Result<Value>;

    /// All elements in row-major order, converted to `T` as [`teff_graph::Op::Cast`] does.
    ///
    /// # Errors
    /// As [`Run::value`].
    fn to_vec<T: Element>(&self) -> Result<Vec<T>>;

    /// The one element of a tensor that has one, as f64; the first of several.
    ///
    /// # Errors
    /// As [`Run::value`].
    fn item(&self) -> Result<f64>;
}

impl Run for Tensor {
    fn value(&self) -> Result<Value> {
        let graph = Graph::from_tensors("value", &[], &[("value", self.clone())])?;
        let mut plan = Plan::new(&graph, &Options { threads: 1 })?;
        plan.run()?;
        Ok(plan.output_value(0))
    }

    fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        let value = self.cast(T::DTYPE).value()?;
        Ok(value.as_slice::<T>().expect("cast to this type").to_vec())
    }

    fn item(&self) -> Result<f64> {
        Ok(self.value()?.get(0).as_f64())
    }
}
