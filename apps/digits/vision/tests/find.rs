//! What is found in drawn frames, what is not, and how it is drawn again.

use digits_vision::{Bounds, Grey, Scratch, find_digit};

const SIDE: usize = 162;

/// A frame, painted by functions of the pixel.
struct Frame {
    pixels: Vec<u8>,
    width: usize,
    height: usize,
}

impl Frame {
    fn new(width: usize, height: usize, tone: impl Fn(usize, usize) -> u8) -> Frame {
        let pixels = (0..width * height).map(|i| tone(i % width, i / width)).collect();
        Frame { pixels, width, height }
    }

    fn plain(tone: u8) -> Frame {
        Frame::new(SIDE, SIDE, |_, _| tone)
    }

    fn paint(mut self, tone: u8, inside: impl Fn(i32, i32) -> bool) -> Frame {
        for (i, pixel) in self.pixels.iter_mut().enumerate() {
            if inside((i % self.width) as i32, (i / self.width) as i32) {
                *pixel = tone;
            }
        }
        self
    }

    fn find(&self) -> Option<(Bounds, [u8; 784])> {
        let mut image = [7; 784];
        let frame = Grey::new(&self.pixels, self.width, self.height);
        let found = find_digit(&frame, &mut Scratch::new(), &mut image);
        if found.is_none() {
            assert!(image.iter().all(|&p| p == 7), "the picture was touched");
        }
        found.map(|bounds| (bounds, image))
    }
}

/// A ring: somebody's 0.
fn ring(x: i32, y: i32, radius: i32, width: i32) -> impl Fn(i32, i32) -> bool {
    move |u, v| {
        let square = (u - x) * (u - x) + (v - y) * (v - y);
        square <= radius * radius && square >= (radius - width) * (radius - width)
    }
}

fn rectangle(left: i32, top: i32, width: i32, height: i32) -> impl Fn(i32, i32) -> bool {
    move |u, v| (left..left + width).contains(&u) && (top..top + height).contains(&v)
}

/// The rows of a picture in three tones.
fn drawing(image: &[u8; 784]) -> Vec<String> {
    let tone = |p: &u8| match p {
        0..64 => '.',
        64..192 => '+',
        _ => '#',
    };
    image.chunks(28).map(|row| row.iter().map(tone).collect()).collect()
}

#[test]
fn both_polarities_give_the_same_picture() {
    let dark = Frame::plain(200).paint(60, ring(80, 70, 30, 6)).find().expect("dark on light");
    let light = Frame::plain(55).paint(195, ring(80, 70, 30, 6)).find().expect("light on dark");
    assert_eq!(dark.0, Bounds { left: 50, top: 40, width: 61, height: 61 });
    assert_eq!(dark, light);
}

#[test]
fn a_digit_is_drawn_as_mnist_has_it() {
    let (_, image) = Frame::plain(200).paint(60, ring(80, 70, 30, 6)).find().unwrap();
    let rows = drawing(&image);
    // 20 pixels each way, in the middle of 28, stroke two pixels wide.
    assert!(rows[..4].iter().chain(&rows[24..]).all(|row| !row.contains('#')), "{rows:#?}");
    assert!(rows.iter().all(|row| !row[..3].contains('#') && !row[25..].contains('#')), "{rows:#?}");
    assert_eq!(rows[13], "....##+..............+##....", "{rows:#?}");
    assert!(image[14 * 28 + 14] == 0 && image[4 * 28 + 14] > 192);
    // The centre of mass is the middle.
    let mass: u32 = image.iter().map(|&p| u32::from(p)).sum();
    let moment: u32 = image.iter().enumerate().map(|(i, &p)| u32::from(p) * (2 * (i as u32 % 28) + 1)).sum();
    assert!((f64::from(moment) / f64::from(mass) / 2.0 - 14.0).abs() < 0.1);
}

#[test]
fn size_and_place_do_not_matter() {
    let reference = Frame::plain(200).paint(60, ring(80, 80, 24, 6)).find().unwrap().1;
    for (x, y, radius) in [(30, 120, 16), (100, 60, 33), (80, 80, 48), (83, 79, 64)] {
        let ring = ring(x, y, radius, radius / 4);
        let (bounds, image) = Frame::plain(200).paint(60, ring).find().unwrap();
        assert!(bounds.left.abs_diff((x - radius) as u16) <= 2, "{bounds:?}");
        assert!(bounds.width.abs_diff(2 * radius as u16 + 1) <= 3, "{bounds:?}");
        let apart: u32 = image.iter().zip(&reference).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        // Less than a twentieth of the picture's white.
        assert!(apart < 784 * 255 / 20, "{radius}: {apart}\n{:#?}", drawing(&image));
    }
}

#[test]
fn slanted_strokes_are_set_upright() {
    // A bar whose columns move by a third of a pixel from row to row.
    let (_, image) = Frame::plain(200)
        .paint(60, |x, y| (40..110).contains(&y) && (0..9).contains(&(x - 100 + y / 3)))
        .find()
        .unwrap();
    let rows = drawing(&image);
    assert!(rows[5..23].iter().all(|row| row[12..16].contains('#') && !row[..11].contains('#')), "{rows:#?}");
}

#[test]
fn lighting_does_not_matter() {
    let lit = |x: usize, y: usize| 230 - x / 2 - y / 3;
    let ring = ring(80, 80, 40, 9);
    let frame = Frame::new(SIDE, SIDE, |x, y| {
        let light = lit(x, y);
        if ring(x as i32, y as i32) { light / 2 } else { light }.try_into().unwrap()
    });
    let (bounds, image) = frame.find().expect("the ring");
    assert!(bounds.left.abs_diff(40) <= 2 && bounds.width.abs_diff(81) <= 4, "{bounds:?}");
    assert!(image[14 * 28 + 14] < 64 && image[14 * 28 + 5] > 192, "{:#?}", drawing(&image));
}

#[test]
fn a_pen_that_was_lifted_makes_one_digit() {
    let frame = Frame::plain(200).paint(50, rectangle(60, 40, 8, 70)).paint(50, rectangle(74, 60, 8, 40));
    assert_eq!(frame.find().unwrap().0, Bounds { left: 60, top: 40, width: 22, height: 70 });
}

#[test]
fn a_screen_in_its_frame() {
    // Bright lines all around, one of them out of view.
    let screen = Frame::plain(120)
        .paint(30, rectangle(40, 30, 122, 110))
        .paint(220, |x, y| {
            ((38..42).contains(&x) && (28..142).contains(&y)) || (x > 38 && (28..32).contains(&y))
        })
        .paint(200, ring(100, 85, 25, 7));
    let (bounds, _) = screen.find().unwrap();
    assert!(
        bounds.left.abs_diff(75) <= 1 && bounds.width.abs_diff(51) <= 2 && bounds.top == 60,
        "{bounds:?}"
    );
    // All of the frame in view.
    let small = Frame::plain(90)
        .paint(230, rectangle(50, 50, 60, 60))
        .paint(30, rectangle(53, 53, 54, 54))
        .paint(200, rectangle(78, 62, 6, 36));
    assert_eq!(small.find().unwrap().0, Bounds { left: 78, top: 62, width: 6, height: 36 });
}

#[test]
fn what_is_no_digit_is_not_found() {
    let nothing = [
        ("blank", Frame::plain(180)),
        ("black", Frame::plain(0)),
        ("white", Frame::plain(255)),
        ("a slope", Frame::new(SIDE, SIDE, |x, y| (20 + x / 2 + y / 2) as u8)),
        ("a blob", Frame::plain(180).paint(60, |x, y| (x - 80).pow(2) + (y - 80).pow(2) < 900)),
        ("a square", Frame::plain(180).paint(60, rectangle(50, 50, 50, 50))),
        ("a line across", Frame::plain(180).paint(60, rectangle(70, 0, 8, 162))),
        ("a speck", Frame::plain(180).paint(60, rectangle(70, 70, 6, 16))),
        ("an edge", Frame::plain(180).paint(60, rectangle(0, 0, 60, 162))),
        ("two rings", Frame::plain(180).paint(60, ring(40, 80, 25, 6)).paint(60, ring(120, 80, 25, 6))),
        ("checks", Frame::new(SIDE, SIDE, |x, y| if (x / 4 + y / 4) % 2 == 0 { 60 } else { 180 })),
        ("noise", Frame::new(SIDE, SIDE, |x, y| (((x * 7919 + y * 104_729) * 2_654_435_761) >> 13) as u8)),
    ];
    for (what, frame) in nothing {
        assert_eq!(frame.find().map(|f| f.0), None, "{what}");
    }
}

#[test]
fn frames_of_every_size_are_taken() {
    let sizes = [0, 1, 2, 3, 4, 5, 15, 16, 17, 28, 80, 81, 82, 161, 163, 200, 323, 324, 325, 1000];
    for width in sizes {
        for height in sizes {
            let ring = ring(
                width as i32 / 2,
                height as i32 / 2,
                width.min(height) as i32 / 3,
                width.min(height) as i32 / 12,
            );
            let frame = Frame::new(width, height, |_, _| 200).paint(60, ring);
            let found = frame.find();
            let possible = width.min(height) >= 80
                && width.max(height) <= 324
                && width.max(height) <= 2 * width.min(height);
            if let Some((bounds, _)) = found {
                let (right, bottom) = (bounds.left + bounds.width, bounds.top + bounds.height);
                assert!(usize::from(right) <= width && usize::from(bottom) <= height, "{bounds:?}");
            }
            assert!(found.is_some() || !possible, "{width} x {height}");
        }
    }
}

#[test]
fn scratch_holds_nothing_between_frames() {
    let (one, two) =
        (Frame::plain(200).paint(60, ring(80, 70, 30, 6)), Frame::plain(40).paint(160, ring(60, 90, 40, 9)));
    let mut scratch = Scratch::new();
    for frame in [&one, &two, &Frame::plain(9), &one, &two] {
        let mut image = [7; 784];
        let found = find_digit(&Grey::new(&frame.pixels, SIDE, SIDE), &mut scratch, &mut image);
        assert_eq!(found.map(|bounds| (bounds, image)), frame.find());
    }
}

#[test]
fn the_memory_is_what_is_said() {
    assert_eq!(size_of::<Scratch>(), 35_168);
}
