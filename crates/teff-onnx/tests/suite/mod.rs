//! The tests of the ONNX backend suite as graphs, inputs and the outputs they must give.

#![allow(dead_code, unused_imports, reason = "each test program uses some of it")]

mod archive;
mod compare;

pub(crate) use archive::Archive;
pub(crate) use compare::difference;
use teff_graph::{Graph, Value, evaluate};
use teff_onnx::{ReadOptions, read, read_tensor};

/// Floats agree within this share of the expected number ...
pub(crate) const RTOL: f64 = 1e-3;
/// ... plus this.
pub(crate) const ATOL: f64 = 1e-5;

/// A data set of a test, read with as few of its inputs fixed as it takes.
pub(crate) struct DataSet {
    /// What the model computes.
    pub(crate) graph: Graph,
    /// A value for each of the graph's inputs.
    pub(crate) inputs: Vec<Value>,
    /// What the suite expects.
    pub(crate) expected: Vec<Value>,
    /// What the plain evaluator gives, which is close to that.
    pub(crate) evaluated: Vec<Value>,
    /// Names of the model's inputs that shapes depend on; they are constants of the graph.
    pub(crate) fixed: Vec<String>,
}

/// Inputs or outputs of a data set, as they are numbered; a sequence gives its elements.
pub(crate) fn values(archive: &Archive, set: &str, what: &str) -> Result<Vec<(String, Value)>, String> {
    let one = |bytes| read_tensor(bytes).map_err(|e| format!("{what}: {e}"));
    (0..)
        .map_while(|k| archive.get(&format!("{set}/{what}_{k}.pb")))
        .map(|bytes| match sequence(bytes) {
            Some(elements) => elements.into_iter().map(one).collect(),
            None => one(bytes).map(|v| vec![v]),
        })
        .collect::<Result<Vec<_>, _>>()
        .map(|lists| lists.concat())
}

/// The tensors of a `SequenceProto` (field 1 a name, 2 the kind, 3 each tensor), which also tells it from a `TensorProto`.
fn sequence(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut elements = Vec::new();
    let mut is_sequence = false;
    while let Some((&key, rest)) = bytes.split_first() {
        bytes = rest;
        match key {
            // A name, or a tensor: a length follows. A TensorProto begins with dims (1, as numbers) or its type (2).
            0x0a | 0x1a => {
                let (mut length, mut shift) = (0usize, 0);
                loop {
                    let (&byte, rest) = bytes.split_first()?;
                    bytes = rest;
                    length |= usize::from(byte & 0x7f) << shift;
                    shift += 7;
                    if byte < 0x80 {
                        break;
                    }
                }
                let (element, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                if key == 0x1a {
                    elements.push(element);
                }
            }
            // The kind: 1 is tensors.
            0x10 => {
                let (&kind, rest) = bytes.split_first()?;
                bytes = rest;
                is_sequence = kind == 1;
            }
            _ => return None,
        }
    }
    is_sequence.then_some(elements)
}

/// The data sets of a test that the plain evaluator passes, or why it does not.
pub(crate) fn load(archive: &Archive, test: &str) -> Result<Vec<DataSet>, String> {
    (0..)
        .map(|k| format!("{test}/test_data_set_{k}"))
        .take_while(|set| archive.get(&format!("{set}/output_0.pb")).is_some())
        .map(|set| data_set(archive, test, &set))
        .collect()
}

fn data_set(archive: &Archive, test: &str, set: &str) -> Result<DataSet, String> {
    let bytes = archive.get(&format!("{test}/model.onnx")).expect("the archive names it as a test");
    let files = values(archive, set, "input").and_then(|i| Ok((i, values(archive, set, "output")?)));
    let (inputs, expected) = match files {
        Ok(files) => files,
        // What keeps the model from being read says more than what keeps the data from it.
        Err(e) => return Err(read(bytes, &ReadOptions::default()).map_or_else(|e| e.to_string(), |_| e)),
    };
    let (model, fixed) = read_static(bytes, &inputs)?;
    model.graph.verify().map_err(|e| format!("verifier: {e}"))?;
    let inputs: Vec<Value> =
        inputs.into_iter().filter(|(name, _)| !fixed.contains(name)).map(|(_, v)| v).collect();
    let evaluated = evaluate(&model.graph, &inputs).map_err(|e| e.to_string())?;
    let expected: Vec<Value> = expected.into_iter().map(|(_, v)| v).collect();
    compare(&evaluated, &expected)?;
    Ok(DataSet { graph: model.graph, inputs, expected, evaluated, fixed })
}

/// The model with as few inputs fixed as its shapes need, and the names of those.
fn read_static(bytes: &[u8], inputs: &[(String, Value)]) -> Result<(teff_onnx::Model, Vec<String>), String> {
    let named: Vec<&(String, Value)> = inputs.iter().filter(|(name, _)| !name.is_empty()).collect();
    let attempt = |fixed: &[String]| {
        let is_fixed = |n: &String| fixed.contains(n);
        let options = ReadOptions {
            // Sizes left open are those of the given inputs.
            input_shapes: named.iter().map(|(n, v)| (n.clone(), v.shape().to_vec())).collect(),
            fixed_inputs: named.iter().filter(|(n, _)| is_fixed(n)).map(|p| (*p).clone()).collect(),
            ..ReadOptions::default()
        };
        read(bytes, &options).map_err(|e| e.to_string())
    };
    let reason = match attempt(&[]) {
        Ok(model) => return Ok((model, Vec::new())),
        Err(reason) => reason,
    };
    if !reason.contains("depends on the values of the model's inputs") {
        return Err(reason);
    }
    let mut fixed: Vec<String> = named.iter().map(|(n, _)| n.clone()).collect();
    let mut model = attempt(&fixed)?;
    // Large ones first: what shapes depend on is short.
    let mut open = named.clone();
    open.sort_by_key(|(_, v)| std::cmp::Reverse(v.len()));
    for (name, _) in open {
        let fewer: Vec<String> = fixed.iter().filter(|n| *n != name).cloned().collect();
        if let Ok(read) = attempt(&fewer) {
            (model, fixed) = (read, fewer);
        }
    }
    Ok((model, fixed))
}

/// An error that says which outputs are not close to what is expected.
pub(crate) fn compare(got: &[Value], expected: &[Value]) -> Result<(), String> {
    if got.len() != expected.len() {
        return Err(format!("{} outputs, should be {}", got.len(), expected.len()));
    }
    let differ = |(k, (g, e))| difference(g, e, RTOL, ATOL).map(|d| format!("output {k}: {d}"));
    match got.iter().zip(expected).enumerate().find_map(differ) {
        Some(reason) => Err(reason),
        None => Ok(()),
    }
}
