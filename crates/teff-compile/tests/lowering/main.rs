//! Kernels at their edges, run by the evaluator of programs: what the small machine and the vector machine make of one layer has the
//! bits of the graph; and what a plan is to save is counted (`choices`).

mod choices;
#[path = "../common/mod.rs"]
mod common;
#[path = "../oracle/mod.rs"]
mod oracle;

use common::Rng;
use oracle::nets::network;
use teff_compile::{Floats, Options, Program, Target, compile, integer, program};
use teff_graph::{
    Binary, ConvGeometry, DType, Graph, Num, Op, PoolKind, Tensor, Type, Value, Window, evaluate, print_brief,
};

const TARGETS: [Target; 3] = [Target::GENERIC, Target::CORTEX_M0PLUS, Target::CORTEX_M3];

fn compiled(graph: &Graph, target: Target) -> Program {
    // Floats are compared too, which are small integers here: exact in any order, but not as mantissas.
    let options = Options { target, floats: Floats::Exact, ..Options::default() };
    compile(graph, &options).unwrap_or_else(|e| panic!("{e}\n{}", print_brief(graph)))
}

/// Every target gives what the graph is; `about` the program if one does not.
fn same(graph: &Graph, given: &[Value], expected: &[Value], about: &str) {
    for target in TARGETS {
        let program = compiled(graph, target);
        let text = || format!("{about} on {}\n{}\n{program}", target.name, print_brief(graph));
        let found = program::evaluate(&program, given).unwrap_or_else(|e| panic!("{e}\n{}", text()));
        assert!(found == expected, "{found:?} instead of {expected:?}\n{}", text());
    }
}

fn same_as_graph(inputs: &[Tensor], outputs: &[Tensor], rng: &mut Rng, about: &str) {
    let named: Vec<(String, Tensor)> =
        outputs.iter().enumerate().map(|(i, y)| (format!("y{i}"), y.clone())).collect();
    let named: Vec<(&str, Tensor)> = named.iter().map(|(n, y)| (n.as_str(), y.clone())).collect();
    let graph = Graph::from_tensors("net", inputs, &named).unwrap_or_else(|e| panic!("{about}: {e}"));
    let given: Vec<Value> = inputs.iter().map(|x| any(rng, &x.ty())).collect();
    same(&graph, &given, &evaluate(&graph, &given).unwrap(), about);
}

/// Elements of all that 8 bits can say; small integers in other types.
fn any(rng: &mut Rng, ty: &Type) -> Value {
    match ty.dtype {
        DType::I8 => Value::from_fn(ty, |_| Num::Int(rng.below(256) as i128 - 128)),
        DType::U8 => Value::from_fn(ty, |_| Num::Int(rng.below(256) as i128)),
        DType::F32 => Value::from_fn(ty, |_| Num::Float(rng.below(9) as f64 - 4.0)),
        _ => rng.value(ty),
    }
}

#[test]
fn quantised_networks_have_the_bits_of_the_evaluator() {
    for seed in 40_000..40_240 {
        let (graph, given) = network(seed, 1 + seed as usize % 3);
        let expected = evaluate(&integer(&graph).unwrap(), std::slice::from_ref(&given)).unwrap();
        same(&graph, &[given], &expected, &format!("seed {seed}"));
    }
}

/// An input of 8 bits, of batch 1 or more, and its integers less a zero point, which is written in one of the ways there are.
fn integers(rng: &mut Rng, shape: &[usize]) -> (Tensor, Tensor) {
    let dtype = rng.pick(&[DType::I8, DType::U8]);
    let input = Tensor::input("x", dtype, shape);
    let wide = input.cast(DType::I32);
    let least = if dtype == DType::I8 { -128 } else { 0 };
    let zero = least + rng.pick(&[0i64, 3, 128, 200, 255]);
    let x = match rng.below(5) {
        0 => wide,
        1 | 2 => wide - zero as f64,
        _ => wide + -zero as f64,
    };
    (input, x)
}

/// Constant weights of one of the widths that are packed; some as differences, as weights with a zero point are.
fn weights(rng: &mut Rng, shape: &[usize]) -> Tensor {
    let (count, least) = rng.pick(&[(255, -127), (255, -127), (256, -128), (16, -8), (4, -2), (2, 0)]);
    let q = Value::from_fn(&Type::new(DType::I8, shape), |_| Num::Int(rng.below(count) as i128 + least));
    let w = Tensor::constant(q).cast(DType::I32);
    if rng.below(4) == 0 { w - 2.0 } else { w }
}

/// A bias of each channel, a requantisation, both or nothing.
fn finished(rng: &mut Rng, y: &Tensor, axis: usize) -> Tensor {
    let mut shape = vec![1; y.rank()];
    shape[axis] = y.shape()[axis];
    let y = if rng.below(2) == 0 {
        let bias =
            Value::from_fn(&Type::new(DType::I32, &shape[..]), |_| Num::Int(rng.below(4001) as i128 - 2000));
        y + &Tensor::constant(bias).broadcast_to(y.shape())
    } else {
        y.clone()
    };
    match rng.below(3) {
        0 => y,
        1 => y.clip(0.0, 3000.0),
        _ => {
            requantised(&y, 1 << (24 + rng.below(6)), 32 + rng.below(12)).clip(-128.0, 127.0).cast(DType::I8)
        }
    }
}

/// `(y m + 2^(n-1)) >> n` in 64 bits.
fn requantised(y: &Tensor, m: i64, n: usize) -> Tensor {
    let wide = y.cast(DType::I64) * m as f64 + 2f64.powi(n as i32 - 1);
    wide.shr(wide.full_like(n as f64)).cast(DType::I32)
}

#[test]
fn convolutions_of_integers_at_every_edge() {
    for seed in 0..400 {
        let rng = &mut Rng(seed);
        let axes = rng.pick(&[1, 2, 2, 2, 2, 3]);
        let kind = seed % 3;
        let channels = 1 + rng.below(if kind == 0 { 6 } else { 5 });
        let groups = if kind == 0 { channels.max(2) } else { 1 + rng.below(2) * (kind as usize - 1) };
        let channels = if kind == 0 { groups } else { channels * groups };
        let per_group = if kind == 0 && rng.below(4) > 0 { 1 } else { rng.pick(&[1, 2, 5, 9, 17, 33, 40]) };
        let mut shape = vec![1 + rng.below(2), channels];
        let mut kernel = vec![groups * per_group, channels / groups];
        let mut geometry = ConvGeometry { groups, ..ConvGeometry::new(axes) };
        for axis in 0..axes {
            let size = 1 + rng.below(if axis == 0 { 4 } else { 3 });
            geometry.stride[axis] = 1 + rng.below(3);
            geometry.dilation[axis] = if rng.below(5) == 0 { 2 } else { 1 };
            geometry.pad_low[axis] = rng.below(3);
            geometry.pad_high[axis] = rng.below(4);
            let seen = geometry.dilation[axis] * (size - 1) + 1;
            shape.push(seen + rng.below(if axes == 3 { 3 } else { 8 }));
            kernel.push(size);
        }
        let (input, x) = integers(rng, &shape);
        let y = x.conv_general(&weights(rng, &kernel), geometry);
        let small = y.shape()[2..].iter().all(|n| *n >= 2);
        let y = if small && rng.below(3) == 0 {
            let (size, stride) = rng.pick(&[(2, 2), (2, 1), (1, 2)]);
            y.pool(
                rng.pick(&[PoolKind::Max, PoolKind::Sum]),
                Window::new(vec![size; axes], vec![stride; axes]),
            )
        } else {
            y
        };
        let y = finished(rng, &y, 1);
        same_as_graph(&[input], &[y], rng, &format!("seed {seed}"));
    }
}

#[test]
fn products_of_integers_at_every_edge() {
    for seed in 0..200 {
        let rng = &mut Rng(seed);
        let rows = rng.pick(&[1, 1, 1, 2, 7]);
        let inner = 1 + rng.below(40);
        let across = rng.pick(&[1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 15, 16, 20, 33, 60, 264, 516, 520]);
        let (input, x) = integers(rng, &[rows, inner]);
        let y = x.matmul(&weights(rng, &[inner, across]));
        let y = finished(rng, &y, 1);
        same_as_graph(&[input], &[y], rng, &format!("seed {seed}"));
    }
}

/// Windows of which some, or all, see nothing but padding.
#[test]
fn convolutions_of_padding_alone() {
    for (seed, (axis, low, high)) in
        [(0, 3, 0), (0, 0, 3), (1, 3, 0), (1, 0, 3), (0, 9, 9), (1, 9, 9), (0, 2, 0), (1, 2, 2)]
            .into_iter()
            .enumerate()
    {
        for (groups, outputs) in [(1, 8), (4, 4), (2, 4)] {
            for (window, stride) in [([2, 1], 3), ([1, 2], 3), ([2, 2], 1), ([3, 1], 12), ([1, 1], 12)] {
                let rng = &mut Rng(seed as u64);
                let (input, x) = integers(rng, &[2, 4, 3, 3]);
                let mut geometry = ConvGeometry { groups, stride: vec![stride; 2], ..ConvGeometry::new(2) };
                (geometry.pad_low[axis], geometry.pad_high[axis]) = (low, high);
                let w = weights(rng, &[outputs, 4 / groups, window[0], window[1]]);
                let y = finished(rng, &x.conv_general(&w, geometry), 1);
                same_as_graph(&[input], &[y], rng, &format!("{low} + {high} of axis {axis}, {window:?}"));
            }
        }
    }
}

/// The largest sum of a window does not stay the largest where what follows falls somewhere, be it through a value with a name.
#[test]
fn pools_take_the_largest_of_what_follows() {
    let x = Tensor::input("x", DType::F32, &[2, 2, 6, 6]);
    let rng = &mut Rng(5);
    let w = Tensor::constant(any(rng, &Type::new(DType::F32, [5, 2, 3, 3])));
    let h = x.conv2d(&w, 1, 0, 1, 1);
    let square = &h * &h;
    for y in [
        &h + (square.minimum(square.full_like(3.0)) - &square * 2.0),
        &h - &square,
        (&h + 1.0).relu(),
        h.clone() * -1.0,
        h.minimum(h.full_like(2.0)) - 7.0,
    ] {
        same_as_graph(std::slice::from_ref(&x), &[y.max_pool2d(2, 2)], rng, "a pool");
    }
}

/// Channels that are convolved over no axes, or none.
#[test]
fn convolutions_without_axes_or_channels() {
    for channels in [0, 1, 5, 8, 9] {
        let x = Tensor::input("x", DType::F32, &[2, channels]);
        let rng = &mut Rng(channels as u64);
        let w = Tensor::constant(any(rng, &Type::new(DType::F32, [6, channels])));
        let y = x.conv_general(&w, ConvGeometry::new(0));
        same_as_graph(&[x], &[y], rng, &format!("{channels} channels"));
    }
}

/// What is constant in a loop's body is not what has its number outside.
#[test]
fn constants_of_a_loop_are_its_own() {
    let rng = &mut Rng(12);
    let rows = Tensor::input("x", DType::I8, &[5, 1, 4]);
    let outside = weights(rng, &[4, 4]);
    let start = rows.pick(0, 0).cast(DType::I32).matmul(&outside);
    let inside = weights(rng, &[4, 4]);
    let (last, _) = Tensor::scan(&[start], std::slice::from_ref(&rows), false, |s, x| {
        (vec![&s[0] + x[0].cast(DType::I32).matmul(&(&inside - 1))], vec![])
    });
    same_as_graph(&[rows], &last, rng, "a loop");
}

/// States that are handed on, exchanged and given twice; what comes from outside stays whole.
#[test]
fn loops_hand_states_on() {
    for reverse in [false, true] {
        let rng = &mut Rng(reverse as u64);
        let input = |name: &str, shape: &[usize]| Tensor::input(name, DType::F32, shape);
        let (a, b, all, outside) =
            (input("a", &[3]), input("b", &[3]), input("all", &[4, 3]), input("o", &[3]));
        let doubled = &outside + &outside;
        let (last, stacks) =
            Tensor::scan(&[a.clone(), b.clone(), b.clone()], std::slice::from_ref(&all), reverse, |s, x| {
                let sum = &s[0] + &x[0] * &doubled;
                // The first two change places, the third stays; one result is given twice, a slice and a state as they are.
                (
                    vec![s[1].clone(), sum.clone(), s[2].clone()],
                    vec![sum.clone(), sum, x[0].clone(), s[0].clone(), outside.clone()],
                )
            });
        let outputs: Vec<Tensor> = last.into_iter().chain(stacks).collect();
        same_as_graph(&[a, b, all, outside], &outputs, rng, &format!("reverse {reverse}"));
    }
}

/// Scales of blocks, of each channel and of all.
#[test]
fn scales_of_blocks_serve_their_elements() {
    for blocks in [[1usize, 1], [1, 6], [4, 1], [2, 3], [4, 6], [4, 2]] {
        let shape = [4usize, 6];
        let scale =
            Value::from_fn(&Type::new(DType::F32, blocks), |i| Num::Float(0.5 * f64::from(1 << (i % 5))));
        let zero = Value::from_fn(&Type::new(DType::I8, blocks), |i| Num::Int(i as i128 % 5 - 2));
        let (scale, zero) = (Tensor::constant(scale), Tensor::constant(zero));
        let rng = &mut Rng(1);
        let x = Tensor::input("x", DType::F32, &shape);
        let q = Tensor::input("q", DType::I8, &shape);
        let outputs = [x.quantize(&scale, &zero), q.dequantize(&scale, &zero)];
        same_as_graph(&[x, q], &outputs, rng, &format!("{blocks:?}"));
    }
}

/// What is known of constants when they have no elements.
#[test]
fn constants_may_have_no_elements() {
    for shape in [[0, 3], [3, 0], [0, 0]] {
        let none = Tensor::constant(Value::zeros(&Type::new(DType::F32, shape)));
        let scale = Tensor::constant(Value::new([1, 1], vec![0.5f32]));
        let zero = Tensor::constant(Value::new([1, 1], vec![3i8]));
        let q = none.quantize(&scale, &zero);
        let x = Tensor::input("x", DType::I8, &shape);
        let sum = (x.dequantize(&scale, &zero) + &none).quantize(&scale, &zero);
        let y = [q.clip(0.0, 9.0), &x + q.clip(0.0, 9.0).dequantize(&scale, &zero).cast(DType::I8), sum];
        same_as_graph(&[x], &y, &mut Rng(1), &format!("{shape:?}"));
    }
}

/// NaN is neither less than itself nor equal to it.
#[test]
fn values_are_compared_with_themselves() {
    for dtype in [DType::F32, DType::I32] {
        let x = Tensor::input("x", dtype, &[5]);
        let odd = [f64::NAN, f64::INFINITY, -0.0, 1.0, -7.0];
        let given = Value::from_fn(&x.ty(), |i| match dtype {
            DType::F32 => Num::Float(odd[i]),
            _ => Num::Int(i as i128 - 2),
        });
        let ty = Type::new(DType::Bool, [5]);
        let number = Value::from_fn(&ty, |i| Num::Int((i > 0 || dtype == DType::I32) as i128));
        // The same node, or another that is the same.
        for y in [x.clone(), Tensor::concat(&[x.clone(), &x + &x], 0).slice(0, 0, 5, 1)] {
            let compared = |op| Tensor::apply(Op::Binary(op), &[x.clone(), y.clone()]);
            let outputs = [Binary::Lt, Binary::Le, Binary::Eq].map(compared);
            let named: Vec<(&str, Tensor)> = ["a", "b", "c"].into_iter().zip(outputs).collect();
            let graph = Graph::from_tensors("net", std::slice::from_ref(&x), &named).unwrap();
            let expected = [Value::zeros(&ty), number.clone(), number.clone()];
            same(&graph, std::slice::from_ref(&given), &expected, "comparisons");
        }
    }
}

/// A value joined with itself and taken apart again by a reshape: what bounds an index is a condition on a quotient of a sum.
#[test]
fn joined_values_are_read_within_themselves_behind_a_reshape() {
    let mut rng = Rng(3);
    let x = Tensor::input("x", DType::F32, &[3, 70]);
    let joined = Tensor::concat(&[x.clone(), x.clone(), x.slice(0, 0, 1, 1)], 0).clip(-3.0, 3.0);
    let y = joined.reshape(&[1, 7, 70]).clip(-2.0, 2.0).pad(&[(0, 1), (0, 1), (0, 1)], 3.0).clip(-1.0, 3.0);
    same_as_graph(&[x], &[y], &mut rng, "joined");
}

/// Indices that are known are clamped as others are.
#[test]
fn known_indices_outside_are_the_nearest_inside() {
    let x = Tensor::input("x", DType::F32, &[5]);
    for at in [-7i32, -1, 0, 2, 4, 5, 6, 1000] {
        let y = x.gather(&Tensor::constant(Value::new([1], vec![at])), 0);
        same_as_graph(std::slice::from_ref(&x), &[y], &mut Rng(1), &format!("{at}"));
    }
}

/// A constant that is used as it is and transposed is read either way.
#[test]
fn constants_are_read_transposed_too() {
    let input = |name: &str, shape: &[usize]| Tensor::input(name, DType::F32, shape);
    let (a, b, c) = (input("a", &[3, 30]), input("b", &[1, 20]), input("c", &[30, 1]));
    let w = Tensor::constant(any(&mut Rng(1), &Type::new(DType::F32, [30, 20])));
    let outputs = [a.matmul(&w), b.matmul(&w.transpose()), w.transpose().matmul(&c)];
    same_as_graph(&[a, b, c], &outputs, &mut Rng(2), "transposed");
}

/// The zero point that is taken off may differ by channel: one lane's is not that of all.
#[test]
fn zero_points_of_each_channel_are_taken_off_its_own() {
    let mut rng = Rng(77);
    for groups in [1, 4] {
        let x = Tensor::input("x", DType::I8, &[1, 4, 6, 6]);
        let apart = Tensor::constant(Value::new([1, 4, 1, 1], vec![3i32, -7, 100, 0]));
        let given = x.cast(DType::I32) - apart.broadcast_to(&[1, 4, 6, 6]);
        let w = weights(&mut rng, &[4, 4 / groups, 3, 3]);
        let y = given.conv_general(&w, ConvGeometry { groups, ..ConvGeometry::new(2) });
        same_as_graph(&[x], &[y], &mut rng, &format!("{groups} groups"));
    }
    let x = Tensor::input("x", DType::I8, &[1, 8]);
    let apart = Tensor::constant(Value::new([1, 8], (0..8).map(|i| i * 9 - 30).collect::<Vec<i32>>()));
    let w = weights(&mut rng, &[8, 5]);
    same_as_graph(
        std::slice::from_ref(&x),
        &[(x.cast(DType::I32) - apart).matmul(&w)],
        &mut rng,
        "a dense layer",
    );
}
