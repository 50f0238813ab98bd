//! Batches, subsets and splits.

use teff_data::{Dataset, Samples, Targets};

/// Ten samples of two values: sample `i` is `[i, 10 i]`, its class is `i % 3`.
fn ten(float: bool) -> Dataset {
    let values = (0..10u8).flat_map(|i| [i, 10 * i]);
    let samples =
        if float { Samples::F32(values.map(f32::from).collect()) } else { Samples::U8(values.collect()) };
    let classes = ["a", "b", "c"].map(str::to_owned).to_vec();
    Dataset::new(samples, vec![1, 1, 2], (0..10).map(|i| i % 3).collect(), classes).unwrap()
}

#[test]
fn bytes_are_scaled_and_floats_are_not() {
    let mut batch = [0.0; 4];
    ten(false).gather(&[7, 2], &mut batch);
    assert_eq!(batch, [7.0 / 255.0, 70.0 / 255.0, 2.0 / 255.0, 20.0 / 255.0]);
    ten(true).gather(&[7, 2], &mut batch);
    assert_eq!(batch, [7.0, 70.0, 2.0, 20.0]);
}

#[test]
fn labels_come_in_the_callers_type() {
    let mut whole = [0i64; 3];
    ten(false).gather_labels(&[9, 1, 2], &mut whole);
    assert_eq!(whole, [0, 1, 2]);
    let mut floats = [0.0f32; 1];
    ten(false).gather_labels(&[5], &mut floats);
    assert_eq!(floats, [2.0]);
}

#[test]
#[should_panic(expected = "the buffer does not fit the batch")]
fn a_buffer_of_another_size_is_refused() {
    ten(false).gather(&[7, 2], &mut [0.0; 3]);
}

#[test]
fn subset_keeps_order_and_repeats() {
    for float in [false, true] {
        let part = ten(float).subset(&[3, 3, 8]);
        assert_eq!(part.labels(), [0, 0, 2]);
        assert_eq!(part.counts(), [2, 0, 1]);
        assert_eq!(part.sample(2), ten(float).sample(8));
        assert_eq!(part.classes().len(), 3);
    }
    assert!(ten(false).subset(&[]).is_empty());
}

#[test]
fn split_takes_a_share_of_each_class_and_loses_nothing() {
    let all = ten(false);
    let split = all.split(0.3, 1).unwrap();
    assert_eq!(split.test.counts(), [1, 1, 1]);
    assert_eq!(split.train.counts(), [3, 2, 2]);
    let firsts = |d: &Dataset| -> Vec<u8> {
        let Samples::U8(values) = d.samples() else { panic!() };
        values.iter().step_by(2).copied().collect()
    };
    let (train, test) = (firsts(&split.train), firsts(&split.test));
    assert!(train.is_sorted() && test.is_sorted());
    let mut both = [train, test].concat();
    both.sort();
    assert_eq!(both, (0..10).collect::<Vec<u8>>());
    assert_eq!(all.split(0.3, 1).unwrap(), split);
    assert!((2..20).any(|seed| all.split(0.3, seed).unwrap() != split));
    // Even the smallest share tests something, and even the largest trains on something.
    assert_eq!(all.split(0.001, 1).unwrap().test.counts(), [1, 1, 1]);
    assert_eq!(all.split(0.999, 1).unwrap().train.counts(), [1, 1, 1]);
}

#[test]
fn classes_named_by_numbers_are_numbers_to_be_found() {
    let classes = |names: &[&str]| Targets::Classes {
        labels: vec![1, 0, 1],
        names: names.iter().map(|n| n.to_string()).collect(),
    };
    let named = classes(&["-2.5", "10"]);
    assert_eq!(named.numbers().unwrap()[0].samples, Samples::F32(vec![10.0, -2.5, 10.0]));
    let message = classes(&["low", "10"]).numbers().unwrap_err().to_string();
    assert!(message.contains("class \"low\" is no number"), "{message}");
    assert!(Targets::Missing.numbers().is_err());
}
