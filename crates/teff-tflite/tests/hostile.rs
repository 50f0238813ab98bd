//! Damaged files are errors, never panics, hangs or large allocations: small models cut at every length and with every byte changed,
//! larger ones and all operator cases with random damage.
//!
//! `TEFF_FUZZ` is how many damaged copies are made of each of the latter (20 when not given), `TEFF_REPEATS` how often an operator is
//! listed (150; the reader allows 16 384).

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

/// As `survive_within`, with memory in proportion to the file.
fn survive(name: &str, bytes: &[u8]) {
    survive_within(MOST_GROWTH * bytes.len() + MOST_ANYWAY, name, bytes);
}

/// Reads it by all ways there are, with no allocation of more than `most` bytes.
fn survive_within(most: usize, name: &str, bytes: &[u8]) {
    let start = Instant::now();
    LARGEST.set(0);
    let _ = (unsupported(bytes), operators(bytes));
    for states in [States::Exposed, States::Reset] {
        if let Ok(model) = read(bytes, &ReadOptions { states, ..ReadOptions::default() }) {
            model.graph.verify().unwrap_or_else(|e| panic!("{name}: what is read passes the verifier: {e}"));
        }
    }
    let largest = LARGEST.get();
    assert!(largest <= most, "{name}: {largest} bytes for a file of {}", bytes.len());
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

/// Where the offset at `at` leads.
fn follow(bytes: &[u8], at: usize) -> usize {
    at + u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// What field `place` of the table at `at` refers to.
fn field(bytes: &[u8], at: usize, place: usize) -> usize {
    let back = i32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let entry = (at as i64 - i64::from(back)) as usize + 4 + 2 * place;
    follow(bytes, at + usize::from(u16::from_le_bytes(bytes[entry..entry + 2].try_into().unwrap())))
}

/// The model with its first operator listed `count` times: a new root and a new sub-graph in front, which share the old parts.
fn repeated(old: &[u8], count: usize) -> Vec<u8> {
    let root = follow(old, 0);
    let graph = follow(old, field(old, root, 2) + 4);
    let operator = follow(old, field(old, graph, 3) + 4);
    // 8 bytes of header; lists of fields of 16 bytes; a root of 20; a vector of one; a sub-graph of 20; the vector of operators.
    let front = 8 + 16 + 20 + 8 + 16 + 20 + 4 + 4 * count;
    let mut out = Vec::new();
    let put = |out: &mut Vec<u8>, n: u32| out.extend(n.to_le_bytes());
    let to = |out: &mut Vec<u8>, target: usize| put(out, (target - out.len()) as u32);
    let old_at = |at: usize| front + at;
    put(&mut out, 24);
    out.extend(b"TFL3");
    // The root: version, operator codes, sub-graphs, no description, buffers.
    out.extend([14u16, 20, 4, 8, 12, 0, 16, 0].iter().flat_map(|n| n.to_le_bytes()));
    put(&mut out, 16);
    put(&mut out, 3);
    to(&mut out, old_at(field(old, root, 1)));
    put(&mut out, 8);
    to(&mut out, old_at(field(old, root, 4)));
    // One sub-graph: tensors, inputs, outputs, operators.
    put(&mut out, 1);
    put(&mut out, 20);
    out.extend([12u16, 20, 4, 8, 12, 16, 0, 0].iter().flat_map(|n| n.to_le_bytes()));
    put(&mut out, 16);
    (0..3).for_each(|place| to(&mut out, old_at(field(old, graph, place))));
    put(&mut out, 4);
    put(&mut out, count as u32);
    (0..count).for_each(|_| to(&mut out, old_at(operator)));
    assert_eq!(out.len(), front);
    out.extend(old);
    out
}

/// A table may be named as often as there is room for its offset: the work must not grow with what hides behind it.
#[test]
fn shared_tables_are_not_worth_their_number() {
    let repeats: usize = std::env::var("TEFF_REPEATS").map_or(150, |n| n.parse().unwrap());
    for case in cases() {
        let one = repeated(&case.bytes, 1);
        let single = unsupported(&case.bytes).unwrap().len() + operators(&case.bytes).unwrap().len();
        assert!(operators(&one).unwrap().len() <= single, "{}: the copy is a model", case.name);
        // An operator of four bytes becomes some dozens of nodes, but no more.
        survive_within(512 << 20, &case.name, &repeated(&case.bytes, repeats));
    }
    let large = repeated(&cases()[0].bytes, 250_000);
    survive("a quarter of a million operators", &large);
    assert!(read(&large, &ReadOptions::default()).unwrap_err().to_string().contains("250000 operators"));
}
