//! The network folder: what the firmware's crate includes. `net.c` and `net.h`, or `net.rs`, as `teff compile` writes them, and
//! `network.rs`.

use super::Request;
use super::interface::Interface;
use super::network::{Network, Pixels, Preparation, deadline_ms, labels};
use crate::failure::{During, Result};
use crate::files::{Scratch, make_folder, read, write, write_together};
use crate::generate::{self, Language, Output, generate};
use crate::model::{is_tflite, read_model_with};
use crate::ui::{Ui, grouped};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use teff::compile::{c, rust};

/// Bytes of RAM that the firmware takes without a network: three frames, the display's picture, the memory of finding a digit, code,
/// the stack of core 1, and 20 kB for that of core 0.
const APPLICATION_RAM: usize = 184 << 10;

/// A network folder and what is in it.
pub(super) struct Made {
    pub(super) path: PathBuf,
    pub(super) interface: Interface,
    pub(super) labels: Vec<String>,
    /// What black and white are, in words.
    pub(super) pixels: String,
    /// Bytes of intermediate values.
    pub(super) arena: usize,
}

/// Makes the folder of a request's network, under `target_dir`/networks. Its name is made from its contents: cargo sees the same files
/// untouched when the same network comes again, and networks built at the same time do not meet.
///
/// # Errors
/// A model that is none of pictures, or that the board has no room for.
pub(super) fn make(request: &Request, language: Language, target_dir: &Path, ui: &Ui) -> Result<Made> {
    let networks = target_dir.join("networks");
    let draft = Scratch::at(networks.join(format!("draft-{}", std::process::id())))?;
    let made = fill(request, &[language], draft.path(), ui)?;
    Ok(Made { path: settle(draft.path(), &networks)?, ..made })
}

/// The same in a folder of the caller's choice, in several languages at once. The names of the files are the second result.
///
/// # Errors
/// Those of [`make`].
pub(super) fn make_in(
    folder: &Path,
    request: &Request,
    languages: &[Language],
    ui: &Ui,
) -> Result<(Made, Vec<PathBuf>)> {
    make_folder(folder)?;
    let draft = Scratch::at(folder.join(format!("draft-{}", std::process::id())))?;
    let made = fill(request, languages, draft.path(), ui)?;
    let drafts = contents(draft.path())?;
    let bytes = drafts.iter().map(|file| read(file)).collect::<Result<Vec<_>>>()?;
    let place = |file: &PathBuf| folder.join(file.file_name().expect("it is in a folder"));
    let files: Vec<PathBuf> = drafts.iter().map(place).collect();
    write_together(&files.iter().zip(bytes).collect::<Vec<_>>())?;
    Ok((Made { path: folder.into(), ..made }, files))
}

/// Writes the network in each language, and what describes it, which is the same for all.
fn fill(request: &Request, languages: &[Language], folder: &Path, ui: &Ui) -> Result<Made> {
    let graph = read_model_with(request.model, &request.reading, ui)?;
    let tflite = is_tflite(request.model, &read(request.model)?);
    let interface = Interface::of(&graph, tflite).during(request.model.display())?;
    let preparation = Preparation::choose(request.preparation, &interface)?;
    let (pixels, black_and_white) = Pixels::new(&interface, request.pixels)?;
    let labels = labels(request.labels.clone(), interface.outputs)?;
    let (mut cycles, mut arena) = (0f64, 0);
    for (k, language) in languages.iter().enumerate() {
        let generated = print(request, *language, &interface, folder)?;
        let budget = &generated.budget;
        if k == 0 {
            generated.notes.iter().for_each(|note| ui.note(note));
            budget.notes().iter().for_each(|note| ui.note(note));
        }
        ui.note(format!(
            "compiled to {}: weights {} bytes ({} of them copied to RAM), RAM {}, {} multiply-accumulates",
            language.title(),
            grouped(budget.flash_weights),
            grouped(budget.ram_tables),
            grouped(budget.ram_arena),
            grouped(budget.macs as usize)
        ));
        (cycles, arena) = (cycles.max(budget.cycles), arena.max(budget.ram_arena));
    }
    let text = Network {
        name: &request.model.file_stem().unwrap_or_default().to_string_lossy(),
        interface: &interface,
        preparation,
        pixels: &pixels,
        labels: &labels,
        deadline_ms: deadline_ms(cycles, request.board.clock_hz),
    }
    .text();
    write(&folder.join("network.rs"), text.as_bytes())?;
    Ok(Made { path: folder.into(), interface, labels, pixels: black_and_white, arena })
}

/// Compiles the network into the folder, with copies of weights in what RAM there is for them.
fn print(
    request: &Request,
    language: Language,
    interface: &Interface,
    folder: &Path,
) -> Result<generate::Generated> {
    let mut compiled = generate::Request {
        reading: request.reading.clone(),
        target: request.board.target,
        output: match language {
            Language::C => Output::C(c::Options { sram_code: true, ..Default::default() }),
            Language::Rust => Output::Rust(rust::Options {
                arena: rust::ArenaOwner::Caller,
                sram_code: true,
                portable: false,
            }),
        },
        ..generate::Request::default()
    };
    compiled.limits.board = Some(request.board);
    // What the reader has to say of the model was said before.
    let quiet = Ui::new(true, false);
    let mut generated = generate(request.model, &compiled, folder, &quiet)?;
    // Then again with copies of weights in what RAM that leaves.
    compiled.sram_tables = request.sram_tables.unwrap_or_else(|| {
        let values = interface.width * interface.height * (1 + interface.channels * interface.input.size());
        request.board.ram.saturating_sub(APPLICATION_RAM + values + generated.budget.ram_arena)
    });
    if compiled.sram_tables > 0 {
        compiled.samples = request.samples;
        generated = generate(request.model, &compiled, folder, &quiet)?;
    }
    // The firmware has no use for the self-test.
    for file in generated.files.iter().filter(|f| f.file_stem().is_some_and(|stem| stem == "net_selftest")) {
        std::fs::remove_file(file)?;
    }
    Ok(generated)
}

/// The files of a folder, by name.
fn contents(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|f| Ok(f?.path())).collect::<std::io::Result<_>>()?;
    files.sort();
    Ok(files)
}

/// Gives the draft the name of its contents, or leaves it when there is such a folder.
fn settle(draft: &Path, networks: &Path) -> Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    for file in contents(draft)? {
        (file.file_name(), read(&file)?).hash(&mut hasher);
    }
    let path = networks.join(format!("{:016x}", hasher.finish()));
    match std::fs::rename(draft, &path) {
        Err(_) if path.join("network.rs").is_file() => Ok(path),
        renamed => {
            renamed.during(format!("cannot name the network folder {}", path.display()))?;
            Ok(path)
        }
    }
}
