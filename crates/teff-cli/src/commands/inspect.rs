//! `teff inspect`.

use super::{Reading, path};
use crate::failure::Result;
use crate::ui::{Ui, grouped};
use clap::ArgMatches;
use serde_json::json;
use teff::graph::{passes, print, print_brief};

pub(crate) fn run(args: &ArgMatches, ui: &Ui) -> Result<()> {
    let mut graph = super::read_whatever(path(args, "model"), &Reading::of(args), ui)?.0;
    if args.get_flag("simplify") {
        super::check_memory(&graph, "without --simplify it can be looked at")?;
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
