//! `teff firmware`: a model becomes the firmware of a board.
//!
//! [`build`] is all of it: the model is looked at as one of pictures (`interface`), compiled, and put into a network folder with what the
//! firmware must know of it (`network`, `folder`); cargo builds the firmware's own source around that (`toolchain`, `cargo`); the ELF file
//! says what it takes (`usage`) and becomes an image for the boot loader.

mod args;
mod cargo;
mod folder;
mod interface;
mod network;
mod toolchain;
mod usage;

use crate::args::{given, path_of, word};
use crate::failure::{Failure, Result};
use crate::files::{beside, check_writable, read, write_together};
use crate::generate::Language;
use crate::model::Reading;
use crate::stop::Stop;
use crate::ui::{Ui, duration, path_text};
use clap::ArgMatches;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;
use teff::compile::Board;
use teff::data::Dataset;
use teff_rp2040::{Image, uf2};

pub(crate) use args::command;
pub(crate) use interface::Interface;
pub(crate) use network::Preparation;
pub(crate) use usage::Usage;

use toolchain::Missing;

/// The firmware's package and its program.
const PACKAGE: &str = "teff-firmware";
const BINARY: &str = "pico4ml";

/// What firmware is wanted.
pub(crate) struct Request<'a> {
    /// An ONNX or TFLite file.
    pub(crate) model: &'a Path,
    /// What the model leaves open.
    pub(crate) reading: Reading,
    pub(crate) board: Board,
    /// C where its compiler is at hand, unless given.
    pub(crate) language: Option<Language>,
    /// What the classes are called; their numbers unless given.
    pub(crate) labels: Option<Vec<String>>,
    /// How a camera picture becomes the input; by its size unless given.
    pub(crate) preparation: Option<Preparation>,
    /// What black and white are to the model.
    pub(crate) pixels: Option<(f64, f64)>,
    /// Pictures that show which weights are needed most.
    pub(crate) samples: Option<&'a Dataset>,
    /// Bytes of RAM for copies of weights; what is left unless given.
    pub(crate) sram_tables: Option<usize>,
    /// Where the image for the boot loader is written.
    pub(crate) uf2: &'a Path,
    /// Where the ELF file is written; beside it unless given.
    pub(crate) elf: Option<&'a Path>,
    /// The firmware's source; see [`source`].
    pub(crate) source: Option<&'a Path>,
    /// Where it is built; in its source unless given.
    pub(crate) target_dir: Option<&'a Path>,
}

impl<'a> Request<'a> {
    /// Firmware for the Pico4ML, with nothing said that can be left out.
    pub(crate) fn new(model: &'a Path, uf2: &'a Path) -> Request<'a> {
        Request {
            model,
            reading: Reading::default(),
            board: Board::PICO4ML,
            language: None,
            labels: None,
            preparation: None,
            pixels: None,
            samples: None,
            sram_tables: None,
            uf2,
            elf: None,
            source: None,
            target_dir: None,
        }
    }
}

/// A firmware that was built.
pub(crate) struct Built {
    pub(crate) uf2: PathBuf,
    pub(crate) elf: PathBuf,
    /// The folder that it took its network from.
    pub(crate) network: PathBuf,
    pub(crate) language: Language,
    pub(crate) interface: Interface,
    pub(crate) labels: Vec<String>,
    /// What black and white became, in words.
    pub(crate) pixels: String,
    pub(crate) usage: Usage,
    /// Bytes of RAM for the network's intermediate values.
    pub(crate) arena: usize,
}

/// What firmware is built with.
pub(crate) struct Tools {
    source: PathBuf,
    language: Language,
}

impl Tools {
    /// What there is here for the `language` and `source` of a [`Request`].
    ///
    /// # Errors
    /// When something is missing: what, and how to get it.
    pub(crate) fn find(language: Option<Language>, source: Option<&Path>) -> Result<Tools> {
        let source = self::source(source)?;
        toolchain::find_rust(&source)?;
        Ok(Tools { source, language: chosen(language)? })
    }
}

fn chosen(language: Option<Language>) -> std::result::Result<Language, Missing> {
    match language {
        Some(Language::Rust) => Ok(Language::Rust),
        Some(Language::C) => toolchain::find_c().map(|()| Language::C),
        None => Ok(toolchain::find_c().map_or(Language::Rust, |()| Language::C)),
    }
}

/// The firmware's source: `given`, or what TEFF_FIRMWARE says, or the folder of the repository that this command was built from.
fn source(given: Option<&Path>) -> Result<PathBuf> {
    let said = std::env::var_os("TEFF_FIRMWARE").map(PathBuf::from);
    let (folder, by) = match (given, said) {
        (Some(folder), _) => (folder.to_path_buf(), "--firmware"),
        (None, Some(folder)) => (folder, "TEFF_FIRMWARE"),
        (None, None) => (
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../firmware"),
            "the source that this command was built from",
        ),
    };
    if !folder.join("Cargo.toml").is_file() {
        return Err(Failure::new(format!(
            "the firmware's source is not in {} ({by}): it is the folder `firmware` of teff's repository; say where that is by --firmware DIR \
             or TEFF_FIRMWARE",
            folder.display()
        )));
    }
    Ok(std::path::absolute(&folder)?)
}

/// Builds firmware. Its files are written together, or not at all.
///
/// # Errors
/// A model that is none of pictures; tools that are missing; a network or program that does not fit the board; what the compilers say.
pub(crate) fn build(request: &Request, stop: &Stop, ui: &Ui) -> Result<Built> {
    let elf_path = request.elf.map_or_else(|| beside(request.uf2, "elf"), Path::to_path_buf);
    if elf_path == request.uf2 {
        return Err(Failure::new(format!(
            "the image and the ELF file would both be {}; call the image OUT.uf2",
            elf_path.display()
        )));
    }
    check_writable(request.uf2)?;
    check_writable(&elf_path)?;
    let Tools { source, language } = Tools::find(request.language, request.source)?;
    let target_dir =
        std::path::absolute(request.target_dir.map_or_else(|| source.join("target"), Path::to_path_buf))?;

    let network = folder::make(request, language, &target_dir, ui)?;
    if stop.is_asked() {
        return Err(Failure::stopped("stopped; no firmware was written"));
    }
    let build = cargo::Build {
        source: &source,
        package: PACKAGE,
        target_dir: &target_dir,
        network: &network.path,
        feature: language.name(),
        binary: BINARY,
    };
    // Cargo lets go of its lock before the program is read: another build would put its own there.
    let lock = std::fs::File::create(target_dir.join("networks/lock"))?;
    lock.lock()?;
    let bytes = build.run(stop, ui)?;
    drop(lock);
    let program = Image::parse(&bytes)?;
    let usage = Usage::of(&program, &request.board)?;
    write_together(&[(elf_path.as_path(), &bytes), (request.uf2, &uf2::write(&program.segments))])?;
    Ok(Built {
        uf2: request.uf2.into(),
        elf: elf_path,
        network: network.path,
        language,
        interface: network.interface,
        labels: network.labels,
        pixels: network.pixels,
        usage,
        arena: network.arena,
    })
}

pub(crate) fn run(args: &ArgMatches, ui: &Ui) -> Result<()> {
    let stop = Stop::watch();
    let data = given(args, "data").map(|path| Ok::<_, Failure>(teff::data::open(path)?.train)).transpose()?;
    let language = word(args, "language").map(|l| if l == "c" { Language::C } else { Language::Rust });
    // One of the two is required; without a build, no image is written.
    let out = given(args, "out").or(given(args, "network-only")).expect("required");
    let request = Request {
        reading: Reading::of(args),
        board: Board::from_name(word(args, "board").expect("has a default"))
            .expect("one of those that are known"),
        language,
        labels: match &data {
            Some(data) if !data.classes().is_empty() => Some(data.classes().to_vec()),
            Some(_) | None => labels(args)?,
        },
        samples: data.as_ref(),
        sram_tables: args.get_one("sram-tables").copied(),
        preparation: word(args, "prepare")
            .map(|p| if p == "digit" { Preparation::Digit } else { Preparation::Image }),
        pixels: args.get_one("pixels").copied(),
        elf: given(args, "elf"),
        source: given(args, "firmware"),
        target_dir: given(args, "target-dir"),
        ..Request::new(path_of(args, "model"), out)
    };
    if let Some(folder) = given(args, "network-only") {
        return network_only(folder, &request, ui);
    }
    let started = Instant::now();
    let built = build(&request, &stop, ui)?;
    let text = format!(
        "{}{}\nwrote {} and {} in {}",
        built.usage.text(built.arena),
        taken(&built.interface, &built.pixels, &built.labels),
        built.uf2.display(),
        built.elf.display(),
        duration(started.elapsed())
    );
    let mut result = built.usage.json(built.arena);
    result["uf2"] = path_text(&built.uf2);
    result["elf"] = path_text(&built.elf);
    result["network"] = path_text(&built.network);
    result["language"] = json!(built.language.name());
    result["labels"] = json!(built.labels);
    result["input"] = input(&built.interface, &built.pixels);
    result["seconds"] = json!(started.elapsed().as_secs_f64());
    ui.result(&text, &result);
    Ok(())
}

/// Writes what the firmware's source takes of a network, and builds nothing.
fn network_only(folder: &Path, request: &Request, ui: &Ui) -> Result<()> {
    let languages = request.language.map_or(vec![Language::C, Language::Rust], |one| vec![one]);
    let (made, files) = folder::make_in(folder, request, &languages, ui)?;
    let names: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
    let text = format!("{}\nwrote {}", taken(&made.interface, &made.pixels, &made.labels), names.join(", "));
    ui.result(
        &text,
        &json!({
            "network": path_text(&made.path), "files": names, "labels": made.labels, "arena": made.arena,
            "input": input(&made.interface, &made.pixels),
        }),
    );
    Ok(())
}

/// What a network takes and what it knows, in words.
fn taken(i: &Interface, pixels: &str, labels: &[String]) -> String {
    let channels = if i.channels == 3 { " in 3 channels, all grey" } else { "" };
    let kind = i.input.name();
    format!("input {}x{}{channels}, {kind}: {pixels}\nclasses: {}", i.width, i.height, labels.join(", "))
}

/// What it takes, for scripts.
fn input(i: &Interface, pixels: &str) -> serde_json::Value {
    json!({
        "width": i.width, "height": i.height, "channels": i.channels, "channels_last": i.channels_last, "type": i.input.name(),
        "pixels": pixels,
    })
}

/// The names of the classes that the arguments give: a list or a file.
fn labels(args: &ArgMatches) -> Result<Option<Vec<String>>> {
    let Some(file) = given(args, "labels") else { return Ok(None) };
    let given = &file.display().to_string();
    let (text, by) = if file.is_file() {
        let text = String::from_utf8(read(file)?);
        (text.map_err(|_| Failure::new(format!("{given} is no text in UTF-8")))?, '\n')
    } else if given.contains(',') {
        (given.clone(), ',')
    } else {
        return Err(Failure::new(format!(
            "--labels {given}: there is no such file, and a list has commas, such as --labels \"no person,person\""
        )));
    };
    let names: Vec<String> = text.trim_end().split(by).map(|l| l.trim().to_string()).collect();
    match names.iter().position(String::is_empty) {
        Some(i) => Err(Failure::new(format!("--labels: the name of class {i} is empty"))),
        None => Ok(Some(names)),
    }
}
