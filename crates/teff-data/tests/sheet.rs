//! Contact sheets are valid pictures with the images, frames and captions where they belong.

use teff_data::{Error, Mark, Sample, Tile, contact_sheet};

fn decode(png: &[u8]) -> (usize, usize, Vec<[u8; 3]>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    let pixels = bytes.chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect();
    (info.width as usize, info.height as usize, pixels)
}

fn tile<'a>(pixels: &'a [u8], caption: &str, mark: Mark) -> Tile<'a> {
    Tile { sample: Sample::U8(pixels), caption: caption.into(), mark }
}

const GREEN: [u8; 3] = [0x22, 0x9a, 0x54];
const RED: [u8; 3] = [0xd2, 0x36, 0x36];

#[test]
fn images_are_enlarged_whole_and_framed_by_their_mark() {
    let (dark, light) = ([10u8; 28 * 28], [200u8; 28 * 28]);
    let tiles = [tile(&dark, "7", Mark::Right), tile(&light, "4, is 9", Mark::Wrong)];
    let (width, height, pixels) = decode(&contact_sheet("Digits", &tiles, &[1, 28, 28], 5).unwrap());
    assert_eq!(width * height, pixels.len());
    let count = |colour: [u8; 3]| pixels.iter().filter(|&&p| p == colour).count();
    assert_eq!(count([10; 3]), 112 * 112);
    assert_eq!(count([200; 3]), 112 * 112);
    // The frame: 120 x 120 less the image.
    assert_eq!(count(GREEN), 120 * 120 - 112 * 112);
    assert!(count(RED) > 120 * 120 - 112 * 112, "a wrong caption is red too");
    // Two tiles fill one row although five would fit, with the green one on the left.
    let first = |colour: [u8; 3]| pixels.iter().position(|&p| p == colour).unwrap();
    assert_eq!(first(GREEN) / width, first(RED) / width);
    assert!(first(GREEN) < first(RED));
    assert!(width < 400 && height < 300, "{width}x{height}");
    // The margin is empty.
    assert!(pixels[..28 * width].iter().all(|&p| p == pixels[0]));
}

#[test]
fn colour_and_float_images() {
    let colour = Tile { sample: Sample::F32(&[0.0, 0.5, 1.0]), caption: String::new(), mark: Mark::None };
    let (_, _, pixels) = decode(&contact_sheet("", &[colour], &[3, 1, 1], 1).unwrap());
    assert_eq!(pixels.iter().filter(|&&p| p == [0, 128, 255]).count(), 112 * 112);
    let beyond = Tile { sample: Sample::F32(&[-3.0, 9.0]), caption: String::new(), mark: Mark::None };
    let (_, _, pixels) = decode(&contact_sheet("", &[beyond], &[1, 1, 2], 1).unwrap());
    assert_eq!(pixels.iter().filter(|&&p| p == [255; 3]).count(), 56 * 56);
}

#[test]
fn captions_of_several_lines_and_foreign_letters_fit() {
    let pixels = [0u8; 4];
    let long = "a caption that is much wider than its image\nand a second line \u{e9}";
    let (width, ..) = decode(&contact_sheet("", &[tile(&pixels, long, Mark::None)], &[1, 2, 2], 1).unwrap());
    assert!(width > 500, "{width}");
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let pixels = [0u8; 4];
    let tiles = [tile(&pixels, "", Mark::None)];
    let refused = |tiles: &[Tile<'_>], shape: &[usize], columns| {
        matches!(contact_sheet("", tiles, shape, columns), Err(Error::Parameter { .. }))
    };
    assert!(refused(&tiles, &[2, 2], 1));
    assert!(refused(&tiles, &[2, 1, 2], 1));
    assert!(refused(&tiles, &[1, 2, 3], 1));
    assert!(refused(&tiles, &[1, 2, 2], 0));
    assert!(refused(&[], &[1, 2, 2], 1));
    assert!(refused(&vec![tiles[0].clone(); 200], &[1, 2, 2], 200));
    assert!(!refused(&tiles, &[1, 2, 2], 1));
}
