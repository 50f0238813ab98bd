//! No file, however it was changed, makes a reader panic, hang or take memory beyond what the file can hold.

mod common;

use common::{Folder, gz, idx, npy, pixels, png, zip};
use proptest::prelude::*;

/// Overwrites bytes, then cuts the end off.
fn mutate(mut bytes: Vec<u8>, changes: &[(usize, u8)], cut: usize) -> Vec<u8> {
    for &(at, value) in changes {
        let at = at % bytes.len();
        bytes[at] = value;
    }
    bytes.truncate(bytes.len() - cut % bytes.len());
    bytes
}

fn mutation() -> impl Strategy<Value = (Vec<(usize, u8)>, usize)> {
    let cut = prop_oneof![3 => Just(0usize), 1 => any::<usize>()];
    // Small numbers and 255 reach more branches of a header than any byte does.
    let byte = prop_oneof![any::<u8>(), 0..16u8, Just(255u8)];
    (proptest::collection::vec((any::<usize>(), byte), 0..6), cut)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn idx_files((changes, cut) in mutation(), zipped: bool) {
        let folder = Folder::new();
        let images = idx(8, &[6, 3, 5], &pixels(90));
        let images = if zipped { gz(&images) } else { images };
        folder.write("train-images-idx3-ubyte", &mutate(images, &changes, cut));
        folder.write("train-labels-idx1-ubyte", &idx(8, &[6], &[0; 6]));
        folder.write("test-images-idx3-ubyte", &idx(8, &[1, 3, 5], &pixels(15)));
        folder.write("test-labels-idx1-ubyte", &idx(8, &[1], &[0]));
        if let Ok(split) = teff_data::open(folder.path()) {
            prop_assert_eq!(split.train.len(), 6);
        }
    }

    #[test]
    fn npz_files((changes, cut) in mutation(), deflated: bool) {
        let folder = Folder::new();
        let members =
            [("x.npy", npy("|u1", "(4, 2, 2)", &pixels(16))), ("y.npy", npy("|u1", "(4,)", &[0, 1, 2, 1]))];
        let path = folder.write("set.npz", &mutate(zip(&members, deflated), &changes, cut));
        // A change in the header may make another sound data set; the readers check what they return.
        let _ = teff_data::open(path);
    }

    #[test]
    fn arrays_inside_a_sound_npz((changes, cut) in mutation()) {
        let folder = Folder::new();
        let x = mutate(npy("<f4", "(4, 2)", &[0; 32]), &changes, cut);
        let path = folder.write("set.npz", &zip(&[("x.npy", x), ("y.npy", npy("|u1", "(4,)", &[0, 1, 2, 1]))], false));
        let _ = teff_data::open(path);
    }

    #[test]
    fn pictures((changes, cut) in mutation(), netpbm: bool) {
        let folder = Folder::new();
        if netpbm {
            folder.write("cat/a.pgm", &mutate(b"P5 # no\n4 2 255 abcdefgh".to_vec(), &changes, cut));
        } else {
            folder.write("cat/a.png", &mutate(png(4, 2, 1, &pixels(8)), &changes, cut));
        }
        let _ = teff_data::open(folder.path());
    }
}
