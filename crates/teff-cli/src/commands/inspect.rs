//! `teff inspect`.

use crate::args::{input_shape, model, path_of, switch};
use crate::failure::Result;
use crate::model::{Reading, check_memory, read_whatever};
use crate::ui::{Ui, grouped};
use clap::{ArgMatches, Command};
use serde_json::json;
use teff::graph::{passes, print, print_brief};

pub(crate) fn command() -> Command {
    Command::new("inspect")
        .about("Print a model as a graph of teff's operations")
        .arg(model())
        .arg(switch("full", "Print every constant whole, so that the text can be read back"))
        .arg(input_shape())
        .arg(switch("simplify", "Simplify the graph first, as the compiler does"))
}

pub(crate) fn run(args: &ArgMatches, ui: &Ui) -> Result<()> {
    let mut graph = read_whatever(path_of(args, "model"), &Reading::of(args), ui)?.0;
    if args.get_flag("simplify") {
        check_memory(&graph, "without --simplify it can be looked at")?;
        graph = passes::simplify(&passes::freeze(&graph));
    }
    let text = if args.get_flag("full") { print(&graph) } else { print_brief(&graph) };
    if args.get_flag("json") {
        ui.result("", &json!({"name": graph.name, "nodes": graph.nodes().len(), "graph": text}));
    } else {
        ui.print(&text);
        ui.note(format!("{} nodes", grouped(graph.nodes().len())));
    }
    Ok(())
}
