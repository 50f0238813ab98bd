//! Random numbers: with a seed those of numpy's `RandomState`, as ONNX's reference evaluator has them; without, by their
//! distribution.

mod message;

use message::{Message, int_attribute, ints_attribute, model, node};
use teff_graph::{Value, evaluate};
use teff_onnx::{Model, ReadOptions, read};

fn float_attribute(name: &str, x: f32) -> Message {
    Message::default().text(1, name).varint(2 << 3 | 5).raw(&x.to_le_bytes()).int(20, 1)
}

/// A node that gives y, with these attributes.
fn drawing(op: &str, inputs: &[&str], attributes: &[Message]) -> Message {
    attributes.iter().fold(node(op, "", inputs, &["y"]), |m, a| m.message(5, a.clone()))
}

fn of(bytes: &[u8]) -> Model {
    read(bytes, &ReadOptions::default()).unwrap()
}

/// What the one node gives for an input `[1, x.len()]`.
fn given(node: Message, x: &[f32]) -> Vec<f64> {
    let model = of(&model(&[1, x.len() as i64], &[node], &[]));
    assert!(model.notes.iter().any(|n| n.contains("drawn once")), "{:?}", model.notes);
    let inputs =
        if model.graph.inputs().is_empty() { vec![] } else { vec![Value::new([1, x.len()], x.to_vec())] };
    evaluate(&model.graph, &inputs).unwrap()[0].to_f64()
}

fn close(got: &[f64], want: &[f64]) {
    assert_eq!(got.len(), want.len());
    got.iter().zip(want).for_each(|(g, w)| assert!((g - w).abs() < 1e-6, "{got:?} should be {want:?}"));
}

/// `numpy.random.RandomState(7)`: `rand(4)`, `randn(5)` and `binomial(1, p)`.
#[test]
fn a_seed_gives_the_numbers_of_the_reference() {
    let seven = float_attribute("seed", 7.0);
    let uniform = [0.07630828937395717, 0.7799187922401146, 0.4384092314408935, 0.7234651778309412];
    let shape = ints_attribute("shape", &[4]);
    close(&given(drawing("RandomUniform", &[], &[seven.clone(), shape]), &[0.0]), &uniform);
    let wider = [seven.clone(), float_attribute("low", -1.0), float_attribute("high", 1.0)];
    let y = given(drawing("RandomUniformLike", &["x"], &wider), &[0.0; 4]);
    close(&y, &uniform.map(|u| 2.0 * u - 1.0));
    let normal = [
        1.690525703800356,
        -0.4659373705408328,
        0.0328201636785844,
        0.40751628299650783,
        -0.7889230286257386,
    ];
    close(&given(drawing("RandomNormalLike", &["x"], std::slice::from_ref(&seven)), &[0.0; 5]), &normal);
    let moved = [
        seven.clone(),
        float_attribute("mean", 3.0),
        float_attribute("scale", 0.5),
        ints_attribute("shape", &[5]),
    ];
    close(&given(drawing("RandomNormal", &[], &moved), &[0.0]), &normal.map(|x| x * 0.5 + 3.0));
    let p = [0.0, 0.1, 0.3, 0.5, 0.6, 0.7, 0.9, 1.0, 0.45, 0.55];
    let y = given(drawing("Bernoulli", &["x"], &[seven]), &p);
    assert_eq!(y, [0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0]);
}

#[test]
fn without_a_seed_nodes_differ_and_readings_do_not() {
    let shape = || ints_attribute("shape", &[1, 2000]);
    let nodes = [
        node("RandomNormal", "", &[], &["a"]).message(5, shape()),
        node("RandomNormal", "", &[], &["b"]).message(5, shape()),
        node("Sub", "", &["a", "b"], &["y"]),
    ];
    let bytes = model(&[1, 2], &nodes, &[]);
    let run = || evaluate(&of(&bytes).graph, &[Value::new([1, 2], vec![0.0f32; 2])]).unwrap()[0].to_f64();
    let y = run();
    assert_eq!(y, run());
    // The difference of two independent normal numbers has variance 2.
    let mean = y.iter().sum::<f64>() / 2000.0;
    let variance = y.iter().map(|d| (d - mean) * (d - mean)).sum::<f64>() / 2000.0;
    assert!(mean.abs() < 0.13 && (variance - 2.0).abs() < 0.26, "mean {mean}, variance {variance}");
}

/// Of 6000 drawn with 1/6, 2/6 and 3/6 each class comes as often as it should, within four deviations.
#[test]
fn classes_come_by_their_probabilities() {
    let x: Vec<f32> = [1.0f32, 2.0, 3.0].iter().map(|w| w.ln() + 0.7).collect();
    let y = given(drawing("Multinomial", &["x"], &[int_attribute("sample_size", 6000)]), &x);
    for (class, share) in [1.0 / 6.0, 2.0 / 6.0, 3.0 / 6.0].into_iter().enumerate() {
        let came = y.iter().filter(|&&c| c == class as f64).count() as f64;
        let deviation = (6000.0 * share * (1.0f64 - share)).sqrt();
        assert!((came - 6000.0 * share).abs() < 4.0 * deviation, "class {class} came {came} times");
    }
    assert_eq!(y.len(), 6000);
}

#[test]
fn numbers_that_cannot_be_drawn_are_said() {
    let says = |n: Message, part: &str| {
        let e = read(&model(&[1, 2], &[n], &[]), &ReadOptions::default()).unwrap_err().to_string();
        assert!(e.contains(part) && e.contains("the_node"), "{e}");
    };
    says(drawing("RandomNormalLike", &["x"], &[float_attribute("seed", -1.0)]), "the seed -1 is not between");
    says(
        drawing("RandomUniformLike", &["x"], &[int_attribute("dtype", 7)]),
        "random numbers are floats, not i64",
    );
    says(drawing("RandomUniform", &[], &[]), "\"shape\" is missing");
    says(
        drawing("RandomUniform", &[], &[ints_attribute("shape", &[1 << 20, 1 << 20])]),
        "more would have to be computed",
    );
    says(
        drawing("Multinomial", &["x"], &[int_attribute("sample_size", 1 << 60)]),
        "more would have to be computed",
    );
}
