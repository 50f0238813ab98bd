//! What a self-test runs, and how much of it stands in its file.

use crate::program::{Port, Program};
use teff_graph::{DType, Type, Value};

/// Bytes of text that the samples of a self-test take at most, so that its file stays below 256 kB.
const MOST: usize = 250_000;

/// Inputs and the outputs they must give.
#[derive(Clone, Debug)]
pub struct Sample {
    /// One value for each input.
    pub inputs: Vec<Value>,
    /// One value for each output.
    pub outputs: Vec<Value>,
}

/// How much of each sample a self-test holds: all of it where that is below 256 kB. Otherwise inputs are to repeat their first elements,
/// and of outputs not every element is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extent {
    /// Samples that there is room for, of those that are wished for; at least one.
    pub samples: usize,
    /// The share of each value that there is room for.
    share: f64,
}

impl Extent {
    /// For the inputs and outputs of `program`.
    pub fn new(program: &Program, wished: usize) -> Extent {
        let of = |p: &Port| p.ty.len().saturating_mul(width(p.ty.dtype));
        let bytes = program.ports().map(|(_, _, p)| of(p)).fold(0, usize::saturating_add);
        let samples = (MOST / bytes.max(1)).clamp(1, wished.max(1));
        Extent { samples, share: (MOST as f64 / bytes.max(1) as f64).min(1.0) }
    }

    /// Whether values are held whole.
    pub fn is_whole(&self) -> bool {
        self.share == 1.0
    }

    /// How many elements of an input are held; those behind must be the same again.
    pub fn period(&self, ty: &Type) -> usize {
        if self.is_whole() {
            return ty.len();
        }
        // Odd, so that rows and channels, which are often powers of two, differ.
        (ty.len() as f64 * self.share) as usize / 2 * 2 + 1
    }

    /// Of an output, the first element of so many is compared.
    pub fn step(&self) -> usize {
        if self.is_whole() {
            return 1;
        }
        (1.0 / self.share) as usize / 2 * 2 + 1
    }

    /// The elements of an input that its file holds: all unless they repeat.
    pub(crate) fn of_input(&self, value: &Value) -> Value {
        let period = self.period(&value.ty());
        let repeats = (period..value.len()).all(|k| same(value, k, k % period));
        if repeats { every(value, period.min(value.len()), 1) } else { value.clone() }
    }

    /// The elements of an output that its file holds.
    fn of_output(&self, value: &Value) -> Value {
        every(value, value.len().div_ceil(self.step()), self.step())
    }

    /// For each value of each sample the sample's number, the port as [`Program::ports`] gives it, the value, and what of it is held.
    ///
    /// # Panics
    /// When a sample's types are not those of the program.
    pub(crate) fn held<'a>(
        &'a self,
        program: &'a Program,
        samples: &'a [Sample],
    ) -> impl Iterator<Item = (usize, &'static str, usize, &'a Value, Value)> {
        samples.iter().enumerate().flat_map(move |(s, sample)| {
            let values: Vec<&Value> = sample.inputs.iter().chain(&sample.outputs).collect();
            assert_eq!(program.ports().count(), values.len(), "a sample has a value for every port");
            program.ports().zip(values).map(move |((kind, i, p), v)| {
                assert_eq!(p.ty, v.ty(), "{kind} {i} of a sample");
                (s, kind, i, v, if kind == "input" { self.of_input(v) } else { self.of_output(v) })
            })
        })
    }

    /// What is left out, for a comment; nothing when nothing is.
    pub(crate) fn about(&self) -> String {
        if self.is_whole() {
            return String::new();
        }
        let every = format!("of outputs, one element of {} is compared", self.step());
        format!(" To keep this file below 256 kB, inputs repeat their first elements; {every}.")
    }
}

/// Columns that an element takes, with what separates it from the next.
fn width(dtype: DType) -> usize {
    match dtype {
        DType::Bool => 7,
        DType::I8 | DType::U8 => 6,
        DType::I16 | DType::U16 => 8,
        DType::I32 | DType::U32 | DType::F32 => 16,
        DType::I64 | DType::U64 | DType::F64 => 32,
    }
}

fn same(value: &Value, i: usize, j: usize) -> bool {
    let (a, b) = (value.get(i), value.get(j));
    a == b || a.as_f64().is_nan() && b.as_f64().is_nan()
}

/// `count` elements, `step` apart, as a list.
fn every(value: &Value, count: usize, step: usize) -> Value {
    Value::from_fn(&Type::new(value.dtype(), [count]), |k| value.get(k * step))
}
