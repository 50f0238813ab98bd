//! What follows the float training: pruning, and training with quantised weights.

use super::{Session, Start, going_on, settings};
use crate::failure::Result;
use crate::ui::{grouped, table};
use clap::ArgMatches;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::path::Path;
use teff::checkpoint::Checkpoint;
use teff::folded::Folded;
use teff::qat::{Qat, Widths};
use teff::quantize::Interface;
use teff::train::{Settings, Trainer};
use teff::{Graph, Value};

/// Before the names of the float network's tensors in a checkpoint of what follows.
const FLOAT: &str = "float/";

/// What is to follow.
pub(super) struct Plan {
    qat: Option<(Widths, Settings)>,
}

/// What came out.
pub(super) struct Made {
    /// For one sample.
    pub(super) graph: Graph,
    pub(super) parameters: usize,
    /// Of the test samples.
    pub(super) accuracy: f64,
    /// For people, each line ended.
    pub(super) report: String,
    /// For scripts.
    pub(super) json: Json,
}

impl Plan {
    pub(super) fn new(args: &ArgMatches, float: &Settings) -> Plan {
        Plan { qat: settings::quantised(args, float) }
    }

    /// Whether `resumed` is of what follows the float training. The float network is as it was then.
    pub(super) fn is_under_way(&self, start: &Start, resumed: Option<&(Checkpoint, &Path)>) -> Result<bool> {
        let Some((checkpoint, path)) = resumed else { return Ok(false) };
        let mut found = false;
        for param in start.trainable().params() {
            let Some(value) = checkpoint.tensors.get(&format!("{FLOAT}{}", param.name())) else { continue };
            found = true;
            param.set(value.clone()).map_err(|(ours, theirs)| teff::Error::Checkpoint {
                path: path.into(),
                reason: format!("holds {} as {theirs}, and the model has {ours}; train the same model", param.name()),
            })?;
        }
        Ok(found)
    }

    /// Does what follows.
    pub(super) fn run(&self, session: &Session, start: Start, resumed: Option<(Checkpoint, &Path)>) -> Result<Made> {
        let accuracy = session.accuracy(&start.graph(100)?)?;
        let parameters = start.size();
        let Some((widths, settings)) = &self.qat else {
            return Ok(Made { graph: start.graph(1)?, parameters, accuracy, report: String::new(), json: json!({}) });
        };
        let float: BTreeMap<String, Value> =
            start.trainable().params().iter().map(|p| (format!("{FLOAT}{}", p.name()), p.value().clone())).collect();
        let network = match start {
            Start::Model(model) => Folded::new(&model.graph(1)?)?,
            Start::Folded(folded) => folded,
        };
        session.ui.note(format!("float: {:.2} % of the test samples are right", accuracy * 100.0));
        quantised(session, &network, widths, settings, accuracy, (float, resumed))
    }
}

/// Trains with quantised weights.
fn quantised(
    session: &Session,
    network: &Folded,
    widths: &Widths,
    settings: &Settings,
    float: f64,
    (beside, resumed): (BTreeMap<String, Value>, Option<(Checkpoint, &Path)>),
) -> Result<Made> {
    let train = &session.data.train;
    let qat = Qat::new(network, widths, train, settings.threads)?;
    let at_first = session.accuracy(&in_batches(qat.quantized(Interface::Float)?))?;
    session.ui.note(format!("quantised without training: {:.2} %", at_first * 100.0));
    let mut trainer = Trainer::new(&qat, train, settings.clone())?;
    if let Some((mut checkpoint, path)) = resumed {
        checkpoint.tensors.retain(|name, _| !name.starts_with(FLOAT));
        trainer.resume(&checkpoint, path)?;
        going_on(&trainer, session.ui);
    }
    let after = || -> Result<String> {
        let float = session.accuracy(&network.at_batch(100)?)?;
        let quantised = session.accuracy(&in_batches(qat.quantized(Interface::Float)?))?;
        Ok(format!("; test samples {:.2} % in float, {:.2} % quantised", float * 100.0, quantised * 100.0))
    };
    session.shown("quantised epoch", settings.epochs, beside, &after).run(&mut trainer)?;
    let graph = qat.quantized(Interface::Float)?;
    let accuracy = session.accuracy(&in_batches(qat.quantized(Interface::Float)?))?;
    let mut rows = vec![["layer", "weights", "bits", "bytes"].map(String::from).to_vec()];
    let bytes = qat.weight_bytes();
    for (i, (layer, bits)) in network.layers().iter().zip(qat.bits()).enumerate() {
        rows.push(vec![
            layer.name.clone(),
            grouped(network.weight(i).ty().len()),
            bits.name().into(),
            grouped(bytes[i]),
        ]);
    }
    let bytes: usize = bytes.iter().sum();
    let report = format!(
        "{}weights {} bytes; test samples right: {:.2} % in float, {:.2} % quantised without training\n",
        table(&rows),
        grouped(bytes),
        float * 100.0,
        at_first * 100.0
    );
    let layers: Vec<Json> =
        rows[1..].iter().map(|r| json!({"layer": r[0], "bits": r[2]})).collect();
    let json = json!({
        "float_accuracy": float, "untrained_quantized_accuracy": at_first, "weight_bytes": bytes,
        "layers": layers, "quantized_epochs": settings.epochs,
    });
    Ok(Made { graph, parameters: network.size(), accuracy, report, json })
}

/// For many samples at once, if the network can.
fn in_batches(graph: Graph) -> Graph {
    teff::graph::passes::for_batch(&graph, 100).unwrap_or(graph)
}
