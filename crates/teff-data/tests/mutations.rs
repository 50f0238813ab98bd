//! No file, however it was changed, makes a reader panic, hang or take memory beyond what the file can hold.

mod common;

use common::{Folder, gz, idx, npy, pixels, png, zip};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// Bytes to overwrite, then how much to cut off the end.
#[derive(Clone, Debug)]
struct Mutation {
    changes: Vec<(usize, u8)>,
    cut: usize,
}

impl Mutation {
    fn of(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        for &(at, value) in &self.changes {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        bytes.truncate(bytes.len() - self.cut % bytes.len());
        bytes
    }
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let cut = prop_oneof![3 => Just(0usize), 1 => any::<usize>()];
    // Small numbers and 255 reach more branches of a header than any byte does.
    let byte = prop_oneof![any::<u8>(), 0..16u8, Just(255u8)];
    let changes = proptest::collection::vec((any::<usize>(), byte), 0..6);
    (changes, cut).prop_map(|(changes, cut)| Mutation { changes, cut })
}

/// Calls `run` with a folder, many mutations and either choice of format.
fn many(run: impl Fn(&Folder, &Mutation, bool)) {
    let config = ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() };
    let folder = Folder::new();
    let outcome = TestRunner::new(config).run(&(mutation(), any::<bool>()), |(mutation, choice)| {
        run(&folder, &mutation, choice);
        Ok(())
    });
    outcome.unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn idx_files() {
    let images = idx(8, &[6, 3, 5], &pixels(90));
    many(|folder, mutation, zipped| {
        if !folder.path().join("test-labels-idx1-ubyte").exists() {
            folder.write("train-labels-idx1-ubyte", &idx(8, &[6], &[0; 6]));
            folder.write("test-images-idx3-ubyte", &idx(8, &[1, 3, 5], &pixels(15)));
            folder.write("test-labels-idx1-ubyte", &idx(8, &[1], &[0]));
        }
        let images = if zipped { gz(&images) } else { images.clone() };
        folder.write("train-images-idx3-ubyte", &mutation.of(images));
        if let Ok(split) = teff_data::open(folder.path()) {
            assert_eq!((split.train.len(), split.train.shape()), (6, split.test.shape()));
        }
    });
}

#[test]
fn npz_files() {
    let y = npy("|u1", "(4,)", &[0, 1, 2, 1]);
    many(|folder, mutation, deflated| {
        let members = [("x.npy", npy("|u1", "(4, 2, 2)", &pixels(16))), ("y.npy", y.clone())];
        let path = folder.write("set.npz", &mutation.of(zip(&members, deflated)));
        if let Ok(split) = teff_data::open(path) {
            assert_eq!(split.train.len() + split.test.len(), 4);
        }
    });
}

#[test]
fn arrays_inside_a_sound_npz() {
    let y = npy("|u1", "(4,)", &[0, 1, 2, 1]);
    many(|folder, mutation, float| {
        let x = if float { npy("<f4", "(4, 2)", &[0; 32]) } else { npy("|u1", "(4, 2, 2, 3)", &[0; 48]) };
        let path = folder.write("set.npz", &zip(&[("x.npy", mutation.of(x)), ("y.npy", y.clone())], false));
        if let Ok(split) = teff_data::open(path) {
            assert_eq!(split.train.len() + split.test.len(), 4);
        }
    });
}

#[test]
fn pictures() {
    many(|folder, mutation, netpbm| {
        let (name, bytes) = if netpbm {
            ("cat/a.pgm", b"P5 # no\n4 2 255 abcdefgh".to_vec())
        } else {
            ("cat/a.png", png(4, 2, 1, &pixels(8)))
        };
        folder.write(name, &mutation.of(bytes));
        if let Ok(split) = teff_data::open(folder.path()) {
            assert_eq!(split.train.len(), 1);
        }
        folder.remove(name);
    });
}
