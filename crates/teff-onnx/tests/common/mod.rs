//! Helpers of the tests: random values, comparison, onnxruntime.
#![allow(dead_code, unused_imports, reason = "each test program uses some of them")]

#[allow(clippy::duplicate_mod, reason = "the suite has it too")]
#[path = "../suite/compare.rs"]
mod compare;

pub(crate) use compare::difference;
use std::path::{Path, PathBuf};
use std::process::Command;
use teff_graph::{DType, Num, Type, Value, random_bits};

/// Values from -1 to 1, or small integers, by a key.
pub(crate) fn random(ty: &Type, key: i64) -> Value {
    Value::from_fn(ty, |i| {
        let bits = random_bits(key, i as u64) >> 40;
        match ty.dtype {
            DType::F32 | DType::F64 => Num::Float(bits as f64 / (1u64 << 23) as f64 - 1.0),
            DType::Bool => Num::Int((bits & 1).into()),
            DType::I8 | DType::I16 | DType::I32 | DType::I64 => Num::Int((bits % 200) as i128 - 100),
            DType::U8 | DType::U16 | DType::U32 | DType::U64 => Num::Int((bits % 200).into()),
        }
    })
}

/// A Python that has onnxruntime: `TEFF_ORACLE_PYTHON`, `.oracle/bin/python` at the root of the repository, or `python3`.
pub(crate) fn oracle_python() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.oracle/bin/python");
    let candidates = std::env::var_os("TEFF_ORACLE_PYTHON").map(PathBuf::from);
    candidates.into_iter().chain([root, "python3".into()]).find(|python| {
        let check = Command::new(python).args(["-c", "import onnxruntime"]).output();
        check.is_ok_and(|o| o.status.success())
    })
}

/// A job for onnxruntime: a model and its inputs.
pub(crate) struct Job {
    pub(crate) name: String,
    pub(crate) model: Vec<u8>,
    pub(crate) inputs: Vec<Value>,
}

/// What onnxruntime gives for each job, or its error; `None` when there is no onnxruntime.
pub(crate) fn onnxruntime(jobs: &[Job]) -> Option<Vec<Result<Vec<Value>, String>>> {
    let Some(python) = oracle_python() else {
        eprintln!("skipped: no Python with onnxruntime (set TEFF_ORACLE_PYTHON, or pip install onnxruntime)");
        return None;
    };
    let stamp = format!("teff-onnx-{}-{:?}", std::process::id(), std::thread::current().id());
    let dir = std::env::temp_dir().join(stamp.replace(['(', ')'], ""));
    for (i, job) in jobs.iter().enumerate() {
        let at = dir.join(i.to_string());
        std::fs::create_dir_all(&at).unwrap();
        std::fs::write(at.join("model.onnx"), &job.model).unwrap();
        for (k, x) in job.inputs.iter().enumerate() {
            let shape: Vec<String> = x.shape().iter().map(|d| d.to_string()).collect();
            std::fs::write(at.join(format!("input_{k}.shape")), shape.join(" ")).unwrap();
            std::fs::write(at.join(format!("input_{k}.bin")), x.to_le_bytes()).unwrap();
        }
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../teff-onnx/tests/common/oracle.py");
    let run = Command::new(python).arg(script).arg(&dir).arg(jobs.len().to_string()).output().unwrap();
    assert!(run.status.success(), "oracle.py: {}", String::from_utf8_lossy(&run.stderr));
    let results = (0..jobs.len()).map(|i| outputs(&dir.join(i.to_string()))).collect();
    std::fs::remove_dir_all(&dir).unwrap();
    Some(results)
}

fn outputs(at: &Path) -> Result<Vec<Value>, String> {
    if let Ok(error) = std::fs::read_to_string(at.join("error.txt")) {
        return Err(error);
    }
    Ok(values(at, "outputs", "output").expect("a job has outputs or an error"))
}

/// The values that `LIST.txt` has the types of, a line each, and `EACH_K.bin` the elements; `None` when there is no such list.
pub(crate) fn values(at: &Path, list: &str, each: &str) -> Option<Vec<Value>> {
    let types = std::fs::read_to_string(at.join(format!("{list}.txt"))).ok()?;
    let one = |(k, line): (usize, &str)| {
        let mut words = line.split_whitespace();
        let dtype = match words.next().unwrap() {
            "float32" => DType::F32,
            "float64" => DType::F64,
            "bool" => DType::Bool,
            "int8" => DType::I8,
            "uint8" => DType::U8,
            "int16" => DType::I16,
            "uint16" => DType::U16,
            "int32" => DType::I32,
            "uint32" => DType::U32,
            "int64" => DType::I64,
            "uint64" => DType::U64,
            other => panic!("an oracle gave {other}"),
        };
        let shape: Vec<usize> = words.map(|w| w.parse().unwrap()).collect();
        let bytes = std::fs::read(at.join(format!("{each}_{k}.bin"))).unwrap();
        Value::from_le_bytes(&Type::new(dtype, shape), &bytes).unwrap()
    };
    Some(types.lines().enumerate().map(one).collect())
}
