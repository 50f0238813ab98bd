//! Random operations and what the oracles give for them.

pub(crate) mod known;

use crate::oracle::{oracle_python, values};
use std::ops::Range;
use std::path::Path;
use std::process::Command;
use teff_graph::{Graph, Num, Value, evaluate};
use teff_onnx::{ReadOptions, read};

/// Floats agree within this share of a number that has all its digits ...
const RTOL: f64 = 1e-5;
/// ... or within a hundred of the smallest, which a factor may have made of one.
const ATOL: f64 = 2e-43;

/// One operation, its inputs, and what each oracle gives that has it.
pub(crate) struct Drawn {
    /// The operator, then the node as text.
    pub(crate) about: String,
    pub(crate) inputs: Vec<Value>,
    /// As read, and what the evaluator gives.
    pub(crate) evaluated: Result<(Graph, Vec<Value>), String>,
    pub(crate) reference: Option<Vec<Value>>,
    /// As `reference`, in doubles, rounded.
    pub(crate) wide: Option<Vec<Value>>,
    pub(crate) onnxruntime: Option<Vec<Value>>,
}

impl Drawn {
    pub(crate) fn operator(&self) -> &str {
        self.about.split(' ').next().unwrap_or_default()
    }

    /// Floats may be off by this much: more than [`ATOL`] where a result may be, by the operator's own formula, nothing but what rounding
    /// has left of large numbers.
    pub(crate) fn atol(&self) -> f64 {
        match self.operator() {
            "BatchNormalization" | "InstanceNormalization" | "GroupNormalization" | "LayerNormalization" => {
                self.rounding()
            }
            "DFT" | "STFT" | "Resize" | "GridSample" => self.rounding(),
            _ => ATOL,
        }
    }

    /// As [`Drawn::atol`], for C, which makes use of it that the order of a sum is left open.
    pub(crate) fn atol_of_c(&self) -> f64 {
        match self.operator() {
            "MatMul" | "Gemm" | "Conv" | "ConvTranspose" | "DeformConv" | "Einsum" | "Attention" => {
                self.rounding()
            }
            name if name.starts_with("Reduce") || name.ends_with("Normalization") => self.rounding(),
            _ => self.atol(),
        }
    }

    /// A share of the largest number there is.
    fn rounding(&self) -> f64 {
        let given = self.inputs.iter().chain(self.reference.iter().flatten()).flat_map(Value::to_f64);
        RTOL * given.filter(|x| x.is_finite()).fold(0.0, |m: f64, x| x.abs().max(m))
    }
}

/// The first element that is none of those wanted.
pub(crate) fn far(got: &[Value], wants: &[&Vec<Value>], atol: f64) -> Option<String> {
    got.iter().enumerate().find_map(|(k, g)| {
        let &first = wants.first()?;
        // One oracle gives another shape than the operator has; it is no oracle then.
        let wants: Vec<_> = wants.iter().map(|w| &w[k]).filter(|w| w.ty() == g.ty()).collect();
        if wants.is_empty() {
            return Some(format!("output {k} is {}, should be {}", g.ty(), first[k].ty()));
        }
        let near = |g: Num, w: Num| match (g, w) {
            (Num::Float(g), Num::Float(w)) => {
                g == w || g.is_nan() && w.is_nan() || w.is_finite() && (g - w).abs() <= RTOL * w.abs() + atol
            }
            (g, w) => g == w,
        };
        let is_far = |i: &usize| !wants.iter().any(|w| near(g.get(*i), w.get(*i)));
        let all: Vec<usize> = (0..g.len()).filter(is_far).collect();
        let &i = all.first()?;
        let wanted: Vec<Num> = wants.iter().map(|w| w.get(i)).collect();
        Some(format!("{} of {} elements, the first {:?} instead of {wanted:?}", all.len(), g.len(), g.get(i)))
    })
}

/// The operations with these numbers; nothing without a Python that has onnx and onnxruntime.
pub(crate) fn drawn(numbers: Range<usize>) -> Option<Vec<Drawn>> {
    let Some(python) = oracle_python() else {
        eprintln!(
            "skipped: no Python with onnxruntime (set TEFF_ORACLE_PYTHON, or pip install onnx onnxruntime)"
        );
        return None;
    };
    let scratch = crate::common::c::Scratch::new();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/random_operations.py");
    let mut command = Command::new(python);
    // Nothing is left beside the script.
    command
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(script)
        .arg(&scratch.0)
        .args([numbers.start, numbers.len()].map(|n| n.to_string()));
    let run = command.output().unwrap();
    assert!(run.status.success(), "random_operations.py: {}", String::from_utf8_lossy(&run.stderr));
    Some(numbers.map(|i| one(&scratch.0.join(i.to_string()))).collect())
}

fn one(at: &Path) -> Drawn {
    let inputs = values(at, "inputs", "input").unwrap();
    let model = std::fs::read(at.join("model.onnx")).unwrap();
    let evaluated = read(&model, &ReadOptions::default()).map_err(|e| e.to_string()).and_then(|m| {
        let got = evaluate(&m.graph, &inputs).map_err(|e| e.to_string())?;
        Ok((m.graph, got))
    });
    Drawn {
        about: std::fs::read_to_string(at.join("name.txt")).unwrap(),
        inputs,
        evaluated,
        reference: values(at, "reference", "reference"),
        wide: values(at, "wide", "wide"),
        onnxruntime: values(at, "onnxruntime", "onnxruntime"),
    }
}
