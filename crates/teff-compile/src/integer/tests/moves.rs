//! What moves, joins and sums elements of one tensor, and where the axis of its channels goes.

use super::*;

#[test]
fn sums_of_many_keep_0_within_their_bounds() {
    let q = Tensor::input("x", DType::I8, &[1, 2, 3, 4]);
    let x = floats(&q, &[0.5], 0, 3i8);
    let along = |a: f32, b: f32| constant(&[1, 2, 1, 1], &[a, b]);
    let window = || Window { pad_low: vec![1, 0], ..Window::new([2, 3], [1, 1]) };
    let pool = |x: &Tensor, kind: PoolKind| x.pool(kind, window());
    let sum = |x: &Tensor, axes: &[usize]| x.reduce(ReduceKind::Sum, axes);
    let scaled = &x * along(1.0, 2.0);
    are(
        &[&q],
        &[
            (pool(&x, PoolKind::Sum), "in -786..=744 times [0.5]"),
            (pool(&x.maximum(along(1.0, 1.0)), PoolKind::Sum), "in 0..=744 times [0.5]"),
            (pool(&x.minimum(along(-1.0, -1.0)), PoolKind::Sum), "in -786..=0 times [0.5]"),
            (sum(&x, &[2]), "in -393..=372 times [0.5]"),
            (sum(&x, &[2, 3]), "in -1572..=1488 times [0.5]"),
            (sum(&(&x + along(1.0, -1.0)), &[1]), "in -266..=252 times [0.5]"),
            (sum(&scaled, &[3]), "None"),
            (pool(&x, PoolKind::Max), "- 3 in -131..=124 times [0.5]"),
            (
                pool(&(&x + along(1.0, 0.625)), PoolKind::Max),
                "- 3 + [2, 1] + [0.0, 0.25] in -130..=126 times [0.5] along 1",
            ),
            (x.reduce(ReduceKind::Max, &[1]), "- 3 in -131..=124 times [0.5]"),
            (scaled.reduce(ReduceKind::Max, &[2]), "- 3 in -131..=124 times [0.5, 1.0] along 1"),
            (scaled.reduce(ReduceKind::Min, &[1]), "None"),
            (x.reduce(ReduceKind::Prod, &[1]), "None"),
            ((&x + 1.0).reduce(ReduceKind::Max, &[0]), "- 3 + [2] in -129..=126 times [0.5]"),
            (pool(&(&x * constant(&[1, 1, 3, 1], &[1.0, 2.0, 4.0])), PoolKind::Max), "None"),
        ],
    );
}

#[test]
fn moves_take_the_axis_of_channels_with_them() {
    let q = Tensor::input("x", DType::I8, &[1, 2, 3, 4]);
    let x = floats(&q, &[0.5], 0, 3i8);
    let along = |a: f32, b: f32| constant(&[1, 2, 1, 1], &[a, b]);
    let scaled = &x * along(1.0, 2.0);
    let biased = &x + along(1.0, -1.0);
    let side = |axis: usize| {
        let mut sides = vec![PadAxis::default(); 4];
        sides[axis].high = 1;
        sides
    };
    let part = |axis: usize, step: isize| {
        let all = |n: &usize| SliceAxis { start: 0, step: 1, len: *n };
        let mut axes: Vec<SliceAxis> = [1, 2, 3, 4].iter().map(all).collect();
        axes[axis] = if step > 0 {
            SliceAxis { len: 1, ..axes[axis] }
        } else {
            SliceAxis { start: axes[axis].len - 1, step, ..axes[axis] }
        };
        axes
    };
    let chosen = Tensor::constant(Value::new([2], vec![1i64, 0]));
    let scale = "- 3 in -131..=124 times [0.5, 1.0] along";
    let bias = "- 3 + [2, -2] in -133..=126 times [0.5] along";
    let settled = "in -133..=126 times [0.5]";
    let moved = |y: &dyn Fn(&Tensor) -> Tensor, scaled_to: Option<usize>, biased_to: Option<usize>| {
        let is = |text: &str, to: Option<usize>, none: &str| {
            to.map_or(none.to_string(), |axis| format!("{text} {axis}"))
        };
        are(
            &[&q],
            &[
                (y(&x), "- 3 in -131..=124 times [0.5]"),
                (y(&scaled), &is(scale, scaled_to, "None")),
                (y(&biased), &is(bias, biased_to, settled)),
            ],
        );
    };
    moved(&|t| t.permute(&[0, 2, 3, 1]), Some(3), Some(3));
    moved(&|t| t.reshape(&[2, 12]), Some(0), Some(0));
    moved(&|t| t.reshape(&[1, 1, 2, 12]), Some(2), Some(2));
    moved(&|t| t.reshape(&[6, 4]), None, None);
    moved(&|t| t.reshape(&[24]), None, None);
    moved(&|t| t.broadcast_to(&[5, 2, 3, 4]), Some(1), Some(1));
    moved(&|t| t.broadcast_to(&[5, 1, 2, 3, 4]), Some(2), Some(2));
    moved(&|t| t.pad_axes(side(2), 0.0), Some(1), None);
    moved(&|t| t.pad_axes(side(1), 0.0), None, None);
    moved(&|t| t.slice_axes(part(2, 1)), Some(1), Some(1));
    moved(&|t| t.slice_axes(part(2, -1)), Some(1), Some(1));
    moved(&|t| t.slice_axes(part(1, 1)), None, None);
    moved(&|t| t.slice_axes(part(1, -1)), None, None);
    moved(&|t| t.gather(&chosen, 2), Some(1), Some(1));
    moved(&|t| t.gather(&chosen, 1), None, None);
    are(
        &[&q],
        &[
            (x.pad_axes(side(2), 1.0), "None"),
            ((&x + 1.0).gather(&chosen, 0), "- 3 + [2] in -129..=126 times [0.5]"),
        ],
    );
}

#[test]
fn what_is_joined_has_one_scale() {
    let (q, p) = (x(), Tensor::input("p", DType::I8, &[2, 3]));
    let y = |scale: f32, zero: i8| floats(&p, &[scale], 0, zero);
    let x = halves(&q);
    let join = |x: &Tensor, y: &Tensor| Tensor::concat(&[x.clone(), y.clone()], 1);
    let low = |x: &Tensor, by: f32| x.minimum(columns([by; 3]));
    let high = |x: &Tensor, by: f32| x.maximum(columns([by; 3]));
    are(
        &[&q, &p],
        &[
            (join(&x, &y(0.5, 3)), "- 3 in -131..=124 times [0.5]"),
            (join(&x, &y(0.5, 4)), "None"),
            (join(&x, &y(0.25, 3)), "None"),
            (join(&x, &(y(0.5, 3) + 1.0)), "None"),
            (join(&(&x + 1.0), &y(0.5, 3)), "None"),
            (join(&low(&x, 1.0), &high(&y(0.5, 3), 2.0)), "in -131..=124 times [0.5]"),
            (join(&high(&x, 2.0), &low(&y(0.5, 3), 1.0)), "in -131..=124 times [0.5]"),
            (join(&low(&x, 3.0), &low(&y(0.5, 4), 9.0)), "in -132..=18 times [0.5]"),
            (join(&low(&x, 3.0), &y(0.5, 3)), "None"),
            (join(&(&x * columns([1.0, 2.0, 4.0])), &(&x * columns([1.0, 2.0, 4.0]))), "None"),
        ],
    );
}

#[test]
fn sums_of_many_fit_31_bits_with_their_fractions() {
    let q = Tensor::input("x", DType::I16, &[3]);
    // 16 bits and a sign leave 12 of the 29 that three of them may have.
    let y = (floats(&q, &[0.5], 0, 0i16) + 0.3).reduce(ReduceKind::Sum, &[0]);
    are(&[&q], &[(y, "in -402647040..=402659328 times [0.0001220703125]")]);
    for (n, expected) in [(65_535, "in -2147450880..=2147385345 times [0.5]"), (65_536, "None")] {
        let q = Tensor::input("x", DType::I16, &[n]);
        let y = floats(&q, &[0.5], 0, 0i16).reduce(ReduceKind::Sum, &[0]);
        assert_eq!(without_numbers(&[&q], &y), expected);
    }
}
