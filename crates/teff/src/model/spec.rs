//! Descriptions of networks: read from TOML, and built for samples of a certain shape.

use super::Model;
use super::layers::{LayerContext, MOST, Make, of_kind};
use super::settings::{LayerSettings, Read, shown};
use crate::error::{Error, Result};
use crate::nn::{Layer, Pass};
use std::collections::HashMap;
use teff_data::Rng;
use teff_graph::{DType, Tensor};
use toml::{Table, Value};

/// A description of a network.
pub struct ModelSpec {
    /// What the network is called.
    pub name: String,
    layers: Vec<LayerSpec>,
}

/// A layer of a description, whose settings were read.
struct LayerSpec {
    /// What it is called in messages: its place, counted from 1, and its kind.
    title: String,
    /// What its name begins with; a number follows.
    stem: &'static str,
    make: Make,
}

/// Names and texts of the networks that come with teff.
const PRESETS: [(&str, &str); 7] = [
    ("mlp", include_str!("presets/mlp.toml")),
    ("cnn", include_str!("presets/cnn.toml")),
    ("lenet", include_str!("presets/lenet.toml")),
    ("small", include_str!("presets/small.toml")),
    ("cnn1d", include_str!("presets/cnn1d.toml")),
    ("tcn", include_str!("presets/tcn.toml")),
    ("gru", include_str!("presets/gru.toml")),
];

impl ModelSpec {
    /// Names of the networks that come with teff.
    pub fn presets() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|(name, _)| *name)
    }

    /// The network that comes with teff under this name.
    pub fn preset(name: &str) -> Option<ModelSpec> {
        let (name, text) = PRESETS.iter().find(|(n, _)| *n == name)?;
        Some(ModelSpec::parse(name, text).expect("presets are tested"))
    }

    /// Reads a description: `name = "..."` and a `[[layer]]` table for each layer, with its `kind` and settings. `origin` stands for
    /// the text in messages.
    ///
    /// # Errors
    /// What is not TOML, an unknown layer or setting, a setting of the wrong type or out of range.
    pub fn parse(origin: &str, text: &str) -> Result<ModelSpec> {
        let fail = |layer: String, reason: String| Error::Model { model: origin.into(), layer, reason };
        let mut table: Table = text
            .parse()
            .map_err(|e: toml::de::Error| fail(String::new(), format!("not TOML: {}", one_line(&e))))?;
        let name = match table.remove("name") {
            Some(Value::String(name)) => name,
            None => origin.into(),
            Some(other) => {
                return Err(fail(String::new(), format!("name must be a text, not {}", shown(&other))));
            }
        };
        let Some(Value::Array(list)) = table.remove("layer") else {
            let reason = "has no [[layer]] tables; a layer is [[layer]] followed by kind = \"linear\" and its settings";
            return Err(fail(String::new(), reason.into()));
        };
        if let Some(key) = table.keys().next() {
            return Err(fail(
                String::new(),
                format!("unknown setting {key:?}; known are name and [[layer]]"),
            ));
        }
        let mut layers = Vec::new();
        for (i, entry) in list.into_iter().enumerate() {
            let Value::Table(table) = entry else {
                return Err(fail(format!("layer {}", i + 1), "is no table".into()));
            };
            let kind = table.get("kind").and_then(Value::as_str).unwrap_or("without a kind");
            let title = format!("layer {} ({kind})", i + 1);
            let (stem, make) = layer(table).map_err(|reason| fail(title.clone(), reason))?;
            layers.push(LayerSpec { title, stem, make });
        }
        Ok(ModelSpec { name, layers })
    }

    /// Builds the network for samples of shape `input` and this many classes, or numbers to be found. Initial weights follow from `seed`. Shapes are those
    /// that the formulas give: each layer is applied to a placeholder as it is made.
    ///
    /// # Errors
    /// The first layer whose settings do not fit what reaches it.
    pub fn build(&self, input: &[usize], classes: usize, seed: u64) -> Result<Model> {
        let mut rng = Rng::new(seed);
        let mut layers: Vec<Box<dyn Layer>> = Vec::new();
        let mut x = Tensor::input("input", DType::F32, &[&[1], input].concat());
        let mut counts: HashMap<&str, usize> = HashMap::new();
        let mut held = 0;
        for spec in &self.layers {
            let fail =
                |reason: String| Error::Model { model: self.name.clone(), layer: spec.title.clone(), reason };
            let number = counts.entry(spec.stem).or_default();
            *number += 1;
            let name = format!("{}{number}", spec.stem);
            let mut place = LayerContext { name: &name, x: &x, held: &mut held, rng: &mut rng };
            let layer = (spec.make)(&mut place, classes).map_err(fail)?;
            x = layer.forward(&x, &Pass::evaluation());
            x.check().map_err(|e| {
                let shape = e.operands().first().map(|t| t.shape.clone()).unwrap_or_default();
                fail(format!("does not fit its input of shape {shape:?}: {}", e.reason()))
            })?;
            if x.len() > MOST {
                let (n, shape) = (x.len(), &x.shape()[1..]);
                return Err(fail(format!(
                    "gives {n} numbers for a sample, of shape {shape:?}; at most {MOST} are allowed"
                )));
            }
            layers.push(layer);
        }
        let (name, output) = (self.name.clone(), x.shape()[1..].to_vec());
        Ok(Model { name, input: input.to_vec(), output, layers, taken: None, given: None, answer: "logits" })
    }
}

/// A layer as its table says, which must say nothing else.
fn layer(mut table: Table) -> Read<(&'static str, Make)> {
    let Some(Value::String(kind)) = table.remove("kind") else { return Err("needs kind = \"...\"".into()) };
    let mut settings = LayerSettings(table);
    let made = of_kind(&kind, &mut settings)?;
    match settings.0.keys().next() {
        Some(key) => Err(format!("unknown setting {key:?}")),
        None => Ok(made),
    }
}

fn one_line(e: &toml::de::Error) -> String {
    // A line of the file may be as long as the file.
    let short = |line: &str| line.trim().chars().take(200).collect::<String>();
    e.to_string().lines().map(short).filter(|l| !l.is_empty()).collect::<Vec<_>>().join(" ")
}
