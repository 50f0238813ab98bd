//! Light, lens and sensor.

use crate::shapes::Canvas;
use crate::{BINNED, FRAME, Scene};
use teff_data::Rng;

/// Takes the picture of what was painted.
pub(crate) fn take(scene: &Scene, mut canvas: Canvas) -> Vec<u8> {
    light(scene, &mut canvas.values);
    blur(scene.blur, &mut canvas.values);
    let mut rng = Rng::stream(scene.seed, &[2]);
    canvas
        .values
        .iter()
        .map(|v| (v + noise(&mut rng) * scene.noise).round().clamp(0.0, 255.0) as u8)
        .collect()
}

/// The light falls off evenly from one side to the other, and with the square of the distance from the middle.
fn light(scene: &Scene, values: &mut [f32]) {
    let (sin, cos) = scene.direction.to_radians().sin_cos();
    let half = FRAME as f32 / 2.0;
    for (y, row) in values.chunks_exact_mut(FRAME).enumerate() {
        let v = (y as f32 + 0.5) / half - 1.0;
        for (x, value) in row.iter_mut().enumerate() {
            let u = (x as f32 + 0.5) / half - 1.0;
            // From 0 at the lit side to 1 at the other; 1 in the corners.
            let aside = (u * cos + v * sin) / (2.0 * (cos.abs() + sin.abs())) + 0.5;
            let out = (u * u + v * v) / 2.0;
            *value *= (1.0 - scene.gradient * aside) * (1.0 - scene.vignette * out);
        }
    }
}

/// A Gaussian, along rows and then along columns; the edges repeat.
fn blur(sigma: f32, values: &mut [f32]) {
    let reach = (3.0 * sigma).ceil() as usize;
    let bell: Vec<f32> = (0..=reach).map(|d| (-((d * d) as f32) / (2.0 * sigma * sigma)).exp()).collect();
    let sum = 2.0 * bell.iter().sum::<f32>() - bell[0];
    let bell: Vec<f32> = bell.iter().map(|b| b / sum).collect();
    let mut padded = vec![0.0; FRAME + 2 * reach];
    for row in values.chunks_exact_mut(FRAME) {
        padded[..reach].fill(row[0]);
        padded[reach..reach + FRAME].copy_from_slice(row);
        padded[reach + FRAME..].fill(row[FRAME - 1]);
        for (x, value) in row.iter_mut().enumerate() {
            *value = bell[0] * padded[x + reach];
        }
        for (d, weight) in bell.iter().enumerate().skip(1) {
            let (left, right) = (&padded[reach - d..], &padded[reach + d..]);
            for ((value, a), b) in row.iter_mut().zip(left).zip(right) {
                *value += weight * (a + b);
            }
        }
    }
    let from = values.to_vec();
    let line = |y: isize| &from[y.clamp(0, FRAME as isize - 1) as usize * FRAME..][..FRAME];
    for (y, row) in values.chunks_exact_mut(FRAME).enumerate() {
        row.iter_mut().for_each(|v| *v *= bell[0]);
        for (d, weight) in bell.iter().enumerate().skip(1) {
            let (above, below) = (line(y as isize - d as isize), line((y + d) as isize));
            for ((value, a), b) in row.iter_mut().zip(above).zip(below) {
                *value += weight * (a + b);
            }
        }
    }
}

/// A number of about normal distribution, standard deviation 1: the sum of four even ones.
fn noise(rng: &mut Rng) -> f32 {
    let bits = rng.next_u64();
    let sum: u32 = (0..4).map(|i| (bits >> (16 * i)) as u32 & 0xffff).sum();
    // Each has a variance of 65536^2 / 12.
    (sum as f32 - 131_070.0) * (1.0 / 37_837.2)
}

/// Means of 2x2 pixels, halves upwards.
pub(crate) fn bin(frame: &[u8]) -> Vec<u8> {
    let at = |x: usize, y: usize| u32::from(frame[y * FRAME + x]);
    (0..BINNED * BINNED)
        .map(|i| {
            let (x, y) = (i % BINNED * 2, i / BINNED * 2);
            ((at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1) + 2) / 4) as u8
        })
        .collect()
}
