//! Names, nodes and initialisers of the model.

use super::patterns::pattern;
use super::plan::{Arg, Attribute, Translation, WrittenNode};
use super::primitive::primitive;
use super::view::{GraphView, inexpressible};
use crate::Result;
use crate::proto::{ElementType, Encoder, type_number};
use std::collections::HashMap;
use teff_graph::{Graph, NodeId, Op, Scan, Type, Value, passes};

/// Writes one graph: the model's, or the body of a scan.
pub(crate) struct Emitter<'g> {
    pub(crate) view: GraphView<'g>,
    /// Names of values, taken across the model.
    taken: TakenNames,
    /// Names of nodes, taken across the model.
    taken_nodes: TakenNames,
    names: HashMap<NodeId, String>,
    /// Names of a scan's outputs.
    scans: HashMap<NodeId, Vec<String>>,
    nodes: Vec<Vec<u8>>,
    initializers: Encoder,
    /// The operator set that all of it needs.
    pub(crate) opset: i64,
}

impl<'g> Emitter<'g> {
    pub(crate) fn new(graph: &'g Graph, opset: i64) -> Self {
        Emitter {
            view: GraphView::new(graph),
            taken: TakenNames::new(),
            taken_nodes: TakenNames::new(),
            names: HashMap::new(),
            scans: HashMap::new(),
            nodes: Vec::new(),
            initializers: Encoder::default(),
            opset,
        }
    }

    /// The `GraphProto`.
    pub(crate) fn body(&mut self) -> Result<Vec<u8>> {
        let graph = self.view.graph;
        // In the body of a scan some inputs have names already: those of values outside.
        let own: Vec<NodeId> =
            graph.inputs().iter().copied().filter(|id| !self.names.contains_key(id)).collect();
        let inputs: Vec<(String, Type, bool)> = own
            .into_iter()
            .map(|id| {
                let name = unique(&mut self.taken, graph.input_name(id));
                self.names.insert(id, name.clone());
                (name, graph[id].ty.clone(), self.view.is_open(id))
            })
            .collect();
        // Output names are the caller's: taken before any node takes them, an output that repeats a name numbered.
        let outputs: Vec<String> = graph
            .outputs()
            .iter()
            .map(|o| unique(&mut self.taken, if o.name.is_empty() { "output" } else { &o.name }))
            .collect();
        self.all(graph, &outputs)?;
        let mut e = Encoder::default();
        self.nodes.iter().for_each(|n| e.bytes(1, n));
        e.text(2, if graph.name.is_empty() { "graph" } else { &graph.name });
        e.0.append(&mut self.initializers.0);
        inputs.iter().for_each(|(name, ty, open)| e.message(11, |e| value_info(e, name, ty, *open)));
        for (o, name) in graph.outputs().iter().zip(&outputs) {
            e.message(12, |e| value_info(e, name, &graph[o.node].ty, self.view.is_open(o.node)));
        }
        Ok(e.0)
    }

    /// Writes what the outputs need, in the order of the graph.
    fn all(&mut self, graph: &Graph, outputs: &[String]) -> Result<()> {
        let mut needed = vec![false; graph.nodes().len()];
        graph.outputs().iter().for_each(|o| needed[o.node.index()] = true);
        let mut plans: Vec<Option<Translation>> = Vec::with_capacity(needed.len());
        for id in graph.ids().rev() {
            let plan = if needed[id.index()] { self.plan(id)? } else { None };
            plan.iter().flat_map(Translation::uses).for_each(|o| needed[o.index()] = true);
            plans.push(plan);
        }
        plans.reverse();
        // The first output that a computed node is gives it its name; further ones copy it.
        for (o, name) in graph.outputs().iter().zip(outputs) {
            if plans[o.node.index()].is_some() {
                self.names.entry(o.node).or_insert_with(|| name.clone());
            }
        }
        for (id, plan) in graph.ids().zip(&plans) {
            match (self.view.op(id), plan) {
                (_, Some(plan)) => self.steps(id, plan)?,
                (Op::Constant(v), None) if needed[id.index()] => self.initializer_of(id, v, None),
                (Op::Param(p), None) if needed[id.index()] => {
                    self.initializer_of(id, &p.value(), Some(&p.name()))
                }
                (_, None) => {}
            }
        }
        for (o, name) in graph.outputs().iter().zip(outputs) {
            let from = self.names[&o.node].clone();
            if from != *name {
                self.copy(from, name);
            }
        }
        Ok(())
    }

    /// How to write a node; nothing for inputs and initialisers.
    fn plan(&mut self, id: NodeId) -> Result<Option<Translation>> {
        if matches!(self.view.op(id), Op::Input { .. } | Op::Constant(_) | Op::Param(_)) {
            return Ok(None);
        }
        let plan = match pattern(&self.view, id) {
            Some(plan) => plan,
            None if matches!(self.view.op(id), Op::Scan(_)) => self.scan_plan(id)?,
            None => primitive(&self.view, id).map_err(|reason| inexpressible(self.view.graph, id, reason))?,
        };
        self.opset = self.opset.max(plan.opset);
        Ok(Some(plan))
    }

    fn label(&self, id: NodeId) -> Option<String> {
        self.view.graph[id].label.as_ref().map(|l| l.to_string())
    }

    /// A loop as `Scan`. What every step sees whole, its body takes from outside by name.
    fn scan_plan(&mut self, id: NodeId) -> Result<Translation> {
        let Op::Scan(scan) = self.view.op(id) else { unreachable!("called for scans") };
        let (looped, whole) = self.view.operands(id).split_at(scan.states + scan.scanned);
        if scan.scanned == 0 {
            let reason = "a loop without a scanned operand has no counterpart; scan a counter";
            return Err(inexpressible(self.view.graph, id, reason));
        }
        let stacked = scan.body.outputs().len() - scan.states;
        let direction = usize::from(scan.reverse);
        let mut plan = Translation::of("Scan", looped.iter().map(|&o| Arg::Node(o)).collect())
            .int("num_scan_inputs", scan.scanned as i64)
            .ints("scan_input_directions", vec![direction; scan.scanned])
            .ints("scan_output_directions", vec![direction; stacked])
            .giving(0, scan.body.outputs().len());
        plan.captured = whole.to_vec();
        Ok(plan)
    }

    /// The body of a scan, in which the operands that every step sees whole go by the names they have outside.
    fn scan_body(&mut self, scan: &Scan, whole: &[NodeId]) -> Result<Vec<u8>> {
        let body = passes::simplify_stored(&super::legalise::legalise(&scan.body)?);
        let mut inner = Emitter::new(&body, self.opset);
        inner.taken = std::mem::take(&mut self.taken);
        inner.taken_nodes = std::mem::take(&mut self.taken_nodes);
        let outside = &body.inputs()[scan.states + scan.scanned..];
        inner.names = outside.iter().zip(whole).map(|(&i, o)| (i, self.names[o].clone())).collect();
        let bytes = inner.body();
        self.taken = inner.taken;
        self.taken_nodes = inner.taken_nodes;
        self.opset = inner.opset;
        bytes
    }

    /// Writes the steps of a plan; the last gives the value its name.
    fn steps(&mut self, id: NodeId, plan: &Translation) -> Result<()> {
        if let (Op::Project(index), [scan]) = (self.view.op(id), self.view.operands(id)) {
            self.project(id, *scan, *index);
            return Ok(());
        }
        let base = self.label(id).filter(|l| !l.is_empty());
        let mut made: Vec<String> = Vec::new();
        for (i, step) in plan.steps.iter().enumerate() {
            let is_last = i + 1 == plan.steps.len();
            let wish = base.clone().unwrap_or_else(|| step.operator.to_lowercase());
            let node_name = unique(&mut self.taken_nodes, &wish);
            let inputs: Vec<String> =
                step.inputs.iter().map(|a| self.argument(a, &node_name, &made)).collect();
            let result = match self.names.get(&id).filter(|_| is_last) {
                Some(name) => name.clone(),
                None => unique(&mut self.taken, &node_name),
            };
            let outputs = self.outputs(id, step, &result);
            let mut attributes = step.attributes.clone();
            if let (Op::Scan(scan), "Scan") = (self.view.op(id), step.operator) {
                attributes.insert(0, ("body", Attribute::Graph(self.scan_body(scan, &plan.captured)?)));
            }
            self.node(step.operator, &inputs, &outputs, &node_name, &attributes);
            made.push(result);
        }
        self.names.insert(id, made.pop().expect("a plan has a step"));
        Ok(())
    }

    /// Output names of a step: all of a scan's, else up to the one that is the result.
    fn outputs(&mut self, id: NodeId, step: &WrittenNode, result: &str) -> Vec<String> {
        if step.operator != "Scan" {
            // onnxruntime wants a name for an output that is not optional, used or not.
            let mut name = |i: usize| {
                if i == step.result {
                    result.into()
                } else {
                    unique(&mut self.taken, &format!("{result}.{i}"))
                }
            };
            return (0..=step.result).map(&mut name).collect();
        }
        let outputs: Vec<String> =
            (0..step.outputs).map(|i| unique(&mut self.taken, &format!("{result}.{i}"))).collect();
        self.scans.insert(id, outputs.clone());
        outputs
    }

    /// A result of a scan is one of its outputs; a name that an output of the graph needs is a copy.
    fn project(&mut self, id: NodeId, scan: NodeId, index: usize) {
        let from = self.scans[&scan][index].clone();
        match self.names.get(&id).cloned() {
            Some(name) => self.copy(from, &name),
            None => {
                self.names.insert(id, from);
            }
        }
    }

    fn copy(&mut self, from: String, to: &str) {
        let node = unique(&mut self.taken_nodes, to);
        self.node("Identity", &[from], &[to.to_string()], &node, &[]);
    }

    fn argument(&mut self, arg: &Arg, node: &str, made: &[String]) -> String {
        match arg {
            Arg::Node(id) => self.names[id].clone(),
            Arg::Step(i) => made[*i].clone(),
            Arg::Constant(value, word, narrow) => {
                let name = unique(&mut self.taken, &format!("{node}.{word}"));
                self.initializer(&name, value, narrow.unwrap_or(ElementType::Plain(value.dtype())));
                name
            }
        }
    }

    fn initializer_of(&mut self, id: NodeId, value: &Value, name: Option<&str>) {
        let wish = name.map(str::to_string).or_else(|| self.label(id)).filter(|n| !n.is_empty());
        let name = unique(&mut self.taken, wish.as_deref().unwrap_or("constant"));
        let element = self.view.narrow.get(&id).copied().unwrap_or(ElementType::Plain(value.dtype()));
        self.initializer(&name, value, element);
        self.names.insert(id, name);
    }

    fn initializer(&mut self, name: &str, value: &Value, element: ElementType) {
        self.initializers.message(5, |e| {
            let dims: Vec<i64> = value.shape().iter().map(|&d| d as i64).collect();
            e.ints(1, &dims);
            e.int(2, type_number(element));
            e.text(8, name);
            e.bytes(9, &packed(value, element));
        });
    }

    fn node(
        &mut self,
        operator: &str,
        inputs: &[String],
        outputs: &[String],
        name: &str,
        attributes: &[(&'static str, Attribute)],
    ) {
        let mut e = Encoder::default();
        inputs.iter().for_each(|i| e.text(1, i));
        outputs.iter().for_each(|o| e.text(2, o));
        e.text(3, name);
        e.text(4, operator);
        attributes.iter().for_each(|(name, value)| e.message(5, |e| attribute(e, name, value)));
        self.nodes.push(e.0);
    }
}

/// Raw data: elements narrower than a byte from its low bits up.
fn packed(value: &Value, element: ElementType) -> Vec<u8> {
    let bytes = value.to_le_bytes();
    let bits = element.bits();
    if bits >= 8 {
        return bytes;
    }
    let mask = (1u8 << bits) - 1;
    let join = |part: &[u8]| part.iter().enumerate().fold(0, |byte, (i, x)| byte | (x & mask) << (i * bits));
    bytes.chunks(8 / bits).map(join).collect()
}

/// Field numbers of `AttributeProto`; the last number of each is its type.
fn attribute(e: &mut Encoder, name: &str, value: &Attribute) {
    e.text(1, name);
    match value {
        Attribute::Float(x) => {
            e.float(2, *x);
            e.int(20, 1);
        }
        Attribute::Int(n) => {
            e.int(3, *n);
            e.int(20, 2);
        }
        Attribute::Text(s) => {
            e.text(4, s);
            e.int(20, 3);
        }
        Attribute::Graph(g) => {
            e.bytes(6, g);
            e.int(20, 5);
        }
        Attribute::Ints(list) => {
            e.ints(8, list);
            e.int(20, 7);
        }
    }
}

/// A tensor's name, element type and sizes; the leading size is called `N` when it is left open.
fn value_info(e: &mut Encoder, name: &str, ty: &Type, open: bool) {
    e.text(1, name);
    e.message(2, |e| {
        e.message(1, |e| {
            e.int(1, type_number(ElementType::Plain(ty.dtype)));
            e.message(2, |e| {
                for (axis, &d) in ty.shape.iter().enumerate() {
                    e.message(1, |e| if open && axis == 0 { e.text(2, "N") } else { e.int(1, d as i64) });
                }
            });
        });
    });
}

/// Names, each with the last number that was put behind it to make another.
type TakenNames = HashMap<String, usize>;

/// `wish`, or with the first number after it that nothing is called yet.
fn unique(taken: &mut TakenNames, wish: &str) -> String {
    let mut n = taken.get(wish).copied().unwrap_or(0);
    let mut name = wish.to_string();
    while taken.contains_key(&name) {
        n += 1;
        name = format!("{wish}.{}", n + 1);
    }
    taken.insert(wish.into(), n);
    taken.entry(name.clone()).or_insert(0);
    name
}
