//! `teff sim`.

mod args;
mod console;
mod faults;
mod part_file;
mod pictures;
mod progress;
mod report;
mod session;

use crate::args::{given, one, path_of, word};
use crate::failure::{During, Failure, Result};
use crate::files::{check_writable, read};
use crate::stop::Stop;
use crate::ui::{Ui, complain};
pub(crate) use args::command;
use clap::ArgMatches;
use console::Console;
use faults::Faults;
use pictures::Screen;
use progress::Progress;
use report::Report;
use session::{Limits, Session};
use std::path::{Path, PathBuf};
use teff_rp2040::board::{Board, Description, Motion, Sound};
use teff_rp2040::{Image, Options, Simulator};

pub(crate) fn run(args: &ArgMatches, ui: &Ui) -> Result<()> {
    let image = image(path_of(args, "file"))?;
    let symbols = given(args, "symbols").map_or(Ok(image.clone()), self::image)?;
    let mut sim = machine(args)?;
    sim.load(&image).during(path_of(args, "file").display())?;
    let mut session = session(args, &mut sim)?;
    if args.contains_id("profile") {
        session.profile(&symbols);
    }
    if let Some(path) = given(args, "trace") {
        session.trace(path, one(args, "trace-lines"), &symbols)?;
    }
    let ending = match args.get_one::<u16>("gdb") {
        Some(&port) => {
            ui.note(format!("waiting for GDB; there: target remote :{port}"));
            session.debug(&mut sim, port)?
        }
        None => session.run(&mut sim)?,
    };
    session.progress.end_line();
    let files = finish(args, &mut session, &mut sim)?;
    let report = Report {
        sim: &mut sim,
        symbols: &symbols,
        ending: &ending,
        until: word(args, "until"),
        timed: args.contains_id("seconds"),
        texts: session.console.texts(),
        files: &files,
        elapsed: session.progress.elapsed(),
    };
    conclude(report, args.get_flag("json"), ui)
}

fn nanoseconds(args: &ArgMatches, name: &str) -> Option<u64> {
    args.get_one::<f64>(name).map(|seconds| (seconds * 1e9) as u64)
}

fn image(file: &Path) -> Result<Image> {
    Image::parse(&read(file)?).during(file.display())
}

/// The chip on its board, with what its sensors see, hear and feel.
fn machine(args: &ArgMatches) -> Result<Simulator> {
    let file = path_of(args, "board");
    let name = file.display();
    let mut description = match Description::named(&name.to_string()) {
        Some(description) => description,
        None if file.is_file() => Description::parse(&String::from_utf8_lossy(&read(file)?)).during(name)?,
        None => {
            let known = Description::NAMES.join(", ");
            return Err(Failure::new(format!(
                "no board and no file is called \"{name}\"; the boards are {known}"
            )));
        }
    };
    if let Some(megahertz) = args.get_one::<f64>("clock") {
        description.crystal_hz = ((megahertz * 1e6) as u64).max(1);
    }
    let options = Options {
        flash_miss: one(args, "flash-miss"),
        stop_at_fault: !args.get_flag("keep-going"),
        usb_host: word(args, "usb") == Some("host"),
        ..Options::default()
    };
    let mut sim = Simulator::with_board(options, Board::new(description));
    if let Some(pictures) = given(args, "camera") {
        let each = nanoseconds(args, "camera-seconds").expect("has a default");
        sim.board().play(pictures::film(pictures, each)?).during("--camera")?;
    }
    if let Some(path) = given(args, "imu") {
        let motion = Motion::parse(&String::from_utf8_lossy(&read(path)?)).during(path.display())?;
        sim.board().shake(motion).during("--imu")?;
    }
    if let Some(path) = given(args, "microphone") {
        let sound = Sound::read_wav(&read(path)?).during(path.display())?;
        sim.board().sound(sound).during("--microphone")?;
    }
    Ok(sim)
}

/// Everything around it. What could not be written later fails here, before the work.
fn session<'a>(args: &ArgMatches, sim: &mut Simulator) -> Result<Session<'a>> {
    let (json, quiet) = (args.get_flag("json"), args.get_flag("quiet"));
    let mut outputs = ["lcd", "profile"].iter().filter_map(|name| given(args, name));
    outputs.try_for_each(check_writable)?;
    let screen = match given(args, "lcd") {
        Some(path) => Some(Screen::new(path, &sim.board().screen().during("--lcd")?)?),
        None => None,
    };
    let uart = path_of(args, "uart");
    let console = Console::new(uart, given(args, "input"), word(args, "until"), json)?;
    let limit = nanoseconds(args, "seconds");
    let progress = Progress::new(quiet || json, limit);
    let mut faults = Faults::given(args);
    faults.inject(sim)?;
    let limits = Limits { nanoseconds: limit, stop: Stop::watch() };
    Ok(Session::new(console, screen, faults, progress, limits))
}

/// Writes the files that are complete only at the end; the names of all.
fn finish(args: &ArgMatches, session: &mut Session, sim: &mut Simulator) -> Result<Vec<PathBuf>> {
    session.flush()?;
    let mut files = session.end_watching(given(args, "profile"))?;
    files.extend(given(args, "trace").map(PathBuf::from));
    files.extend(session.console.finish()?);
    if let Some(screen) = session.screen.take() {
        files.push(screen.write(sim.board().screen()?, sim.nanoseconds())?);
    }
    Ok(files)
}

/// Reports, and leaves with the status that the end of the program means.
fn conclude(mut report: Report, json: bool, ui: &Ui) -> Result<()> {
    let (status, message) = (report.status(), report.message());
    let own = matches!(report.ending, session::Ending::Exit(_));
    if json {
        ui.result("", &report.json());
    } else {
        if own || status == 0 {
            ui.note(&message);
        }
        ui.note(report.summary());
    }
    match status {
        0 => Ok(()),
        // The program's own status is no failure of this command, and the JSON has the message of others.
        _ if own || json => {
            if !own {
                complain(format_args!("{message}"));
            }
            ui.end()?;
            std::process::exit(i32::from(status))
        }
        _ => Err(Failure { message, status }),
    }
}
