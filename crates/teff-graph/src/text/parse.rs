//! Parsing. Errors name the line.

use crate::dtype::{DType, Type};
use crate::error::{Error, Result};
use crate::geometry::{ConvGeometry, PadAxis, SliceAxis, Window};
use crate::graph::{Graph, NodeId};
use crate::op::{Binary, Op, PoolKind, ReduceKind, ScatterKind, Unary};
use crate::param::Param;
use crate::scan::Scan;
use crate::value::{Element, Value};
use crate::with_dtype;
use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

type Parsed<T> = std::result::Result<T, String>;

/// The graph that [`crate::print`] printed.
///
/// # Errors
/// The number of the line that is not understood, or whose shape rule does not hold, and why.
pub fn parse(text: &str) -> Result<Graph> {
    let mut lines = Lines { rest: text.lines().enumerate().peekable(), at: 0 };
    parse_graph(&mut lines)
        .map_err(|reason| Error::new("parse", vec![], format!("line {}: {reason}", lines.at + 1)))
}

struct Lines<'a> {
    rest: std::iter::Peekable<std::iter::Enumerate<std::str::Lines<'a>>>,
    at: usize,
}

impl<'a> Lines<'a> {
    /// The next line that is not empty, without surrounding blanks.
    fn next(&mut self) -> Option<&'a str> {
        loop {
            let (at, line) = self.rest.next()?;
            self.at = at;
            if !line.trim().is_empty() {
                return Some(line.trim());
            }
        }
    }

    fn next_closes(&mut self) -> bool {
        self.rest.peek().is_some_and(|(_, line)| line.trim() == "}")
    }
}

fn parse_graph(lines: &mut Lines) -> Parsed<Graph> {
    let mut first = Cursor(lines.next().ok_or("the text is empty")?);
    first.expect("graph ")?;
    let mut graph = Graph::new(&first.string()?);
    first.end()?;
    while !lines.next_closes() {
        let Some(line) = lines.next() else { break };
        let mut c = Cursor(line);
        if c.take("return ") {
            let name = c.string()?;
            c.expect(" ")?;
            let id = c.node(&graph)?;
            graph.add_output(&name, id);
            c.end()?;
        } else {
            parse_node(c, &mut graph, lines)?;
        }
    }
    Ok(graph)
}

fn parse_node(mut c: Cursor, graph: &mut Graph, lines: &mut Lines) -> Parsed<()> {
    c.expect("%")?;
    let number: usize = c.number()?;
    if number != graph.nodes().len() {
        return Err(format!("node %{number} where %{} was expected", graph.nodes().len()));
    }
    c.expect(" = ")?;
    let op_name = c.word().to_string();
    let name = if c.take(" \"") { Some(c.string_rest()?) } else { None };
    let mut operands = Vec::new();
    if c.take("(") {
        loop {
            operands.push(c.node(graph)?);
            if c.take(")") {
                break;
            }
            c.expect(", ")?;
        }
    }
    let mut attributes = HashMap::new();
    while !c.take(" : ") {
        c.expect(" ")?;
        let key = c.word().to_string();
        c.expect("=")?;
        attributes.insert(key, c.list::<i64>()?);
    }
    let ty = c.ty()?;
    let value = if c.take(" = ") { Some(c.value(&ty)?) } else { None };
    let label = if c.take("  # ") { Some(Arc::from(c.string()?)) } else { None };
    c.end()?;
    let body = if op_name == "scan" {
        if lines.next() != Some("{") {
            return Err("the body of a scan begins with { on the next line".into());
        }
        let body = parse_graph(lines)?;
        lines.next();
        Some(body)
    } else {
        None
    };
    let parts = Parts { name, attributes, ty: ty.clone(), value, body };
    let op = parts.op(&op_name)?;
    let id = graph.push(op, &operands, label).map_err(|e| e.to_string())?;
    if graph[id].ty != ty {
        return Err(format!("the shape rule gives {}, not {ty}", graph[id].ty));
    }
    Ok(())
}

/// What a line says of its operation.
struct Parts {
    name: Option<String>,
    attributes: HashMap<String, Vec<i64>>,
    ty: Type,
    value: Option<Value>,
    body: Option<Graph>,
}

impl Parts {
    fn list(&self, key: &str) -> Parsed<Vec<usize>> {
        let list = self.attributes.get(key).ok_or_else(|| format!("attribute {key} is missing"))?;
        list.iter().map(|&n| usize::try_from(n).map_err(|_| format!("attribute {key} is negative"))).collect()
    }

    fn one(&self, key: &str) -> Parsed<usize> {
        match self.list(key)?[..] {
            [n] => Ok(n),
            _ => Err(format!("attribute {key} must be one number")),
        }
    }

    fn shape_after_channels(&self) -> Parsed<Vec<usize>> {
        self.ty
            .shape
            .get(2..)
            .map(<[usize]>::to_vec)
            .ok_or_else(|| "the result needs at least two axes".into())
    }

    fn geometry(&self) -> Parsed<ConvGeometry> {
        Ok(ConvGeometry {
            stride: self.list("stride")?,
            dilation: self.list("dilation")?,
            pad_low: self.list("low")?,
            pad_high: self.list("high")?,
            groups: self.one("groups")?,
        })
    }

    fn window(&self) -> Parsed<Window> {
        Ok(Window {
            size: self.list("size")?,
            stride: self.list("stride")?,
            dilation: self.list("dilation")?,
            pad_low: self.list("low")?,
            pad_high: self.list("high")?,
        })
    }

    fn slice(&self) -> Parsed<Op> {
        let start = self.list("start")?;
        let step = self.attributes.get("step").ok_or("attribute step is missing")?;
        if start.len() != step.len() || start.len() != self.ty.rank() {
            return Err("start, step and the result differ in axes".into());
        }
        let axis = |i: usize| SliceAxis { start: start[i], step: step[i] as isize, len: self.ty.shape[i] };
        Ok(Op::Slice((0..start.len()).map(axis).collect()))
    }

    fn pad(&self) -> Parsed<Op> {
        let (low, high, interior) = (self.list("low")?, self.list("high")?, self.list("interior")?);
        if low.len() != high.len() || low.len() != interior.len() {
            return Err("low, high and interior differ in axes".into());
        }
        Ok(Op::Pad(
            (0..low.len()).map(|i| PadAxis { low: low[i], high: high[i], interior: interior[i] }).collect(),
        ))
    }

    fn op(mut self, name: &str) -> Parsed<Op> {
        if let Some(u) = Unary::from_name(name) {
            return Ok(Op::Unary(u));
        }
        if let Some(b) = Binary::from_name(name) {
            return Ok(Op::Binary(b));
        }
        if let Some(kind) = name.strip_prefix("reduce_").and_then(ReduceKind::from_name) {
            return Ok(Op::Reduce { kind, axes: self.list("axes")? });
        }
        if let Some(kind) = name.strip_prefix("scatter_").and_then(ScatterKind::from_name) {
            return Ok(Op::Scatter { axis: self.one("axis")?, kind });
        }
        if let Some(kind) = name.strip_prefix("pool_").and_then(PoolKind::from_name) {
            return Ok(Op::Pool { kind, window: self.window()? });
        }
        let ty = self.ty.clone();
        Ok(match name {
            "input" => Op::Input { name: self.name.take().ok_or("an input has a name")?.into(), ty },
            "constant" => Op::Constant(Arc::new(self.value.take().ok_or("a constant has elements")?)),
            "param" => {
                let name = self.name.take().ok_or("a parameter has a name")?;
                Op::Param(Param::new(&name, self.value.take().unwrap_or_else(|| Value::zeros(&ty))))
            }
            "iota" => Op::Iota { ty, axis: self.one("axis")? },
            "random" => Op::Random { shape: ty.shape },
            "select" => Op::Select,
            "cast" => Op::Cast(ty.dtype),
            "reshape" => Op::Reshape(ty.shape),
            "permute" => Op::Permute(self.list("perm")?),
            "broadcast" => Op::Broadcast(ty.shape),
            "slice" => self.slice()?,
            "pad" => self.pad()?,
            "concat" => Op::Concat { axis: self.one("axis")? },
            "arg_max" | "arg_min" => Op::ArgReduce {
                min: name == "arg_min",
                axis: self.one("axis")?,
                last: self.one("last")? != 0,
            },
            "matmul" => Op::MatMul,
            "conv" => Op::Conv(self.geometry()?),
            "conv_transpose" => {
                Op::ConvTranspose { geometry: self.geometry()?, spatial: self.shape_after_channels()? }
            }
            "conv_weight_grad" => {
                Op::ConvWeightGrad { geometry: self.geometry()?, kernel: self.shape_after_channels()? }
            }
            "pool_sum_grad" => {
                Op::SumPoolGrad { window: self.window()?, spatial: self.shape_after_channels()? }
            }
            "pool_max_grad" => Op::MaxPoolGrad { window: self.window()? },
            "gather" => Op::Gather { axis: self.one("axis")? },
            "argsort" => Op::ArgSort { axis: self.one("axis")?, descending: self.one("descending")? != 0 },
            "quantize" => match self.attributes.get("range").map(Vec::as_slice) {
                Some(&[low, high]) => Op::Quantize { dtype: ty.dtype, low: low as i32, high: high as i32 },
                _ => return Err("attribute range must be two numbers".into()),
            },
            "dequantize" => Op::Dequantize,
            "scan" => Op::Scan(Scan {
                body: Arc::new(self.body.take().ok_or("a scan has a body")?),
                states: self.one("states")?,
                scanned: self.one("scanned")?,
                length: self.one("length")?,
                reverse: self.one("reverse")? != 0,
            }),
            "project" => Op::Project(self.one("index")?),
            _ => return Err(format!("{name:?} is no operation")),
        })
    }
}

/// What is left of a line.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn take(&mut self, s: &str) -> bool {
        match self.0.strip_prefix(s) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, s: &str) -> Parsed<()> {
        if self.take(s) { Ok(()) } else { Err(format!("expected {s:?} before {:?}", self.0)) }
    }

    fn end(&self) -> Parsed<()> {
        if self.0.is_empty() { Ok(()) } else { Err(format!("{:?} is too much", self.0)) }
    }

    /// Everything up to the first character that is none of letter, digit, `_`, `.`, `-`, `+`.
    fn word(&mut self) -> &'a str {
        let end =
            self.0.find(|c: char| !c.is_ascii_alphanumeric() && !"_.-+".contains(c)).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        word
    }

    fn number<T: FromStr>(&mut self) -> Parsed<T> {
        let word = self.word();
        word.parse().map_err(|_| format!("{word:?} is no number that fits here"))
    }

    fn node(&mut self, graph: &Graph) -> Parsed<NodeId> {
        self.expect("%")?;
        let number: u32 = self.number()?;
        if number as usize >= graph.nodes().len() {
            Err(format!("%{number} is not defined yet"))
        } else {
            Ok(NodeId(number))
        }
    }

    fn string(&mut self) -> Parsed<String> {
        self.expect("\"")?;
        self.string_rest()
    }

    /// A quoted string whose opening quote is taken, with the escapes of Rust's Debug form.
    fn string_rest(&mut self) -> Parsed<String> {
        let mut out = String::new();
        let mut chars = self.0.char_indices();
        while let Some((i, c)) = chars.next() {
            match c {
                '"' => {
                    self.0 = &self.0[i + 1..];
                    return Ok(out);
                }
                '\\' => match chars.next().map(|(_, c)| c) {
                    Some('n') => out.push('\n'),
                    Some('t') => out.push('\t'),
                    Some('r') => out.push('\r'),
                    Some('0') => out.push('\0'),
                    Some('u') => {
                        let hex: String = chars
                            .by_ref()
                            .map(|(_, c)| c)
                            .skip(1)
                            .take_while(|&c| c != '}')
                            .take(7)
                            .collect();
                        let code = u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32);
                        out.push(code.ok_or("bad escape in a string")?);
                    }
                    Some(c @ ('"' | '\\' | '\'')) => out.push(c),
                    _ => return Err("bad escape in a string".into()),
                },
                c => out.push(c),
            }
        }
        Err("a string is not closed".into())
    }

    fn list<T: FromStr>(&mut self) -> Parsed<Vec<T>> {
        self.expect("[")?;
        let mut out = Vec::new();
        while !self.take("]") {
            if !out.is_empty() {
                self.expect(",")?;
                self.take(" ");
            }
            out.push(self.number()?);
        }
        Ok(out)
    }

    fn ty(&mut self) -> Parsed<Type> {
        let word = self.word();
        let dtype = DType::from_str(word).map_err(|()| format!("{word:?} is no dtype"))?;
        Ok(Type::new(dtype, self.list::<usize>()?))
    }

    fn value(&mut self, ty: &Type) -> Parsed<Value> {
        if self.0.starts_with("...") {
            return Err("this constant was left out when the graph was printed in brief".into());
        }
        let data = with_dtype!(ty.dtype, T => T::wrap(self.list::<T>()?));
        let n = data.len();
        if ty.shape.iter().try_fold(1usize, |a, &d| a.checked_mul(d)) != Some(n) {
            return Err(format!("{n} elements for {ty}"));
        }
        Ok(Value::from_data(ty.shape.clone(), data))
    }
}
