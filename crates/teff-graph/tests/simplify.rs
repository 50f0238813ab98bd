//! Simplified graphs are smaller and compute the same.

use expect_test::expect;
use proptest::prelude::*;
use teff_graph::passes::{freeze, simplify};
use teff_graph::{DType, Graph, Op, Param, Tensor, Value, evaluate, print_brief};

#[test]
fn folds_merges_and_cancels() {
    let x = Tensor::input("x", DType::F32, &[1, 4]);
    let w = Param::new("w", Value::new([3, 4], (0..12).map(|i| i as f32).collect::<Vec<_>>()));
    let y = x.reshape(&[4]).reshape(&[1, 4]).matmul(&Tensor::param(&w).transpose());
    // Folded to one constant, added once, and used twice by equal nodes.
    let shift = (Tensor::ones(&[1, 3]) * 2.0 + Tensor::ones(&[1, 3])).sqrt() * 0.0;
    let z = (&y + &shift).relu() * 1.0 + (&y + &shift).relu();
    let z = z.transpose().transpose().stop_gradient();
    let graph = Graph::from_tensors("g", &[x], &[("z", z)]).unwrap();
    let simple = simplify(&freeze(&graph));
    simple.verify().unwrap();
    expect![[r#"
        graph "g"
        %0 = input "x" : f32[1,4]
        %1 = constant : f32[4,3] = ...  # "w"
        %2 = matmul(%0, %1) : f32[1,3]
        %3 = constant : f32[] = [0.0]
        %4 = broadcast(%3) : f32[1,3]
        %5 = max(%2, %4) : f32[1,3]
        %6 = add(%5, %5) : f32[1,3]
        return "z" %6
    "#]]
    .assert_eq(&print_brief(&simple));
    let x = [Value::new([1, 4], vec![1.0f32, -2.0, 3.0, 0.5])];
    assert_eq!(evaluate(&simple, &x), evaluate(&graph, &x));
}

/// How many elements are computed, rather than repeated.
fn computed(graph: &Graph) -> usize {
    let repeats = |op: &Op| matches!(op, Op::Constant(_) | Op::Broadcast(_));
    graph.nodes().iter().filter(|n| !repeats(&n.op)).map(|n| n.ty.len()).sum()
}

/// A random formula over two inputs, grown step by step from a list of choices.
fn formula(choices: &[(u8, u8)]) -> (Vec<Tensor>, Tensor) {
    let inputs = vec![Tensor::input("a", DType::F32, &[2, 3]), Tensor::input("b", DType::F32, &[2, 3])];
    let mut made = inputs.clone();
    made.push(Tensor::full(inputs[0].ty(), 1.0));
    made.push(Tensor::full(inputs[0].ty(), 0.0));
    made.push(Tensor::constant(Value::new([2, 3], vec![1.0f32, -2.0, 0.5, 3.0, 0.0, 1.5])));
    for &(what, which) in choices {
        let x = &made[which as usize % made.len()];
        let y = &made[which as usize / 7 % made.len()];
        let next = match what % 14 {
            0 => x + y,
            1 => x * y,
            2 => x - y,
            3 => x.maximum(y),
            4 => x.permute(&[1, 0]).reshape(&[2, 3]),
            5 => x.transpose().transpose(),
            6 => x.sum_keep(&[0]).broadcast_to(&[2, 3]),
            7 => x.pad(&[(1, 0), (0, 2)], 0.5).narrow(0, 0, 2).narrow(1, 1, 3),
            8 => x.less(y).select(x, y),
            9 => x.reshape(&[6]).flip(0).reshape(&[2, 3]),
            10 => x.full_like(2.0) * y.full_like(3.0) + x,
            11 => x.cast(DType::I32).cast(DType::F32),
            12 => Tensor::concat(&[x.narrow(0, 1, 1), y.narrow(0, 0, 1)], 0),
            _ => -x.abs(),
        };
        made.push(next);
    }
    (inputs, made.last().expect("not empty").clone())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn computes_the_same(choices in prop::collection::vec(any::<(u8, u8)>(), 1..14)) {
        let (inputs, y) = formula(&choices);
        let graph = Graph::from_tensors("g", &inputs, &[("y", y)]).unwrap();
        let simple = simplify(&graph);
        simple.verify().unwrap();
        prop_assert!(computed(&simple) <= computed(&graph));
        let a = Value::new([2, 3], vec![0.5f32, -1.0, 2.0, 0.25, -3.0, 1.0]);
        let b = Value::new([2, 3], vec![1.0f32, 4.0, -0.5, 0.25, 2.0, -1.0]);
        prop_assert_eq!(evaluate(&simple, &[a.clone(), b.clone()]).unwrap(), evaluate(&graph, &[a, b]).unwrap());
    }
}
