//! What can be wrong with a data set, and the whole message a user sees.

mod common;

use common::{Folder, gz, idx, le, npy, npy_with, pixels, png, tiny_mnist, zip};
use teff_data::{Dataset, Error, Options, Samples, mnist, open, open_with};

const IMAGES: &str = "train-images-idx3-ubyte.gz";
const LABELS: &str = "train-labels-idx1-ubyte.gz";

/// The fault of `tiny_mnist` with one file replaced.
fn fault_with(name: &str, bytes: &[u8]) -> String {
    let folder = Folder::new();
    tiny_mnist(&folder);
    folder.write(name, bytes);
    folder.fault()
}

/// The fault of an NPZ with these arrays.
fn fault_of_npz(members: &[(&str, Vec<u8>)]) -> String {
    let folder = Folder::new();
    folder.write("set.npz", &zip(members, true));
    folder.fault_of("set.npz")
}

#[test]
fn missing_path_and_empty_folder() {
    let folder = Folder::new();
    let message = folder.fault_of("nothing");
    assert!(message.starts_with("DIR/nothing: No such file"), "{message}");
    assert!(message.ends_with("Check that the path is right and that you may use it."), "{message}");
    assert_eq!(
        folder.fault(),
        "DIR: does not hold train-images-idx3-ubyte(.gz) and its companions, or a folder of .png or .jpg pictures \
         for each class. Give the path of the folder or .npz file that does."
    );
    folder.write("a.xlsx", b"1,2");
    assert_eq!(
        folder.fault_of("a.xlsx"),
        "DIR/a.xlsx: a single file of this kind is not read; give an .npz, .npy or .csv file, or the folder that the \
         files of the data set are in."
    );
}

#[test]
fn missing_companion() {
    let folder = Folder::new();
    tiny_mnist(&folder);
    folder.remove("t10k-labels-idx1-ubyte");
    assert_eq!(
        folder.fault(),
        "DIR: does not hold t10k-labels-idx1-ubyte (or .gz) or test-labels-idx1-ubyte (or .gz). Give the path of the folder \
         or .npz file that does."
    );
    let error = mnist(folder.path().join("sub")).unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
}

#[test]
fn truncated_gz() {
    let whole = gz(&idx(8, &[6, 3, 5], &pixels(90)));
    let message = fault_with(IMAGES, &whole[..whole.len() - 30]);
    assert!(
        message.starts_with(&format!("DIR/{IMAGES}: cut short: its header promises 106 bytes, but only ")),
        "{message}"
    );
    assert!(message.ends_with(" are there. Copy or download it again."), "{message}");
    // Only the checksum is cut.
    assert_eq!(
        fault_with(IMAGES, &whole[..whole.len() - 3]),
        format!("DIR/{IMAGES}: damaged: the checksum at its end is missing. Copy or download it again.")
    );
    for len in 0..whole.len() {
        let message = fault_with(IMAGES, &whole[..len]);
        assert!(message.contains("again") || message.contains("right file"), "{len}: {message}");
    }
}

#[test]
fn flipped_bit_in_gz() {
    let mut bytes = gz(&idx(8, &[6, 3, 5], &pixels(90)));
    let at = bytes.len() - 40;
    bytes[at] ^= 1;
    let message = fault_with(IMAGES, &bytes);
    assert!(message.starts_with(&format!("DIR/{IMAGES}: damaged: corrupt")), "{message}");
}

#[test]
fn truncated_and_overlong_idx() {
    let images = idx(8, &[6, 3, 5], &pixels(90));
    assert_eq!(
        fault_with(IMAGES, &images[..100]),
        format!(
            "DIR/{IMAGES}: cut short: its header promises 106 bytes, but only 100 are there. Copy or download it again."
        )
    );
    assert_eq!(
        fault_with(IMAGES, &images[..2]),
        format!(
            "DIR/{IMAGES}: cut short: its header promises 4 bytes, but only 2 are there. Copy or download it again."
        )
    );
    assert_eq!(
        fault_with(IMAGES, &idx(8, &[6, 3, 5], &pixels(91))),
        format!(
            "DIR/{IMAGES}: damaged: more bytes follow the 106 that its header promises. Copy or download it again."
        )
    );
}

#[test]
fn wrong_magic() {
    assert_eq!(
        fault_with(IMAGES, b"<html>not found</html>"),
        format!(
            "DIR/{IMAGES}: not an IDX file: it begins with 3c 68 74 6d, where IDX has 00 00, a type and a number of \
             dimensions. Check that this is the right file and that it is whole."
        )
    );
    assert!(fault_with(IMAGES, &idx(7, &[1], &[0])).contains("it has no type 0x07"));
    assert!(fault_with(IMAGES, &[0, 0, 8, 0]).contains("it has 0 dimensions, expected 1 to 8"));
    assert!(fault_with(IMAGES, &[0, 0, 8, 255, 1]).contains("it has 255 dimensions"));
}

#[test]
fn absurd_sizes_are_refused_before_any_memory_is_taken() {
    let most = u32::MAX;
    let message = fault_with(IMAGES, &idx(8, &[most, most, 1], &[1, 2, 3]));
    assert!(
        message.contains("its header promises 18446744065119617041 bytes, but only 19 are there"),
        "{message}"
    );
    let message = fault_with(IMAGES, &idx(8, &[most, most, most], &[1, 2, 3]));
    assert!(
        message.contains("promises 4294967295x4294967295x4294967295 elements, more than any file"),
        "{message}"
    );
    // A small gzip that unpacks to more than it promises, and one that promises what no gzip of its size can hold.
    let message = fault_with(IMAGES, &gz(&idx(8, &[6, 3, 5], &vec![0; 1 << 20])));
    assert!(message.contains("more bytes follow the 106"), "{message}");
    let message = fault_with(IMAGES, &gz(&idx(8, &[60_000, 2_800, 2_800], &[0; 100])));
    assert!(message.contains("cut short: its header promises 470400000016 bytes"), "{message}");
    let message = fault_of_npz(&[("x.npy", npy("|u1", "(99999999999, 28, 28)", &[0; 10]))]);
    assert!(message.contains("cut short"), "{message}");
    let message = fault_of_npz(&[("x.npy", npy("|u1", "(99999999999, 99999999999)", &[0; 10]))]);
    assert!(message.contains("more than any file holds"), "{message}");
    let folder = Folder::new();
    let mut bytes = png(2, 2, 1, &[0; 4]);
    // Width and height of the header, and its checksum, which covers from byte 12.
    bytes[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
    let mut crc = flate2::Crc::new();
    crc.update(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    folder.write("cat/a.png", &bytes);
    let message = folder.fault();
    assert!(
        message.contains("a picture of 65535x65535 pixels, more than 67108864, is not read"),
        "{message}"
    );
}

#[test]
fn labels_and_images_of_different_counts() {
    assert_eq!(
        fault_with(LABELS, &idx(8, &[5], &[5, 0, 4, 1, 9])),
        format!(
            "DIR/{IMAGES}: holds 6 samples but DIR/{LABELS} holds 5 labels; take both from the same data set, so that \
             every sample has its label."
        )
    );
}

#[test]
fn label_out_of_range() {
    assert_eq!(
        fault_with(LABELS, &idx(8, &[6], &[5, 0, 4, 10, 9, 2])),
        format!(
            "DIR/{LABELS}: label 10 of sample 3 is not one of the 10 classes, 0 to 9; correct the label, or take the \
             labels from the same data set as the samples."
        )
    );
    let x = npy("|u1", "(2, 2)", &[0; 4]);
    let y = |labels: [i64; 2]| npy("<i8", "(2,)", &le(&labels, i64::to_le_bytes));
    let message = fault_of_npz(&[("x.npy", x.clone()), ("y.npy", y([-1, 0]))]);
    assert!(message.contains("(y.npy): label -1 of sample 0 is not one of the 1 classes"), "{message}");
    let message = fault_of_npz(&[("x.npy", x.clone()), ("y.npy", y([0, 60_000]))]);
    assert!(message.contains("label 60000 would make more classes than there are samples (2)"), "{message}");
    let message = fault_of_npz(&[
        ("x_train.npy", x.clone()),
        ("y_train.npy", y([0, 1])),
        ("x_test.npy", x),
        ("y_test.npy", y([1, 2])),
    ]);
    assert!(message.contains("(y_test.npy): label 2 of sample 1 is not one of the 2 classes"), "{message}");
}

#[test]
fn parts_of_different_shape() {
    let message = fault_with("t10k-images-idx3-ubyte", &idx(8, &[4, 5, 3], &pixels(60)));
    assert!(
        message.contains("has samples of shape 1x5x3 in its test part, and of 1x3x5 in the other"),
        "{message}"
    );
}

#[test]
fn npz_without_samples_or_with_arrays_of_different_lengths() {
    let one = || npy("|u1", "(1,)", &[0]);
    assert_eq!(
        fault_of_npz(&[("label.npy", one()), ("y.npy", one())]),
        "DIR/set.npz: does not hold arrays of samples (x, or named as the model's inputs; x_train and x_test for two parts); the \
         file holds label, y. Give the path of the folder or .npz file that does."
    );
    assert!(fault_of_npz(&[]).contains("the file holds no arrays."));
    assert_eq!(
        fault_of_npz(&[("left.npy", npy("|u1", "(2, 3)", &[0; 6])), ("right.npy", one())]),
        "DIR/set.npz: left holds 2 samples, but right holds 1; give as many of both, so that they pair up."
    );
    let message = fault_of_npz(&[("x.npy", npy("|u1", "(2, 3)", &[0; 6])), ("y.npy", one())]);
    assert!(message.contains("x holds 2 samples, but y holds 1"), "{message}");
}

#[test]
fn npz_that_is_not_one_or_is_cut() {
    let folder = Folder::new();
    folder.write("set.npz", b"hello");
    assert_eq!(
        folder.fault_of("set.npz"),
        "DIR/set.npz: not an NPZ file, or cut short: a ZIP directory is missing at its end. Check that this is the \
         right file and that it is whole."
    );
    let members = [("x.npy", npy("|u1", "(2, 4)", &pixels(8))), ("y.npy", npy("|u1", "(2,)", &[0, 1]))];
    for deflated in [false, true] {
        let whole = zip(&members, deflated);
        for len in 0..whole.len() {
            folder.write("set.npz", &whole[..len]);
            assert!(folder.fault_of("set.npz").starts_with("DIR/set.npz"), "{len}");
        }
    }
    let mut bytes = zip(&members, false);
    let at = bytes.windows(8).position(|w| w == pixels(8)).unwrap();
    bytes[at] ^= 0x80;
    folder.write("set.npz", &bytes);
    assert_eq!(
        folder.fault_of("set.npz"),
        "DIR/set.npz (x.npy): damaged: its CRC does not match its contents. Copy or download it again."
    );
}

#[test]
fn npy_of_a_kind_that_is_not_read() {
    let y = ("y.npy", npy("|u1", "(2,)", &[0, 1]));
    let fault = |x: Vec<u8>| fault_of_npz(&[("x.npy", x), y.clone()]);
    assert!(fault(npy("|O", "(2,)", &[])).contains("the element type '|O' is not read"));
    assert!(fault(npy("<c8", "(2, 2)", &[0; 32])).contains("the element type '<c8' is not read"));
    assert!(fault(npy_with(9, "|u1", "False", "(2, 2)", &[0; 4])).contains("version 9 of the NPY format"));
    assert!(fault(npy("|u1", "(2, x)", &[0; 4])).contains("does not give a shape"));
    assert!(fault(npy("|u1", "()", &[0; 1])).contains("holds no samples"));
    assert!(fault(b"\x93NUMPX\x01\0".to_vec()).contains("not a NumPy array"));
    let nan = le(&[0.0, 1.0, f32::NAN, 0.0], f32::to_le_bytes);
    assert_eq!(
        fault(npy("<f4", "(2, 2)", &nan)),
        "DIR/set.npz (x.npy): sample 1 holds NaN, which is not a finite number."
    );
    let one_hot = ("y.npy", npy("|u1", "(2, 3)", &[0; 6]));
    let message = fault_of_npz(&[("x.npy", npy("|u1", "(2, 2)", &[0; 4])), one_hot]);
    assert!(message.contains("for one-hot rows, y.argmax(axis=1)"), "{message}");
    let empty = [("x.npy", npy("|u1", "(0, 2)", &[])), ("y.npy", npy("|u1", "(0,)", &[]))];
    assert!(fault_of_npz(&empty).contains("holds no samples"));
}

#[test]
fn empty_class_folder() {
    let folder = Folder::new();
    folder.write("cat/a.png", &png(2, 2, 1, &[0; 4]));
    folder.write("dog/readme.txt", b"later");
    assert_eq!(
        folder.fault(),
        "DIR/dog: a class folder without an image; put .png or .jpg files in it, or remove the folder."
    );
}

#[test]
fn odd_and_broken_pictures() {
    let folder = Folder::new();
    folder.write("cat/a.png", &png(3, 2, 1, &[0; 6]));
    folder.write("cat/b.png", &png(2, 2, 1, &[0; 4]));
    folder.write("cat/c.png", &png(2, 2, 1, &[0; 4]));
    assert_eq!(
        folder.fault(),
        "DIR/cat/a.png: has shape 1x2x3, the other samples have 1x2x2 (channels x height x width); bring all images to \
         one size and kind."
    );
    let whole = png(2, 2, 1, &[0; 4]);
    folder.write("cat/a.png", &whole[..whole.len() - 16]);
    let message = folder.fault();
    assert!(message.starts_with("DIR/cat/a.png: damaged: not a whole PNG ("), "{message}");
    folder.write("cat/a.png", b"");
    assert_eq!(
        folder.fault(),
        "DIR/cat/a.png: a picture that is neither PNG nor JPEG, PGM or PPM is not read; convert it to .png or .jpg."
    );
    folder.remove("cat/a.png");
    folder.write("cat/a.bmp", b"");
    assert_eq!(
        folder.fault(),
        "DIR/cat/a.bmp: a picture that is neither PNG nor JPEG, PGM or PPM is not read; convert it to .png or .jpg."
    );
}

#[test]
fn class_that_is_only_tested() {
    let folder = Folder::new();
    folder.write("train/cat/a.png", &png(2, 2, 1, &[0; 4]));
    folder.write("test/dog/a.png", &png(2, 2, 1, &[0; 4]));
    assert!(folder.fault().contains("DIR/test: class dog is tested but has no folder under train"));
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("train")).unwrap();
    assert_eq!(folder.fault(), "DIR/train: has 0 class folders; a data set needs 1 to 65536.");
}

#[test]
fn parameters_out_of_range() {
    let folder = Folder::new();
    folder.write("cat/a.png", &png(2, 2, 1, &[0; 4]));
    for test_fraction in [0.0, 1.0, -1.0, f32::NAN] {
        let options = Options { test_fraction, ..Options::default() };
        let error = open_with(folder.path(), &options).unwrap_err();
        assert!(matches!(error, Error::Parameter { name: "test_fraction", .. }), "{error:?}");
    }
    let samples = || Samples::U8(vec![0; 4]);
    let classes = || vec!["a".to_owned()];
    assert!(matches!(Dataset::new(samples(), vec![3], vec![0], classes()), Err(Error::Unusable { .. })));
    assert!(matches!(Dataset::new(samples(), vec![4, 0], vec![0], classes()), Err(Error::Unusable { .. })));
    assert!(matches!(Dataset::new(samples(), vec![4], vec![1], classes()), Err(Error::Unusable { .. })));
    assert!(open(folder.path()).is_ok());
}
