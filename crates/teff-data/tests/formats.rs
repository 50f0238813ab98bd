//! Every format opens, with the samples, shapes, labels and class names that it holds.

mod common;

use common::{Folder, gz, idx, le, npy, npy_with, pixels, png, tiny_mnist, zip};
use teff_data::{Array, Column, Options, Samples, Targets, mnist, open, open_with};

#[test]
fn idx_files_plain_and_zipped() {
    let folder = Folder::new();
    tiny_mnist(&folder);
    let split = open(folder.path()).unwrap();
    assert_eq!(split.train.shape(), [1, 3, 5]);
    assert_eq!(split.train.samples(), &Samples::U8(pixels(90)));
    assert_eq!(split.train.labels(), [5, 0, 4, 1, 9, 2]);
    assert_eq!(split.test.samples(), &Samples::U8(pixels(60)));
    assert_eq!(split.test.labels(), [7, 2, 1, 0]);
    assert_eq!(split.train.classes().join(""), "0123456789");
    assert_eq!(mnist(folder.path()).unwrap(), split);
}

#[test]
fn idx_with_dots_in_the_name_several_gzip_members_and_a_test_part() {
    let folder = Folder::new();
    let images = idx(8, &[6, 3, 5], &pixels(90));
    folder.write("train-images.idx3-ubyte.gz", &[gz(&images[..40]), gz(&images[40..])].concat());
    folder.write("train-labels.idx1-ubyte", &idx(8, &[6], &[0, 1, 2, 0, 1, 2]));
    folder.write("test-images-idx3-ubyte", &idx(8, &[1, 3, 5], &pixels(15)));
    folder.write("test-labels-idx1-ubyte", &idx(8, &[1], &[1]));
    let split = open(folder.path()).unwrap();
    assert_eq!(split.train.samples(), &Samples::U8(pixels(90)));
    assert_eq!(split.train.classes(), ["0", "1", "2"]);
    folder.write("classes.txt", b"cat\ndog\r\nbird\n\n");
    assert_eq!(open(folder.path()).unwrap().test.classes(), ["cat", "dog", "bird"]);
}

#[test]
fn idx_of_every_type() {
    let folder = Folder::new();
    tiny_mnist(&folder);
    let floats = [0.5f32, -1.0, 2.0, 1e-3, 0.0, 7.0];
    let single: Vec<u8> = floats.iter().flat_map(|v| v.to_be_bytes()).collect();
    let double: Vec<u8> = floats.iter().flat_map(|&v| f64::from(v).to_be_bytes()).collect();
    let images = "train-images-idx3-ubyte.gz";
    folder.write("t10k-images-idx3-ubyte", &idx(8, &[4, 1, 1], &[0; 4]));
    for (code, data) in [(0x0d, single), (0x0e, double)] {
        folder.write(images, &idx(code, &[6, 1, 1], &data));
        assert_eq!(open(folder.path()).unwrap().train.samples(), &Samples::F32(floats.to_vec()));
    }
    let labels = [5i32, 0, 4, 1, 9, 2];
    let wide: [(u8, Vec<u8>); 3] = [
        (0x09, labels.iter().map(|&l| l as u8).collect()),
        (0x0b, labels.iter().flat_map(|&l| (l as i16).to_be_bytes()).collect()),
        (0x0c, labels.iter().flat_map(|&l| l.to_be_bytes()).collect()),
    ];
    for (code, data) in wide {
        folder.write("train-labels-idx1-ubyte.gz", &idx(code, &[6], &data));
        assert_eq!(open(folder.path()).unwrap().train.labels(), [5, 0, 4, 1, 9, 2]);
    }
}

#[test]
fn a_folder_called_fashion_gets_the_names_of_fashion_mnist() {
    let folder = Folder::new();
    let inner = Folder::new();
    tiny_mnist(&inner);
    for entry in std::fs::read_dir(inner.path()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        folder.write(&format!("Fashion-MNIST/{name}"), &std::fs::read(path).unwrap());
    }
    let split = open(folder.path().join("Fashion-MNIST")).unwrap();
    assert_eq!(split.train.classes()[9], "Ankle boot");
    assert_eq!(split.test.classes(), split.train.classes());
}

#[test]
fn npz_stored_and_deflated_of_every_version() {
    let folder = Folder::new();
    let x = pixels(10 * 6);
    let labels: Vec<i64> = vec![0, 1, 2, 0, 1, 2, 0, 1, 2, 2];
    for deflated in [false, true] {
        for version in 1..=3 {
            let members = [
                ("x.npy", npy_with(version, "|u1", "False", "(10, 2, 3)", &x)),
                ("y.npy", npy_with(version, "<i8", "False", "(10,)", &le(&labels, i64::to_le_bytes))),
            ];
            let path = folder.write("set.npz", &zip(&members, deflated));
            let options = Options { test_fraction: 0.34, split_seed: 3, ..Options::default() };
            let split = open_with(&path, &options).unwrap();
            assert_eq!(split.train.shape(), [1, 2, 3]);
            assert_eq!(split.test.counts(), [1, 1, 1]);
            assert_eq!(split.train.counts(), [2, 2, 3]);
            assert_eq!(split, open_with(&path, &options).unwrap(), "the split is the seed's");
        }
    }
}

#[test]
fn npz_as_keras_ships_its_sets() {
    let folder = Folder::new();
    let members = [
        ("x_test.npy", npy("|u1", "(2, 2, 2, 3)", &(0..24).collect::<Vec<u8>>())),
        ("x_train.npy", npy("|u1", "(3, 2, 2, 3)", &pixels(36))),
        ("y_train.npy", npy("|u1", "(3, 1)", &[0, 3, 1])),
        ("y_test.npy", npy("|u1", "(2, 1)", &[2, 3])),
    ];
    let split = open(folder.write("cifar.npz", &zip(&members, true))).unwrap();
    assert_eq!((split.train.len(), split.test.len()), (3, 2));
    // Channels came last, and now come first.
    assert_eq!(split.test.shape(), [3, 2, 2]);
    let Samples::U8(pixels) = split.test.samples() else { panic!("pixels stay bytes") };
    assert_eq!(pixels[..12], [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]);
    assert_eq!(split.test.labels(), [2, 3]);
    assert_eq!(split.test.classes().len(), 4);
}

#[test]
fn npz_of_every_number_type() {
    let folder = Folder::new();
    let floats = [0.25f32, -3.0, 4.5, 6.0];
    let doubles = floats.map(f64::from);
    let big: Vec<u8> = floats.iter().flat_map(|v| v.to_be_bytes()).collect();
    let xs = [
        npy("<f4", "(2, 2)", &le(&floats, f32::to_le_bytes)),
        npy("<f8", "(2, 2)", &le(&doubles, f64::to_le_bytes)),
        npy(">f4", "(2, 2)", &big),
    ];
    let ys = [
        npy("|i1", "(2,)", &[1, 0]),
        npy("<u2", "(2,)", &le(&[1, 0], u16::to_le_bytes)),
        npy("<i2", "(2,)", &le(&[1, 0], i16::to_le_bytes)),
        npy("<u4", "(2,)", &le(&[1, 0], u32::to_le_bytes)),
        npy("<i4", "(2,)", &le(&[1, 0], i32::to_le_bytes)),
        npy("<u8", "(2,)", &le(&[1, 0], u64::to_le_bytes)),
    ];
    for x in &xs {
        for y in &ys {
            let members = [
                ("x_train.npy", x.clone()),
                ("y_train.npy", y.clone()),
                ("x_test.npy", x.clone()),
                ("y_test.npy", y.clone()),
            ];
            let split = open(folder.write("set.npz", &zip(&members, false))).unwrap();
            assert_eq!(split.train.shape(), [2]);
            assert_eq!(split.train.samples(), &Samples::F32(floats.to_vec()));
            assert_eq!(split.test.labels(), [1, 0]);
        }
    }
}

/// A file that NumPy would save of `np.asfortranarray([[1, 2, 3], [4, 5, 6]])`, bools, and whole numbers of 16 bits.
#[test]
fn arrays_of_any_layout_and_type() {
    let folder = Folder::new();
    let fortran = npy_with(1, "<f4", "True", "(2, 3)", &le(&[1., 4., 2., 5., 3., 6.], f32::to_le_bytes));
    let array = Array::open(folder.write("a.npy", &fortran)).unwrap();
    assert_eq!((array.to_f32(), &*array.shape), (vec![1., 2., 3., 4., 5., 6.], &[2, 3][..]));
    // Three axes, the first fastest: element (i, j, k) is 100 i + 10 j + k.
    let cube: Vec<i16> = (0..8).map(|n| (n % 2) * 100 + (n / 2 % 2) * 10 + n / 4).collect();
    let array = npy_with(1, ">i2", "True", "(2, 2, 2)", &le(&cube, i16::to_be_bytes));
    let array = Array::open(folder.write("b.npy", &array)).unwrap();
    assert_eq!(array.to_i64().unwrap(), [0, 1, 10, 11, 100, 101, 110, 111]);
    let bools = Array::open(folder.write("c.npy", &npy("|b1", "(3,)", &[1, 0, 1]))).unwrap();
    assert_eq!(bools.to_f32(), [1.0, 0.0, 1.0]);
}

#[test]
fn npz_with_several_inputs_and_with_numbers_to_be_found() {
    let folder = Folder::new();
    let members = [
        ("tokens.npy", npy("<i4", "(5, 2)", &le(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], i32::to_le_bytes))),
        ("speed.npy", npy("<f8", "(5,)", &le(&[0.5, 1.5, 2.5, 3.5, 4.5], f64::to_le_bytes))),
        ("y0.npy", npy("<f4", "(5, 1, 2)", &le(&[9.0; 10], f32::to_le_bytes))),
        ("y1.npy", npy("<i8", "(5,)", &le(&[1, 2, 3, 4, 5], i64::to_le_bytes))),
    ];
    let all = open(folder.write("set.npz", &zip(&members, true))).unwrap();
    assert_eq!((all.train.len(), all.test.len()), (4, 1));
    let names: Vec<&str> = all.test.inputs().iter().map(|c| &*c.name).collect();
    assert_eq!(names, ["tokens", "speed"]);
    assert_eq!((&*all.test.inputs()[0].shape, &*all.test.inputs()[1].shape), (&[2][..], &[1][..]));
    let at = |c: &Column| if let Samples::I64(v) = &c.samples { v[0] / 2 } else { panic!("whole") };
    let Samples::F32(speed) = &all.test.inputs()[1].samples else { panic!("floats") };
    assert_eq!(speed[..], [at(&all.test.inputs()[0]) as f32 + 0.5]);
    let Targets::Values(targets) = all.test.targets() else { panic!("two arrays are no classes") };
    assert_eq!((targets.len(), &*targets[0].shape, &*targets[1].shape), (2, &[1, 2][..], &[1][..]));
    // Samples alone.
    let alone =
        open(folder.write("x.npy", &npy("<f4", "(4, 3)", &le(&[1.0; 12], f32::to_le_bytes)))).unwrap();
    assert_eq!((alone.train.targets(), alone.train.shape()), (&Targets::Missing, &[3][..]));
    // One array of floats is to be found, not a class.
    let members = [
        ("x.npy", npy("<f4", "(4, 1)", &le(&[1.0; 4], f32::to_le_bytes))),
        ("y.npy", npy("<f2", "(4,)", &le(&[0x3c00; 4], u16::to_le_bytes))),
        ("mean.npy", npy("<f4", "(1,)", &le(&[1.0], f32::to_le_bytes))),
    ];
    let sine = open(folder.write("sine.npz", &zip(&members, false))).unwrap().train;
    let Targets::Values(targets) = sine.targets() else { panic!("floats are no classes") };
    assert_eq!((sine.inputs().len(), &targets[0].samples), (1, &Samples::F32(vec![1.0; 3])));
}

#[test]
fn tables_have_features_and_words_or_numbers_to_be_found() {
    let folder = Folder::new();
    let text = "\u{feff}width,\"height, cm\",kind\n1,2.5,oats\n2,-1e3,\"te\"\"ff\"\n\n3,4,oats\n 5 , 6 ,oats\n7,8,\"te\"\"ff\"\n";
    let file = folder.write("grain.csv", text.as_bytes());
    let with = |label: &str| {
        open_with(&file, &Options { label: Some(label.into()), test_fraction: 0.01, ..Options::default() })
    };
    let all = with("kind").unwrap();
    assert_eq!(all.train.classes(), ["oats", "te\"ff"]);
    assert_eq!((all.train.shape(), all.train.labels().len() + all.test.labels().len()), (&[2][..], 5));
    let e = with("colour").unwrap_err().to_string();
    assert!(e.contains("has no column colour; its columns are width, height, cm, kind"), "{e}");
    let e = open(&file).unwrap_err().to_string();
    assert!(e.contains("line 2, column kind: \"oats\" is no number"), "{e}");
    // Numbers that are no classes; semicolons, as where commas are in numbers.
    let file = folder.write("price.csv", b"size;rooms;target\n50,5;2;100000,5\n60;3;200000\n70;3;210000\n");
    let all = open(&file).unwrap();
    let Targets::Values(price) = all.train.targets() else { panic!("prices are no classes") };
    assert_eq!((&*price[0].name, all.train.shape()), ("target", &[2][..]));
    let mut numbers = Vec::new();
    for part in [&all.train, &all.test] {
        let Targets::Values(price) = part.targets() else { panic!("prices are no classes") };
        for samples in [part.samples(), &price[0].samples] {
            if let Samples::F32(v) = samples { numbers.extend(v) } else { panic!("floats") }
        }
    }
    assert!(numbers.contains(&50.5) && numbers.contains(&100_000.5), "{numbers:?}");
    let file = folder.write("two.csv", b"a,b,c\n1,2,3\n4,5,6\n");
    let both = open_with(&file, &Options { label: Some("c, a".into()), ..Options::default() }).unwrap();
    let Targets::Values(both) = both.train.targets() else { panic!("numbers") };
    assert_eq!((&*both[0].name, &both[0].shape[..]), ("c,a", &[2][..]));
    assert!(matches!(&both[0].samples, Samples::F32(v) if v[0] - v[1] == 2.0), "{:?}", both[0]);
    let numbers = "a,label\n".to_string() + &(0..20).map(|i| format!("{i},{}\n", i % 3)).collect::<String>();
    assert_eq!(open(folder.write("n.csv", numbers.as_bytes())).unwrap().train.classes(), ["0", "1", "2"]);
    for (text, said) in [
        ("1,2\n3,4\n", "has numbers in its first line"),
        ("a,b\n1\n", "line 2 has 1 fields, its header 2"),
        ("a,b\n1,\n", "line 2, column b: \"\" is no number"),
        ("label\n1\n0\n", "has no columns beside what is to be found"),
        ("", "has no lines"),
        ("a\n", "has no samples"),
    ] {
        let e = open(folder.write("bad.csv", text.as_bytes())).unwrap_err().to_string();
        assert!(e.contains(said), "{e}");
    }
}

#[test]
fn folders_of_pictures_are_split_by_class() {
    let folder = Folder::new();
    for class in ["10", "9", "100"] {
        for i in 0..10u8 {
            folder.write(&format!("{class}/{i}.png"), &png(2, 3, 1, &[i; 6]));
        }
    }
    folder.write("9/notes.txt", b"not a picture");
    folder.write("9/.hidden.png", b"not a picture either");
    let split = open(folder.path()).unwrap();
    assert_eq!(split.train.classes(), ["9", "10", "100"]);
    assert_eq!(split.train.shape(), [1, 3, 2]);
    assert_eq!((split.train.counts(), split.test.counts()), (vec![8; 3], vec![2; 3]));
}

#[test]
fn folders_of_pictures_may_come_in_two_parts_and_mix_formats() {
    let folder = Folder::new();
    folder.write("train/cat/a.png", &png(1, 2, 1, &[1, 2]));
    folder.write("train/cat/b.PPM", b"P6 1 2 255 \x01\x02\x03\x04\x05\x06");
    folder.write("train/dog/a.pgm", b"P5 1 2 255 \x07\x08");
    folder.write("test/dog/a.pgm", b"P5 1 2 255 \x09\x0a");
    let split = open(folder.path()).unwrap();
    assert_eq!(split.train.shape(), [3, 2, 1]);
    let expected = [1, 2, 1, 2, 1, 2, 1, 4, 2, 5, 3, 6, 7, 8, 7, 8, 7, 8];
    assert_eq!(split.train.samples(), &Samples::U8(expected.to_vec()));
    assert_eq!(split.train.labels(), [0, 0, 1]);
    // All grey, but brought to the colour of the training part.
    assert_eq!(split.test.samples(), &Samples::U8(vec![9, 10, 9, 10, 9, 10]));
    assert_eq!(split.test.labels(), [1]);
    assert_eq!(split.test.classes(), ["cat", "dog"]);
}
