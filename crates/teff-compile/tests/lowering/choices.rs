//! What is chosen where there is a choice, seen in the program: what is fused, stored, packed, skipped and called.

use super::common::Rng;
use super::common::nets::dense;
use super::{TARGETS, any, compiled, same, same_as_graph, weights};
use teff_compile::program::{Place, Products};
use teff_compile::{Options, Program, Target, compile, program};
use teff_graph::{
    ConvGeometry, DType, Graph, Num, Op, ReduceKind, ScatterKind, Tensor, Type, Value, evaluate,
};

/// Of a strip, as many rows are gathered as its windows see, at most 400 words.
#[test]
fn a_depthwise_convolution_gathers_what_its_windows_see() {
    // Rows of the result, stride, and the words: rows seen, by words of a row. A row of 10 results has 5 pairs, whose windows of 3 lie 2
    // strides apart.
    for (height, stride, words) in [
        (4, 1, (4 + 2) * (4 * 2 + 3)),
        (5, 2, (4 * 2 + 3) * (4 * 4 + 3)),
        // 60 rows and 20 are too many: 30 take 352 words, 10 two strides apart 399.
        (60, 1, (30 + 2) * (4 * 2 + 3)),
        (20, 2, (9 * 2 + 3) * (4 * 4 + 3)),
    ] {
        let rng = &mut Rng(1);
        let input = Tensor::input("x", DType::I8, &[1, 3, (height - 1) * stride + 3, 9 * stride + 3]);
        let mut geometry = ConvGeometry { groups: 3, ..ConvGeometry::new(2) };
        geometry.stride = vec![stride; 2];
        let y = input.cast(DType::I32).conv_general(&weights(rng, &[3, 1, 3, 3]), geometry);
        same_as_graph(std::slice::from_ref(&input), std::slice::from_ref(&y), rng, "a strip");
        let graph = Graph::from_tensors("net", &[input], &[("y", y)]).unwrap();
        let program = compiled(&graph, Target::CORTEX_M0PLUS);
        let gathered: Vec<usize> =
            program.kernels[0].arrays.iter().filter(|a| a.name == "word").map(|a| a.len).collect();
        assert_eq!(gathered, [words], "{height} rows, stride {stride}\n{program}");
    }
}

/// Four places beside each other share the weights of four channels where there are vectors: 16 sums.
#[test]
fn places_share_weights() {
    let x = Tensor::input("x", DType::F32, &[1, 1, 3, 10]);
    let y = x.conv2d(&Tensor::constant(any(&mut Rng(1), &Type::new(DType::F32, [4, 1, 3, 3]))), 1, 0, 1, 1);
    let graph = Graph::from_tensors("net", &[x], &[("y", y)]).unwrap();
    let sums = |target| compiled(&graph, target).kernels[0].arrays.iter().map(|a| a.len).collect::<Vec<_>>();
    assert_eq!(sums(Target::GENERIC), [16]);
    assert!(sums(Target::CORTEX_M0PLUS).is_empty());
}

/// One sum is a variable, not an array of one.
#[test]
fn one_sum_needs_no_array() {
    for target in TARGETS {
        let x = Tensor::input("x", DType::F32, &[1, 5]);
        let y = x.matmul(&Tensor::constant(any(&mut Rng(1), &Type::new(DType::F32, [5, 1]))));
        let graph = Graph::from_tensors("net", &[x], &[("y", y)]).unwrap();
        let program = compiled(&graph, target);
        assert!(program.kernels.iter().all(|k| k.arrays.is_empty()), "{program}");
    }
}

fn kernels(inputs: &[Tensor], y: &Tensor) -> Vec<String> {
    let graph = Graph::from_tensors("net", inputs, &[("y", y.clone())]).unwrap();
    compiled(&graph, Target::GENERIC).kernels.into_iter().map(|k| k.name).collect()
}

/// What takes long is computed once where many elements read it, and where it is read when one does.
#[test]
fn what_many_read_is_computed_before() {
    let x = Tensor::input("x", DType::F32, &[3, 4]);
    // A fill is read by each element, what is padded once.
    let fill = Tensor::input("fill", DType::F32, &[]);
    let pad = |x: &Tensor, fill: &Tensor| {
        let Op::Pad(axes) = x.pad(&[(1, 1), (1, 1)], 0.0).op().clone() else { panic!("a pad") };
        Tensor::apply(Op::Pad(axes), &[x.clone(), fill.clone()])
    };
    assert_eq!(kernels(&[x.clone(), fill.clone()], &pad(&x, &fill.exp())).len(), 2);
    assert_eq!(kernels(&[x.clone(), fill.clone()], &pad(&x.exp(), &fill)).len(), 1);
    // An index is read by each element of its row, an update once.
    let data = Tensor::input("data", DType::F32, &[5, 4]);
    let at = Tensor::input("at", DType::F32, &[3]);
    let scattered = |at: Tensor, x: &Tensor| data.scatter(&at.cast(DType::I32), x, 0, ScatterKind::Add);
    let inputs = [data.clone(), at.clone(), x.clone()];
    let before = kernels(&inputs, &scattered(at.clone(), &x)).len();
    assert_eq!(kernels(&inputs, &scattered(at.exp(), &x)).len(), before + 1);
    assert_eq!(kernels(&inputs, &scattered(at.clone(), &x.exp())).len(), before);
}

/// What a loop's results go through before several kernels read them is computed once, where they are stored.
#[test]
fn functions_of_results_are_computed_where_those_are_stored() {
    let x = Tensor::input("x", DType::F32, &[6, 5]);
    let other = Tensor::input("other", DType::F32, &[6, 7]);
    let rng = &mut Rng(2);
    let h = x.matmul(&Tensor::constant(any(rng, &Type::new(DType::F32, [5, 7]))));
    let ops = |read: &Tensor, inputs: &[Tensor]| {
        let (rows, columns) = (read.reduce(ReduceKind::Max, &[0]), read.reduce(ReduceKind::Sum, &[0]));
        let graph = Graph::from_tensors("net", inputs, &[("rows", rows), ("columns", columns)]).unwrap();
        let given: Vec<Value> = inputs.iter().map(|x| any(&mut Rng(3), &x.ty())).collect();
        same(&graph, &given, &evaluate(&graph, &given).unwrap(), "two readers");
        compiled(&graph, Target::GENERIC).kernels.into_iter().map(|k| k.ops).collect::<Vec<_>>()
    };
    let inputs = std::slice::from_ref(&x);
    let rectified = ops(&h.relu(), inputs);
    assert_eq!(rectified[0], ["matmul", "max"], "{rectified:?}");
    assert!(rectified[1..].iter().all(|ops| !ops.contains(&"max")), "{rectified:?}");
    // A cast to twice the bytes is left to the readers, and so is what other loops have to be done for.
    let wider = ops(&h.cast(DType::F64), inputs);
    assert_eq!(wider[0], ["matmul"], "{wider:?}");
    assert_eq!(ops(&(&h + &other), &[x.clone(), other])[0], ["matmul", "add"]);
}

/// A sum is taken while its operand is stored, if that is computed element by element in order.
#[test]
fn sums_are_taken_on_the_way() {
    let x = Tensor::input("x", DType::F32, &[6, 5]);
    let (inputs, rng) = (std::slice::from_ref(&x), &mut Rng(2));
    let w = Tensor::constant(any(rng, &Type::new(DType::F32, [5, 5])));
    let made = |y: &Tensor| {
        // Read once more, by a product, so that it is stored.
        let all = y.sum(&[]).broadcast_to(y.shape()) + y.matmul(&w);
        same_as_graph(inputs, std::slice::from_ref(&all), &mut Rng(1), "a sum");
        compiled(&Graph::from_tensors("net", inputs, &[("y", all)]).unwrap(), Target::GENERIC)
    };
    assert_eq!(made(&(&x * &x).relu()).kernels.len(), 2);
    // A product is a loop of its own; parts are written one after another, without asking for each element which it is in.
    assert_eq!(made(&x.matmul(&w)).kernels.len(), 3);
    for parts in [Tensor::concat(&[x.relu(), x.clone()], 0), x.relu().pad(&[(1, 1), (0, 0)], 0.0)] {
        let program = made(&parts);
        assert_eq!(program::cost(&program, &Target::GENERIC).int_ops, 0, "{program}");
    }
}

/// Two neighbouring inputs that are zero take no products where there are no vectors, if zeros are likely.
#[test]
fn likely_zeros_are_skipped() {
    let skips = |dtype: DType, less: f64, across: usize, target: Target| {
        let input = Tensor::input("x", dtype, &[1, 9]);
        let x = input.cast(DType::I32);
        let x = if less == 0.0 { x } else { x - less };
        let w = Value::from_fn(&Type::new(DType::I8, [9, across]), |i| Num::Int(i as i128 * 37 % 251 - 125));
        let y = x.matmul(&Tensor::constant(w).cast(DType::I32));
        same_as_graph(std::slice::from_ref(&input), std::slice::from_ref(&y), &mut Rng(1), "zeros");
        let graph = Graph::from_tensors("net", &[input], &[("y", y)]).unwrap();
        compiled(&graph, target).to_string().contains("if ")
    };
    let m3 = Target::CORTEX_M3;
    assert!(
        skips(DType::I8, -128.0, 9, m3) && skips(DType::I8, -128.0, 8, m3) && skips(DType::U8, 0.0, 8, m3)
    );
    assert!(skips(DType::I8, -128.0, 512, m3) && !skips(DType::I8, -128.0, 513, m3));
    assert!(!skips(DType::I8, -128.0, 7, m3) && !skips(DType::I8, 0.0, 9, m3));
    assert!(!skips(DType::I8, -128.0, 9, Target::GENERIC));
}

/// Weights of 8 bits are seen through what is done to them, so that two places are multiplied at once. There are so many that wider they
/// are not folded.
#[test]
fn weights_are_seen_through_what_is_done_to_them() {
    let q = Value::from_fn(&Type::new(DType::I8, [40, 60]), |i| Num::Int(i as i128 * 5 % 200 - 100));
    let w = Tensor::constant(q).cast(DType::I32);
    for (w, narrow) in [
        (w.clone(), true),
        (&w - 2.0, true),
        (&w + 2.0, true),
        (&w + 120.0, false),
        (&w * 1.0, true),
        (&w * 2.0, false),
    ] {
        let input = Tensor::input("x", DType::I8, &[1, 60, 8]);
        let y = input.cast(DType::I32).conv1d(&w.reshape(&[40, 60, 1]), 1, 0, 1, 1);
        let graph = Graph::from_tensors("net", &[input], &[("y", y)]).unwrap();
        let program = compiled(&graph, Target::CORTEX_M0PLUS);
        let words = program.kernels[0].arrays.iter().any(|a| a.name == "word");
        assert_eq!(words, narrow, "{w:?}\n{program}");
    }
}

/// What sums of lanes lack is one table with the bias that follows; one output is not worth two places, nor are more taps than memory
/// is kept for.
#[test]
fn two_places_are_multiplied_at_once() {
    let conv = |outputs: usize, channels: usize, bias: &[usize]| {
        let input = Tensor::input("x", DType::I8, &[1, channels, 6]);
        let of =
            |shape: &[usize]| Value::from_fn(&Type::new(DType::I8, shape), |i| Num::Int(i as i128 % 9 - 4));
        let w = Tensor::constant(of(&[outputs, channels, 1])).cast(DType::I32);
        let y = (input.cast(DType::I32) - 3.0).conv1d(&w, 1, 0, 1, 1);
        let b = Tensor::constant(Value::from_fn(&Type::new(DType::I32, bias), |i| Num::Int(i as i128 * 77)));
        let y = y.clone() + b.broadcast_to(y.shape());
        same_as_graph(std::slice::from_ref(&input), std::slice::from_ref(&y), &mut Rng(1), "two places");
        let graph = Graph::from_tensors("net", &[input], &[("y", y)]).unwrap();
        let program = compiled(&graph, Target::CORTEX_M0PLUS);
        let tables = program.buffers.iter().filter(|b| matches!(b.place, Place::Constant(_))).count();
        (program.kernels[0].arrays.iter().any(|a| a.name == "word"), tables)
    };
    assert_eq!(conv(4, 3, &[1, 4, 1]), (true, 2));
    // A bias of each place, or of all that differs, is added behind.
    assert_eq!(conv(4, 3, &[1, 4, 6]), (true, 3));
    assert_eq!(conv(6, 3, &[1, 1, 6]), (true, 3));
    assert!(conv(2, 3, &[1, 2, 1]).0 && !conv(1, 3, &[1, 1, 1]).0);
    assert!(conv(2, 1024, &[1, 2, 1]).0 && !conv(2, 1025, &[1, 2, 1]).0);
}

/// A constant that is used as it is and transposed is no reason to multiply otherwise.
#[test]
fn transposed_weights_of_rows_are_multiplied_alike() {
    let (a, b) = (Tensor::input("a", DType::I8, &[1, 8]), Tensor::input("b", DType::I8, &[1, 12]));
    let w = Tensor::constant(Value::from_fn(&Type::new(DType::I8, [8, 12]), |i| Num::Int(i as i128 - 48)));
    let wide = |x: &Tensor| x.cast(DType::I32);
    let outputs = [wide(&a).matmul(&wide(&w)), wide(&b).matmul(&wide(&w.transpose()))];
    let inputs = [a, b];
    same_as_graph(&inputs, &outputs, &mut Rng(1), "transposed");
    let graph = Graph::from_tensors("net", &inputs, &[("y", outputs[0].clone()), ("z", outputs[1].clone())]);
    let text = compiled(&graph.unwrap(), Target::CORTEX_M0PLUS).to_string();
    assert_eq!(text.matches("row sums").count(), 2, "{text}");
}

/// Loops over one axis are called what hand-written code calls them.
#[test]
fn loops_over_one_axis_are_called_x() {
    for channels in [1, 6] {
        let x = Tensor::input("x", DType::F32, &[1, channels, 9]);
        let w = Tensor::constant(any(&mut Rng(1), &Type::new(DType::F32, [6, channels, 3])));
        let graph = Graph::from_tensors("net", std::slice::from_ref(&x), &[("y", x.conv1d(&w, 1, 1, 1, 1))]);
        let text = compiled(&graph.unwrap(), Target::CORTEX_M3).to_string();
        assert!(text.contains("for ox") && text.contains("for kx") && text.contains("ix"), "{text}");
        assert!(!text.contains("y."), "{text}");
    }
}

/// Loops over the same rows are one kernel, called a softmax if it is one.
#[test]
fn rows_are_gone_over_once() {
    let x = Tensor::input("x", DType::F32, &[4, 10]);
    let spread = |y: &Tensor| y.broadcast_to(&[4, 10]);
    let inputs = std::slice::from_ref(&x);
    assert_eq!(kernels(inputs, &x.softmax(-1)), ["softmax"]);
    let largest = spread(&x.max_keep(&[1]));
    assert_eq!(kernels(inputs, &(&x - &largest).exp()).len(), 1);
    for other in [(&x - &largest).exp(), &x - spread(&x.exp().sum_keep(&[1])), &x - largest] {
        assert!(!kernels(inputs, &other).iter().any(|k| k.starts_with("softmax")), "{other:?}");
    }
    // Columns are no rows.
    let columns = x.reduce(ReduceKind::Max, &[0]).broadcast_to(&[4, 10]);
    assert_eq!(kernels(inputs, &(&x - columns).exp()).len(), 2);
}

/// The signs of inputs are looked at where there may be some, and products stay integers but for roots and powers.
#[test]
fn mantissas_know_what_is_before_and_behind() {
    let net = |between: &dyn Fn(&Tensor) -> Tensor, behind: &dyn Fn(&Tensor) -> Tensor| {
        let rng = &mut Rng(3);
        let x = Tensor::input("x", DType::F32, &[1, 6]);
        let hidden = between(&dense(rng, &x, 8, "hidden"));
        let y = behind(&dense(rng, &hidden, 8, "last"));
        let graph = Graph::from_tensors("net", &[x], &[("y", y)]).unwrap();
        let options = Options { target: Target::CORTEX_M0PLUS, ..Options::default() };
        compile(&graph, &options).unwrap()
    };
    let plain = |x: &Tensor| x.clone();
    let last = |p: &Program| p.kernels.iter().position(|k| k.label.as_deref() == Some("last")).unwrap();
    let signs = |p: &Program| p.kernels[last(p)].vars.iter().any(|v| v.name == "sign");
    for between in [Tensor::relu, Tensor::relu6, |x: &Tensor| x.full_like(0.25).maximum(x)] {
        assert!(!signs(&net(&between, &plain)));
    }
    for between in [Tensor::tanh, |x: &Tensor| x.minimum(x.full_like(1.0))] {
        assert!(signs(&net(&between, &plain)));
    }
    let stays = |p: Program| matches!(p.kernels[last(&p)].products, Products::Software { .. });
    assert!(stays(net(&plain, &|x| (x * 2.0 + 1.0).relu().sqrt())));
    assert!(!stays(net(&plain, &|x| x.sigmoid().sqrt())));
    assert!(!stays(net(&plain, &|x| x.tanh() * 2.0)));
    // Eight operations are looked through, no more: half of them and twice as many.
    let chain = |x: &Tensor, pairs: usize| {
        (0..pairs).fold(x.clone(), |x, i| {
            let x = x + (0.5 + i as f64);
            x.minimum(x.full_like(90.0 - i as f64))
        })
    };
    assert!(!signs(&net(&|x| chain(&x.relu(), 2), &plain)));
    assert!(signs(&net(&|x| chain(&x.relu(), 8), &plain)));
    assert!(stays(net(&plain, &|x| chain(x, 2).sqrt())));
    assert!(!stays(net(&plain, &|x| chain(x, 8).sqrt())));
}

/// Places are counted through both axes as one where windows are single elements beside each other, without padding.
#[test]
fn windows_of_one_element_are_counted_as_one() {
    for (size, stride, padding, flat) in
        [(1, 1, 0, true), (3, 1, 0, false), (1, 2, 0, false), (1, 1, 1, false)]
    {
        let input = Tensor::input("x", DType::I8, &[1, 3, 7, 6]);
        let w = weights(&mut Rng(1), &[4, 3, size, size]);
        let y = input.cast(DType::I32).conv2d(&w, stride, padding, 1, 1);
        same_as_graph(std::slice::from_ref(&input), std::slice::from_ref(&y), &mut Rng(2), "windows");
        let graph = Graph::from_tensors("net", &[input], &[("y", y)]).unwrap();
        let text = compiled(&graph, Target::CORTEX_M0PLUS).to_string();
        assert_eq!(!text.contains("for oy"), flat, "{size} {stride} {padding}\n{text}");
    }
}

/// Kernels that are joined keep their arrays apart: two sums of long rows, each in parts.
#[test]
fn rows_in_parts_are_gone_over_once() {
    let x = Tensor::input("x", DType::F32, &[3, 64]);
    let below = &x - x.max_keep(&[1]).broadcast_to(&[3, 64]);
    let y = &below * below.sum_keep(&[1]).broadcast_to(&[3, 64]);
    same_as_graph(std::slice::from_ref(&x), std::slice::from_ref(&y), &mut Rng(1), "parts");
    let graph = Graph::from_tensors("net", std::slice::from_ref(&x), &[("y", y)]).unwrap();
    let program = compiled(&graph, Target::GENERIC);
    assert_eq!(program.kernels.len(), 1, "{program}");
    assert_eq!(program.kernels[0].arrays.len(), 2, "{program}");
}

/// A product is quantised as it ends; a zero point of 0 costs nothing.
#[test]
fn scales_cost_no_more_than_they_must() {
    let scalar = |x: f32| Tensor::constant(Value::new([1, 1], vec![x]));
    let zero = |z: i8| Tensor::constant(Value::new([1, 1], vec![z]));
    let x = Tensor::input("x", DType::F32, &[3, 4]);
    let w = Tensor::constant(any(&mut Rng(1), &Type::new(DType::F32, [4, 5])));
    assert_eq!(kernels(std::slice::from_ref(&x), &x.matmul(&w).quantize(&scalar(0.5), &zero(3))).len(), 1);
    let q = Tensor::input("q", DType::I8, &[3, 4]);
    let int_ops = |z: i8| {
        let y = q.dequantize(&scalar(0.5), &zero(z)) * &x;
        let graph = Graph::from_tensors("net", &[q.clone(), x.clone()], &[("y", y)]).unwrap();
        program::cost(&compiled(&graph, Target::GENERIC), &Target::GENERIC).int_ops
    };
    assert!(int_ops(0) < int_ops(3));
}
