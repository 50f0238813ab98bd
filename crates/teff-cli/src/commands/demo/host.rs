//! The part of the demo on this machine: the compiled C, its size, and a picture of what it says.

use crate::failure::Result;
use crate::native::Native;
use crate::ui::percent;
use std::time::Duration;
use teff::data::{Dataset, Mark, Tile, contact_sheet};
use teff::metrics::Confusion;

/// The outputs of the compiled C on every sample, and the mean time of one.
pub(super) fn run_c(native: &Native, data: &Dataset) -> Result<(Vec<f32>, Duration)> {
    let mut image = vec![0.0f32; data.sample_len()];
    let (bytes, time) = native.run(data.len(), move |i| {
        data.gather(&[i], &mut image);
        image.iter().flat_map(|x| x.to_ne_bytes()).collect()
    })?;
    let float = |b: &[u8]| f32::from_ne_bytes(b.try_into().expect("4 bytes"));
    Ok((bytes.chunks_exact(4).map(float).collect(), time))
}

/// The first 25 test images and what the C said of them.
pub(super) fn digits(data: &Dataset, logits: &[f32], said: &[u16], c: &Confusion) -> Result<Vec<u8>> {
    let classes = data.classes();
    let tiles: Vec<Tile> = (0..25.min(data.len()))
        .map(|i| {
            let all = &logits[i * classes.len()..(i + 1) * classes.len()];
            let top = all[usize::from(said[i])];
            let sure = 1.0 / all.iter().map(|&x| f64::from(x - top).exp()).sum::<f64>();
            let right = said[i] == data.labels()[i];
            Tile {
                sample: data.sample(i),
                caption: format!("{} {:.0} %", classes[usize::from(said[i])], sure * 100.0),
                mark: if right { Mark::Right } else { Mark::Wrong },
            }
        })
        .collect();
    let title = format!("what the compiled C says: {} right", percent(c.accuracy()));
    Ok(contact_sheet(&title, &tiles, data.shape(), 5)?)
}
