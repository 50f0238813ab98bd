//! Damaged models are errors, never panics: every model of the backend suite and of `data/models`, cut short, bytes changed.
//!
//! `TEFF_FUZZ` is how many damaged copies are made of each, `TEFF_SEED` chooses others, and `TEFF_KEEP` is a file that each is written
//! to before it is read: what hangs, or takes more memory than there is, is found there.

mod message;
mod structure;
mod suite;

use message::{Message, ints_attribute, model, node};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use suite::Archive;
use teff_graph::{Value, evaluate, random_bits};
use teff_onnx::{
    ReadOptions, WriteOptions, operators, read, read_tensor, supported_operators, unsupported, write,
};

fn models() -> Vec<(String, Vec<u8>)> {
    let archive = Archive::suite();
    let of_suite = archive.tests().into_iter().map(|t| {
        let bytes = archive.get(&format!("{t}/model.onnx")).unwrap().to_vec();
        (t, bytes)
    });
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models");
    let files = std::fs::read_dir(dir).unwrap().map(|f| f.unwrap().path());
    let of_exporters = files
        .filter(|p| p.extension().is_some_and(|e| e == "onnx"))
        .map(|p| (p.file_name().unwrap().to_str().unwrap().to_string(), std::fs::read(&p).unwrap()));
    of_suite.chain(of_exporters).collect()
}

/// A copy with some bytes changed, removed or put in, or the end cut off.
fn damaged(bytes: &[u8], key: i64) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let mut next = 0;
    let mut pick = |n: usize| {
        next += 1;
        (random_bits(key, next) >> 16) as usize % n.max(1)
    };
    for _ in 0..1 + pick(6) {
        if out.is_empty() {
            break;
        }
        let at = pick(out.len());
        match pick(8) {
            0 => out.truncate(at),
            1 => {
                out.remove(at);
            }
            2 => out.insert(at, pick(256) as u8),
            3 => out[at] = 0xff,
            4 => out[at] = 0x7f,
            5 => out[at] ^= 1 << pick(8),
            6 => out[at] = out[at].wrapping_add(1),
            _ => out[at] = pick(256) as u8,
        }
    }
    out
}

/// Reads it by all ways there are, and writes what could be read.
fn survive(bytes: &[u8]) {
    let _ = (unsupported(bytes), operators(bytes), read_tensor(bytes));
    if let Ok(model) = read(bytes, &ReadOptions::default()) {
        model.graph.verify().expect("what is read passes the verifier");
        let _ = write(&model.graph, &WriteOptions::default());
    }
}

#[test]
fn damaged_models_are_errors() {
    survive_all(2, |bytes, key| Some(damaged(bytes, key)));
}

#[test]
fn models_of_another_structure_are_errors() {
    let operators = supported_operators();
    survive_all(30, |bytes, key| {
        let mut next = 0;
        let mut pick = |n: usize| {
            next += 1;
            (random_bits(key, next) >> 16) as usize % n
        };
        structure::damaged(bytes, &operators, &mut pick)
    });
}

/// Makes so many damaged copies of each model, or `TEFF_FUZZ`, of which none may panic or take long.
fn survive_all(copies: i64, damage: impl Fn(&[u8], i64) -> Option<Vec<u8>>) {
    let copies: i64 = std::env::var("TEFF_FUZZ").map_or(copies, |n| n.parse().unwrap());
    let seed: i64 = std::env::var("TEFF_SEED").map_or(0, |n| n.parse().unwrap());
    let keep = std::env::var("TEFF_KEEP").ok();
    let mut slowest = (Duration::ZERO, String::new());
    // Every place that panics is reported, each once.
    let places = Arc::new(Mutex::new(BTreeMap::new()));
    let found = places.clone();
    std::panic::set_hook(Box::new(move |info| {
        let place = info.location().map_or(String::new(), |l| l.to_string());
        found.lock().unwrap().entry(place).or_insert_with(|| info.to_string());
    }));
    for (m, (name, bytes)) in models().into_iter().enumerate() {
        for copy in 0..copies {
            let Some(bad) = damage(&bytes, ((seed + m as i64) << 32) | copy) else { continue };
            if let Some(file) = &keep {
                std::fs::write(file, &bad).unwrap();
            }
            let start = Instant::now();
            let caught = std::panic::catch_unwind(|| survive(&bad));
            if caught.is_err() {
                places.lock().unwrap().entry(format!("{name}, copy {copy}")).or_insert_with(String::new);
            }
            slowest = slowest.max((start.elapsed(), name.clone()));
        }
    }
    let _ = std::panic::take_hook();
    let places = places.lock().unwrap();
    assert!(places.is_empty(), "panics: {places:#?}");
    assert!(slowest.0 < Duration::from_secs(10), "{} takes {:?}", slowest.1, slowest.0);
    println!("the slowest took {:?}: {}", slowest.0, slowest.1);
}

#[test]
fn truncated_models_are_errors() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models");
    let bytes = std::fs::read(dir.join("hello_world_float.onnx")).unwrap();
    for n in 0..bytes.len() {
        survive(&bytes[..n]);
    }
    assert!(read(&bytes[..bytes.len() / 2], &ReadOptions::default()).is_err());
}

/// Found by fuzzing: no NaN equals another, and none was the first of its kind.
#[test]
fn unique_takes_every_nan_for_one_behind_all_numbers() {
    let numbers = [f32::NAN, 2.0, -f32::NAN, 0.0, 2.0, -0.0];
    let x = Message::default().int(1, 6).int(2, 1).text(8, "c");
    let x = x.bytes(9, &numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>());
    let unique = node("Unique", "", &["c"], &["y", "firsts", "inverse", "counts"]);
    let bytes = model(&[1, 2], &[unique], &[(5, x)]);
    let graph = read(&bytes, &ReadOptions::default()).unwrap().graph;
    let y = evaluate(&graph, &[Value::new([1, 2], vec![0.0f32; 2])]).unwrap()[0].to_f64();
    assert!(y.len() == 3 && y[..2] == [0.0, 2.0] && y[2].is_nan(), "{y:?}");
}

/// Found by fuzzing: beside an empty axis, others could be so long that their strides overflowed.
#[test]
fn an_empty_tensor_with_endless_other_axes_is_refused() {
    let x = Message::default().int(1, 0).int(1, 1 << 40).int(1, 1 << 40).int(2, 1).text(8, "c");
    let gather = node("Gather", "", &["c", "i"], &["y"]);
    let i = Message::default().int(1, 1).int(2, 7).text(8, "i").bytes(9, &0i64.to_le_bytes());
    let bytes = model(&[1, 2], &[gather], &[(5, x), (5, i)]);
    let error = read(&bytes, &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("too large for memory"), "{error}");
}

/// Found by fuzzing: bytes could be as many as memory has addresses, and then were too many when cast to integers of 64 bits.
#[test]
fn bytes_that_fit_into_memory_as_bytes_alone_are_refused() {
    let size = Message::default().message(1, Message::default().int(1, i64::MAX));
    let tensor = Message::default().message(1, Message::default().int(1, 3).message(2, size));
    let bytes_of_memory = Message::default().text(1, "c").message(2, tensor);
    let count = node("TfIdfVectorizer", "", &["c"], &["y"]).message(5, ints_attribute("pool_int64s", &[1]));
    let error = read(&model(&[1, 2], &[count], &[(11, bytes_of_memory)]), &ReadOptions::default());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("does not fit into memory"), "{error}");
}
