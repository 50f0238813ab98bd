//! What a `[[layer]]` table says, read setting by setting.

use super::layers::Outputs;
use toml::{Table, Value};

/// What a `[[layer]]` table still says.
pub(super) struct LayerSettings(pub(super) Table);

/// What was read, or what is wrong with it.
pub(super) type Read<T> = std::result::Result<T, String>;

impl LayerSettings {
    pub(super) fn outputs(&mut self) -> Read<Outputs> {
        match self.0.remove("out") {
            Some(Value::String(s)) if s == "classes" => Ok(Outputs::Classes),
            Some(Value::Integer(n)) if n >= 1 => Ok(Outputs::Count(n as usize)),
            Some(other) => {
                Err(format!("out is {}, and must be a whole number from 1 or \"classes\"", shown(&other)))
            }
            None => Err("needs out = a whole number from 1, or \"classes\"".into()),
        }
    }

    pub(super) fn whole(&mut self, key: &str, default: Option<usize>) -> Read<usize> {
        match (self.0.remove(key), default) {
            (Some(Value::Integer(n)), _) if (0..=1 << 24).contains(&n) => Ok(n as usize),
            (Some(other), _) => {
                Err(format!("{key} is {}, and must be a whole number from 0 to {}", shown(&other), 1 << 24))
            }
            (None, Some(n)) => Ok(n),
            (None, None) => Err(format!("needs {key} = a whole number")),
        }
    }

    pub(super) fn count(&mut self, key: &str, default: Option<usize>) -> Read<usize> {
        match self.whole(key, default)? {
            0 => Err(format!("{key} is 0, and must be at least 1")),
            n => Ok(n),
        }
    }

    pub(super) fn number(&mut self, key: &str, default: Option<f64>) -> Read<f64> {
        match (self.0.remove(key), default) {
            (Some(Value::Float(x)), _) => Ok(x),
            (Some(Value::Integer(n)), _) => Ok(n as f64),
            (None, Some(x)) => Ok(x),
            (Some(other), _) => Err(format!("{key} is {}, and must be a number", shown(&other))),
            (None, None) => Err(format!("needs {key} = a number")),
        }
    }

    pub(super) fn flag(&mut self, key: &str, default: bool) -> Read<bool> {
        match self.0.remove(key) {
            Some(Value::Boolean(b)) => Ok(b),
            None => Ok(default),
            Some(other) => Err(format!("{key} is {}, and must be true or false", shown(&other))),
        }
    }

    pub(super) fn sizes(&mut self, key: &str) -> Read<Vec<usize>> {
        let wrong = || format!("needs {key} = [sizes from 1], without the batch");
        let Some(Value::Array(list)) = self.0.remove(key) else { return Err(wrong()) };
        let size = |v: &Value| v.as_integer().filter(|n| (1..=1 << 24).contains(n)).map(|n| n as usize);
        list.iter().map(size).collect::<Option<_>>().ok_or_else(wrong)
    }
}

/// A value as its author wrote it, near enough.
pub(super) fn shown(value: &Value) -> String {
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
