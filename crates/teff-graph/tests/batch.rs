//! Networks for one sample and for many, with quantisation and without, compute the same.

use teff_graph::passes::{for_batch, simplify, unfold_quantization};
use teff_graph::*;

fn numbers(shape: &[usize], key: i64) -> Value {
    Value::from_fn(&Type::new(DType::F32, shape), |i| {
        Num::Float((random_bits(key, i as u64) >> 40) as f64 / (1u64 << 23) as f64 - 1.0)
    })
}

fn constant(shape: &[usize], key: i64) -> Tensor {
    Tensor::constant(numbers(shape, key))
}

fn graph(x: Tensor, y: Tensor) -> Graph {
    Graph::from_tensors("net", &[x], &[("y", y)]).unwrap()
}

/// Networks with an input of `[1, 2, 6, 6]`.
fn networks() -> Vec<(&'static str, Graph)> {
    let x = || Tensor::input("x", DType::F32, &[1, 2, 6, 6]);
    let of = |f: &dyn Fn(&Tensor) -> Tensor| {
        let x = x();
        let y = f(&x);
        graph(x, y)
    };
    let attention = |x: &Tensor| {
        let t = x.reshape(&[1, 8, 9]);
        t.matmul(&t.permute(&[0, 2, 1])).softmax(-1).matmul(&t).permute(&[0, 2, 1])
    };
    vec![
        (
            "conv",
            of(&|x| x.conv2d(&constant(&[3, 2, 3, 3], 1), 1, 1, 1, 1).relu().max_pool2d(2, 2).flatten(1)),
        ),
        ("dense", of(&|x| x.flatten(1).matmul(&constant(&[72, 4], 2)) + constant(&[4], 3))),
        ("per sample", of(&|x| x.mean_keep(&[1, 2]) - constant(&[1, 1, 1, 1], 4))),
        ("joined", of(&|x| Tensor::concat(&[x.clone(), constant(&[1, 2, 6, 6], 5)], 2))),
        ("attention", of(&attention)),
        (
            "batch norm",
            of(&|x| {
                x.batch_norm(
                    &constant(&[2], 6),
                    &constant(&[2], 7).abs(),
                    &constant(&[2], 8),
                    &constant(&[2], 9),
                    1e-3,
                )
            }),
        ),
        (
            "moved",
            of(&|x| {
                x.permute(&[0, 2, 3, 1])
                    .narrow(1, 2, 3)
                    .pad(&[(0, 0), (1, 0), (0, 1), (0, 0)], 2.0)
                    .argmax(3)
                    .cast(DType::F32)
            }),
        ),
        (
            "quantised",
            of(&|x| {
                let scale = |n: usize, s: f32| {
                    Tensor::constant(Value::new(
                        [1, n, 1, 1],
                        (0..n).map(|i| s + i as f32).collect::<Vec<f32>>(),
                    ))
                };
                let zero = |n: usize, z: i8| Tensor::constant(Value::new([1, n, 1, 1], vec![z; n]));
                x.quantize(&scale(2, 0.01), &zero(2, -3)).dequantize(&scale(1, 0.01), &zero(1, -3))
            }),
        ),
    ]
}

#[test]
fn many_samples_are_computed_as_each_alone() {
    for (name, one) in networks() {
        let many = for_batch(&one, 3).unwrap_or_else(|| panic!("{name}"));
        many.verify().unwrap();
        let samples: Vec<Value> = (0..3).map(|k| numbers(&[1, 2, 6, 6], 100 + k)).collect();
        let all: Vec<f32> = samples.iter().flat_map(|s| s.as_slice::<f32>().unwrap().to_vec()).collect();
        let found = evaluate(&many, &[Value::new([3, 2, 6, 6], all)]).unwrap()[0].to_f64();
        let expected: Vec<f64> = samples
            .iter()
            .flat_map(|s| evaluate(&one, std::slice::from_ref(s)).unwrap()[0].to_f64())
            .collect();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn what_mixes_samples_or_hides_them_is_left_alone() {
    let x = || Tensor::input("x", DType::F32, &[1, 4]);
    let of = |f: &dyn Fn(&Tensor) -> Tensor| {
        let x = x();
        let y = f(&x);
        for_batch(&graph(x, y), 2).is_none()
    };
    assert!(of(&|x| x.reshape(&[4])));
    assert!(of(&|x| x.reshape(&[4, 1]).sum_keep(&[0])));
    assert!(of(&|x| x.permute(&[1, 0])));
    assert!(of(&|x| Tensor::concat(&[x.clone(), x.clone()], 0)));
    assert!(of(&|_| constant(&[1, 4], 1)));
    let many = Tensor::input("x", DType::F32, &[2, 4]);
    assert!(for_batch(&graph(many.clone(), many.relu()), 2).is_none());
}

/// Halves, saturation, zero points and scales of channels included.
#[test]
fn unfolded_quantisation_gives_the_same_bits() {
    let x = Tensor::input("x", DType::F32, &[2, 3]);
    for dtype in [DType::I8, DType::U8, DType::I16] {
        let zero = if dtype == DType::U8 { 7 } else { -7 };
        let scale = Tensor::constant(Value::new([1, 3], vec![0.5f32, 0.1, 3e-3]));
        let zero = Tensor::constant(Value::full(&Type::new(dtype, [1, 3]), Num::Int(zero)));
        let stored = Tensor::constant(Value::new([2, 3], vec![-128i8, 127, 0, 5, -1, 64]));
        let weights = stored.dequantize(&scale, &Tensor::constant(Value::new([1, 3], vec![0i8, 1, -128])));
        let y = x.quantize(&scale, &zero).dequantize(&scale, &zero) + weights;
        let graph = graph(x.clone(), y);
        let plain = simplify(&unfold_quantization(&graph).unwrap());
        let left = |op: &Op| matches!(op, Op::Quantize { .. } | Op::Dequantize);
        assert!(!plain.nodes().iter().any(|n| left(&n.op)));
        for input in [[0.25f32, 0.05, 1e9, -0.75, -0.15, -1e9], [63.9, 12.75, 0.3, -64.2, -11.95, 0.0045]] {
            let input = [Value::new([2, 3], input.to_vec())];
            assert!(
                evaluate(&plain, &input).unwrap()[0].same_bits(&evaluate(&graph, &input).unwrap()[0]),
                "{dtype}"
            );
        }
    }
}

#[test]
fn stored_integers_stay_stored() {
    let q = Tensor::constant(Value::new([2], vec![1i8, -1]));
    let one = Tensor::constant(Value::new([1], vec![0.5f32]));
    let zero = Tensor::constant(Value::new([1], vec![0i8]));
    let x = Tensor::input("x", DType::F32, &[2]);
    let graph = graph(x.clone(), x + q.dequantize(&one, &zero));
    let kept = |g: Graph| g.nodes().iter().any(|n| matches!(n.op, Op::Dequantize));
    assert!(kept(passes::simplify_stored(&graph)) && !kept(simplify(&graph)));
}
