//! What follows the float training: pruning, and training with quantised weights.

use super::settings::{self, Pruning};
use super::{Session, Start, going_on, measures};
use crate::failure::{During, Result};
use crate::ui::{grouped, table};
use clap::ArgMatches;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::path::Path;
use teff::checkpoint::Checkpoint;
use teff::data::Dataset;
use teff::folded::Folded;
use teff::metrics::Quality;
use teff::prune::{Change, prune};
use teff::qat::{Bits, Qat, Widths};
use teff::quantize::Interface;
use teff::train::{Settings, Trainer};
use teff::{Graph, Schedule, Value};

/// Before the names of the float network's tensors in a checkpoint of what follows.
const FLOAT: &str = "float/";

/// What is to follow.
pub(super) struct Plan {
    pruning: Option<Pruning>,
    qat: Option<(Widths, Settings)>,
    interface: Interface,
}

/// What came out.
pub(super) struct Made {
    /// For one sample.
    pub(super) graph: Graph,
    /// Whether weights are to be stored in fewer than 8 bits.
    pub(super) narrow: bool,
    pub(super) parameters: usize,
    /// At the test samples.
    pub(super) quality: Quality,
    /// For people, each line ended.
    pub(super) report: String,
    /// For scripts.
    pub(super) json: Map<String, Json>,
}

impl Plan {
    pub(super) fn new(args: &ArgMatches, float: &Settings) -> Plan {
        Plan {
            pruning: settings::pruning(args, float),
            qat: settings::quantised(args, float),
            interface: settings::interface(args),
        }
    }

    /// Whether what follows can be done with this network, asked before it is trained for long.
    pub(super) fn check(&self, start: &Start, train: &Dataset) -> Result<()> {
        if self.pruning.is_none() && self.qat.is_none() {
            return Ok(());
        }
        let folded = Folded::new(&start.graph(1)?).during("--prune and --qat")?;
        if let Some((widths, settings)) = &self.qat {
            Qat::new(&folded, widths, train, settings.threads)?.quantized(self.interface)?;
        }
        Ok(())
    }

    /// Whether `resumed` is of what follows the float training. The float network is then as it was.
    pub(super) fn is_under_way(&self, start: &Start, resumed: Option<&(Checkpoint, &Path)>) -> Result<bool> {
        let Some((checkpoint, path)) = resumed else { return Ok(false) };
        let mut found = false;
        for param in start.trainable().params() {
            let Some(value) = checkpoint.tensors.get(&format!("{FLOAT}{}", param.name())) else { continue };
            found = true;
            param.set(value.clone()).map_err(|(ours, theirs)| teff::Error::Checkpoint {
                path: path.into(),
                reason: format!(
                    "holds {} as {theirs}, and the model has {ours}; train the same model",
                    param.name()
                ),
            })?;
        }
        if found && self.pruning.is_none() && self.qat.is_none() {
            let reason =
                "was made after the float training; add the --prune and --qat it was made with".into();
            return Err(teff::Error::Checkpoint { path: path.into(), reason }.into());
        }
        Ok(found)
    }

    /// Does what follows.
    pub(super) fn run(
        &self,
        session: &Session,
        start: Start,
        resumed: Option<(Checkpoint, &Path)>,
    ) -> Result<Made> {
        let quality = session.quality(&start.graph(100)?)?;
        let (parameters, report, json) = (start.size(), String::new(), Map::new());
        if self.pruning.is_none() && self.qat.is_none() {
            return Ok(Made { graph: start.graph(1)?, narrow: false, parameters, quality, report, json });
        }
        session.ui.note(format!("float: {} {quality}", tested(quality)));
        let float: BTreeMap<String, Value> = start
            .trainable()
            .params()
            .iter()
            .map(|p| (format!("{FLOAT}{}", p.name()), p.value().clone()))
            .collect();
        let folded = match start {
            Start::Model(model) => Folded::new(&model.graph(1)?)?,
            Start::Folded(folded) => *folded,
        };
        let mut made = Made {
            graph: folded.at_batch(1)?,
            narrow: false,
            parameters: folded.size(),
            quality,
            report,
            json,
        };
        made.json.extend(measures("float", quality));
        let folded = match &self.pruning {
            Some(pruning) => {
                if resumed.is_some() {
                    session.ui.note("the float training is done; the pruning begins anew");
                }
                pruned(session, folded, pruning, &float, &mut made)?
            }
            None => folded,
        };
        if let Some((widths, settings)) = &self.qat {
            let resumed = resumed.filter(|_| self.pruning.is_none());
            quantised(session, &folded, (widths, self.interface), settings, (float, resumed), &mut made)?;
        }
        Ok(made)
    }
}

/// Prunes in several cuts with an epoch after each, and trains what is left for as many epochs again.
fn pruned(
    session: &Session,
    folded: Folded,
    pruning: &Pruning,
    float: &BTreeMap<String, Value>,
    made: &mut Made,
) -> Result<Folded> {
    let (train, threads) = (&session.data.train, pruning.settings.threads);
    let epochs = pruning.settings.epochs;
    let cuts = epochs.div_ceil(2);
    let before: Vec<usize> = folded.layers().iter().map(|l| l.channels).collect();
    let mut changes: Option<Vec<Change>> = None;
    let mut network = folded;
    for cut in 1..=cuts {
        // The same share at each cut, all cuts together the share asked for.
        let left = (1.0 - pruning.share).powf(cut as f64 / cuts as f64);
        let keep = |layer: usize, _: usize| (before[layer] as f64 * left).round() as usize;
        let step = prune(&network, pruning.criterion, keep, train, threads)?;
        network = step.network;
        let first = changes.get_or_insert(step.layers.clone());
        for (first, now) in first.iter_mut().zip(step.layers) {
            (first.channels.1, first.macs.1, first.size.1) = (now.channels.1, now.macs.1, now.size.1);
        }
        let last = cut == cuts;
        let settings = Settings {
            epochs: if last { epochs - cuts + 1 } else { 1 },
            schedule: if last { Schedule::Cosine } else { Schedule::Constant },
            seed: pruning.settings.seed.wrapping_add(cut as u64),
            ..pruning.settings.clone()
        };
        let label = format!("pruned to {:.0} %, epoch", left * 100.0);
        let mut trainer = Trainer::new(&network, train, settings.clone())?;
        let after = || Ok(format!("; test samples {}", session.quality(&network.at_batch(100)?)?));
        session.shown(&label, settings.epochs, float.clone(), &after).run(&mut trainer)?;
    }
    let quality = session.quality(&network.at_batch(100)?)?;
    let changes = changes.unwrap_or_default();
    made.report += &format!(
        "{}{} {} before, {quality} pruned\n\n",
        change_table(&changes),
        tested(quality),
        made.quality,
    );
    let layer = |c: &Change| {
        json!({"layer": c.name, "channels_before": c.channels.0, "channels": c.channels.1, "macs_before": c.macs.0, "macs": c.macs.1,
            "size_before": c.size.0, "size": c.size.1, "kept": c.kept})
    };
    made.json.insert("pruned_layers".into(), changes.iter().map(layer).collect());
    made.json.extend(measures("pruned", quality));
    (made.graph, made.parameters, made.quality) = (network.at_batch(1)?, network.size(), quality);
    Ok(network)
}

fn change_table(changes: &[Change]) -> String {
    let both = |a: usize, b: usize| format!("{} to {}", grouped(a), grouped(b));
    let mut rows = vec![["layer", "channels", "MACs", "float bytes"].map(String::from).to_vec()];
    for c in changes {
        let mut row = vec![
            c.name.clone(),
            both(c.channels.0, c.channels.1),
            both(c.macs.0 as usize, c.macs.1 as usize),
            both(4 * c.size.0, 4 * c.size.1),
        ];
        row.extend(c.kept.iter().map(|why| format!("all stay: {why}")));
        rows.push(row);
    }
    let sum = |f: &dyn Fn(&Change) -> usize| changes.iter().map(f).sum::<usize>();
    rows.push(vec![
        "all".into(),
        String::new(),
        both(sum(&|c| c.macs.0 as usize), sum(&|c| c.macs.1 as usize)),
        both(4 * sum(&|c| c.size.0), 4 * sum(&|c| c.size.1)),
    ]);
    table(&rows)
}

/// Trains with quantised weights.
fn quantised(
    session: &Session,
    folded: &Folded,
    (widths, interface): (&Widths, Interface),
    settings: &Settings,
    (beside, resumed): (BTreeMap<String, Value>, Option<(Checkpoint, &Path)>),
    made: &mut Made,
) -> Result<()> {
    let train = &session.data.train;
    let qat = Qat::new(folded, widths, train, settings.threads)?;
    let as_written = || session.quality(&qat.quantized(Interface::Float)?);
    let at_first = as_written()?;
    session.ui.note(format!("quantised without training: {at_first}"));
    let mut trainer = Trainer::new(&qat, train, settings.clone())?;
    if let Some((mut checkpoint, path)) = resumed {
        checkpoint.tensors.retain(|name, _| !name.starts_with(FLOAT));
        trainer.resume(&checkpoint, path)?;
        going_on(&trainer, session.ui);
    }
    let after = || -> Result<String> {
        let float = session.quality(&folded.at_batch(100)?)?;
        let quantised = as_written()?;
        Ok(format!("; test samples {float} in float, {quantised} quantised"))
    };
    session.shown("quantised epoch", settings.epochs, beside, &after).run(&mut trainer)?;
    let bytes = qat.weight_bytes();
    let mut rows = vec![["layer", "weights", "bits", "bytes"].map(String::from).to_vec()];
    let mut layers = Vec::new();
    for (i, (layer, bits)) in folded.layers().iter().zip(qat.bits()).enumerate() {
        let n = folded.weight(i).ty().len();
        rows.push(vec![layer.name.clone(), grouped(n), bits.name().into(), grouped(bytes[i])]);
        layers.push(json!({"layer": layer.name, "weights": n, "bits": bits.name(), "bytes": bytes[i]}));
    }
    let quality = as_written()?;
    let all: usize = bytes.iter().sum();
    made.report += &format!(
        "{}weights {} bytes; {} {} in float, {at_first} quantised without training, {quality} with it\n\n",
        table(&rows),
        grouped(all),
        tested(quality),
        made.quality,
    );
    let more = [
        ("weight_bytes", json!(all)),
        ("quantized_layers", Json::Array(layers)),
        ("quantized_epochs", json!(settings.epochs)),
    ];
    made.json.extend(measures("untrained_quantized", at_first));
    made.json.extend(more.map(|(k, v)| (k.to_string(), v)));
    made.narrow = qat.bits().iter().any(|b| *b != Bits::Int8);
    (made.graph, made.quality) = (qat.quantized(interface)?, quality);
    Ok(())
}

/// What a figure is of.
fn tested(quality: Quality) -> &'static str {
    match quality {
        Quality::Accuracy(_) => "test samples right:",
        Quality::Fit(_) => "test samples:",
    }
}
