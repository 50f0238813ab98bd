//! Two contact sheets from MNIST: 25 test digits as they are, and one digit augmented 25 ways.
//!
//! `cargo run --release -p teff-data --example contact_sheet [FOLDER]` writes `digits.png` and `augmented.png`.

use teff_data::{Augment, Augmenter, Mark, Sample, Tile, contact_sheet, mnist};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "data/mnist".into());
    let test = mnist(&folder)?.test;
    let digits: Vec<Tile<'_>> = (0..25)
        .map(|i| {
            let label = usize::from(test.labels()[i]);
            // A guess that is wrong for every eighth digit, to show both marks.
            let guess = if i % 8 == 7 { (label + 1) % 10 } else { label };
            let mark = if guess == label { Mark::Right } else { Mark::Wrong };
            let caption = if guess == label { format!("{label}") } else { format!("{guess}, is {label}") };
            Tile { sample: test.sample(i), caption, mark }
        })
        .collect();
    std::fs::write("digits.png", contact_sheet("25 test digits", &digits, test.shape(), 5)?)?;

    let augmenter = Augmenter::new(Augment::default(), test.shape())?;
    let mut scratch = augmenter.scratch();
    let mut images = vec![0.0; 25 * test.sample_len()];
    for (epoch, image) in images.chunks_exact_mut(test.sample_len()).enumerate() {
        augmenter.apply(test.sample(4), 4, epoch as u64, image, &mut scratch);
    }
    let tiles: Vec<Tile<'_>> = images
        .chunks_exact(test.sample_len())
        .enumerate()
        .map(|(epoch, image)| Tile {
            sample: Sample::F32(image),
            caption: format!("epoch {epoch}"),
            mark: Mark::None,
        })
        .collect();
    std::fs::write("augmented.png", contact_sheet("One digit, 25 epochs", &tiles, test.shape(), 5)?)?;
    Ok(())
}
