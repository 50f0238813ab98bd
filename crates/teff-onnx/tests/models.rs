//! Models as exporters write them give what onnxruntime gives: by outputs kept in `data/models/expected.txt`, and by onnxruntime
//! itself where it is installed. `TEFF_MODELS` names a folder of further models; `TEFF_BLESS=1` rewrites the kept outputs.

mod common;

mod message;

use common::{Job, onnxruntime, random};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use teff_graph::{Graph, Value, evaluate};
use teff_onnx::{ReadOptions, read};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models")
}

fn models(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(dir).unwrap().map(|f| f.unwrap().path());
    let mut models: Vec<PathBuf> = files.filter(|p| p.extension().is_some_and(|e| e == "onnx")).collect();
    models.sort();
    models
        .iter()
        .map(|p| (p.file_stem().unwrap().to_str().unwrap().into(), std::fs::read(p).unwrap()))
        .collect()
}

fn inputs(graph: &Graph) -> Vec<Value> {
    graph.inputs().iter().enumerate().map(|(k, &id)| random(&graph[id].ty, 11 + k as i64)).collect()
}

/// Why `got` is not as near to `want` as it must be: floats within 1e-4 of the range of the output; quantised integers may
/// differ by one step in one element of a hundred, where a float of the two computations rounds to different sides.
fn too_far(got: &Value, want: &Value) -> Option<String> {
    if got.ty() != want.ty() {
        return Some(format!("is {}, should be {}", got.ty(), want.ty()));
    }
    let (g, w) = (got.to_f64(), want.to_f64());
    let distances: Vec<f64> = g.iter().zip(&w).map(|(a, b)| (a - b).abs()).collect();
    let largest = distances.iter().copied().fold(0.0, f64::max);
    if got.dtype().is_float() {
        let range = w.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        return (largest > 1e-4 * range + 1e-7)
            .then(|| format!("differs by {largest} in a range of {range}"));
    }
    let apart = distances.iter().filter(|&&d| d > 0.0).count();
    (largest > 1.0 || apart * 100 > g.len().max(100))
        .then(|| format!("{apart} of {} differ, by {largest} at most", g.len()))
}

fn check(dir: &Path) {
    let mut jobs = Vec::new();
    let mut ours = Vec::new();
    for (name, bytes) in models(dir) {
        let model = read(&bytes, &ReadOptions::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        model.graph.verify().unwrap_or_else(|e| panic!("{name}: {e}"));
        let x = inputs(&model.graph);
        ours.push(evaluate(&model.graph, &x).unwrap());
        jobs.push(Job { name, model: bytes, inputs: x });
    }
    let mut failures = Vec::new();
    if let Some(results) = onnxruntime(&jobs) {
        for ((job, result), got) in jobs.iter().zip(results).zip(&ours) {
            match result {
                Err(e) => failures.push(format!("{}: {e}", job.name)),
                Ok(want) => {
                    let wrong = got.iter().zip(&want).filter_map(|(g, w)| too_far(g, w));
                    failures.extend(wrong.map(|d| format!("{} and onnxruntime: {d}", job.name)));
                }
            }
        }
    }
    if dir == data() {
        let outputs: BTreeMap<&str, &Vec<Value>> = jobs.iter().map(|j| &*j.name).zip(&ours).collect();
        failures.extend(kept(&outputs));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Compares with the outputs kept in the repository: a line an output, the model's name and then the elements.
fn kept(outputs: &BTreeMap<&str, &Vec<Value>>) -> Vec<String> {
    let path = data().join("expected.txt");
    let line = |name: &str, v: &Value| {
        let words: Vec<String> = v.to_f64().iter().map(|x| x.to_string()).collect();
        format!("{name} {}\n", words.join(" "))
    };
    if std::env::var_os("TEFF_BLESS").is_some() {
        let all: String = outputs.iter().flat_map(|(n, list)| list.iter().map(|v| line(n, v))).collect();
        std::fs::write(&path, all).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines = text.lines();
    let mut failures = Vec::new();
    for (name, list) in outputs {
        for got in *list {
            let mut words = lines.next().unwrap_or("").split(' ');
            assert_eq!(words.next(), Some(*name), "expected.txt does not list the models there are");
            let numbers: Vec<f64> = words.map(|w| w.parse().unwrap()).collect();
            let want = Value::from_fn(&got.ty(), |i| teff_graph::Num::Float(numbers[i]));
            failures.extend(too_far(got, &want).map(|d| format!("{name} and its kept output: {d}")));
        }
    }
    failures
}

#[test]
fn models_of_exporters_agree_with_onnxruntime() {
    check(&data());
}

#[test]
fn models_of_another_folder_agree_with_onnxruntime() {
    match std::env::var_os("TEFF_MODELS") {
        Some(dir) => check(Path::new(&dir)),
        None => eprintln!("skipped: TEFF_MODELS names no folder"),
    }
}

/// tf2onnx leaves the `Erfc` of TensorFlow's GELU as it is, which onnxruntime refuses: 1 - erf(0.5) is 0.479500122.
#[test]
fn erfc_of_tensorflow_is_read() {
    let erfc = message::node("Erfc", "", &["x"], &["y"]);
    let model = message::model(&[1, 3], &[erfc], &[]);
    let graph = read(&model, &ReadOptions::default()).unwrap().graph;
    let y = evaluate(&graph, &[Value::new([1, 3], vec![0.0f32, 0.5, -9.0])]).unwrap()[0].to_f64();
    assert!(y[0] == 1.0 && (y[1] - 0.479500122).abs() < 1e-6 && y[2] == 2.0, "{y:?}");
}

/// What a node gives for an input.
fn given(node: message::Message, more: &[(u64, message::Message)], shape: &[i64], x: &[f32]) -> Value {
    let graph = read(&message::model(shape, &[node], more), &ReadOptions::default()).unwrap().graph;
    let shape: Vec<usize> = shape.iter().map(|&d| d as usize).collect();
    evaluate(&graph, &[Value::new(shape, x.to_vec())]).unwrap().remove(0)
}

/// With `ceil_mode` a window may be larger than the axis by less than a stride; onnxruntime's numbers.
#[test]
fn a_window_may_be_larger_than_the_axis() {
    let pool = |op: &str, size: i64, stride: i64| {
        let list = |name: &str, n: i64| message::ints_attribute(name, &[n]);
        let node = message::node(op, "", &["x"], &["y"]).message(5, message::int_attribute("ceil_mode", 1));
        node.message(5, list("kernel_shape", size)).message(5, list("strides", stride))
    };
    let y = |op, size, stride, x: &[f32]| given(pool(op, size, stride), &[], &[1, 1, x.len() as i64], x);
    assert_eq!(y("MaxPool", 2, 2, &[-3.0]), Value::new([1, 1, 1], vec![-3.0f32]));
    assert_eq!(y("MaxPool", 4, 3, &[-3.0, -1.0]), Value::new([1, 1, 1], vec![-1.0f32]));
    assert_eq!(y("AveragePool", 4, 3, &[-3.0, -1.0]), Value::new([1, 1, 1], vec![-2.0f32]));
    // By a stride or more there is no window.
    let none = message::model(&[1, 1, 1], &[pool("MaxPool", 3, 2)], &[]);
    let e = read(&none, &ReadOptions::default()).unwrap_err().to_string();
    assert!(e.contains("a window of 3") && e.contains("does not fit into 1 elements"), "{e}");
}

/// Between the centre and the edge of an outermost element cubic interpolation still sees its neighbours; onnxruntime's numbers.
#[test]
fn a_border_begins_at_the_edge_of_its_elements() {
    let node = message::node("GridSample", "", &["x", "g"], &["y"])
        .message(5, message::text_attribute("mode", "bicubic"))
        .message(5, message::text_attribute("padding_mode", "border"));
    let grid = message::floats("g", &[1, 2, 2, 2], &[-0.9, 0.9, 0.8, -0.95, 0.1, 1.0, -1.4, 0.3]);
    let x = [1.0, 2.0, 4.0, -3.0, 0.0, 5.0, 7.0, 1.0, 2.0];
    let y = given(node, &[(5, grid)], &[1, 1, 3, 3], &x).to_f64();
    for (y, want) in y.iter().zip([8.8852, 4.0562615, 0.6172853, 1.0297508]) {
        assert!((y - want).abs() < 2e-6, "{y} should be {want}");
    }
}

/// Blocks are added to where they belong: what is no number stays where it is.
#[test]
fn what_is_no_number_stays_in_its_block() {
    let node = message::node("Col2Im", "", &["x", "i", "b"], &["y"]);
    let more = [(5, message::ints("i", &[2], &[1, 3])), (5, message::ints("b", &[2], &[1, 2]))];
    let y = given(node, &more, &[1, 2, 2], &[f32::NAN, 1.0, 2.0, 3.0]).to_f64();
    assert!(y[0].is_nan() && y[1..] == [3.0, 3.0], "{y:?}");
}

/// 3e19 over (1 + 1e-4 * 9e38)^0.75: its square is beyond the largest float, its share in the sum is not.
#[test]
fn squares_do_not_overflow_before_their_factor() {
    let node = message::node("LRN", "", &["x"], &["y"]).message(5, message::int_attribute("size", 1));
    let y = given(node, &[], &[1, 1, 2], &[3e19, 1.0]).to_f64();
    assert!((y[0] / 1.825_741_858e-7 - 1.0).abs() < 1e-5 && (y[1] - 0.999_925).abs() < 1e-6, "{y:?}");
}
