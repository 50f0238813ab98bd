//! The state of a reading, and the names that nodes can use.

use super::item::{OnnxValue, holder};
use super::{Fetch, ReadOptions};
use crate::proto::{ElementType, FunctionProto, ModelProto, NodeProto};
use crate::{NodeAt, ONNX};
use std::collections::HashMap;
use teff_reader::{Fault, ReadState};

/// What lasts from the first node to the last.
pub(crate) struct Reader<'m> {
    pub(crate) reading: ReadState,
    /// Whether there were floats of 16 bits.
    pub(crate) is_half: bool,
    /// By what a call names: domain, name, overload.
    pub(crate) functions: HashMap<[&'m str; 3], &'m FunctionProto<'m>>,
    pub(crate) external: Option<&'m Fetch<'m>>,
    /// Lowered so far, functions inlined and loops unrolled.
    pub(crate) nodes: usize,
    /// How deep in functions and sub-graphs.
    pub(crate) depth: usize,
    /// How many nodes have drawn random numbers without a seed.
    unseeded: u32,
}

/// The names that nodes of one graph can use.
pub(crate) struct Scope<'s, 'm> {
    values: HashMap<&'m str, OnnxValue>,
    outer: Option<&'s Scope<'s, 'm>>,
    opsets: &'s [(&'m str, i64)],
}

impl<'s, 'm> Scope<'s, 'm> {
    pub(crate) fn new(opsets: &'s [(&'m str, i64)]) -> Self {
        Scope { values: HashMap::new(), outer: None, opsets }
    }

    /// A scope inside this one, for a sub-graph, which sees the names of this one.
    pub(crate) fn inner<'i>(&'i self) -> Scope<'i, 'm> {
        Scope { values: HashMap::new(), outer: Some(self), opsets: self.opsets }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&OnnxValue> {
        self.values.get(name).or_else(|| self.outer?.get(name))
    }

    /// Whether this graph itself gives the name.
    pub(crate) fn holds(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// A name that is nearly this one, for messages: in brackets, or nothing.
    pub(crate) fn hint(&self, name: &str) -> String {
        let scopes = std::iter::successors(Some(self), |s| s.outer);
        let names = scopes.flat_map(|s| s.values.keys().copied());
        nearest(name, names).map_or(String::new(), |near| format!(" (there is {near:?})"))
    }

    pub(crate) fn set(&mut self, name: &'m str, item: OnnxValue) {
        if !name.is_empty() {
            self.values.insert(name, item);
        }
    }

    pub(crate) fn version(&self, domain: &str) -> Option<i64> {
        let same = |d: &str| d == domain || is_default(d) && is_default(domain);
        self.opsets.iter().find(|(d, _)| same(d)).map(|&(_, version)| version)
    }
}

pub(crate) fn is_default(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

impl<'m> Reader<'m> {
    pub(crate) fn new(model: &'m ModelProto<'m>, options: &ReadOptions<'m>) -> Self {
        Reader {
            reading: ReadState::default(),
            is_half: false,
            functions: model.functions.iter().map(|f| ([f.domain, f.name, f.overload], f)).collect(),
            external: options.external,
            nodes: 0,
            depth: 0,
            unseeded: 0,
        }
    }

    /// Notes that `what` has elements of this type, if the graph holds them as another.
    pub(crate) fn note_held(&mut self, what: &str, element: ElementType) {
        self.is_half |= matches!(element, ElementType::F16 | ElementType::BF16);
        if !matches!(element, ElementType::Plain(_)) {
            self.reading.note(format!(
                "{what}{} is held as {} in the graph",
                element.name(),
                holder(element)
            ));
        }
    }

    /// A seed that no other node without one has.
    pub(crate) fn own_seed(&mut self) -> u32 {
        self.unseeded += 1;
        self.unseeded - 1
    }
}

pub(crate) fn node_at(scope: &Scope, proto: &NodeProto) -> NodeAt {
    let first_output = proto.outputs.iter().find(|o| !o.is_empty()).copied().unwrap_or("");
    NodeAt {
        format: &ONNX,
        index: None,
        node: if proto.name.is_empty() { first_output } else { proto.name }.into(),
        operator: qualified(proto),
        version: scope.version(proto.domain).unwrap_or(1),
    }
}

pub(crate) fn qualified(proto: &NodeProto) -> String {
    if is_default(proto.domain) {
        proto.op_type.into()
    } else {
        format!("{}.{}", proto.domain, proto.op_type)
    }
}

pub(crate) fn no_operator(name: &str) -> Fault {
    let remedy = match name {
        "ImageDecoder" => {
            "decode the picture before the network: take this node out, and give the network the pixels, u8 [height, width, channels], \
             that it would give"
        }
        operator if operator.starts_with("String") || operator.starts_with("Regex") => {
            "keep text processing outside the model"
        }
        operator if operator.starts_with("com.microsoft.") => {
            "onnxruntime's optimiser or quantiser wrote it: take the model from before that, and quantise it with teff quantize"
        }
        operator if operator.contains('.') => {
            "export with standard operators, or include the operator in the file as a function"
        }
        _ => "export with operators that `docs/operators.md` lists, for example with a lower opset",
    };
    Fault::Unsupported("the operator is not supported".into(), remedy.into())
}

/// The name among `names` that is nearly `wanted`: one that differs in case, or in up to two characters, fewer in short names.
fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    /// Names are compared up to this length, and so many of them.
    const LENGTH: usize = 64;
    const NAMES: usize = 4096;
    if wanted.len() > LENGTH {
        return None;
    }
    let most = if wanted.chars().count() < 4 { 1 } else { 2 };
    let near = names
        .take(NAMES)
        .filter(|name| name.len().abs_diff(wanted.len()) <= 2 && !name.is_empty() && name.len() <= LENGTH)
        .map(|name| (edits(&wanted.to_lowercase(), &name.to_lowercase()), name));
    near.filter(|(apart, _)| *apart <= most).min().map(|(_, name)| name)
}

/// How many characters have to be changed, added or left out (Levenshtein's distance).
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
