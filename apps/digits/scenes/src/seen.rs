//! Training images as the camera's preparation makes them.

use crate::{BINNED, Scene, Subject};
use digits_vision::{Bounds, Grey, Scratch, find_digit};
use teff_data::{Dataset, Error, Order, Result, Rng, Samples};

/// Scenes without a digit for each three with one.
const CLUTTER: (usize, usize) = (2, 3);
/// Copies of what is taken for a digit and is none, each with a label of its own.
const COPIES: usize = 3;

/// `data` followed by up to `count` of its digits as a microcontroller sees them: each stands in a [`Scene::digit`], is taken by the
/// camera, looked for and drawn again by [`find_digit`]. A network that learns from both knows the marks that lens, light and
/// preparation leave. Digits are chosen in a seeded order, each once until all had their turn; where none is found, or something
/// else than the digit is, the scene is left out.
///
/// Behind them comes what is found in two thirds as many scenes of clutter, three times and with labels at random: from what can
/// be anything a network learns to be unsure (Hendrycks, Mazeika and Dietterich, "Deep anomaly detection with outlier
/// exposure", ICLR 2019, with drawn labels in place of an even distribution).
///
/// The result depends on `seed` and `count`, not on `threads`.
///
/// # Errors
/// When the samples are not 28x28 pixels of bytes.
pub fn with_seen(data: &Dataset, count: usize, seed: u64, threads: usize) -> Result<Dataset> {
    let (Samples::U8(pixels), [1, 28, 28]) = (data.samples(), data.shape()) else {
        let sizes: Vec<String> = data.shape().iter().map(usize::to_string).collect();
        let what = format!("holds samples of {}; digits of 1x28x28 bytes are needed", sizes.join("x"));
        return Err(Error::Unusable { file: "data set".into(), what });
    };
    let count = if data.is_empty() { 0 } else { count };
    let mut chosen = Vec::with_capacity(count);
    let mut order = Order::new(data.len());
    while chosen.len() < count {
        let round = (chosen.len() / data.len()) as u64;
        chosen.extend(order.shuffle(seed, round).iter().take(count - chosen.len()));
    }
    let (mut pixels, mut labels) = (pixels.clone(), data.labels().to_vec());
    let digits = in_parallel(count, threads, |i, scratch| {
        let scene = Scene::digit(data.sample(chosen[i]), Rng::stream(seed, &[i as u64]).next_u64());
        see(&scene, scratch).filter(|(bounds, _)| is_digit(&scene, bounds)).map(|(_, image)| image)
    });
    for (image, &digit) in digits.iter().zip(&chosen) {
        if let Some(image) = image {
            pixels.extend_from_slice(image);
            labels.push(data.labels()[digit]);
        }
    }
    let clutter = in_parallel(count * CLUTTER.0 / CLUTTER.1, threads, |i, scratch| {
        let scene = Scene::clutter(Rng::stream(seed, &[i as u64, 1]).next_u64());
        see(&scene, scratch).map(|(_, image)| image)
    });
    let mut rng = Rng::stream(seed, &[count as u64, 2]);
    for image in clutter.iter().flatten() {
        for _ in 0..COPIES {
            pixels.extend_from_slice(image);
            labels.push(rng.below(data.classes().len() as u64) as u16);
        }
    }
    Dataset::new(Samples::U8(pixels), data.shape().to_vec(), labels, data.classes().to_vec())
}

type Seen = (Bounds, [u8; 784]);

/// What `work` makes of `0..count`, in order, by so many threads.
fn in_parallel<T: Send>(
    count: usize,
    threads: usize,
    work: impl Fn(usize, &mut Scratch) -> T + Sync,
) -> Vec<T> {
    let part = count.div_ceil(threads.max(1)).max(1);
    let work = &work;
    std::thread::scope(|scope| {
        let all_of = move |first: usize| {
            let mut scratch = Box::new(Scratch::new());
            (first..(first + part).min(count)).map(|i| work(i, &mut scratch)).collect::<Vec<T>>()
        };
        let thread = |first| {
            let started = std::thread::Builder::new().spawn_scoped(scope, move || all_of(first));
            // Where no thread is to be had, this one does it.
            started.map_err(|_| all_of(first))
        };
        let threads: Vec<_> = (0..count).step_by(part).map(thread).collect();
        let joined = threads.into_iter().map(|t| t.map(|t| t.join().expect("rendering does not panic")));
        joined.flat_map(|t| t.unwrap_or_else(|done| done)).collect()
    })
}

/// What is found in a scene.
fn see(scene: &Scene, scratch: &mut Scratch) -> Option<Seen> {
    let mut image = [0; 784];
    find_digit(&Grey::new(&scene.binned(), BINNED, BINNED), scratch, &mut image).map(|bounds| (bounds, image))
}

/// Whether it is the scene's digit: in the middle of its picture, within it, and a good half of it high or wide.
fn is_digit(scene: &Scene, found: &Bounds) -> bool {
    let (Subject::Paper(at) | Subject::Screen(at)) = &scene.subject else { return false };
    let half = at.size_percent / 200.0 * BINNED as f32;
    let inside = |middle: f32, first: u16, length: u16| {
        let (first, last) = (f32::from(first), f32::from(first) + f32::from(length));
        first > middle - half && last < middle + half && first < middle && last > middle
    };
    let whole = f32::from(found.width.max(found.height)) > half;
    let (x, y) = (at.centre.0 / 2.0, at.centre.1 / 2.0);
    whole && inside(x, found.left, found.width) && inside(y, found.top, found.height)
}
