//! Augmentation changes images as its parameters say, and always the same way for the same seed, epoch and sample.

use teff_data::{Augment, Augmenter, Dataset, Error, Outside, Rng, Sample, Samples};

const SIDE: usize = 28;

/// A bright disc of radius 5 about the centre: its mass and centre of mass show what was done to it.
fn disc() -> Vec<f32> {
    let centre = (SIDE as f32 - 1.0) / 2.0;
    let inside = |i: usize| {
        let (x, y) = ((i % SIDE) as f32 - centre, (i / SIDE) as f32 - centre);
        if x * x + y * y < 25.0 { 1.0 } else { 0.0 }
    };
    (0..SIDE * SIDE).map(inside).collect()
}

/// The sum of an image, and its centre of mass relative to the image's centre.
fn moments(image: &[f32]) -> (f32, f32, f32) {
    let centre = (SIDE as f32 - 1.0) / 2.0;
    let mass: f32 = image.iter().sum();
    let moment = |place: fn(usize) -> usize| -> f32 {
        image.iter().enumerate().map(|(i, v)| v * (place(i) as f32 - centre)).sum::<f32>() / mass
    };
    (mass, moment(|i| i % SIDE), moment(|i| i / SIDE))
}

fn apply(parameters: &Augment, sample: &[f32], epoch: u64) -> Vec<f32> {
    let augmenter = Augmenter::new(parameters.clone(), &[1, SIDE, SIDE]).unwrap();
    let mut out = vec![0.0; SIDE * SIDE];
    augmenter.apply(Sample::F32(sample), 0, epoch, &mut out, &mut augmenter.scratch());
    out
}

#[test]
fn no_change_is_exactly_no_change() {
    let mut rng = Rng::new(1);
    let image: Vec<f32> = (0..SIDE * SIDE).map(|_| rng.unit()).collect();
    for outside in [Outside::Zero, Outside::Edge] {
        assert_eq!(apply(&Augment { outside, ..Augment::none() }, &image, 3), image);
    }
}

#[test]
fn shift_moves_the_centre_evenly_within_its_range() {
    let parameters = Augment { shift: 3.0, ..Augment::none() };
    let (mut least, mut most, mut sum) = (f32::MAX, f32::MIN, 0.0);
    for epoch in 0..400 {
        let (mass, x, y) = moments(&apply(&parameters, &disc(), epoch));
        assert!((mass - moments(&disc()).0).abs() < 1e-2, "a shift keeps the mass");
        for v in [x, y] {
            (least, most, sum) = (least.min(v), most.max(v), sum + v);
        }
    }
    assert!((-3.001..-2.9).contains(&least) && (2.9..3.001).contains(&most), "{least} {most}");
    assert!((sum / 800.0f32).abs() < 0.2, "{sum}");
}

#[test]
fn scale_changes_the_mass_by_its_square_and_not_the_centre() {
    let parameters = Augment { scale: 0.3, ..Augment::none() };
    let original = moments(&disc()).0;
    let factors: Vec<f32> = (0..200)
        .map(|epoch| {
            let (mass, x, y) = moments(&apply(&parameters, &disc(), epoch));
            assert!(x.abs() < 0.05 && y.abs() < 0.05);
            (mass / original).sqrt()
        })
        .collect();
    let (least, most) = factors.iter().fold((9.0f32, 0.0f32), |(a, b), &f| (a.min(f), b.max(f)));
    assert!((0.65..0.75).contains(&least) && (1.25..1.35).contains(&most), "{least} {most}");
}

#[test]
fn rotation_turns_about_the_centre_within_its_range() {
    // A spot to the right of the centre: the angle at which it is found is the angle of the turn.
    let mut image = vec![0.0; SIDE * SIDE];
    for y in 13..=14 {
        for x in 21..=22 {
            image[y * SIDE + x] = 1.0;
        }
    }
    let parameters = Augment { rotate: 40.0, ..Augment::none() };
    let angles: Vec<f32> = (0..300)
        .map(|epoch| {
            let (_, x, y) = moments(&apply(&parameters, &image, epoch));
            assert!((x.hypot(y) - 8.0).abs() < 0.2, "the distance to the centre stays");
            y.atan2(x).to_degrees()
        })
        .collect();
    let (least, most) = angles.iter().fold((99.0f32, -99.0f32), |(a, b), &d| (a.min(d), b.max(d)));
    assert!((-41.5..-37.0).contains(&least) && (37.0..41.5).contains(&most), "{least} {most}");
}

#[test]
fn elastic_bends_but_roughly_keeps_place_and_mass() {
    let parameters = Augment { elastic_alpha: 30.0, ..Augment::none() };
    let (original, ..) = moments(&disc());
    let mut changed = 0.0;
    for epoch in 0..50 {
        let image = apply(&parameters, &disc(), epoch);
        let (mass, x, y) = moments(&image);
        assert!((0.5..2.0).contains(&(mass / original)) && x.hypot(y) < 5.0);
        changed += image.iter().zip(disc()).map(|(a, b)| (a - b).abs()).sum::<f32>() / original;
    }
    assert!(changed / 50.0 > 0.15, "{changed}");
}

#[test]
fn outside_is_zero_or_the_edge() {
    let white = vec![1.0; SIDE * SIDE];
    let parameters = Augment { shift: 6.0, rotate: 45.0, ..Augment::default() };
    let edge = apply(&Augment { outside: Outside::Edge, ..parameters.clone() }, &white, 1);
    assert!(edge.iter().all(|&v| (v - 1.0).abs() < 1e-6));
    let zero = apply(&parameters, &white, 1);
    assert!(zero.contains(&0.0) && zero.iter().any(|&v| v > 0.999));
}

#[test]
fn same_seed_epoch_and_sample_give_the_same_image_in_any_order_and_on_any_thread() {
    let mut rng = Rng::new(9);
    let samples = Samples::U8((0..40 * 3 * 10 * 12).map(|_| rng.next_u64() as u8).collect());
    let data = Dataset::new(samples, vec![3, 10, 12], vec![0; 40], vec!["a".into()]).unwrap();
    let augmenter = Augmenter::new(Augment::default(), data.shape()).unwrap();
    let len = data.sample_len();
    let gather = |indices: &[usize], epoch| {
        let mut out = vec![0.0; indices.len() * len];
        augmenter.gather(&data, indices, epoch, &mut out, &mut augmenter.scratch());
        out
    };
    let all: Vec<usize> = (0..40).collect();
    let expected = gather(&all, 4);
    let backwards: Vec<usize> = (0..40).rev().collect();
    let reversed: Vec<f32> = gather(&backwards, 4).chunks_exact(len).rev().flatten().copied().collect();
    assert_eq!(reversed, expected);
    let threaded: Vec<f32> = std::thread::scope(|scope| {
        let halves: Vec<_> = all.chunks(20).map(|half| scope.spawn(move || gather(half, 4))).collect();
        halves.into_iter().flat_map(|half| half.join().unwrap()).collect()
    });
    assert_eq!(threaded, expected);
    assert_ne!(gather(&all, 5), expected);
    let other = Augmenter::new(Augment { seed: 1, ..Augment::default() }, data.shape()).unwrap();
    let mut out = vec![0.0; 40 * len];
    other.gather(&data, &all, 4, &mut out, &mut other.scratch());
    assert_ne!(out, expected);
}

#[test]
fn channels_are_changed_alike_and_bytes_as_floats() {
    let plane: Vec<u8> = (0..120).map(|i| (i * 2) as u8).collect();
    let colour = plane.repeat(3);
    let floats: Vec<f32> = plane.iter().map(|&p| f32::from(p) / 255.0).collect();
    let augmenter = Augmenter::new(Augment::default(), &[3, 10, 12]).unwrap();
    let mut out = vec![0.0; 360];
    augmenter.apply(Sample::U8(&colour), 5, 1, &mut out, &mut augmenter.scratch());
    assert_eq!(out[..120], out[120..240]);
    assert_eq!(out[..120], out[240..]);
    let grey = Augmenter::new(Augment::default(), &[1, 10, 12]).unwrap();
    let mut single = vec![0.0; 120];
    grey.apply(Sample::F32(&floats), 5, 1, &mut single, &mut grey.scratch());
    assert_eq!(single, out[..120]);
}

#[test]
fn the_sequence_of_changes_does_not_drift_between_versions() {
    let augmenter = Augmenter::new(Augment::default(), &[1, SIDE, SIDE]).unwrap();
    let mut out = vec![0.0; SIDE * SIDE];
    augmenter.apply(Sample::F32(&disc()), 7, 3, &mut out, &mut augmenter.scratch());
    let (mass, x, y) = moments(&out);
    // As first computed. Sines differ in the last bit between systems, hence the tolerance.
    let expected = (60.697, 1.0493, -0.9971);
    let near = |a: f32, b: f32| (a - b).abs() < 1e-3;
    assert!(near(mass, expected.0) && near(x, expected.1) && near(y, expected.2), "{mass} {x} {y}");
}

#[test]
fn values_out_of_range_are_named() {
    let default = Augment::default;
    let cases = [
        (Augment { shift: -1.0, ..default() }, "shift is -1, and must lie within 0 to 1000"),
        (Augment { rotate: 200.0, ..default() }, "rotate is 200, and must lie within 0 to 180"),
        (Augment { scale: 1.0, ..default() }, "scale is 1, and must lie within 0 to 0.9"),
        (Augment { elastic_alpha: f32::NAN, ..default() }, "elastic_alpha is NaN"),
        (Augment { elastic_sigma: 0.1, ..default() }, "elastic_sigma is 0.1, and must lie within 0.5 to 50"),
    ];
    for (parameters, expected) in cases {
        let error = Augmenter::new(parameters, &[1, 28, 28]).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    for shape in [&[28, 28][..], &[1, 0, 28], &[1, 28, 2049]] {
        assert!(matches!(Augmenter::new(default(), shape), Err(Error::Parameter { name: "shape", .. })));
    }
}
