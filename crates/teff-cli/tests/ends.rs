//! Networks of integers that stand for something else than pixels, fed with floats: every command makes the integers that the model's own
//! scale and zero point say. What they are is worked out here, in f32 as ONNX QuantizeLinear has it.

mod common;

use common::{Folder, succeed, teff};
use std::path::Path;
use std::process::Command;

fn model(name: &str) -> String {
    let folder = if name.ends_with("tflite") { "../teff-tflite/tests/data/models" } else { "tests/data" };
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(name).display().to_string()
}

/// A network, the scale and zero point of each of its features, and how many there are.
struct Case {
    model: &'static str,
    ends: Vec<(f32, f32)>,
    features: usize,
}

/// Four sensors, around 1, 101 325, 0.01 and 25, with one scale as onnxruntime's quantisation gives it, and with one for each; and a sine.
fn cases() -> Vec<Case> {
    let of = |model, ends: &[(f32, f32)], features| Case { model, ends: ends.to_vec(), features };
    let features =
        [(0.025490526, -19.0), (403.58423, -128.0), (0.000_121_905_71, -60.0), (0.159_703_75, -128.0)];
    vec![
        of("sens_int8.onnx", &[(403.59506, -128.0)], 4),
        of("sens_features_int8.onnx", &features, 4),
        of("hello_world_int8.tflite", &[(0.024_480_115, -128.0)], 1),
    ]
}

/// Samples of the sensors, or angles.
fn samples(case: &Case) -> Vec<f32> {
    match case.features {
        1 => vec![0.0, 1.25, 3.5, 6.0, 2.0, 0.5],
        _ => vec![
            1.02, 101_325.0, 0.0125, 25.0, -0.98, 99_800.0, -0.004, 19.5, 3.1, 102_700.0, 0.021,
            38.75, //
            0.4, 100_400.0, 0.001, 30.0,
        ],
    }
}

fn quantised(case: &Case) -> Vec<i8> {
    let one = |(i, x): (usize, &f32)| {
        let (scale, zero) = case.ends[i % case.ends.len()];
        ((x / scale).round_ties_even() + zero).clamp(-128.0, 127.0) as i8
    };
    samples(case).iter().enumerate().map(one).collect()
}

/// A `.npy` file.
fn npy(code: &str, shape: &[usize], bytes: Vec<u8>) -> Vec<u8> {
    let shape: String = shape.iter().map(|n| format!("{n}, ")).collect();
    let mut header = format!("{{'descr': '{code}', 'fortran_order': False, 'shape': ({shape}), }}");
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((header.len() as u16).to_le_bytes());
    out.extend(header.bytes());
    out.extend(bytes);
    out
}

fn floats(x: &[f32]) -> Vec<u8> {
    x.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// A CSV file of the samples, and of others behind them which `teff` tests by: `--data` splits by chance, so all are the same here.
fn csv(case: &Case, of: usize) -> String {
    let row = &samples(case)[of * case.features..(of + 1) * case.features];
    let names: Vec<String> = (0..case.features).map(|i| format!("f{i}")).collect();
    let line: Vec<String> = row.iter().map(f32::to_string).collect();
    let mut text = names.join(",") + "\n";
    (0..10).for_each(|_| text += &(line.join(",") + "\n"));
    text
}

#[test]
fn run_quantises_floats_by_the_model_and_says_so() {
    for case in cases() {
        let folder = Folder::new(&format!("ends-run-{}", case.model));
        let n = case.features;
        for (x, q) in samples(&case).chunks(n).zip(quantised(&case).chunks(n)) {
            let x = folder.write("x.npy", npy("<f4", &[1, n], floats(x)));
            let q = folder.write("q.npy", npy("|i1", &[1, n], q.iter().map(|q| *q as u8).collect()));
            let file = model(case.model);
            let out = teff(&["run", &file, "--input", &x]).output().unwrap();
            let said = String::from_utf8_lossy(&out.stdout);
            assert_eq!(said, succeed(&["run", &file, "--input", &q]), "{}", case.model);
            let note = String::from_utf8_lossy(&out.stderr);
            assert!(note.contains("floats become i8") && note.contains("scale"), "{note}");
        }
    }
}

#[test]
fn self_tests_of_data_have_the_integers_of_the_model() {
    for case in cases() {
        let folder = Folder::new(&format!("ends-compile-{}", case.model));
        let n = case.features;
        for (at, q) in quantised(&case).chunks(n).enumerate().take(3) {
            let data = folder.write("data.csv", csv(&case, at));
            succeed(&["compile", &model(case.model), "--data", &data, "-o", &folder.text("c"), "-q"]);
            let text = std::fs::read_to_string(folder.path("c/net_selftest.c")).unwrap();
            let list: Vec<String> = q.iter().map(i8::to_string).collect();
            assert!(
                text.contains(&format!("{{\n    {}\n}}", list.join(", "))),
                "{}: {list:?} in {text}",
                case.model
            );
        }
        let header = std::fs::read_to_string(folder.path("c/net.h")).unwrap();
        let source = std::fs::read_to_string(folder.path("c/net.c")).unwrap();
        let scales: Vec<String> = case.ends.iter().map(|(scale, _)| format!("{scale:?}f")).collect();
        let wanted =
            if scales.len() == 1 { format!("NET_INPUT0_SCALE {}\n", scales[0]) } else { scales.join(", ") };
        assert!(header.contains(&wanted) || source.contains(&wanted), "{wanted} in {header}");
    }
}

/// What the chip is given shows in the decibels of its rounding: pixels from 0 to 1 for these samples would give other ones.
#[test]
fn reports_of_data_run_the_integers_of_the_model() {
    for case in cases() {
        let folder = Folder::new(&format!("ends-report-{}", case.model));
        let n = case.features;
        let (x, q) = (samples(&case), quantised(&case));
        let at = x.len() / n - 1;
        let data = folder.write("data.csv", csv(&case, at));
        let q = folder.write("q.npy", npy("|i1", &[1, n], q[at * n..].iter().map(|q| *q as u8).collect()));
        let target = ["--target", "generic", "--json", "-q"];
        let of = |inputs: &[&str]| {
            let file = model(case.model);
            let text = succeed(&[&["report", &file], inputs, &target].concat());
            let report: serde_json::Value = serde_json::from_str(&text).unwrap();
            report["layers"].clone()
        };
        let (by_data, by_integers) = (of(&["--data", &data, "--samples", "1"]), of(&["--input", &q]));
        assert!(by_data.as_array().is_some_and(|layers| !layers.is_empty()), "{by_data}");
        assert_eq!(by_data, by_integers, "{}", case.model);
    }
}

/// The whole way of a person's program: floats in, a class and floats out.
#[test]
fn a_program_needs_no_scale_of_its_own() {
    if Command::new("gcc").arg("--version").output().is_err() {
        println!("skipped: no gcc");
        return;
    }
    for case in cases() {
        let folder = Folder::new(&format!("ends-program-{}", case.model));
        let n = case.features;
        succeed(&["compile", &model(case.model), "-o", &folder.text("."), "-q"]);
        let row = |x: &[f32]| x.iter().map(|x| format!("{x:?}f")).collect::<Vec<_>>().join(", ");
        let rows: Vec<String> = samples(&case).chunks(n).map(|x| format!("{{{}}}", row(x))).collect();
        folder.write(
            "main.c",
            format!(
                "#include \"net.h\"\n#include <stdio.h>\nstatic const float x[][NET_INPUT0_LEN] = {{{}}};\nint main(void)\n{{\n    \
                 int8_t q[NET_INPUT0_LEN];\n    for (unsigned i = 0; i < sizeof x / sizeof x[0]; i++) {{\n        \
                 net_quantize_input0(x[i], q);\n        for (int j = 0; j < NET_INPUT0_LEN; j++) printf(\"%d \", q[j]);\n    }}\n}}\n",
                rows.join(", ")
            ),
        );
        let mut gcc = Command::new("gcc");
        let built = gcc
            .args(["-std=c99", "main.c", "net.c", "-lm", "-o", "main"])
            .current_dir(folder.path("."))
            .status();
        assert!(built.unwrap().success());
        let ran = Command::new(folder.path("main")).output().unwrap();
        let expected: String = quantised(&case).iter().map(|q| format!("{q} ")).collect();
        assert_eq!(String::from_utf8_lossy(&ran.stdout), expected, "{}", case.model);
    }
}
