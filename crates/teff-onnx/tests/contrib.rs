//! What onnxruntime's quantiser and optimiser write (`com.microsoft`) gives what onnxruntime gives: by the models that
//! `common/contrib.py` made once, and by new ones where there is a Python with onnxruntime. TEFF_ROUNDS and TEFF_SEED make more.

#[path = "suite/archive.rs"]
#[allow(dead_code, reason = "it has other archives too")]
mod archive;
mod common;

use archive::Archive;
use std::borrow::Cow;
use std::process::Command;
use teff_graph::{Value, evaluate};
use teff_onnx::{ReadOptions, read, read_tensor};

/// Why `got` is not as near to `want` as it must be. Floats are computed in another order, so that they may differ by `share` of their
/// range; integers are rounded from such floats, so that few may be a step off.
fn too_far(got: &Value, want: &Value, share: f64) -> Option<String> {
    if got.ty() != want.ty() {
        return Some(format!("is {}, should be {}", got.ty(), want.ty()));
    }
    let (g, w) = (got.to_f64(), want.to_f64());
    let largest = g.iter().zip(&w).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    if got.dtype().is_float() {
        let range = w.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        return (largest > share * range + 1e-6 || largest.is_nan())
            .then(|| format!("differs by {largest} in a range of {range}"));
    }
    let apart = g.iter().zip(&w).filter(|(a, b)| a != b).count();
    (largest > 1.0 || apart * 50 > g.len().max(50))
        .then(|| format!("{apart} of {} differ, by {largest} at most", g.len()))
}

/// What is wrong with tests.
#[derive(Default)]
struct Found {
    faults: Vec<String>,
    /// Tests that quantise inside: where a float of the two computations is rounded to different sides, what follows differs by a step.
    inner: usize,
    /// Those of them that did.
    apart: usize,
}

impl Found {
    /// Looks at a test, given its files by name.
    fn test<'a>(&mut self, name: &str, file: impl Fn(&str) -> Option<Cow<'a, [u8]>>) {
        let model = match read(&file("model.onnx").unwrap(), &ReadOptions::default()) {
            Ok(model) => model,
            Err(e) => return self.faults.push(format!("{name}: {e}")),
        };
        model.graph.verify().unwrap_or_else(|e| panic!("{name}: {e}"));
        let tensors = |what: &str| -> Vec<Value> {
            (0..).map_while(|k| file(&format!("{what}_{k}.pb"))).map(|b| read_tensor(&b).unwrap().1).collect()
        };
        let (got, want) = (evaluate(&model.graph, &tensors("input")).unwrap(), tensors("output"));
        assert!(!want.is_empty() && got.len() == want.len(), "{name}");
        let inner = ["quantize_", "DynamicQuantizeLSTM", "lstm"].iter().any(|n| name.contains(n));
        let faults = |share| got.iter().zip(&want).find_map(|(g, w)| too_far(g, w, share));
        self.inner += usize::from(inner);
        self.apart += usize::from(inner && faults(1e-5).is_some());
        let fault = faults(if inner { 2e-2 } else { 1e-5 });
        self.faults.extend(fault.map(|f| format!("{name}: {f}")));
    }

    fn check(&self, tests: usize) {
        assert!(self.faults.is_empty(), "{} of {tests}:\n{}", self.faults.len(), self.faults.join("\n"));
        assert!(self.apart * 6 <= self.inner, "{} of {} are a step apart", self.apart, self.inner);
    }
}

#[test]
fn models_that_were_made_once() {
    let archive = Archive::contrib();
    let tests = archive.tests();
    assert!(tests.len() >= 40, "{}", tests.len());
    let mut found = Found::default();
    tests.iter().for_each(|t| found.test(t, |file| archive.get(&format!("{t}/{file}")).map(Into::into)));
    found.check(tests.len());
}

#[test]
fn models_that_are_new() {
    let Some(python) = common::oracle_python() else {
        eprintln!("skipped: no Python with onnxruntime (set TEFF_ORACLE_PYTHON, or pip install onnxruntime)");
        return;
    };
    let setting = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.into());
    let folder = std::env::temp_dir().join(format!("teff-contrib-{}", std::process::id()));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/contrib.py");
    let made = Command::new(python)
        .args([
            script,
            &folder.display().to_string(),
            &setting("TEFF_SEED", "7"),
            &setting("TEFF_ROUNDS", "4"),
        ])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|f| f.unwrap().file_name().into_string().unwrap())
        .filter(|name| folder.join(name).join("model.onnx").is_file())
        .collect();
    names.sort();
    assert!(names.len() >= 60, "{}: {}", names.len(), String::from_utf8_lossy(&made.stderr));
    let file = |test: &str, name: &str| std::fs::read(folder.join(test).join(name)).ok().map(Into::into);
    let mut found = Found::default();
    names.iter().for_each(|t| found.test(t, |name| file(t, name)));
    std::fs::remove_dir_all(&folder).unwrap();
    found.check(names.len());
}
