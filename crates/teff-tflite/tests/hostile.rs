//! Damaged files are errors, never panics, hangs or large allocations: small models cut at every length and with every byte changed,
//! larger ones and all operator cases with random damage.
//!
//! `TEFF_FUZZ` is how many damaged copies are made of each of the latter (20 when not given).

mod common;

use common::{cases, data, models};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::{Duration, Instant};
use teff_graph::random_bits;
use teff_tflite::{ReadOptions, States, operators, read, unsupported};

thread_local! {
    /// The largest allocation of this thread since it was last set to 0.
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, with a look at sizes.
struct Watched;

#[allow(unsafe_code)]
// SAFETY: every call is handed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Not there any more when a thread ends.
        let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(layout.size())));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// No allocation may be larger than this many times the file, and a constant.
const MOST_GROWTH: usize = 64;
const MOST_ANYWAY: usize = 1 << 20;

/// Reads it by all ways there are.
fn survive(name: &str, bytes: &[u8]) {
    let start = Instant::now();
    LARGEST.set(0);
    let _ = (unsupported(bytes), operators(bytes));
    for states in [States::Exposed, States::Reset] {
        if let Ok(model) = read(bytes, &ReadOptions { states, ..ReadOptions::default() }) {
            model.graph.verify().unwrap_or_else(|e| panic!("{name}: what is read passes the verifier: {e}"));
        }
    }
    let largest = LARGEST.get();
    assert!(
        largest <= MOST_GROWTH * bytes.len() + MOST_ANYWAY,
        "{name}: {largest} bytes for a file of {}",
        bytes.len()
    );
    assert!(start.elapsed() < Duration::from_secs(5), "{name} takes {:?}", start.elapsed());
}

/// A copy with some bytes changed or the end cut off. Removing bytes would leave little that points where it should.
fn damaged(bytes: &[u8], key: i64) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let mut next = 0;
    let mut pick = |n: usize| {
        next += 1;
        (random_bits(key, next) >> 16) as usize % n.max(1)
    };
    for _ in 0..1 + pick(8) {
        let at = pick(out.len());
        match pick(12) {
            0 => out.truncate(at.max(1)),
            1 | 2 => out[at] = 0xff,
            3 | 4 => out[at] = 0x7f,
            5 | 6 => out[at] = 0,
            7 => out[at] ^= 1 << pick(8),
            8 | 9 => out[at] = out[at].wrapping_add(1),
            _ => out[at] = pick(256) as u8,
        }
    }
    out
}

#[test]
fn truncated_files_are_errors() {
    let bytes = std::fs::read(data("models/hello_world_int8.tflite")).unwrap();
    for n in 0..bytes.len() {
        survive("hello_world_int8", &bytes[..n]);
    }
    assert!(read(&bytes[..bytes.len() / 2], &ReadOptions::default()).is_err());
}

#[test]
fn every_byte_may_be_wrong() {
    let mut bytes = std::fs::read(data("models/hello_world_int8.tflite")).unwrap();
    for at in 0..bytes.len() {
        let right = bytes[at];
        for wrong in [0, 0xff, 0x7f, 0x80, right ^ 1, right.wrapping_add(1)] {
            bytes[at] = wrong;
            survive("hello_world_int8", &bytes);
        }
        bytes[at] = right;
    }
}

#[test]
fn damaged_models_are_errors() {
    let copies: i64 = std::env::var("TEFF_FUZZ").map_or(20, |n| n.parse().unwrap());
    let seed: i64 = std::env::var("TEFF_SEED").map_or(0, |n| n.parse().unwrap());
    let all = cases().into_iter().map(|case| (case.name, case.bytes)).chain(models(&data("models")));
    for (m, (name, bytes)) in all.enumerate() {
        for copy in 0..copies {
            survive(&name, &damaged(&bytes, ((seed + m as i64) << 32) | copy));
        }
    }
}
