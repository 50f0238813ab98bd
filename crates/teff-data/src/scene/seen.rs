//! Training images as the camera's preparation makes them.

use super::{BINNED, Scene, Subject};
use crate::dataset::{Dataset, Samples};
use crate::error::{Error, Result, dimensions};
use crate::rng::Order;
use teff_vision::{Grey, Scratch, find_digit};

/// `data` followed by `count` of its digits as a microcontroller sees them: each stands in a [`Scene::digit`], is taken by the
/// camera, looked for and drawn again by [`find_digit`]. A network that learns from both knows the marks that lens, light and
/// preparation leave. Digits are chosen in a seeded order, each once until all had their turn; where none is found, or something
/// else than the digit is, the scene is left out. The result depends on `seed` and `count`, not on `threads`.
///
/// # Errors
/// When the samples are not 28x28 pixels of bytes.
pub fn with_seen(data: &Dataset, count: usize, seed: u64, threads: usize) -> Result<Dataset> {
    let (Samples::U8(pixels), [1, 28, 28]) = (data.samples(), data.shape()) else {
        let what = format!("{} is not 1 x 28 x 28 bytes, and must be", dimensions(data.shape()));
        return Err(Error::Parameter { name: "shape", what });
    };
    let mut chosen = Vec::with_capacity(count);
    let mut order = Order::new(data.len());
    while chosen.len() < count && !data.is_empty() {
        let round = (chosen.len() / data.len()) as u64;
        chosen.extend(order.shuffle(seed, round).iter().take(count - chosen.len()));
    }
    let part = chosen.len().div_ceil(threads.max(1)).max(1);
    let parts: Vec<Vec<(usize, [u8; 784])>> = std::thread::scope(|scope| {
        let work = chosen.chunks(part).enumerate().map(|(i, chosen)| {
            scope.spawn(move || {
                let mut scratch = Box::new(Scratch::new());
                let numbered = (i * part..).zip(chosen);
                numbered
                    .filter_map(|(n, &d)| Some((d, see(data, d, seed, n as u64, &mut scratch)?)))
                    .collect()
            })
        });
        let work: Vec<_> = work.collect();
        work.into_iter().map(|w| w.join().expect("rendering does not panic")).collect()
    });
    let (mut pixels, mut labels) = (pixels.clone(), data.labels().to_vec());
    for (digit, image) in parts.iter().flatten() {
        pixels.extend_from_slice(image);
        labels.push(data.labels()[*digit]);
    }
    Dataset::new(Samples::U8(pixels), data.shape().to_vec(), labels, data.classes().to_vec())
}

/// One digit, rendered, taken and found again.
fn see(data: &Dataset, digit: usize, seed: u64, number: u64, scratch: &mut Scratch) -> Option<[u8; 784]> {
    let scene = Scene::digit(data.sample(digit), crate::rng::Rng::stream(seed, &[number]).next_u64());
    let mut image = [0; 784];
    let found = find_digit(&Grey::new(&scene.binned(), BINNED, BINNED), scratch, &mut image)?;
    let (Subject::Paper(at) | Subject::Screen(at)) = &scene.subject else { return None };
    // The digit is in the middle of its picture and a good half of it high or wide.
    let (x, y) = (at.centre.0 / 2.0, at.centre.1 / 2.0);
    let half = at.size_percent / 200.0 * BINNED as f32;
    let inside = |middle: f32, first: u16, length: u16| {
        let (first, last) = (f32::from(first), f32::from(first) + f32::from(length));
        first > middle - half && last < middle + half && first < middle && last > middle
    };
    let whole = f32::from(found.width.max(found.height)) > half;
    (whole && inside(x, found.left, found.width) && inside(y, found.top, found.height)).then_some(image)
}
