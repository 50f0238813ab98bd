//! The firmware of the Pico4ML with faults around it, on the simulated board: it recovers or says what is amiss, on the display and on
//! serial, and never hangs.

mod common;
use common::Folder;
use common::board::{Bench, firmware};
use std::path::PathBuf;
use std::sync::LazyLock;
use teff_rp2040::board::{BoardFault, Revival};

/// The firmware with the network of `firmware/network/default`.
static ELF: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    // The folder stays as long as the tests run.
    let folder = Box::leak(Box::new(Folder::new("board-faults")));
    firmware(
        &folder.path(""),
        "small",
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/small.onnx"),
        &[],
    )
    .map(|built| built.elf)
});

fn bench() -> Option<Bench> {
    ELF.as_ref().map(|elf| Bench::new(elf))
}

/// Frames that came whole and broken, as the next line about the feed has them.
fn feed(bench: &mut Bench) -> (u32, u32) {
    let line = bench.hear("feed ", 1500);
    let number = |after: &str, before: &str| {
        let begin = line.find(after).unwrap() + after.len();
        let end = begin + line[begin..].find(before).unwrap();
        line[begin..end].trim().parse::<u32>().unwrap()
    };
    (number("; ", " whole"), number("whole, ", " broken"))
}

/// The feed runs: every frame of the camera, 30 a second, is on the display, and no message in its place.
#[track_caller]
fn runs(bench: &mut Bench) {
    bench.pass(50);
    let (frames, pixels) = bench.sim.board().traffic();
    bench.pass(200);
    let (frames, pixels) = {
        let now = bench.sim.board().traffic();
        (now.0 - frames, (now.1 - pixels) as f64 / (80.0 * 160.0))
    };
    assert!((5..=7).contains(&frames), "{frames} frames in 0.2 s");
    assert!((pixels - frames as f64).abs() <= 1.0, "{pixels} of {frames} frames drawn");
    assert_eq!(bench.message(), 0);
}

/// Powered on and running.
fn running() -> Option<Bench> {
    let mut bench = bench()?;
    bench.hear("started by power on", 500);
    feed(&mut bench);
    runs(&mut bench);
    Some(bench)
}

#[test]
fn all_well() {
    let Some(bench) = running() else { return };
    assert!(!bench.said().contains("camera:"), "{}", bench.said());
}

#[test]
fn no_camera_is_said_and_one_that_comes_is_used() {
    let Some(mut bench) = bench() else { return };
    bench.sim.inject(BoardFault::CameraUnplugged).unwrap();
    bench.hear("camera: no camera", 1500);
    bench.pass(700);
    assert!(bench.message() > 50);
    assert_eq!(bench.said().matches("no camera").count(), 1, "said once");
    bench.sim.repair();
    bench.hear("camera: back", 1500);
    runs(&mut bench);
}

#[test]
fn a_camera_that_stops_is_reset() {
    let Some(mut bench) = running() else { return };
    bench.sim.inject(BoardFault::CameraStops(Revival::Reset)).unwrap();
    bench.hear("camera: stopped", 600);
    bench.hear("camera: back", 1500);
    runs(&mut bench);
}

#[test]
fn a_camera_that_stays_silent_is_said_and_tried_again() {
    let Some(mut bench) = running() else { return };
    bench.sim.inject(BoardFault::CameraStops(Revival::Never)).unwrap();
    bench.hear("camera: stopped", 600);
    bench.pass(1000);
    assert!(bench.message() > 50);
    bench.sim.repair();
    bench.hear("camera: back", 1500);
    runs(&mut bench);
}

#[test]
fn a_data_line_held_by_a_device_in_the_middle_of_a_byte_is_freed() {
    let Some(mut bench) = bench() else { return };
    bench.sim.inject(BoardFault::SdaLow { bus: 0, clocks: Some(7) }).unwrap();
    feed(&mut bench);
    runs(&mut bench);
    assert!(!bench.said().contains("camera:"), "{}", bench.said());
}

#[test]
fn a_bus_held_low_is_said() {
    for fault in [BoardFault::SdaLow { bus: 0, clocks: None }, BoardFault::SclLow { bus: 0 }] {
        let Some(mut bench) = bench() else { return };
        bench.sim.inject(fault).unwrap();
        bench.hear("camera: I2C held", 1500);
        bench.pass(100);
        assert!(bench.message() > 50, "{fault:?}");
        bench.sim.repair();
        bench.hear("camera: back", 1500);
        runs(&mut bench);
    }
}

#[test]
fn short_frames_and_lost_bits_cost_one_frame_each() {
    let Some(mut bench) = running() else { return };
    let (whole, broken) = feed(&mut bench);
    assert_eq!(broken, 0);
    let now = bench.sim.board().traffic().0;
    bench.sim.inject(BoardFault::ShortFrame { frame: now + 2, lines: 100, bytes: 31 }).unwrap();
    bench.sim.inject(BoardFault::LostClocks { frame: now + 5, line: 80, clock: 77, count: 1 }).unwrap();
    bench.sim.inject(BoardFault::ShortFrame { frame: now + 7, lines: 0, bytes: 0 }).unwrap();
    let (later, broken) = feed(&mut bench);
    assert_eq!((later, broken), (whole + 13, 3), "of sixteen frames between two lines");
    runs(&mut bench);
}

#[test]
fn without_a_display_the_rest_goes_on() {
    let Some(mut bench) = bench() else { return };
    bench.sim.inject(BoardFault::DisplayUnplugged).unwrap();
    let (first, _) = feed(&mut bench);
    let (later, broken) = feed(&mut bench);
    assert_eq!((later, broken), (first + 16, 0));
}

#[test]
fn the_watchdog_ends_what_hangs_and_says_which_core() {
    let Some(mut bench) = running() else { return };
    bench.sim.hang(0);
    bench.hear("started by core 0 hung", 2000);
    feed(&mut bench);
    runs(&mut bench);
    // Without its interrupts core 1 cannot say that it was it.
    bench.sim.hang(1);
    bench.hear("started by watchdog", 2000);
    feed(&mut bench);
    runs(&mut bench);
}

#[test]
fn a_hard_fault_is_told_and_ends_in_a_restart() {
    let Some(mut bench) = running() else { return };
    // Where nothing is.
    bench.sim.set_register(0, 15, 0x9000_0000);
    bench.hear("hard fault at 90000000", 200);
    bench.hear("started by hard fault", 1000);
    feed(&mut bench);
    runs(&mut bench);
}
