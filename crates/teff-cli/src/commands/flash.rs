//! `teff flash`: firmware onto a board, by the drive of its boot loader, or by picotool or probe-rs where there is none.

mod drive;
mod tools;

use crate::args::{given, one, path, path_of};
use crate::failure::{Failure, Result};
use crate::files::read;
use crate::stop::Stop;
use crate::ui::{Ui, grouped, path_text};
use clap::{Arg, ArgMatches, Command, value_parser};
use drive::Drive;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use teff_rp2040::{Error, Image, uf2};

const HELP: &str = "\
Hold the button BOOTSEL (BOOT on some boards) while the board is plugged in: it then appears as a drive called RPI-RP2. Without such a drive
picotool and, for ELF files, probe-rs are tried, where they are installed.

Examples:
  teff flash fw.uf2
  teff flash fw.uf2 --wait 60  plug the board in meanwhile
  teff flash fw.uf2 --drive /mnt/pico";

/// How to make a board ready.
const READY: &str = "hold its button BOOTSEL (BOOT on some boards) while you plug it in by USB, let go, and a drive called RPI-RP2 appears; \
    with --wait 60 this command waits for it, with --drive PATH it takes a drive that is mounted elsewhere";
/// How often is looked for a board.
const LOOK: Duration = Duration::from_millis(250);

pub(crate) fn command() -> Command {
    Command::new("flash")
        .about("Put firmware onto a board by its boot loader's drive")
        .after_help(HELP)
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .help("The firmware: UF2, or ELF, which is converted")
                .required(true)
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(path("drive", "PATH", "Where the board's drive is mounted; it is looked for unless given"))
        .arg(
            Arg::new("wait")
                .long("wait")
                .value_name("SECONDS")
                .help("How long to wait for a board")
                .default_value("0")
                .value_parser(value_parser!(u64).range(0..=86_400)),
        )
}

pub(crate) fn run(args: &ArgMatches, ui: &Ui) -> Result<()> {
    let stop = Stop::watch();
    let file = path_of(args, "file");
    let image = image(file)?;
    let wait = Duration::from_secs(one::<u64>(args, "wait"));
    let Some(drive) = find(given(args, "drive"), wait, &stop, ui)? else {
        let tool = tools::load(file, ui)?;
        let text = format!("{} is on the board, by {tool}", file.display());
        ui.result(&text, &json!({"file": path_text(file), "by": tool}));
        return Ok(());
    };
    let name = Path::new(file.file_stem().unwrap_or_default()).with_extension("uf2");
    drive.copy(&image, &name, &stop, ui)?;
    let text = format!(
        "{} is on the board, {} bytes by the drive {}; the board starts it by itself",
        file.display(),
        grouped(image.len() / uf2::BLOCK * uf2::PAYLOAD),
        drive.path.display()
    );
    ui.result(
        &text,
        &json!({"file": path_text(file), "by": "drive", "drive": path_text(&drive.path), "blocks": image.len() / uf2::BLOCK}),
    );
    Ok(())
}

/// The UF2 file to copy.
fn image(file: &Path) -> Result<Vec<u8>> {
    let bytes = read(file)?;
    let wrong = |what: String| Err(Failure::new(format!("{} {what}", file.display())));
    let elf = bytes.starts_with(b"\x7fELF");
    if !elf && !uf2::is_uf2(&bytes) {
        return wrong("is neither UF2 nor ELF; teff firmware MODEL -o fw.uf2 makes one".into());
    }
    match Image::parse(&bytes) {
        Ok(program) if elf => Ok(uf2::write(&program.segments)),
        Ok(_) => Ok(bytes),
        Err(Error::WrongFamily { family, .. }) => wrong(format!(
            "is for another chip: its UF2 family is {family:#010x}, that of the RP2040 is {:#010x}; build it for this board, as teff firmware does",
            uf2::RP2040
        )),
        Err(e) if elf => Err(Failure::new(format!("{}: {e}", file.display()))),
        Err(e) => wrong(format!("is damaged: {e}; build or copy it again")),
    }
}

/// The drive of a board, waited for; none when there is no board, or it is one that `tools` may reach.
fn find(given: Option<&Path>, wait: Duration, stop: &Stop, ui: &Ui) -> Result<Option<Drive>> {
    let started = Instant::now();
    let mut said = false;
    loop {
        let found = match given {
            Some(path) => Drive::at(path).map(Some),
            None => Drive::found(),
        };
        let over = started.elapsed() >= wait;
        match found {
            Ok(Some(drive)) => return Ok(Some(drive)),
            Ok(None) if over => return Ok(None),
            Err(failure) if over => return Err(failure),
            // What is there now may be a drive that is still being mounted.
            Ok(None) | Err(_) => {}
        }
        if stop.is_asked() {
            return Err(Failure::stopped("stopped; the board has what it had"));
        }
        if !std::mem::replace(&mut said, true) {
            ui.note(format!("waiting up to {} s for a board: {READY}", wait.as_secs()));
        }
        std::thread::sleep(LOOK);
    }
}
