//! The description of a network, and how it is read from TOML.

use crate::error::{Error, Result};
use toml::{Table, Value};

/// How many neurons or channels a layer gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outputs {
    /// This many.
    Count(usize),
    /// One for each class of the data set: `"classes"`.
    Classes,
}

/// One layer of a description. In TOML the kind is its name in lower case with underscores; `kernel`, `stride` and so on are those
/// of all spatial axes.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum LayerSpec {
    Linear {
        out: Outputs,
        bias: bool,
    },
    Conv {
        out: Outputs,
        kernel: usize,
        stride: usize,
        padding: usize,
        dilation: usize,
        groups: usize,
        bias: bool,
    },
    Depthwise {
        kernel: usize,
        stride: usize,
        padding: usize,
        bias: bool,
    },
    ConvTranspose {
        out: Outputs,
        kernel: usize,
        stride: usize,
        padding: usize,
        output_padding: usize,
    },
    MaxPool {
        size: usize,
        stride: usize,
    },
    AvgPool {
        size: usize,
        stride: usize,
    },
    GlobalAvgPool,
    BatchNorm,
    LayerNorm,
    GroupNorm {
        groups: usize,
    },
    Dropout {
        rate: f64,
    },
    Flatten,
    Reshape {
        shape: Vec<usize>,
    },
    Lstm {
        hidden: usize,
    },
    Gru {
        hidden: usize,
    },
    LastStep,
    Activation {
        kind: crate::nn::Activation,
    },
}

/// A description of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSpec {
    /// What the network is called.
    pub name: String,
    /// Its layers, first to last.
    pub layers: Vec<LayerSpec>,
}

/// Names and texts of the networks that come with teff.
const PRESETS: [(&str, &str); 4] = [
    ("mlp", include_str!("presets/mlp.toml")),
    ("cnn", include_str!("presets/cnn.toml")),
    ("lenet", include_str!("presets/lenet.toml")),
    ("small", include_str!("presets/small.toml")),
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
            let Value::Table(settings) = entry else {
                return Err(fail(format!("layer {}", i + 1), "is no table".into()));
            };
            let kind = settings.get("kind").and_then(Value::as_str).unwrap_or("without a kind").to_string();
            let mut settings = Settings(settings);
            let spec =
                settings.layer().map_err(|reason| fail(format!("layer {} ({kind})", i + 1), reason))?;
            layers.push(spec);
        }
        Ok(ModelSpec { name, layers })
    }
}

fn one_line(e: &toml::de::Error) -> String {
    // A line of the file may be as long as the file.
    let short = |line: &str| line.trim().chars().take(200).collect::<String>();
    e.to_string().lines().map(short).filter(|l| !l.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A value as its author wrote it, near enough.
fn shown(value: &Value) -> String {
    match value {
        Value::String(s) => format!("{s:?}"),
        Value::Integer(n) => n.to_string(),
        Value::Float(x) => x.to_string(),
        Value::Boolean(b) => b.to_string(),
        Value::Datetime(_) => "a date".into(),
        Value::Array(_) => "a list".into(),
        Value::Table(_) => "a table".into(),
    }
}

/// What a `[[layer]]` table still says.
struct Settings(Table);

type Read<T> = std::result::Result<T, String>;

impl Settings {
    fn layer(&mut self) -> Read<LayerSpec> {
        let kind = match self.0.remove("kind") {
            Some(Value::String(kind)) => kind,
            _ => return Err("needs kind = \"...\"".into()),
        };
        let spec = self.of_kind(&kind)?;
        match self.0.keys().next() {
            Some(key) => Err(format!("unknown setting {key:?}")),
            None => Ok(spec),
        }
    }

    fn of_kind(&mut self, kind: &str) -> Read<LayerSpec> {
        use crate::nn::Activation as A;
        let activation = |kind: A| Ok(LayerSpec::Activation { kind });
        match kind {
            "linear" => Ok(LayerSpec::Linear { out: self.outputs()?, bias: self.flag("bias", true)? }),
            "conv" => Ok(LayerSpec::Conv {
                out: self.outputs()?,
                kernel: self.count("kernel", None)?,
                stride: self.count("stride", Some(1))?,
                padding: self.whole("padding", Some(0))?,
                dilation: self.count("dilation", Some(1))?,
                groups: self.count("groups", Some(1))?,
                bias: self.flag("bias", true)?,
            }),
            "depthwise" => Ok(LayerSpec::Depthwise {
                kernel: self.count("kernel", None)?,
                stride: self.count("stride", Some(1))?,
                padding: self.whole("padding", Some(0))?,
                bias: self.flag("bias", true)?,
            }),
            "conv_transpose" => Ok(LayerSpec::ConvTranspose {
                out: self.outputs()?,
                kernel: self.count("kernel", None)?,
                stride: self.count("stride", Some(1))?,
                padding: self.whole("padding", Some(0))?,
                output_padding: self.whole("output_padding", Some(0))?,
            }),
            "max_pool" | "avg_pool" => {
                let size = self.count("size", None)?;
                let stride = self.count("stride", Some(size))?;
                Ok(if kind == "max_pool" {
                    LayerSpec::MaxPool { size, stride }
                } else {
                    LayerSpec::AvgPool { size, stride }
                })
            }
            "global_avg_pool" => Ok(LayerSpec::GlobalAvgPool),
            "batch_norm" => Ok(LayerSpec::BatchNorm),
            "layer_norm" => Ok(LayerSpec::LayerNorm),
            "group_norm" => Ok(LayerSpec::GroupNorm { groups: self.count("groups", None)? }),
            "dropout" => match self.number("rate", Some(0.5))? {
                rate if (0.0..1.0).contains(&rate) => Ok(LayerSpec::Dropout { rate }),
                rate => Err(format!("rate is {rate}, and must be from 0 to below 1")),
            },
            "flatten" => Ok(LayerSpec::Flatten),
            "reshape" => Ok(LayerSpec::Reshape { shape: self.sizes("shape")? }),
            "lstm" => Ok(LayerSpec::Lstm { hidden: self.count("hidden", None)? }),
            "gru" => Ok(LayerSpec::Gru { hidden: self.count("hidden", None)? }),
            "last_step" => Ok(LayerSpec::LastStep),
            "relu" => activation(A::Relu),
            "relu6" => activation(A::Relu6),
            "leaky_relu" => activation(A::LeakyRelu(self.number("slope", Some(0.01))?)),
            "elu" => activation(A::Elu),
            "selu" => activation(A::Selu),
            "gelu" => activation(A::Gelu),
            "silu" => activation(A::Silu),
            "mish" => activation(A::Mish),
            "softplus" => activation(A::Softplus),
            "sigmoid" => activation(A::Sigmoid),
            "hard_sigmoid" => activation(A::HardSigmoid),
            "hard_swish" => activation(A::HardSwish),
            "tanh" => activation(A::Tanh),
            "softmax" => activation(A::Softmax),
            "log_softmax" => activation(A::LogSoftmax),
            _ => Err(format!("unknown kind; known are {KINDS}")),
        }
    }

    fn outputs(&mut self) -> Read<Outputs> {
        match self.0.remove("out") {
            Some(Value::String(s)) if s == "classes" => Ok(Outputs::Classes),
            Some(Value::Integer(n)) if n >= 1 => Ok(Outputs::Count(n as usize)),
            Some(other) => {
                Err(format!("out is {}, and must be a whole number from 1 or \"classes\"", shown(&other)))
            }
            None => Err("needs out = a whole number from 1, or \"classes\"".into()),
        }
    }

    fn whole(&mut self, key: &str, default: Option<usize>) -> Read<usize> {
        match (self.0.remove(key), default) {
            (Some(Value::Integer(n)), _) if (0..=1 << 24).contains(&n) => Ok(n as usize),
            (Some(other), _) => {
                Err(format!("{key} is {}, and must be a whole number from 0 to {}", shown(&other), 1 << 24))
            }
            (None, Some(n)) => Ok(n),
            (None, None) => Err(format!("needs {key} = a whole number")),
        }
    }

    fn count(&mut self, key: &str, default: Option<usize>) -> Read<usize> {
        match self.whole(key, default)? {
            0 => Err(format!("{key} is 0, and must be at least 1")),
            n => Ok(n),
        }
    }

    fn number(&mut self, key: &str, default: Option<f64>) -> Read<f64> {
        match (self.0.remove(key), default) {
            (Some(Value::Float(x)), _) => Ok(x),
            (Some(Value::Integer(n)), _) => Ok(n as f64),
            (None, Some(x)) => Ok(x),
            (Some(other), _) => Err(format!("{key} is {}, and must be a number", shown(&other))),
            (None, None) => Err(format!("needs {key} = a number")),
        }
    }

    fn flag(&mut self, key: &str, default: bool) -> Read<bool> {
        match self.0.remove(key) {
            Some(Value::Boolean(b)) => Ok(b),
            None => Ok(default),
            Some(other) => Err(format!("{key} is {}, and must be true or false", shown(&other))),
        }
    }

    fn sizes(&mut self, key: &str) -> Read<Vec<usize>> {
        let wrong = || format!("needs {key} = [sizes from 1], without the batch");
        let Some(Value::Array(list)) = self.0.remove(key) else { return Err(wrong()) };
        let size = |v: &Value| v.as_integer().filter(|n| (1..=1 << 24).contains(n)).map(|n| n as usize);
        list.iter().map(size).collect::<Option<_>>().ok_or_else(wrong)
    }
}

const KINDS: &str = "linear, conv, depthwise, conv_transpose, max_pool, avg_pool, global_avg_pool, batch_norm, layer_norm, \
    group_norm, dropout, flatten, reshape, lstm, gru, last_step, relu, relu6, leaky_relu, elu, selu, gelu, silu, mish, softplus, \
    sigmoid, hard_sigmoid, hard_swish, tanh, softmax, log_softmax";
