//! `teff compile --list-unsupported`.

use crate::failure::{During, Failure, Result};
use crate::files::read;
use crate::model::is_tflite;
use crate::ui::Ui;
use serde_json::json;
use std::path::Path;

/// Prints every operator of the model that no lowering exists for; fails when there are any.
pub(super) fn run(model: &Path, ui: &Ui) -> Result<()> {
    let bytes = read(model)?;
    let list: Vec<String> = if is_tflite(model, &bytes) {
        teff::tflite::unsupported(&bytes).during(model.display())?.iter().map(ToString::to_string).collect()
    } else {
        teff::onnx::unsupported(&bytes).during(model.display())?.iter().map(ToString::to_string).collect()
    };
    let text = if list.is_empty() {
        format!("teff has every operator of {}", model.display())
    } else {
        list.join("\n")
    };
    ui.result(&text, &json!({"unsupported": list}));
    if list.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("{}: {} operators are not supported", model.display(), list.len())))
}
