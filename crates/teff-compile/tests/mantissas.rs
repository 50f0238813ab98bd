//! Floats on a machine without a float unit: results are as near as is promised, whatever the inputs, and the same bits everywhere.

mod common;

use common::c::{Case, check, has};
use common::nets::{cnn, dense, graph, mlp, uniform};
use common::{Rng, rust};
use expect_test::expect;
use proptest::prelude::*;
use teff_compile::program::Products;
use teff_compile::{Budget, Floats, Options, Program, Target, compile, program};
use teff_graph::{DType, Graph, Num, PoolKind, Tensor, Type, Value, Window, evaluate};

fn compiled(name: &str, graph: &Graph, floats: Floats) -> Program {
    compiled_for(name, graph, floats, &[])
}

/// Compiled for such inputs, a list for each time.
fn compiled_for(name: &str, graph: &Graph, floats: Floats, inputs: &[Vec<Value>]) -> Program {
    let (name, inputs) = (name.into(), inputs.to_vec());
    let options = Options { name, target: Target::CORTEX_M0PLUS, floats, inputs, ..Options::default() };
    compile(graph, &options).unwrap()
}

/// One layer and nothing else, in the precision of its weights.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// Rows, inputs, outputs; the weights are the right operand.
    Right(usize, usize, usize),
    /// The same for each of a batch.
    Batch(usize, usize, usize, usize),
    /// Outputs, inputs, columns; they are the left one.
    Left(usize, usize, usize),
    /// Groups, input channels and output channels of a group; kernel, padding, stride; the window of a maximum, 1 for none.
    Conv([usize; 3], [usize; 3], usize),
}

impl Shape {
    fn inputs(self) -> Vec<usize> {
        match self {
            Shape::Right(m, k, _) => vec![m, k],
            Shape::Batch(b, m, k, _) => vec![b, m, k],
            Shape::Left(_, k, n) => vec![k, n],
            Shape::Conv([g, c, _], ..) => vec![1, g * c, 7, 6],
        }
    }

    fn weights(self) -> Vec<usize> {
        match self {
            Shape::Right(_, k, n) | Shape::Batch(_, _, k, n) => vec![k, n],
            Shape::Left(m, k, _) => vec![m, k],
            Shape::Conv([g, c, o], [size, ..], _) => vec![g * o, c, size, size],
        }
    }

    fn graph(self, weights: Value) -> Graph {
        self.graph_of(weights, false)
    }

    /// With inputs that come from a rectifier, or not.
    fn graph_of(self, weights: Value, rectified: bool) -> Graph {
        let input = Tensor::input("x", weights.dtype(), &self.inputs());
        let x = if rectified { input.relu() } else { input.clone() };
        let w = Tensor::constant(weights);
        let y = match self {
            Shape::Right(..) => x.matmul(&w),
            Shape::Batch(b, _, k, n) => x.matmul(&w.broadcast_to(&[b, k, n])),
            Shape::Left(..) => w.matmul(&x),
            Shape::Conv([groups, ..], [_, padding, stride], window) => {
                let y = x.conv2d(&w, stride, padding, 1, groups);
                if window == 1 { y } else { y.pool(PoolKind::Max, Window::new([window; 2], [window; 2])) }
            }
        };
        graph(&input, &y)
    }

    /// The output and the input channel of weight `i`.
    fn place(self, i: usize) -> (usize, usize) {
        match self {
            Shape::Right(_, _, n) | Shape::Batch(_, _, _, n) => (i % n, i / n),
            Shape::Left(_, k, _) => (i / k, i % k),
            Shape::Conv([_, c, o], [size, ..], _) => {
                let output = i / (size * size * c);
                (output, output / o * c + i / (size * size) % c)
            }
        }
    }

    /// The input channel of input `i`.
    fn channel(self, i: usize) -> usize {
        match self {
            Shape::Right(_, k, _) | Shape::Batch(_, _, k, _) => i % k,
            Shape::Left(_, _, n) => i / n,
            Shape::Conv(..) => i / 42,
        }
    }

    /// The power of two that each input channel is taken by, as the book says: what the largest weights of all have in common.
    fn powers(self, weights: &Value) -> Vec<f64> {
        let exponent = |x: f64| x.log2().floor();
        let mut largest = vec![0f64; (0..weights.len()).map(|i| self.place(i).1).max().unwrap() + 1];
        for (i, w) in weights.to_f64().into_iter().enumerate() {
            let channel = &mut largest[self.place(i).1];
            *channel = channel.max(w.abs());
        }
        let top = exponent(largest.iter().fold(0.0, |m, w| m.max(*w)));
        let powers: Vec<f64> =
            largest.iter().map(|w| if *w == 0.0 { 0.0 } else { top - exponent(*w) }).collect();
        if powers.iter().all(|q| *q < 4.0) { vec![0.0; powers.len()] } else { powers }
    }

    /// What the results can reach: the largest sum of magnitudes of the weights of an output times the largest input, both with the powers.
    fn reach(self, weights: &Value, largest: impl Fn(&dyn Fn(usize) -> f64) -> f64) -> f64 {
        let powers = self.powers(weights);
        let mut sums = vec![0.0; (0..weights.len()).map(|i| self.place(i).0).max().unwrap() + 1];
        for (i, w) in weights.to_f64().into_iter().enumerate() {
            let (output, channel) = self.place(i);
            sums[output] += w.abs() * 2f64.powf(powers[channel]);
        }
        sums.into_iter().fold(0.0, f64::max) * largest(&|i| 2f64.powf(-powers[self.channel(i)]))
    }
}

fn shape() -> impl Strategy<Value = Shape> {
    let size = || 1usize..40;
    let conv = ([1usize..3, 1usize..4, 1usize..40], [1usize..4, 0usize..2, 1usize..3], 1usize..3);
    prop_oneof![
        (1usize..4, size(), size()).prop_map(|(m, k, n)| Shape::Right(m, k, n)),
        (1usize..3, 1usize..3, size(), size()).prop_map(|(b, m, k, n)| Shape::Batch(b, m, k, n)),
        (size(), size(), 1usize..4).prop_map(|(m, k, n)| Shape::Left(m, k, n)),
        conv.prop_map(|(channels, taps, window)| Shape::Conv(channels, taps, window)),
    ]
}

/// Floats of all sizes up to `scale`, some of them zero.
fn spread(rng: &mut Rng, shape: &[usize], scale: f64) -> Value {
    let power = 1 + 4 * rng.below(3) as i32;
    let of = |x: f64| x.signum() * x.abs().powi(power) * scale;
    let zeros = rng.below(3);
    let values = uniform(rng, shape, 1.0).to_f64();
    Value::from_fn(&Type::new(DType::F32, shape), |i| {
        Num::Float(if rng.below(4) < zeros { 0.0 } else { of(values[i]) })
    })
}

fn wider(v: &Value) -> Value {
    Value::from_fn(&Type::new(DType::F64, v.shape()), |i| v.get(i))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn results_are_as_near_as_is_promised(
        shape in shape(),
        seed in any::<u64>(),
        weight_exponent in -12i32..8,
        exponent in -62i32..90,
        narrow in any::<bool>(),
        rectified in any::<bool>(),
    ) {
        let rng = &mut Rng(seed);
        let weights = spread(rng, &shape.weights(), 2f64.powi(weight_exponent));
        prop_assume!(weights.to_f64().iter().any(|w| *w != 0.0));
        let inputs = spread(rng, &shape.inputs(), 2f64.powi(exponent));
        let error = if narrow { 0.5 } else { 1e-5 };
        let given = [vec![inputs.clone()]];
        let floats = Floats::Mantissas { error };
        let program = compiled_for("net", &shape.graph_of(weights.clone(), rectified), floats, &given);
        let layer = program.kernels.last().unwrap();
        let Products::Mantissas { error, weight_bits, .. } = layer.products else {
            let largest = weights.to_f64().iter().fold(0f64, |m, w| m.max(w.abs()));
            // Results that cancel stay in floats: the bound is that of integers.
            let tried = |p| matches!(p, Products::Software { reason } if reason.contains("inputs tried"));
            prop_assume!(!tried(layer.products));
            prop_assert!(largest < 2f64.powi(-32), "{:?} of {largest}", layer.products);
            return Ok(());
        };
        prop_assert!(weight_bits == if narrow { 16 } else { 22 } || error < 1e-5, "{weight_bits} {error}");
        let found = program::evaluate(&program, std::slice::from_ref(&inputs)).unwrap();
        let exact = evaluate(&shape.graph_of(wider(&weights), rectified), &[wider(&inputs)]).unwrap();
        let size = |x: &f64| if rectified { *x } else { x.abs() };
        let inputs = inputs.to_f64();
        let largest = |power: &dyn Fn(usize) -> f64| {
            let scaled = inputs.iter().enumerate().map(|(i, x)| size(x) * power(i));
            // The bound counts inputs as no smaller than 2^-64.
            scaled.fold(2f64.powi(-64), f64::max)
        };
        let bound = error * shape.reach(&weights, largest);
        for (f, e) in found[0].to_f64().into_iter().zip(exact[0].to_f64()) {
            prop_assert!((f - e).abs() <= bound, "{f} instead of {e}, bound {bound}\n{program}");
        }
    }
}

/// Below 2^-64 the bound is absolute.
#[test]
fn tiny_inputs_are_off_by_next_to_nothing() {
    let shape = Shape::Right(1, 30, 20);
    let rng = &mut Rng(3);
    let weights = uniform(rng, &shape.weights(), 1.0);
    let program = compiled("net", &shape.graph(weights.clone()), Floats::default());
    for exponent in [-80, -126, -149] {
        let inputs = uniform(rng, &shape.inputs(), 2f64.powi(exponent));
        let found = program::evaluate(&program, std::slice::from_ref(&inputs)).unwrap()[0].to_f64();
        let exact = evaluate(&shape.graph(weights.clone()), &[inputs]).unwrap()[0].to_f64();
        let bound = 1e-4 * shape.reach(&weights, |_| 2f64.powi(-64));
        assert!(found.iter().zip(exact).all(|(f, e)| (f - e).abs() <= bound));
    }
}

/// Products that overflow a float are infinite or, where they would cancel, NaN: as floats are, never silently finite.
#[test]
fn what_overflows_is_not_finite() {
    let x = Tensor::input("x", DType::F32, &[1, 2]);
    let y = x.matmul(&Tensor::constant(Value::new([2, 2], vec![4.0f32, 1.0, 4.0, 0.25])));
    let program = compiled("net", &graph(&x, &y), Floats::default());
    let found = program::evaluate(&program, &[Value::new([1, 2], vec![f32::MAX, f32::MAX])]).unwrap();
    assert!(found[0].to_f64().iter().all(|y| *y == f64::INFINITY), "{found:?}");
}

#[test]
fn an_input_that_is_not_finite_makes_all_results_nan() {
    let rng = &mut Rng(4);
    let x = Tensor::input("x", DType::F32, &[1, 40]);
    let y = dense(rng, &x, 12, "layer").relu();
    let graph = graph(&x, &y);
    let mut cases = Vec::new();
    for (i, odd) in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].into_iter().enumerate() {
        let plain = uniform(rng, &[1, 40], 1.0);
        let inputs =
            vec![Value::from_fn(&plain.ty(), |k| if k == 7 { Num::Float(odd) } else { plain.get(k) })];
        let program = compiled(&format!("net{i}"), &graph, Floats::default());
        let expected = program::evaluate(&program, &inputs).unwrap();
        assert!(expected[0].to_f64().iter().all(|y| y.is_nan()), "{odd}: {expected:?}");
        cases.push(Case { program, inputs, expected, tolerance: 0.0, about: String::new() });
    }
    if has("gcc") {
        check(&cases, "gcc", &["-O3"]);
    }
}

#[test]
fn zeros_give_the_bias() {
    let x = Tensor::input("x", DType::F32, &[1, 9]);
    let bias = Value::new([5], vec![0.1f32, -3.0, 1e-20, 7e20, 0.0]);
    let y = x.matmul(&Tensor::constant(uniform(&mut Rng(5), &[9, 5], 1.0))) + Tensor::constant(bias.clone());
    let program = compiled("net", &graph(&x, &y), Floats::default());
    for zero in [0.0f32, -0.0] {
        let found = program::evaluate(&program, &[Value::new([1, 9], vec![zero; 9])]).unwrap();
        assert_eq!(found[0].to_f64(), bias.to_f64());
    }
}

/// C and Rust have the bits of the Program's evaluator.
fn run(cases: &[Case]) {
    if has("gcc") {
        check(cases, "gcc", &["-O3"]);
        check(cases, "gcc", &["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
    }
    if has("clang") {
        check(cases, "clang", &["-O2"]);
    }
    rust::check(cases, rust::CHECKED);
}

#[test]
fn c_and_rust_have_the_bits_of_the_evaluator() {
    let rng = &mut Rng(6);
    let mut cases = Vec::new();
    let mut add = |graph: &Graph, inputs: Vec<Value>, error: f64| {
        let program = compiled(&format!("net{}", cases.len()), graph, Floats::Mantissas { error });
        let expected = program::evaluate(&program, &inputs).unwrap();
        let about = teff_graph::print_brief(graph);
        cases.push(Case { program, inputs, expected, tolerance: 0.0, about });
    };
    for seed in 0..24u64 {
        let rng = &mut Rng(seed);
        let shape = match seed % 4 {
            0 => Shape::Right(1 + rng.below(3), 1 + rng.below(50), 1 + rng.below(50)),
            1 => Shape::Left(1 + rng.below(50), 1 + rng.below(50), 1 + rng.below(3)),
            _ => Shape::Conv(
                [1 + rng.below(2), 1 + rng.below(3), 1 + rng.below(40)],
                [1 + rng.below(3), rng.below(2), 1 + rng.below(2)],
                1 + rng.below(2),
            ),
        };
        let weights = spread(rng, &shape.weights(), 1.0);
        if weights.to_f64().iter().all(|w| *w == 0.0) {
            continue;
        }
        let scale = [0.0, 1.0, 1e-30, 1e30, 1e-42][rng.below(5)];
        let inputs = spread(rng, &shape.inputs(), scale);
        add(&shape.graph(weights), vec![inputs], if seed % 8 < 4 { 0.5 } else { 1e-5 });
    }
    let (x, y) = cnn(rng);
    add(&graph(&x, &y), vec![uniform(rng, &[1, 1, 28, 28], 1.0)], 1e-4);
    run(&cases);
}

#[test]
fn the_error_given_decides_how_wide_weights_are() {
    let rng = &mut Rng(8);
    let (x, y) = mlp(rng);
    let graph = graph(&x, &y);
    let inputs = [vec![uniform(rng, &[1, 784], 1.0)], vec![uniform(rng, &[1, 784], 1.0)]];
    let of = |error: f64| {
        let program = compiled_for("net", &graph, Floats::Mantissas { error }, &inputs);
        let mut total = 0.0;
        let bits = |p: &Products| match p {
            Products::Mantissas { weight_bits, error, .. } => {
                total += error;
                *weight_bits
            }
            Products::Software { .. } => 0,
            Products::AsWritten => unreachable!("layers of floats"),
        };
        let bits: Vec<u32> = program.kernels.iter().map(|k| &k.products).map(bits).collect();
        assert!(total <= error, "{total} {error}");
        (bits, program)
    };
    assert_eq!(of(1e-3).0, [16, 16]);
    // The larger layer first.
    assert_eq!(of(5e-5).0, [16, 22]);
    assert_eq!(of(1e-5).0, [22, 22]);
    let (bits, program) = of(1e-7);
    assert_eq!(bits, [0, 0]);
    let notes = Budget::new(&program, &Target::CORTEX_M0PLUS).notes();
    assert!(notes[0].starts_with("l1 is computed by software floats, because the error given"), "{notes:?}");
}

/// Pixels that were never lit keep small weights: no reason to take them for features of another unit, whose weights would need 22 bits.
#[test]
fn pixels_that_were_never_lit_are_no_sensors() {
    let rng = &mut Rng(9);
    let x = Tensor::input("x", DType::F32, &[1, 784]);
    let border = |i: usize| i / 10 % 28 < 3;
    let weights = uniform(rng, &[784, 10], 0.4);
    let weights = Value::from_fn(&weights.ty(), |i| {
        let w = weights.get(i).as_f64();
        Num::Float(if border(i) { w / 64.0 } else { w })
    });
    let graph = graph(&x, &x.matmul(&Tensor::constant(weights)));
    let program = compiled_for("net", &graph, Floats::Mantissas { error: 1e-4 }, &[]);
    let products: Vec<&Products> = program.kernels.iter().map(|k| &k.products).collect();
    assert!(matches!(products[..], [Products::Mantissas { weight_bits: 16, .. }]), "{products:?}");
}

/// Rectifiers compare bits: of every kind of float, alone and behind a sum.
#[test]
fn rectifiers_keep_what_they_should() {
    let odd =
        [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, 1e-45, -1e-45, f32::MAX, f32::MIN];
    let values: Vec<f32> = odd.into_iter().chain([5.999_999, 6.0, 6.000_001, -6.0, 1.0, -1.0]).collect();
    let x = Tensor::input("x", DType::F32, &[values.len()]);
    let inputs = vec![Value::new([values.len()], values)];
    let mut cases = Vec::new();
    for (i, y) in
        [x.relu(), x.relu6(), (&x + 0.5).relu6() - 1.0, x.minimum(x.full_like(3.0))].iter().enumerate()
    {
        let graph = graph(&x, y);
        let program = compiled(&format!("net{i}"), &graph, Floats::default());
        assert!(!program.to_string().contains("max("), "{program}");
        let expected = evaluate(&graph, &inputs).unwrap();
        let found = program::evaluate(&program, &inputs).unwrap();
        let same = |(f, e): (f64, f64)| f == e || f.is_nan() && e.is_nan();
        assert!(found[0].to_f64().into_iter().zip(expected[0].to_f64()).all(same), "{found:?} {expected:?}");
        cases.push(Case { program, inputs: inputs.clone(), expected, tolerance: 0.0, about: String::new() });
    }
    run(&cases);
}

/// Weights that a file says in 8 bits stay in 8 bits, and nothing of them is lost.
#[test]
fn quantised_weights_stay_bytes() {
    let rng = &mut Rng(10);
    let steps =
        Value::from_fn(&Type::new(DType::I8, [12, 3, 3, 3]), |i| Num::Int((i as i128 * 37) % 256 - 128));
    let scales =
        Value::from_fn(&Type::new(DType::F32, [12, 1, 1, 1]), |i| Num::Float(0.01 + 0.003 * i as f64));
    let x = Tensor::input("x", DType::F32, &[1, 3, 6, 6]);
    let zero = Tensor::constant(Value::full(&Type::new(DType::I8, [12, 1, 1, 1]), Num::Int(0)));
    let w = Tensor::constant(steps).dequantize(&Tensor::constant(scales), &zero);
    let graph = graph(&x, &x.conv2d(&w, 1, 1, 1, 1));
    let program = compiled("net", &graph, Floats::default());
    let Products::Mantissas { weight_bits: 8, error, .. } = program.kernels[0].products else {
        panic!("{:?}", program.kernels[0].products)
    };
    assert!(error < 4e-7, "{error}");
    // A byte for each weight, a factor for each output.
    assert_eq!(program.constant_bytes(), 12 * 27 + 4 * 12);
    let inputs = vec![uniform(rng, &[1, 3, 6, 6], 3.0)];
    let expected = evaluate(&graph, &inputs).unwrap();
    let found = program::evaluate(&program, &inputs).unwrap();
    let largest = expected[0].to_f64().iter().fold(0f64, |m, y| m.max(y.abs()));
    let close = |(f, e): (f64, f64)| (f - e).abs() <= 1e-5 * largest;
    assert!(found[0].to_f64().into_iter().zip(expected[0].to_f64()).all(close));
    let named = |name: &str| Case {
        program: compiled(name, &graph, Floats::default()),
        inputs: inputs.clone(),
        expected: found.clone(),
        tolerance: 0.0,
        about: String::new(),
    };
    run(&[named("static_arena"), named("own_arena")]);
}

#[test]
fn exact_floats_and_machines_with_a_float_unit_are_as_ever() {
    let (x, y) = cnn(&mut Rng(9));
    let graph = graph(&x, &y);
    let exact = compiled("net", &graph, Floats::Exact);
    assert!(exact.kernels.iter().all(|k| k.products == Products::AsWritten));
    assert!(exact.buffers.iter().all(|b| b.ty.dtype == DType::F32));
    assert!(Budget::new(&exact, &Target::CORTEX_M0PLUS).notes().is_empty());
    let on = |floats| compile(&graph, &Options { floats, ..Options::default() }).unwrap().to_string();
    assert_eq!(on(Floats::Exact), on(Floats::default()));
}

#[test]
fn a_dense_layer_to_be_read() {
    let x = Tensor::input("pixels", DType::F32, &[1, 3]);
    let y = dense(&mut Rng(1), &x, 2, "layer").relu();
    let p = compiled("tiny", &graph(&x, &y), Floats::default());
    expect![[r#"
        program tiny
          input0: f32[1,3] = input 0
          output0: f32[1,2] = output 0
          arena of 0 bytes, aligned to 1, at least 0
        kernel layer of "layer": matmul add max -> f32[1,2], 6 macs
          var largest.0: i32 = 0
          for i.1 in 0..3
            largest.0 = max(largest.0, (bits_i32(input0[i.1]) & 2147483647))
          let exponent.2: i32 = max((largest.0 >> 23), 32)
          let place.3: i32 = (exponent.2 + 7)
          let scale.4: i32 = (exponent.2 << 23)
          let poison.5: i32 = ((largest.0 < 2139095040) ? 0 : 2143289344)
          let start.6: i32 = ((largest.0 == 0) ? 0 : 1)
          array sum.0: i32[2]
          for j.7 in 0..2
            sum.0[j.7] = start.6
          let bits.8: i32 = bits_i32(input0[0])
          let bits.9: i32 = bits_i32(input0[1])
          if bool((bits.8 | bits.9))
            let sign.11: i32 = (bits.8 >> 31)
            let x.12: i32 = (((((((bits.8 & 8388607) | 8388608) >> (place.3 - ((bits.8 >> 23) & 255))) + 1) >> 1) ^ sign.11) - sign.11)
            let sign.14: i32 = (bits.9 >> 31)
            let x.15: i32 = (((((((bits.9 & 8388607) | 8388608) >> (place.3 - ((bits.9 >> 23) & 255))) + 1) >> 1) ^ sign.14) - sign.14)
            sum.0[0] = ((sum.0[0] + ((x.12 * i32(4631)) >> 1)) + ((x.15 * i32(17099)) >> 1))
            sum.0[1] = ((sum.0[1] + ((x.12 * i32(-6935)) >> 1)) + ((x.15 * i32(-6947)) >> 1))
          let bits.16: i32 = bits_i32(input0[2])
          if bool(bits.16)
            let sign.18: i32 = (bits.16 >> 31)
            let x.19: i32 = (((((((bits.16 & 8388607) | 8388608) >> (place.3 - ((bits.16 >> 23) & 255))) + 1) >> 1) ^ sign.18) - sign.18)
            sum.0[0] = (sum.0[0] + ((x.19 * i32(32767)) >> 1))
            sum.0[1] = (sum.0[1] + ((x.19 * i32(32767)) >> 1))
          let y.20: f32 = ((f32(sum.0[0]) * bits_f32(((-250921995 + scale.4) | poison.5))) + 0.754697322845459)
          output0[0] = ((bits_i32(y.20) <= -8388608) ? 0.0 : y.20)
          let y.21: f32 = ((f32(sum.0[1]) * bits_f32(((-258249220 + scale.4) | poison.5))) + 0.046134352684020996)
          output0[1] = ((bits_i32(y.21) <= -8388608) ? 0.0 : y.21)
    "#]].assert_eq(&p.to_string());
}
