//! What onnxruntime gives, if this machine has it.

use crate::children;
use crate::failure::{During, Failure, Result};
use crate::files::write;
use crate::tensors::write_npy;
use serde_json::json;
use std::path::Path;
use std::process::Command;
use teff::graph::{Type, Value};

/// Every optimisation is off: some fused integer kernels saturate their sums, and then it is not the model that is compared with.
const SCRIPT: &str = r#"
import json
import sys
import numpy
import onnxruntime
model, folder, samples = sys.argv[1], sys.argv[2], int(sys.argv[3])
words = json.load(open(f"{folder}/words.json"))
options = onnxruntime.SessionOptions()
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
options.log_severity_level = 3
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
def half(x, name):
    return x.astype(numpy.float16) if name == "tensor(float16)" else x
for s in range(samples):
    given = {x.name: half(numpy.load(f"{folder}/in_{s}_{i}.npy"), x.type) for i, x in enumerate(session.get_inputs())}
    leaving = []
    for x, y in zip(session.get_outputs(), session.run(None, given)):
        if x.name in words:
            at = {word: i for i, word in enumerate(words[x.name])}
            leaving.append(numpy.array([at[word] for word in y.ravel()], numpy.int64))
        elif isinstance(y, list) and y and isinstance(y[0], dict):
            leaving.append(numpy.array([list(row.values()) for row in y], numpy.float32))
        elif isinstance(y, list):
            leaving += y
        else:
            leaving.append(y)
    for i, y in enumerate(leaving):
        y = numpy.asarray(y)
        y = y.astype(numpy.float32) if y.dtype == numpy.float16 else y
        y.tofile(f"{folder}/out_{s}_{i}.bin")
"#;

/// Its outputs for every sample; the inner error says why there are none.
pub(super) fn outputs(
    model: &Path,
    words: &[(String, Vec<String>)],
    samples: &[Vec<Value>],
    types: &[Type],
    folder: &Path,
) -> Result<std::result::Result<Vec<Vec<Value>>, String>> {
    let given = std::env::var("TEFF_PYTHON").ok();
    let known = [".oracle/bin/python", "python3", "python"].map(String::from);
    let has =
        |python: &String| children::succeeds(Command::new(python).args(["-c", "import onnxruntime, numpy"]));
    let Some(python) = given.into_iter().chain(known).find(has) else {
        return Ok(Err("no Python here has it (pip install onnxruntime; TEFF_PYTHON names a Python)".into()));
    };
    let script = folder.join("run.py");
    write(&script, SCRIPT.as_bytes())?;
    for (s, sample) in samples.iter().enumerate() {
        for (i, value) in sample.iter().enumerate() {
            write_npy(&folder.join(format!("in_{s}_{i}.npy")), value)?;
        }
    }
    let words: serde_json::Map<_, _> = words.iter().map(|(name, list)| (name.clone(), json!(list))).collect();
    write(&folder.join("words.json"), json!(words).to_string().as_bytes())?;
    let samples_given = samples.len().to_string();
    let mut run = Command::new(&python);
    run.env("TMPDIR", folder);
    let run = children::output(run.arg(&script).arg(model).arg(folder).arg(samples_given)).during(&python)?;
    if !run.status.success() {
        let said = String::from_utf8_lossy(&run.stderr);
        return Ok(Err(said.lines().last().unwrap_or("it failed without a word").to_string()));
    }
    let mut all = Vec::new();
    for s in 0..samples.len() {
        let one = |(i, ty): (usize, &Type)| {
            let file = folder.join(format!("out_{s}_{i}.bin"));
            let bytes = std::fs::read(&file).during(file.display())?;
            Value::from_le_bytes(ty, &bytes).ok_or_else(|| {
                Failure::new(format!("onnxruntime's output {i} has {} bytes, not those of {ty}", bytes.len()))
            })
        };
        all.push(types.iter().enumerate().map(one).collect::<Result<Vec<_>>>()?);
    }
    Ok(Ok(all))
}
