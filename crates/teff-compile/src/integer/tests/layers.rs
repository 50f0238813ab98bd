//! Which layers and functions become integers, and what is said of those that do not.

use super::*;
use teff_graph::passes::simplify;

fn in_floats(inputs: &[&Tensor], y: &Tensor) -> Vec<String> {
    let rewritten = simplify(&integer(&graph(inputs, y)).unwrap());
    rewritten.nodes().iter().filter(|n| n.ty.dtype.is_float()).map(|n| n.op.to_string()).collect()
}

fn weights(shape: &[usize]) -> Tensor {
    Tensor::constant(Value::from_fn(&Type::new(DType::I8, shape), |i| Num::Int(i as i128 % 7 - 3)))
}

fn bytes(y: &Tensor, scale: f32) -> Tensor {
    let one = vec![1; y.rank()];
    y.quantize(&constant(&one, &[scale]), &Tensor::constant(Value::zeros(&Type::new(DType::I8, &one[..]))))
}

#[test]
fn layers_in_floats_are_named_with_the_reason() {
    let (q, f) = (x(), Tensor::input("f", DType::F32, &[2, 3]));
    let x = halves(&q);
    let w = floats(&weights(&[3, 2]), &[0.1], 0, 0i8);
    let blocks = floats(&weights(&[3, 2]), &[0.1, 0.2, 0.3], 0, 0i8);
    let given = constant(&[3, 2], &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]);
    let [input, weight, sums] = [
        "its input is not quantised",
        "its weights are not quantised",
        "its sums may exceed 32 bits, or scales differ along what is summed",
    ];
    let image = Tensor::input("i", DType::I8, &[1, 2, 3, 4]);
    let [kernel, wider] = [[2, 2, 1, 1], [2, 3, 1, 1]].map(|shape| floats(&weights(&shape), &[0.1], 0, 0i8));
    let transposed = floats(&image, &[0.5], 0, 3i8).conv_transpose2d(&wider, 1, 0, 0);
    let image_of = |scale: &[f32]| floats(&image, scale, if scale.len() > 1 { 1 } else { 0 }, 3i8);
    let moved = x.permute(&[1, 0]).reshape(&[1, 6]).slice(1, 0, 3, 1);
    for (i, (y, expected)) in [
        (x.matmul(&w).named("dense"), vec![]),
        (f.matmul(&w).named("dense"), vec![("dense", input)]),
        (f.matmul(&given).named("dense"), vec![("dense", input)]),
        (x.matmul(&given).named("dense"), vec![("dense", weight)]),
        (x.matmul(&blocks).named("dense"), vec![("dense", sums)]),
        (moved.matmul(&given).named("dense"), vec![("dense", weight)]),
        (x.tanh().matmul(&given).named("dense"), vec![("dense", input)]),
        // The label of what is behind it.
        ((x.matmul(&given) + 1.0).named("biased"), vec![("biased", weight)]),
        (image_of(&[0.5]).conv2d(&kernel, 1, 0, 1, 1).named("conv"), vec![]),
        (image_of(&[0.5, 0.25]).conv2d(&kernel, 1, 0, 1, 1).named("conv"), vec![("conv", sums)]),
        (transposed.named("up"), vec![]),
        (image_of(&[0.5, 0.25]).conv_transpose2d(&wider, 1, 0, 0).named("up"), vec![("up", sums)]),
        (
            f.matmul(&w).named("first").tanh().matmul(&given.permute(&[1, 0])).named("second"),
            vec![("first", input), ("second", input)],
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let found = left_in_floats(&graph(&[&q, &f, &image], &bytes(&y, 0.3))).unwrap();
        let expected: Vec<(String, &str)> =
            expected.into_iter().map(|(n, why)| (n.to_string(), why)).collect();
        assert_eq!(found, expected, "number {i}");
    }
    // Without a label it is a number; where nothing is quantised nothing is left.
    let found = left_in_floats(&graph(&[&f], &bytes(&f.matmul(&given), 0.3))).unwrap();
    assert!(matches!(&found[..], [(name, why)] if name.starts_with("node ") && *why == input), "{found:?}");
    assert_eq!(left_in_floats(&graph(&[&f], &f.matmul(&given).named("dense"))).unwrap(), []);
}

#[test]
fn floats_that_are_computed_and_rounded_are_told_from_inputs() {
    let (q, f) = (x(), Tensor::input("f", DType::F32, &[2, 3]));
    let steps = |inputs: &[&Tensor], y: &Tensor| quantizes_floats(&integer(&graph(inputs, y)).unwrap());
    assert!(!steps(&[&f], &bytes(&f, 0.3)));
    assert!(!steps(&[&f], &bytes(&f.permute(&[1, 0]).reshape(&[6]).slice(0, 1, 4, 1), 0.3)));
    assert!(!steps(&[&q], &bytes(&halves(&q).tanh(), 0.3)));
    assert!(!steps(&[&f], &f.tanh()));
    assert!(steps(&[&f], &bytes(&f.tanh(), 0.3)));
    assert!(steps(&[&f], &bytes(&(bytes(&f, 0.3).cast(DType::F32) + f.tanh()), 0.3)));
}

#[test]
fn softmax_of_bytes_is_a_table_and_a_quotient_while_it_fits() {
    let softmax = |x: &Tensor, of: &[usize], by: &[usize]| {
        let e = (x - x.reduce(ReduceKind::Max, of)).exp();
        &e / e.reduce(ReduceKind::Sum, by)
    };
    let target = |y: &Tensor, steps: f32| {
        let zero = Tensor::constant(Value::new([1, 1], vec![0i16]));
        y.quantize(&constant(&[1, 1], &[1.0 / steps]), &zero)
    };
    let (narrow, wide) =
        (|n| Tensor::input("x", DType::I8, &[2, n]), Tensor::input("x", DType::I16, &[2, 3]));
    let soft = |n: usize, steps: f32| {
        let q = narrow(n);
        in_floats(&[&q], &target(&softmax(&halves(&q), &[1], &[1]), steps)).is_empty()
    };
    assert!(soft(3, 256.0) && soft(3, 1024.0) && soft(512, 256.0));
    assert!(!soft(3, 2048.0) && !soft(3, 256.5) && !soft(513, 256.0));
    let q = narrow(3);
    let x = halves(&q);
    let is = |y: &Tensor| in_floats(&[&q], &target(y, 256.0)).is_empty();
    assert!(is(&softmax(&x, &[0], &[0])) && is(&softmax(&x, &[0, 1], &[0, 1])));
    assert!(!is(&softmax(&x, &[1], &[0])) && !is(&softmax(&(&x + 1.0), &[1], &[1])));
    let wide_floats = floats(&wide, &[0.5], 0, 0i16);
    assert!(!in_floats(&[&wide], &target(&softmax(&wide_floats, &[1], &[1]), 256.0)).is_empty());
    // The largest of something else, a sum of something else, and what is no exponential.
    let less = |by: &Tensor| (&x - by.reduce(ReduceKind::Max, &[1])).exp();
    let e = less(&x);
    let sum = |e: &Tensor| e.reduce(ReduceKind::Sum, &[1]);
    assert!(is(&(&e / sum(&e))));
    assert!(!is(&(less(&(&x * 0.5)) / sum(&less(&(&x * 0.5))))));
    assert!(!is(&(&e / sum(&x.exp()))));
    assert!(!is(&(&e / e.reduce(ReduceKind::Max, &[1]))));
    let d = &x - x.reduce(ReduceKind::Max, &[1]);
    assert!(!is(&(d.sigmoid() / sum(&d.sigmoid()))));
}

#[test]
fn functions_of_a_byte_are_tables_while_they_are_short() {
    let q = x();
    let chain = |n: usize, step: &dyn Fn(&Tensor) -> Tensor| {
        let y = (0..n).fold(halves(&q), |y, _| step(&y));
        in_floats(&[&q], &bytes(&y, 0.3)).is_empty()
    };
    let once = |y: &Tensor| y.tanh();
    // The integers themselves are the first of 200.
    assert!(chain(199, &once) && !chain(200, &once));
    // On two ways each, 1, 3, 7, ... 127, 255.
    let twice = |y: &Tensor| y * y;
    assert!(chain(6, &twice) && !chain(7, &twice));
    // Of two bytes, or with constants that differ, they are none.
    let p = Tensor::input("p", DType::I8, &[2, 3]);
    assert!(!in_floats(&[&q, &p], &bytes(&(halves(&q).tanh() * halves(&p)), 0.3)).is_empty());
    assert!(!in_floats(&[&q], &bytes(&(halves(&q) + columns([0.1, 0.2, 0.3])).tanh(), 0.3)).is_empty());
    let y = bytes(&(halves(&q).tanh() + columns([0.1; 3])), 0.01);
    assert!(in_floats(&[&q], &y).is_empty());
    // Each byte gives what the float gives.
    let all = Tensor::input("x", DType::I8, &[256]);
    let y = bytes(&(halves(&all).sigmoid() * 0.7 + floats(&weights(&[1]), &[0.1], 0, 0i8)), 0.01);
    let (graph, given) = (graph(&[&all], &y), [Value::from_fn(&all.ty(), |i| Num::Int(i as i128 - 128))]);
    assert_eq!(evaluate(&integer(&graph).unwrap(), &given), evaluate(&graph, &given));
}

#[test]
fn labels_stay() {
    let q = x().named("pixels");
    let y = bytes(
        &halves(&q).named("input").matmul(&floats(&weights(&[3, 2]), &[0.1], 0, 0i8)).named("dense"),
        0.3,
    );
    let rewritten = integer(&graph(&[&q], &y.named("output"))).unwrap();
    let labels: Vec<&str> = rewritten.nodes().iter().filter_map(|n| n.label.as_deref()).collect();
    for label in ["pixels", "dense", "output"] {
        assert!(labels.contains(&label), "{label} of {labels:?}");
    }
}

/// What a dense layer becomes, and its sums with a bias, once its input is quantised.
fn prospects(inputs: usize, weight: f32, bias: f32) -> [Form; 2] {
    let x = Tensor::input("x", DType::F32, &[1, inputs]);
    let w = Tensor::constant(Value::new([inputs, 2], vec![weight; 2 * inputs]));
    let y = x.matmul(&w) + constant(&[2], &[0.0, bias]);
    let graph = graph(&[&x], &y);
    let mut prospect = Prospect::new(&graph);
    let mut forms = Vec::new();
    for id in graph.ids() {
        let form = prospect.follow(id);
        match &graph[id].op {
            Op::Input { .. } => prospect.quantise(id),
            Op::MatMul | Op::Binary(_) => forms.push(form),
            // Constants, repeated.
            _ => {}
        }
    }
    forms.try_into().unwrap()
}

/// A sum is at most 255 * 127 an input, which 2^31 holds of 66 311 inputs; a bias is a whole number of steps of 1/127 of its channel's
/// largest weight, of which 2^31 holds as many.
#[test]
fn prospects_know_what_32_bits_hold() {
    assert_eq!(prospects(66_311, 0.5, 0.0)[0], Form::Sums);
    assert_eq!(prospects(66_312, 0.5, 0.0)[0], Form::Float);
    assert_eq!(prospects(2, 0.1, 0.1 * 1.2e7), [Form::Sums, Form::Sums]);
    assert_eq!(prospects(2, 0.1, 0.1 * 1.7e7), [Form::Sums, Form::Float]);
}
