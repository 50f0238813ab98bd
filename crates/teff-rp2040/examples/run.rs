//! Runs an image and prints what it prints: `run FILE [--seconds S] [--cycles N] [--flash-miss N] [--marks]
//! [--no-host] [--stop-at-fault] [--board bare|pico|pico4ml] [--camera PICTURE.png|.pgm] [--lcd OUT.png] [--profile OUT]`
//!
//! `--profile OUT` writes OUT.txt, OUT.folded and OUT.svg..
//!
//! `--marks` takes BKPT #7 as a call of the measuring harness: R0 = 1 starts the clock, 2 stops it, 3 prints R1
//! as an integer, 4 as a float, 5 as a character, 9 ends.

use std::io::Write;
use std::path::Path;
use std::time::Instant;
use teff_rp2040::board::{Board, Description, GreyImage};
use teff_rp2040::{Error, Image, Options, Profile, Simulator, Stop};

struct Args {
    file: String,
    options: Options,
    cycles: u64,
    seconds: f64,
    marks: bool,
    board: Description,
    camera: Option<String>,
    lcd: Option<String>,
    profile: Option<String>,
}

fn parse() -> Result<Args, String> {
    let mut args = Args {
        file: String::new(),
        options: Options::default(),
        cycles: u64::MAX,
        seconds: f64::INFINITY,
        marks: false,
        board: Description::pico(),
        camera: None,
        lcd: None,
        profile: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--seconds" => args.seconds = value()?.parse().map_err(|e| format!("--seconds: {e}"))?,
            "--cycles" => args.cycles = value()?.parse().map_err(|e| format!("--cycles: {e}"))?,
            "--flash-miss" => {
                args.options.flash_miss = value()?.parse().map_err(|e| format!("--flash-miss: {e}"))?;
            }
            "--marks" => {
                args.marks = true;
                args.options.stop_at_bkpt = true;
            }
            "--stop-at-fault" => args.options.stop_at_fault = true,
            "--board" => {
                let name = value()?;
                args.board = Description::named(&name).ok_or(format!("no board {name}"))?;
            }
            "--camera" => args.camera = Some(value()?),
            "--lcd" => args.lcd = Some(value()?),
            "--profile" => args.profile = Some(value()?),
            "--no-host" => args.options.usb_host = false,
            _ => args.file = word,
        }
    }
    if args.file.is_empty() { Err("give an image file".into()) } else { Ok(args) }
}

/// Handles a mark of the harness; true when the program ends.
fn mark(sim: &mut Simulator, core: usize, started: &mut u64) -> bool {
    let (op, arg) = (sim.register(core, 0), sim.register(core, 1));
    let now = sim.core_cycles(core);
    match op {
        1 => *started = now,
        2 => println!("lap {} cycles, stalls {:?}", now - *started, sim.stalls(core)),
        3 => print!("{} ", arg as i32),
        4 => print!("{} ", f32::from_bits(arg)),
        5 => print!("{}", char::from(arg as u8)),
        _ => return true,
    }
    sim.skip_bkpt(core);
    false
}

/// Loads the image and puts the picture before the camera.
fn prepare(sim: &mut Simulator, args: &Args) -> Result<Image, Error> {
    let image = Simulator::read_image(Path::new(&args.file))?;
    sim.load(&image)?;
    if let Some(path) = &args.camera {
        let file = std::fs::File::open(path)
            .map_err(|e| Error::Io { what: format!("open {path}"), why: e.to_string() })?;
        let file = std::io::BufReader::new(file);
        let picture =
            if path.ends_with(".pgm") { GreyImage::read_pgm(file)? } else { GreyImage::read_png(file)? };
        sim.board().show(picture)?;
    }
    Ok(image)
}

/// Writes what the display shows.
fn save_screen(sim: &mut Simulator, path: &str) -> Result<(), Error> {
    let screen = sim.board().screen()?;
    let file = std::fs::File::create(path)
        .map_err(|e| Error::Io { what: format!("create {path}"), why: e.to_string() })?;
    screen.write_png(file)
}

fn drain(sim: &mut Simulator) {
    let mut out = std::io::stdout().lock();
    for bytes in [sim.take_uart(0), sim.take_uart(1), sim.take_usb(), sim.take_semihosting()] {
        // A closed terminal is no reason to stop simulating.
        let _ = out.write_all(&bytes);
    }
    let _ = out.flush();
}

fn main() {
    let args = match parse() {
        Ok(args) => args,
        Err(why) => {
            eprintln!("run: {why}");
            std::process::exit(2);
        }
    };
    let mut sim = Simulator::with_board(args.options.clone(), Board::new(args.board.clone()));
    let image = match prepare(&mut sim, &args) {
        Ok(image) => image,
        Err(e) => {
            eprintln!("run: {}: {e}", args.file);
            std::process::exit(1);
        }
    };
    let mut profile = args.profile.as_ref().map(|_| Profile::new(&image));
    let begin = Instant::now();
    let mut started = 0;
    let stop = loop {
        let until = (sim.cycles() + 1_000_000).min(args.cycles);
        let stop = match &mut profile {
            Some(profile) => sim.run_profiled(until, profile),
            None => sim.run(until),
        };
        drain(&mut sim);
        match stop {
            Stop::Deadline if until < args.cycles && (sim.nanoseconds() as f64) < args.seconds * 1e9 => {}
            Stop::Bkpt { core, imm: 7, .. } if args.marks => {
                if mark(&mut sim, core, &mut started) {
                    break stop;
                }
            }
            other => break other,
        }
    };
    if let Some(path) = &args.lcd
        && let Err(e) = save_screen(&mut sim, path)
    {
        eprintln!("run: {path}: {e}");
    }
    if let (Some(path), Some(profile)) = (&args.profile, &profile) {
        let parts = [("txt", profile.table()), ("folded", profile.folded()), ("svg", profile.flame_graph())];
        for (extension, text) in parts {
            if let Err(e) = std::fs::write(format!("{path}.{extension}"), text) {
                eprintln!("run: {path}.{extension}: {e}");
            }
        }
    }
    let spent = begin.elapsed().as_secs_f64();
    let cycles = sim.cycles();
    eprintln!(
        "\n{stop:?} at cycle {cycles} ({:.3} s simulated) in {spent:.3} s: {:.1} M cycles/s",
        sim.nanoseconds() as f64 / 1e9,
        cycles as f64 / spent / 1e6
    );
    eprintln!("camera frames and display pixels: {:?}", sim.board().traffic());
    for core in 0..2 {
        eprintln!(
            "core {core}: {:?}, pc {:#010x}, {} instructions, {:?}, fault {:?}",
            sim.core_state(core),
            sim.register(core, 15),
            sim.instructions(core),
            sim.stalls(core),
            sim.last_fault(core)
        );
    }
}
