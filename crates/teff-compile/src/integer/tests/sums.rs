//! Sums and products: their scale, and bounds that are those of what goes into them.

use super::*;

#[test]
fn sums_and_products_have_the_bounds_of_both() {
    let (q, p) = (x(), Tensor::input("p", DType::U8, &[2, 3]));
    let x = halves(&q);
    let y = |scale: f32| floats(&p, &[scale], 0, 0u8);
    let wide = Tensor::input("w", DType::I16, &[2, 3]);
    are(
        &[&q, &p, &wide],
        &[
            (&x + y(0.5), "in -131..=379 times [0.5]"),
            (&x - y(0.5), "in -386..=124 times [0.5]"),
            (&x + y(0.25), "in -262..=503 times [0.25]"),
            (&x - y(0.25), "in -517..=248 times [0.25]"),
            (&x + y(1.0), "in -131..=634 times [0.5]"),
            (&x - y(1.0), "in -641..=124 times [0.5]"),
            (&x + y(0.75), "in -262..=1013 times [0.25]"),
            // Fractions of both, each times what its steps are multiplied with.
            (&x + 0.625 + (y(0.5) + 0.125), "+ [1] + [-0.5] in -129..=381 times [0.5]"),
            (&x + 0.625 - (y(0.5) + 0.125), "+ [0] in -385..=125 times [0.5]"),
            (&x + 0.625 - (y(0.25) + 0.0625), "+ [0] + [0.25] in -515..=250 times [0.25]"),
            (&x + (y(1.0) + 0.25), "+ [1] + [-0.5] in -130..=635 times [0.5]"),
            (
                &x + columns([0.625, 0.0, 0.0]) + y(0.25),
                "+ [1, 0, 0] + [-0.5, 0.0, 0.0] in -262..=506 times [0.25] along 1",
            ),
            (
                &x + (y(0.5) + columns([0.625, 0.0, 0.0])),
                "+ [0, 0, 0] + [0.25, 0.0, 0.0] in -131..=380 times [0.5] along 1",
            ),
            (
                &x + 0.625 + (y(0.5) + columns([0.625, 0.0, 0.0])),
                "+ [1, 0, 0] + [-0.5, 0.25, 0.25] in -130..=382 times [0.5] along 1",
            ),
            (
                &x + columns([0.625, 0.0, 0.0]) + (y(0.5) + 0.125),
                "+ [1, 0, 0] + [-0.5, 0.25, 0.25] in -131..=381 times [0.5] along 1",
            ),
            (
                &x * columns([1.0, 2.0, 4.0]) + columns([0.25, 0.0, 0.0]) + y(1.0) * columns([0.5, 1.0, 2.0]),
                "+ [-1, 0, 0] + [0.5, 0.0, 0.0] in -132..=380 times [0.5, 1.0, 2.0] along 1",
            ),
            (&x * columns([1.0, 2.0, 4.0]) + y(0.5) * columns([1.0, 2.0, 5.0]), "None"),
            (&x * columns([1.0, 2.0, 4.0]) + y(0.5) * constant(&[2, 1], &[1.0, 2.0]), "None"),
            // 16 bits leave no steps for two scales; one scale takes none, with a bias or without.
            (floats(&wide, &[0.5], 0, 0i16) + y(0.25), "None"),
            (floats(&wide, &[0.5], 0, 0i16) + y(0.5), "in -32768..=33022 times [0.5]"),
            (
                floats(&wide, &[0.5], 0, 0i16) + columns([0.5, 1.0, 0.0]) + y(0.5),
                "in -32768..=33024 times [0.5]",
            ),
            // Fractions along two axes, beside each other and not.
            (&x + columns([0.625, 0.0, 0.0]) + (y(0.5) + constant(&[2, 1], &[0.0, 0.625])), "None"),
            (
                &x + columns([0.625, 0.0, 0.0]) + (y(0.5) + columns([0.0, 0.625, 0.0])),
                "+ [0, 0, 0] + [0.25, 0.25, 0.0] in -131..=381 times [0.5] along 1",
            ),
            (
                &x * columns([1.0, 2.0, 4.0]) + y(1.0) * columns([0.5, 1.0, 2.0]),
                "in -131..=379 times [0.5, 1.0, 2.0] along 1",
            ),
            (&x * columns([1.0, 2.0, 4.0]) + y(1.0), "None"),
            (&x * y(0.25), "in -33405..=33405 times [0.125]"),
            (&x * &x, "in -17161..=17161 times [0.25]"),
            (&x * (y(0.5) * columns([1.0, 2.0, 4.0])), "None"),
            // 32768 * 32768 fit 31 bits; with 3 taken off they do not.
            (
                floats(&wide, &[1.0], 0, 0i16) * floats(&wide, &[2.0], 0, 0i16),
                "in -1073741824..=1073741824 times [2.0]",
            ),
            // 2^31 is too many.
            (
                floats(&wide, &[1.0], 0, 0i16).reduce(ReduceKind::Sum, &[0]) * floats(&wide, &[1.0], 0, 0i16),
                "None",
            ),
            (
                floats(&wide, &[1.0], 0, 0i16).slice(1, 0, 2, 1).matmul(&floats(&wide, &[1.0], 0, 0i16)),
                "None",
            ),
            (floats(&wide, &[1.0], 0, 1i16) * floats(&wide, &[2.0], 0, 32767i16), "None"),
        ],
    );
}

#[test]
fn quotients_are_told_by_their_continued_fractions() {
    let pi = std::f64::consts::PI;
    for (ratio, most, expected) in [
        (pi, 10.0, Some((3.0, 1.0))),
        (pi, 22.0, Some((22.0, 7.0))),
        (pi, 354.0, Some((333.0, 106.0))),
        (pi, 355.0, Some((355.0, 113.0))),
        (1.0 / pi, 355.0, Some((113.0, 355.0))),
        (2f64.sqrt(), 100.0, Some((99.0, 70.0))),
        (0.5, 1000.0, Some((1.0, 2.0))),
        (3.0, 1000.0, Some((3.0, 1.0))),
        (3.0, 2.0, None),
        (1.0 / 3.0, 2.0, None),
        (1.0 / 3.0, 1e6, Some((1.0, 3.0))),
    ] {
        assert_eq!(linear::multiples(ratio, most), expected, "{ratio}");
    }
}

#[test]
fn products_of_matrices_have_the_bounds_of_their_columns() {
    let q = x();
    let x = halves(&q);
    let weights = Tensor::constant(Value::new([3, 2], vec![1i8, -2, 3, 4, -5, 6]));
    let w = |scales: &[f32], axis: usize| floats(&weights, scales, axis, 0i8);
    let p = Tensor::input("p", DType::I8, &[3, 2]);
    let unknown = floats(&p, &[0.25], 0, 0i8);
    are(
        &[&q, &p],
        &[
            // -131 (1 + 3) - 124 * 5, ... ; zeros are taken off a sum: 3 times the weights' sums, -1 and 8.
            (x.matmul(&w(&[0.25], 0)), "+ [3, -24] in -1558..=1502 times [0.125] along 1"),
            (x.matmul(&w(&[0.25, 1.0], 1)), "+ [3, -24] in -1558..=1502 times [0.125, 0.5] along 1"),
            (x.matmul(&w(&[0.25, 1.0, 2.0], 0)), "None"),
            ((&x * columns([1.0, 2.0, 4.0])).matmul(&w(&[0.25], 0)), "None"),
            ((&x + 1.0).matmul(&w(&[0.25], 0)), "in -1542..=1518 times [0.125]"),
            // In quarters of a step, half of one of them aside.
            ((&x + 0.625).matmul(&w(&[0.25], 0)), "+ [0, 0] in -6224..=6064 times [0.03125] along 1"),
            (x.matmul(&unknown), "in -50304..=50304 times [0.125]"),
            // Where the least integer stands for 0 it is taken off first.
            (
                floats(&q, &[0.5], 0, -128i8).matmul(&w(&[0.25], 0)),
                "+ [0, 0] in -1275..=2550 times [0.125] along 1",
            ),
            (unknown.permute(&[1, 0]).matmul(&unknown), "in -49152..=49152 times [0.0625]"),
        ],
    );
}

#[test]
fn convolutions_have_the_bounds_of_their_channels() {
    let q = Tensor::input("x", DType::I8, &[1, 2, 3, 4]);
    let x = floats(&q, &[0.5], 0, 3i8);
    let w = |scales: &[f32], axis: usize| {
        floats(&Tensor::constant(Value::new([3, 2, 1, 1], vec![1i8, 2, -3, 4, 5, 6])), scales, axis, 0i8)
    };
    let geometry = |low: usize, high: usize| ConvGeometry {
        pad_low: vec![0, low],
        pad_high: vec![high, 0],
        ..ConvGeometry::new(2)
    };
    let conv = |x: &Tensor, w: &Tensor| x.conv_general(w, geometry(0, 0));
    let along = |a: f32, b: f32| constant(&[1, 2, 1, 1], &[a, b]);
    are(
        &[&q],
        &[
            (conv(&x, &w(&[0.25], 0)), "+ [-9, -3, -33] in -1441..=1364 times [0.125] along 1"),
            (
                conv(&x, &w(&[0.25, 0.5, 1.0], 0)),
                "+ [-9, -3, -33] in -1441..=1364 times [0.125, 0.25, 0.5] along 1",
            ),
            (conv(&x, &w(&[0.25, 0.5], 1)), "None"),
            (conv(&(&x * along(1.0, 2.0)), &w(&[0.25], 0)), "None"),
            (conv(&(&x + 1.0), &w(&[0.25], 0)), "in -1419..=1386 times [0.125]"),
            // What is put around is 0.
            (
                x.conv_general(&w(&[0.25], 0), geometry(1, 0)),
                "+ [0, 0, 0] in -1441..=1364 times [0.125] along 1",
            ),
            (
                x.conv_general(&w(&[0.25], 0), geometry(0, 1)),
                "+ [0, 0, 0] in -1441..=1364 times [0.125] along 1",
            ),
            (
                (&x + 1.0).conv_general(&w(&[0.25], 0), geometry(0, 1)),
                "+ [0, 0, 0] in -1419..=1386 times [0.125] along 1",
            ),
        ],
    );
}

#[test]
fn sums_of_two_scales_use_all_bits_there_are() {
    let (q, p) = (x(), Tensor::input("p", DType::U8, &[2, 3]));
    for scale in [0.7131f32, 0.0427, 7.7777] {
        let a = followed(&[&q, &p], &(halves(&q) + floats(&p, &[scale], 0, 0u8))).unwrap();
        // Multipliers of 20 bits for sums of 9, of which the quotient takes all or one less.
        assert!((1 << 26..1 << 30).contains(&a.bound()), "{}", text(&a));
    }
    // 128 * 63 + 64 is less than 2^13, and leaves 16 bits; 128 * 64 + 64 does not.
    for (n, expected) in [(63, "in -16256..=16129 times [0.5]"), (64, "None")] {
        let (many, one) = (Tensor::input("x", DType::I8, &[1, n]), Tensor::input("y", DType::I8, &[1, 1]));
        let sum = floats(&many, &[1.0], 0, 0i8).reduce(ReduceKind::Sum, &[1]);
        are(&[&many, &one], &[(sum + floats(&one, &[0.5], 0, 0i8), expected)]);
    }
}

#[test]
fn a_fraction_is_kept_in_8_bits_at_least_or_not_at_all() {
    let q = |shape: &[usize]| Tensor::input("x", DType::I8, shape);
    let whole = |q: &Tensor| floats(q, &[1.0], 0, 0i8);
    for n in [63, 64] {
        // 128.3 in 2^-8 times 128 * 63 are less than 2^31.
        let expected = if n == 63 { "in -265273344..=265273344 times [0.00390625]" } else { "None" };
        let (a, b) = (q(&[1, n]), q(&[n, 1]));
        assert_eq!(without_numbers(&[&a, &b], &(whole(&a) + 0.3).matmul(&whole(&b))), expected);
        let sum = whole(&a).reduce(ReduceKind::Sum, &[1]);
        let b = q(&[1, 1]);
        assert_eq!(without_numbers(&[&a, &b], &((whole(&b) + 0.3) * &sum)), expected);
        assert_eq!(without_numbers(&[&a, &b], &(sum * (whole(&b) + 0.3))), expected);
    }
}
