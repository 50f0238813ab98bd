//! QONNX's quantisers give what its documentation says: by the models that `common/qonnx.py` made once, and by new ones where there is a
//! Python with onnx. TEFF_ROUNDS and TEFF_SEED make more.

#[path = "suite/archive.rs"]
#[allow(dead_code, reason = "it has other archives too")]
mod archive;
mod common;
mod message;

use archive::Archive;
use std::borrow::Cow;
use std::process::Command;
use teff_graph::{DType, Op, Value, evaluate};
use teff_onnx::{ReadOptions, read, read_tensor};

/// What is wrong with a test, given its files by name. A scale of the file is a number of 24 bits, so that results are the same bits.
fn fault<'a>(file: impl Fn(&str) -> Option<Cow<'a, [u8]>>) -> Option<String> {
    let model = match read(&file("model.onnx").unwrap(), &ReadOptions::default()) {
        Ok(model) => model,
        Err(e) => return Some(e.to_string()),
    };
    model.graph.verify().unwrap();
    let inputs: Vec<Value> = file("input_0.pb").iter().map(|bytes| read_tensor(bytes).unwrap().1).collect();
    let (got, want) =
        (evaluate(&model.graph, &inputs).unwrap(), read_tensor(&file("output_0.pb").unwrap()).unwrap().1);
    let wrong = (0..want.len()).find(|&i| got[0].get(i).as_f64() != want.get(i).as_f64());
    if got[0].ty() != want.ty() {
        return Some(format!("is {}, should be {}", got[0].ty(), want.ty()));
    }
    wrong.map(|i| format!("element {i} is {:?}, should be {:?}", got[0].get(i), want.get(i)))
}

fn check(faults: &[(String, Option<String>)]) {
    let wrong: Vec<String> =
        faults.iter().filter_map(|(test, fault)| Some(format!("{test}: {}", fault.as_ref()?))).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), faults.len(), wrong.join("\n"));
}

#[test]
fn models_that_were_made_once() {
    let archive = Archive::qonnx();
    let tests = archive.tests();
    assert!(tests.len() >= 40, "{}", tests.len());
    let fault = |test: String| {
        let fault = fault(|file| archive.get(&format!("{test}/{file}")).map(Into::into));
        (test, fault)
    };
    check(&tests.into_iter().map(fault).collect::<Vec<_>>());
}

#[test]
fn models_that_are_new() {
    let Some(python) = common::oracle_python() else {
        eprintln!("skipped: no Python with onnx (set TEFF_ORACLE_PYTHON, or pip install onnxruntime)");
        return;
    };
    let setting = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.into());
    let folder = std::env::temp_dir().join(format!("teff-qonnx-{}", std::process::id()));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/qonnx.py");
    let made = Command::new(python)
        .args([
            script,
            &folder.display().to_string(),
            &setting("TEFF_SEED", "7"),
            &setting("TEFF_ROUNDS", "100"),
        ])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let tests = std::fs::read_dir(&folder).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap());
    let fault = |test: String| {
        let fault = fault(|file| std::fs::read(folder.join(&test).join(file)).ok().map(Into::into));
        (test, fault)
    };
    let faults: Vec<_> = tests.map(fault).collect();
    std::fs::remove_dir_all(&folder).unwrap();
    check(&faults);
}

/// An initialiser of floats.
fn floats(name: &str, dims: &[i64], list: &[f32]) -> message::Message {
    let m = dims.iter().fold(message::Message::default(), |m, &d| m.int(1, d)).int(2, 1).text(8, name);
    m.bytes(9, &list.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())
}

/// With halves to even and a zero point of 0 it is a quantisation, of which the compiler makes integers.
#[test]
fn a_quantiser_of_few_bits_is_a_quantisation_of_the_graph() {
    let quantised = |bits: f32, zero: f32| {
        let node = message::node("Quant", "qonnx.custom_op.general", &["x", "s", "z", "b"], &["y"]);
        let constants = [("s", 0.25), ("z", zero), ("b", bits)].map(|(name, x)| (5, floats(name, &[], &[x])));
        let graph =
            read(&message::model(&[1, 4], &[node], &constants), &ReadOptions::default()).unwrap().graph;
        graph.nodes().iter().find_map(|n| match n.op {
            Op::Quantize { dtype, low, high } => Some((dtype, low, high)),
            _ => None,
        })
    };
    assert_eq!(quantised(4.0, 0.0), Some((DType::I8, -8, 7)));
    assert_eq!(quantised(8.0, 2.0), Some((DType::I8, -128, 127)));
    assert_eq!(quantised(12.0, 0.0), Some((DType::I16, -2048, 2047)));
    // An odd zero point moves halves to the other side; more bits are more than floats tell apart.
    assert_eq!(quantised(8.0, 1.0), None);
    assert_eq!(quantised(32.0, 0.0), None);
}

#[test]
fn what_is_wrong_is_said() {
    let says = |bits: f32, more: &[message::Message], part: &str| {
        let node = message::node("Quant", "onnx.brevitas", &["x", "s", "z", "b"], &["y"]);
        let node = more.iter().fold(node, |n, a| n.message(5, a.clone()));
        let constants = [("s", 0.25), ("z", 0.0), ("b", bits)].map(|(name, x)| (5, floats(name, &[], &[x])));
        let e = read(&message::model(&[1, 4], &[node], &constants), &ReadOptions::default()).unwrap_err();
        assert!(e.to_string().contains("onnx.brevitas.Quant") && e.to_string().contains(part), "{e}");
    };
    says(2.5, &[], "bitwidth (input 3) is 2.5, not whole and from 1 to 64");
    says(0.0, &[], "bitwidth (input 3) is 0");
    says(4.0, &[message::text_attribute("rounding_mode", "RANDOM")], "use ROUND, CEIL");
}
