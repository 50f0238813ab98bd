//! Rendered scenes: the same for the same seed, within the ranges that are stated, and looking like what they are said to be.

use digits_scenes::{BINNED, Clutter, Digit, FRAME, Scene, Subject, with_seen};
use teff_data::{Dataset, Sample, Samples};

/// A thick bar down the middle of 28x28.
fn bar() -> Vec<u8> {
    (0..784)
        .map(|i| if (12..16).contains(&(i % 28)) && (4..24).contains(&(i / 28)) { 255 } else { 0 })
        .collect()
}

fn digits(count: usize) -> Vec<Scene> {
    let bar = bar();
    (0..count as u64).map(|seed| Scene::digit(Sample::U8(&bar), seed)).collect()
}

fn digit(scene: &Scene) -> &Digit {
    match &scene.subject {
        Subject::Paper(digit) | Subject::Screen(digit) => digit,
        Subject::Clutter(_) => panic!("no digit"),
    }
}

#[test]
fn parameters_fill_their_ranges() {
    let scenes = digits(3000);
    let fills = |what: &str, value: &dyn Fn(&Scene) -> Option<f32>, least: f32, most: f32| {
        let values: Vec<f32> = scenes.iter().filter_map(value).collect();
        let (low, high) = values.iter().fold((f32::MAX, f32::MIN), |(l, h), &v| (l.min(v), h.max(v)));
        let slack = (most - least) / 50.0;
        assert!(low >= least && high <= most, "{what}: {low} to {high}");
        assert!(low < least + slack && high > most - slack, "{what}: only {low} to {high}");
    };
    let paper = |s: &Scene| matches!(s.subject, Subject::Paper(_));
    fills("size", &|s| Some(digit(s).size_percent), 30.0, 90.0);
    fills("rotation", &|s| Some(digit(s).rotation), -12.0, 12.0);
    fills("gradient", &|s| Some(s.gradient), 0.0, 0.5);
    fills("vignette", &|s| Some(s.vignette), 0.0, 0.4);
    fills("blur", &|s| Some(s.blur), 0.4, 2.5);
    fills("noise", &|s| Some(s.noise), 1.0, 8.0);
    fills("paper", &|s| paper(s).then_some(s.ground), 110.0, 240.0);
    fills("ink", &|s| paper(s).then_some(s.contrast), 0.3, 0.95);
    fills("screen", &|s| (!paper(s)).then_some(s.ground), 8.0, 60.0);
    fills("glow", &|s| (!paper(s)).then_some(s.contrast), 50.0, 190.0);
    let papers = scenes.iter().filter(|s| paper(s)).count();
    assert!(papers.abs_diff(2000) < 100, "{papers} of 3000 on paper");
    for scene in &scenes {
        let (digit, frame) = (digit(scene), FRAME as f32);
        let half = digit.size_percent / 200.0 * frame;
        let in_view = |c: f32| c - half > -0.01 && c + half < frame + 0.01;
        assert!(in_view(digit.centre.0) && in_view(digit.centre.1), "{:?}", digit.centre);
        if !paper(scene) {
            let (x, y) = digit.centre;
            let room = [x - half, frame - x - half, y - half, frame - y - half];
            assert!(room.iter().zip(&digit.around).any(|(room, line)| line <= room), "no line is in view");
        }
    }
}

#[test]
fn a_seed_is_a_picture() {
    let [a, b] = [&digits(1)[0], &digits(2)[1]];
    assert_eq!(a.render(), a.render());
    assert_ne!(a.render(), b.render());
    assert_eq!(Scene::clutter(5).render(), Scene::clutter(5).render());
    assert_ne!(Scene::clutter(5).render(), Scene::clutter(6).render());
}

#[test]
fn the_binned_frame_is_the_mean_of_the_full_one() {
    let scene = Scene::paper(Sample::U8(&[0; 784]));
    let (full, binned) = (scene.render(), scene.binned());
    assert_eq!((full.len(), binned.len()), (FRAME * FRAME, BINNED * BINNED));
    let at = |x: usize, y: usize| u32::from(full[y * FRAME + x]);
    for (x, y) in [(0, 0), (161, 161), (80, 33)] {
        let sum = at(2 * x, 2 * y) + at(2 * x + 1, 2 * y) + at(2 * x, 2 * y + 1) + at(2 * x + 1, 2 * y + 1);
        assert_eq!(u32::from(binned[y * BINNED + x]), (sum + 2) / 4);
    }
}

#[test]
fn strokes_are_dark_on_paper_and_light_on_a_screen() {
    for scene in digits(200) {
        let frame = scene.render();
        let digit = digit(&scene);
        let mean = |x: f32, y: f32| {
            let (x, y) = (x.clamp(2.0, 321.0) as usize, y.clamp(2.0, 321.0) as usize);
            let around = (y - 2..=y + 2).flat_map(|y| frame[y * FRAME + x - 2..=y * FRAME + x + 2].iter());
            around.map(|&p| f32::from(p)).sum::<f32>() / 25.0
        };
        // The bar goes through the middle; beside it is ground.
        let (sin, cos) = digit.rotation.to_radians().sin_cos();
        let aside = digit.size_percent / 100.0 * FRAME as f32 * 0.25;
        let stroke = mean(digit.centre.0, digit.centre.1);
        let ground = mean(digit.centre.0 + aside * cos, digit.centre.1 + aside * sin);
        match scene.subject {
            Subject::Paper(_) => assert!(stroke < ground - 5.0, "{stroke} on {ground}"),
            _ => assert!(stroke > ground + 5.0, "{stroke} on {ground}"),
        }
    }
}

#[test]
fn every_kind_of_clutter_comes_and_renders() {
    let scenes: Vec<Scene> = (0..300).map(Scene::clutter).collect();
    for kind in Clutter::ALL {
        let scene = scenes.iter().find(|s| s.subject == Subject::Clutter(kind)).expect("each kind comes");
        assert_eq!(scene.render().len(), FRAME * FRAME, "{kind:?}");
    }
}

#[test]
fn digits_seen_are_added_whatever_the_threads() {
    let pixels: Vec<u8> = (0..6).flat_map(|_| bar()).collect();
    let classes = (0..3).map(|c| c.to_string()).collect();
    let data = Dataset::new(Samples::U8(pixels), vec![1, 28, 28], vec![0, 1, 2, 0, 1, 2], classes).unwrap();
    let one = with_seen(&data, 20, 3, 1).unwrap();
    assert_eq!(one, with_seen(&data, 20, 3, 3).unwrap());
    assert_ne!(one, with_seen(&data, 20, 4, 1).unwrap());
    assert_eq!(one.subset(&[0, 1, 2, 3, 4, 5]), data);
    // Of 20 digits nearly all, of 13 scenes of clutter next to none, and those three times.
    let digits =
        (6..one.len()).take_while(|i| one.sample(*i) != one.sample((i + 1).min(one.len() - 1))).count();
    assert!((16..=20).contains(&digits), "{digits} of 20 found");
    assert!(one.len() - 6 - digits < 16, "{}", one.len());
    let empty = data.subset(&[]);
    assert_eq!(with_seen(&empty, 20, 3, 2).unwrap(), empty);
    let other = Dataset::new(Samples::U8(vec![0; 4]), vec![1, 2, 2], vec![0], vec!["a".into()]).unwrap();
    let message = with_seen(&other, 1, 0, 1).unwrap_err().to_string();
    assert!(message.contains("holds samples of 1x2x2; digits of 1x28x28"), "{message}");
}
