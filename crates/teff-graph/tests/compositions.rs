//! Compositions that readers of models share, by small cases worked out by hand.

use teff_graph::{DType, Graph, ScatterKind, Tensor, Type, Value, evaluate};

fn run(t: &Tensor) -> Value {
    let graph = Graph::from_tensors("t", &[], &[("", t.clone())]).unwrap_or_else(|e| panic!("{e}"));
    evaluate(&graph, &[]).unwrap().remove(0)
}

fn floats(shape: &[usize], v: &[f32]) -> Tensor {
    Tensor::constant(Value::new(shape, v.to_vec()))
}

fn ints(shape: &[usize], v: &[i64]) -> Tensor {
    Tensor::constant(Value::new(shape, v.to_vec()))
}

#[track_caller]
fn is(t: &Tensor, shape: &[usize], v: &[f32]) {
    assert_eq!(run(t), Value::new(shape, v.to_vec()));
}

#[test]
fn tuples_of_indices_name_places_along_leading_axes() {
    let x = Tensor::arange(0.0, 1.0, 12).reshape(&[3, 4]);
    is(&x.gather_nd(&ints(&[2, 2], &[2, 1, 0, 3])), &[2], &[9.0, 3.0]);
    is(&x.gather_nd(&ints(&[1, 1], &[1])), &[1, 4], &[4.0, 5.0, 6.0, 7.0]);
    let (twice, updates) = (ints(&[2, 1], &[1, 1]), floats(&[2, 2], &[1.0, 2.0, 10.0, 20.0]));
    let zeros = Tensor::zeros(&[3, 2]);
    let (sum, last) = ([0.0, 0.0, 11.0, 22.0, 0.0, 0.0], [0.0, 0.0, 10.0, 20.0, 0.0, 0.0]);
    is(&zeros.scatter_nd(&twice, &updates, ScatterKind::Add), &[3, 2], &sum);
    is(&zeros.scatter_nd(&twice, &updates, ScatterKind::Set), &[3, 2], &last);
    for wrong in [x.clone(), ints(&[1, 3], &[0, 0, 0]), ints(&[], &[0])] {
        assert!(x.gather_nd(&wrong).check().is_err(), "{wrong}");
        assert!(x.scatter_nd(&wrong, &updates, ScatterKind::Set).check().is_err(), "{wrong}");
    }
}

#[test]
fn beginnings_of_sequences_turn_around() {
    let (x, lengths) = (floats(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), ints(&[2], &[2, 3]));
    is(&x.reverse_sequences(&lengths, 1, 0), &[2, 3], &[2.0, 1.0, 3.0, 6.0, 5.0, 4.0]);
    for (time, batch) in [(0, 0), (0, 1), (1, 2)] {
        assert!(x.reverse_sequences(&lengths, time, batch).check().is_err(), "{time} {batch}");
    }
}

#[test]
fn weighted_elements_are_summed() {
    let x = floats(&[3], &[10.0, 20.0, 30.0]);
    let taps = [vec![(0, 0.25), (1, 0.75)], vec![(2, 1.0)], vec![]];
    is(&x.weighted(0, &taps), &[3], &[17.5, 30.0, 0.0]);
    is(&x.weighted(0, &[vec![(2, 1.0)], vec![(0, 1.0)]]), &[2], &[30.0, 10.0]);
    is(&x.weighted(0, &[vec![], vec![]]), &[2], &[0.0, 0.0]);
    assert_eq!(x.weighted(0, &[]).shape(), [0]);
}

/// As Python's `//` and `%`.
#[test]
fn quotients_go_down_and_remainders_have_the_sign_of_the_divisor() {
    let (a, b) = (ints(&[4], &[7, -7, 7, -7]), ints(&[4], &[3, 3, -3, -3]));
    assert_eq!(run(&a.floor_div(&b)).to_i64(), [2, -3, -3, 2]);
    assert_eq!(run(&a.floor_mod(&b)).to_i64(), [1, 2, -2, -1]);
    let (a, b) = (floats(&[2], &[-7.5, 7.5]), floats(&[1], &[2.0]));
    is(&a.floor_div(&b), &[2], &[-4.0, 3.0]);
    is(&a.floor_mod(&b), &[2], &[0.5, 1.5]);
    let seven = Tensor::full(Type::new(DType::U8, [1]), 7.0);
    assert_eq!(run(&seven.floor_mod(&Tensor::full(Type::new(DType::U8, [1]), 3.0))).to_i64(), [1]);
}

#[test]
fn blocks_of_pixels_become_channels_and_back() {
    let x = Tensor::arange(0.0, 1.0, 8).reshape(&[1, 8, 1, 1]);
    let place_first = x.depth_to_space(2, true);
    is(&place_first, &[1, 2, 2, 2], &[0.0, 2.0, 4.0, 6.0, 1.0, 3.0, 5.0, 7.0]);
    is(&x.depth_to_space(2, false), &[1, 2, 2, 2], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    for first in [true, false] {
        assert_eq!(run(&x.depth_to_space(2, first).space_to_depth(2, first)), run(&x));
    }
    for block in [0, 3, usize::MAX] {
        assert!(x.depth_to_space(block, true).check().is_err(), "{block}");
        assert!(place_first.space_to_depth(block, true).check().is_err(), "{block}");
    }
}

/// 1 / (1 + (1 + 4) / 2), 2 / (1 + (1 + 4 + 9) / 2), 3 / (1 + (4 + 9) / 2).
#[test]
fn responses_are_normalised_by_their_neighbours() {
    let x = floats(&[1, 3], &[1.0, 2.0, 3.0]);
    let y = run(&x.local_response_norm(1, (1, 1), 0.5, 1.0, 1.0)).to_f64();
    for (got, want) in y.iter().zip([1.0 / 3.5, 0.25, 0.4]) {
        assert!((got - want).abs() < 1e-6, "{got} {want}");
    }
    assert!(x.local_response_norm(2, (1, 1), 0.5, 1.0, 1.0).check().is_err());
}
