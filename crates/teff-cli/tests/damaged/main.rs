//! No panic, no abort, no hang is reachable from a file: small files of every kind are damaged, in their bytes and in their structure,
//! and go through everything that commands do with them, up to C, Rust and a run.
//!
//! Each case follows from its number alone. `TEFF_DAMAGED` is how many there are (600 unless given), `TEFF_DAMAGED_FROM` the first,
//! `TEFF_DAMAGED_KEEP` a folder for those that fail. The work is done in a process of its own, which a case may end or hold up: the next
//! one begins behind it.

mod bytes;
mod memory;
mod seeds;
mod stages;

#[path = "../../../teff-onnx/tests/structure/mod.rs"]
#[allow(dead_code)]
mod structure;

use bytes::Random;
use seeds::{Kind, Seed};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::panic::AssertUnwindSafe;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// The longest that a case may take: a machine that does other work, too, takes several times as long as one that does not.
const PATIENCE: Duration = Duration::from_secs(60);

/// Cases, unless told.
const CASES: u64 = 600;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |n| n.parse().expect("a number"))
}

/// A damaged copy of one of the seeds.
fn case(seeds: &[Seed], number: u64) -> (&Seed, Vec<u8>) {
    // Each kind has its turn, however many seeds it has.
    let kinds = Kind::ALL;
    let kind = kinds[(number % kinds.len() as u64) as usize];
    let mut random = Random::new(number);
    let of_kind: Vec<&Seed> = seeds.iter().filter(|s| s.kind.is(kind)).collect();
    let seed = of_kind[random.below(of_kind.len())];
    let damaged = match kind {
        Kind::OnnxStructure => {
            let operators = teff::onnx::supported_operators();
            structure::damaged(&seed.bytes, &operators, &mut |n| random.below(n))
        }
        Kind::TfliteStructure => Some(bytes::words(&seed.bytes, &mut random)),
        Kind::Toml | Kind::Board | Kind::Recording => Some(bytes::text(&seed.bytes, &mut random)),
        _ => Some(bytes::damaged(&seed.bytes, &seed.bytes, &mut random)),
    };
    (seed, damaged.unwrap_or_else(|| bytes::damaged(&seed.bytes, &seed.bytes, &mut Random::new(number))))
}

/// What the process of its own does: a line before each case, one for each panic.
fn work(first: u64, end: u64) {
    static PLACE: Mutex<String> = Mutex::new(String::new());
    let seeds = seeds::all();
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or(String::new(), ToString::to_string);
        let what = info.to_string().lines().nth(1).unwrap_or_default().to_string();
        *PLACE.lock().unwrap_or_else(|e| e.into_inner()) = format!("{place}: {what}");
    }));
    let keep = std::env::var("TEFF_DAMAGED_KEEP").ok();
    for n in first..end {
        let (seed, bytes) = case(&seeds, n);
        println!("\ncase {n} {}", seed.name);
        if let Some(folder) = &keep {
            std::fs::write(format!("{folder}/last"), &bytes).unwrap();
        }
        memory::begin();
        let result = std::panic::catch_unwind(AssertUnwindSafe(|| stages::all(seed.kind, &bytes)));
        if result.is_err() {
            println!("\npanic {}", PLACE.lock().unwrap_or_else(|e| e.into_inner()));
            if let Some(folder) = &keep {
                std::fs::write(format!("{folder}/{n}"), &bytes).unwrap();
            }
        }
    }
    println!("\nstages {}", stages::reached());
    println!("\nend");
}

/// What went wrong in the cases from `first` on: by what happened, the cases. And the case after the last that was tried, if the process
/// did not come to its end.
fn watch(first: u64, end: u64, found: &mut BTreeMap<String, Vec<String>>) -> Option<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "worker", "--nocapture", "--include-ignored"])
        .env("TEFF_DAMAGED_WORK", format!("{first} {end}"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (sender, lines) = channel();
    let out = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|l| sender.send(l)));
    let (mut now, mut begun) = ((first, String::new()), Instant::now());
    let ended = loop {
        let line = match lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => break format!("takes more than {PATIENCE:?}"),
            Err(RecvTimeoutError::Disconnected) => break String::from("ends the process"),
        };
        if let Some(case) = line.strip_prefix("case ") {
            let (n, name) = case.split_once(' ').unwrap();
            let took = begun.elapsed();
            if took > PATIENCE / 6 {
                println!("case {} {} takes {took:.1?}", now.0, now.1);
            }
            (now, begun) = ((n.parse().unwrap(), name.to_string()), Instant::now());
        } else if let Some(place) = line.strip_prefix("panic ") {
            found.entry(place.into()).or_default().push(format!("{} {}", now.0, now.1));
        } else if let Some(stages) = line.strip_prefix("stages ") {
            println!("{stages}");
        } else if line == "end" {
            child.wait().unwrap();
            return None;
        }
    };
    let _ = child.kill();
    let ended = format!("{ended} ({})", child.wait().unwrap());
    println!("case {} {} {ended}", now.0, now.1);
    found.entry(ended).or_default().push(format!("{} {}", now.0, now.1));
    Some(now.0 + 1)
}

#[test]
fn damaged_files_are_errors() {
    let (mut first, count) = (number("TEFF_DAMAGED_FROM", 0), number("TEFF_DAMAGED", CASES));
    let end = first + count;
    let mut found = BTreeMap::new();
    while first < end {
        match watch(first, end, &mut found) {
            Some(next) => first = next,
            None => break,
        }
    }
    for (what, cases) in &found {
        println!("{} times: {what}: {}", cases.len(), cases[..cases.len().min(5)].join(", "));
    }
    assert!(found.is_empty(), "{} different failures", found.len());
}

/// The process of its own.
#[test]
#[ignore = "is started by the other"]
fn worker() {
    let Ok(range) = std::env::var("TEFF_DAMAGED_WORK") else { return };
    let (first, end) = range.split_once(' ').unwrap();
    work(first.parse().unwrap(), end.parse().unwrap());
}
