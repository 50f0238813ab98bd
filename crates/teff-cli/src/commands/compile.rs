//! `teff compile`.

use crate::args::{float, given, input_shape, limit, machine, model, one, path, path_of, switch, word};
use crate::failure::{Failure, Result};
use crate::generate::{Limits, Output, Request, generate, products, short};
use crate::model::Reading;
use crate::ui::{Ui, grouped, table};
use clap::{Arg, ArgMatches, Command};
use serde_json::json;
use teff::compile::{c, rust};

pub(crate) fn command() -> Command {
    Command::new("compile")
        .about("Compile a model to C or Rust that needs nothing but the language's standard library")
        .arg(model())
        .arg(
            path("out", "DIR", "The folder for NAME.c, NAME.h and NAME_selftest.c, or NAME.rs and NAME_selftest.rs")
                .short('o')
                .required_unless_present("list-unsupported"),
        )
        .arg(
            Arg::new("target")
                .long("target")
                .help("The machine that the loops are laid out for")
                .value_parser(teff::compile::Target::ALL.map(|t| t.name))
                .default_value("generic"),
        )
        .arg(
            Arg::new("board")
                .long("board")
                .help("The board: its processor is the target, its flash and RAM are limits")
                .value_parser(teff::compile::Board::ALL.map(|b| b.name))
                .conflicts_with("target"),
        )
        .arg(limit("flash", "Most bytes of flash, such as 128K: a network with more is refused, with what takes the space"))
        .arg(limit("ram", "Most bytes of RAM for intermediate values, such as 20K"))
        .arg(switch("size", "Compile the C with the target's compiler (-O2) and print what code, tables and RAM take"))
        .arg(float())
        .arg(
            Arg::new("language")
                .long("language")
                .help("What to write: C99, or Rust without std")
                .value_parser(["c", "rust"])
                .default_value("c"),
        )
        .arg(
            Arg::new("name")
                .long("name")
                .value_name("NAME")
                .help("Name of the function, and what the names of files and macros begin with")
                .default_value("net"),
        )
        .arg(
            Arg::new("arena")
                .long("arena")
                .help("Who provides the working memory: the file (static, C only; its default), the caller (Rust's default), or the stack (Rust only)")
                .value_parser(["static", "caller", "stack"]),
        )
        .arg(limit("sram-tables", "Copy tables to RAM at start, this many bytes of them, such as 100K: those whose reading from slow flash (RP2040) costs most, by the inputs of --data if given"))
        .arg(switch("sram-code", "Mark the functions to be copied to RAM at start, where flash is slow (RP2040); needs no linker script"))
        .arg(switch("portable", "Rust without assembly and unsafe, for any processor; on a Cortex-M0+ half as fast"))
        .arg(path("data", "DATASET", "Take the inputs of the self-test from this data set, and for --sram-tables those that show what is needed most"))
        .arg(input_shape())
        .arg(switch(
            "list-unsupported",
            "Only list the operators of the model that teff does not have; status 1 if there are any",
        ))
}

pub(crate) fn run(args: &ArgMatches, ui: &Ui) -> Result<()> {
    if args.get_flag("list-unsupported") {
        return super::unsupported::run(path_of(args, "model"), ui);
    }
    let data = given(args, "data").map(teff::data::open).transpose()?;
    let (board, target) = machine(args);
    let request = Request {
        name: one(args, "name"),
        reading: Reading::of(args),
        target,
        size: args.get_flag("size"),
        limits: Limits { board, flash: args.get_one("flash").copied(), ram: args.get_one("ram").copied() },
        sram_tables: args.get_one("sram-tables").copied().unwrap_or(0),
        floats: one(args, "float"),
        output: output(args)?,
        samples: data.as_ref().map(|d| &d.test),
    };
    let folder = path_of(args, "out");
    let generated = generate(path_of(args, "model"), &request, folder, ui)?;
    let size = generated.size;
    let b = &generated.budget;
    let mut rows = vec![["layer", "computes", "result", "weights", "MACs"].map(String::from).to_vec()];
    for k in &b.kernels {
        rows.push(vec![
            k.label.as_deref().map_or("-", short).into(),
            k.words.clone(),
            k.result.to_string(),
            grouped(k.weight_bytes),
            grouped(k.macs as usize),
        ]);
    }
    let gap = match b.ram_arena.saturating_sub(b.ram_lower_bound) {
        0 => String::new(),
        more => format!(" ({} more than any plan needs)", grouped(more)),
    };
    let names: Vec<String> = generated.files.iter().map(|f| f.display().to_string()).collect();
    let mut notes = generated.notes.clone();
    notes.extend(b.notes());
    if b.ram_tables > 0 {
        notes.push(format!("{} bytes of tables are copied to RAM at start", grouped(b.ram_tables)));
    }
    if let Some(s) = size {
        notes.push(format!(
            "compiled with -O2: code {} bytes, tables {}, RAM {}",
            grouped(s.code),
            grouped(s.tables),
            grouped(s.ram)
        ));
    }
    let text_of_notes: String = notes.iter().map(|note| format!("\n{note}")).collect();
    let text = format!(
        "{}{text_of_notes}\nflash for weights {} bytes, RAM {} bytes{gap}, {} multiply-accumulates\nwrote {}",
        table(&rows),
        grouped(b.flash_weights),
        grouped(b.ram_arena + b.ram_tables),
        grouped(b.macs as usize),
        names.join(", ")
    );
    ui.result(
        &text,
        &json!({
            "flash_weights": b.flash_weights, "ram": b.ram_arena + b.ram_tables, "ram_tables": b.ram_tables, "ram_lower_bound": b.ram_lower_bound, "macs": b.macs, "files": names,
            "notes": notes,
            "size": size.map(|s| json!({ "code": s.code, "tables": s.tables, "ram": s.ram })),
            "layers": b.kernels.iter().map(|k| json!({
                "label": k.label, "computes": k.words, "ops": k.ops, "result": k.result.to_string(), "weight_bytes": k.weight_bytes, "macs": k.macs,
                "products": products(&k.products),
            })).collect::<Vec<_>>(),
        }),
    );
    Ok(())
}

/// The language, with what is to be printed how.
fn output(args: &ArgMatches) -> Result<Output> {
    let arena = word(args, "arena");
    let (sram_code, portable) = (args.get_flag("sram-code"), args.get_flag("portable"));
    if word(args, "language").is_some_and(|l| l == "rust") {
        let arena = match arena {
            None | Some("caller") => rust::ArenaOwner::Caller,
            Some("stack") => rust::ArenaOwner::Stack,
            Some(_) => {
                return Err(Failure::new(
                    "--arena static is for C: Rust has no static memory that safe code may write; use caller (the default) or stack",
                ));
            }
        };
        return Ok(Output::Rust(rust::Options { arena, sram_code, portable }));
    }
    if portable {
        return Err(Failure::new(
            "--portable is for Rust: the assembly in C stands under #if, with the same in C beside it",
        ));
    }
    let arena = match arena {
        None | Some("static") => c::ArenaOwner::Static,
        Some("caller") => c::ArenaOwner::Caller,
        Some(_) => {
            return Err(Failure::new("--arena stack is for Rust; use static (the default of C) or caller"));
        }
    };
    Ok(Output::C(c::Options { arena, sram_code, ..Default::default() }))
}
