//! Files as people have them: nodes in any order, names that are wrong, sizes left open by a negative number.

mod message;

use message::{Message, graph_attribute, ints, model, node, value};
use teff_graph::{Value, evaluate};
use teff_onnx::{ReadOptions, read};

fn named(name: &str, op: &str, inputs: &[&str], outputs: &[&str]) -> Message {
    node(op, "", inputs, outputs).text(3, name)
}

fn error(bytes: &[u8]) -> String {
    read(bytes, &ReadOptions::default()).unwrap_err().to_string()
}

/// What the model gives for one number.
fn of(bytes: &[u8], x: f32) -> f64 {
    let graph = read(bytes, &ReadOptions::default()).unwrap().graph;
    graph.verify().unwrap();
    evaluate(&graph, &[Value::new([1], vec![x])]).unwrap()[0].to_f64()[0]
}

/// An initialiser that is a truth value.
fn flag(name: &str, on: bool) -> Message {
    Message::default().int(2, 9).text(8, name).bytes(9, &[on.into()])
}

/// y = -exp(|x| + |x|).
fn chain() -> [Message; 4] {
    [
        named("1", "Abs", &["x"], &["a"]),
        named("2", "Add", &["a", "a"], &["b"]),
        named("3", "Exp", &["b"], &["c"]),
        named("4", "Neg", &["c"], &["y"]),
    ]
}

#[test]
fn nodes_in_any_order_are_sorted() {
    let want = -(1.5f64.exp());
    for first in 0..4 {
        for step in [1, 3] {
            let nodes: Vec<Message> = (0..4).map(|i| chain()[(first + step * i) % 4].clone()).collect();
            assert!((of(&model(&[1], &nodes, &[]), -0.75) - want).abs() < 1e-5, "{first} {step}");
        }
    }
    // What nothing depends on keeps the order of the file, so that a sorted model is read as it is.
    let text = |nodes: &[Message]| {
        let graph = read(&model(&[1], nodes, &[]), &ReadOptions::default()).unwrap().graph;
        teff_graph::print(&graph)
    };
    let branches = [
        named("p", "Exp", &["x"], &["p"]),
        named("q", "Neg", &["x"], &["q"]),
        named("y", "Add", &["p", "q"], &["y"]),
    ];
    let [p, q, y] = branches.clone();
    assert_eq!(text(&branches), text(&[y, p, q]));
}

/// A sub-graph takes values of the graph around it without naming them as inputs of its node.
#[test]
fn what_sub_graphs_take_comes_before_them() {
    let branch = |nodes: &[Message], gives: &str| {
        let graph = nodes.iter().fold(Message::default(), |m, n| m.message(1, n.clone())).text(2, "branch");
        graph.message(12, value(gives, &[1]))
    };
    // Inside it the nodes are in the wrong order too, and `own` is not the later node's.
    let then =
        branch(&[named("b", "Neg", &["own"], &["t"]), named("a", "Add", &["late", "late"], &["own"])], "t");
    let condition = |on| [(5, flag("on", on)), (5, ints("unused", &[1], &[3]))];
    let nodes = [
        node("If", "", &["on"], &["y"])
            .message(5, graph_attribute("then_branch", then))
            .message(5, graph_attribute("else_branch", branch(&[], "late"))),
        named("later", "Exp", &["x"], &["late"]),
        named("other", "Neg", &["y"], &["own"]),
    ];
    let late = 0.5f64.exp();
    assert!((of(&model(&[1], &nodes, &condition(true)), 0.5) + 2.0 * late).abs() < 1e-5);
    assert!((of(&model(&[1], &nodes, &condition(false)), 0.5) - late).abs() < 1e-5);
}

#[test]
fn nodes_of_functions_are_sorted() {
    let f = Message::default().text(1, "f").text(4, "a").text(5, "b").text(10, "d");
    let f = f.message(7, named("2", "Exp", &["m"], &["b"])).message(7, named("1", "Neg", &["a"], &["m"]));
    let f = f.message(9, Message::default().text(1, "").int(2, 17));
    let mut bytes = model(&[1], &[node("f", "d", &["x"], &["y"])], &[]);
    bytes.extend(Message::default().message(25, f).0);
    assert!((of(&bytes, 0.5) - (-0.5f64).exp()).abs() < 1e-6);
}

#[test]
fn a_cycle_names_its_nodes() {
    let ring = [
        named("outside", "Neg", &["x"], &["n"]),
        named("p", "Add", &["n", "r"], &["q"]),
        named("q", "Exp", &["q"], &["r"]),
        named("end", "Neg", &["r"], &["y"]),
    ];
    let e = error(&model(&[1], &ring, &[]));
    assert!(e.contains("wait for each other") && e.contains("\"p\" (Add") && e.contains("\"q\" (Exp"), "{e}");
    assert!(!e.contains("outside") && !e.contains("end"), "{e}");
    let e = error(&model(&[1], &[named("p", "Add", &["x", "y"], &["y"])], &[]));
    assert!(e.contains("\"p\" (Add, opset 17) takes its own output"), "{e}");
    // As long as it may be, it takes no stack.
    let long: Vec<Message> = (0..60_000)
        .map(|i| node("Neg", "", &[&*format!("v{i}")], &[&*format!("v{}", (i + 1) % 60_000)]))
        .chain([named("end", "Neg", &["v0"], &["y"])])
        .collect();
    let e = error(&model(&[1], &long, &[]));
    assert!(e.contains("and 59994 more") && e.len() < 1000, "{e}");
}

#[test]
fn names_given_twice_and_not_at_all() {
    let twice = [named("p", "Neg", &["x"], &["y"]), named("q", "Exp", &["x"], &["y"])];
    let e = error(&model(&[1], &twice, &[]));
    assert!(e.contains("node \"q\" (Exp") && e.contains("\"y\" is given by node \"p\" (Neg"), "{e}");
    let e = error(&model(&[1], &[named("p", "Neg", &["x"], &["x"])], &[]));
    assert!(e.contains("\"x\" is given by an input or initialiser too"), "{e}");
    let e = error(&model(&[1], &[], &[(11, value("x", &[1]))]));
    assert!(e.contains("\"x\": is listed twice"), "{e}");
    // A name that is nearly one there is.
    let nodes = [named("p", "Neg", &["x"], &["hidden_1"]), named("q", "Exp", &["hiden_1"], &["y"])];
    let e = error(&model(&[1], &nodes, &[]));
    assert!(
        e.contains("node \"q\" (Exp") && e.contains("\"hiden_1\"") && e.contains("(there is \"hidden_1\")"),
        "{e}"
    );
    let e = error(&model(&[1], &[named("p", "Neg", &["x"], &["Y"])], &[]));
    assert!(e.contains("\"y\": is computed by no node (there is \"Y\")"), "{e}");
    let e = error(&model(&[1], &[named("p", "Neg", &["something_else"], &["y"])], &[]));
    assert!(e.contains("\"something_else\"") && !e.contains("there is"), "{e}");
}

/// An input whose sizes are as in the file: `value` of the messages leaves negative ones out.
fn sized(name: &str, dims: &[i64]) -> Message {
    let dim = |&d: &i64| Message::default().int(1, d);
    let shape = dims.iter().fold(Message::default(), |m, d| m.message(1, dim(d)));
    let tensor = Message::default().int(1, 1).message(2, shape);
    Message::default().text(1, name).message(2, Message::default().message(1, tensor))
}

/// Axes stored as -1, or as another negative number, are open as those with a name are; 0 may be.
#[test]
fn sizes_that_are_negative_are_open() {
    let with = |dims: &[i64]| {
        let graph = Message::default().message(1, node("Neg", "", &["x"], &["y"])).text(2, "g");
        let graph =
            graph.message(11, sized("x", dims)).message(12, sized("y", dims)).message(13, sized("y", dims));
        Message::default().int(1, 8).message(7, graph).message(8, Message::default().text(1, "").int(2, 17)).0
    };
    let shaped = |bytes: &[u8], shape: &[usize]| {
        let input_shapes = vec![("x".to_string(), shape.to_vec())];
        read(bytes, &ReadOptions { input_shapes, ..ReadOptions::default() })
    };
    for open in [-1, -2, i64::MIN] {
        let bytes = with(&[open, 3, open, open]);
        let e = error(&bytes);
        assert!(
            e.contains("[?, 3, ?, ?] leaves axis 2 open") && e.contains("--input-shape x:1x3x32x32"),
            "{e}"
        );
        let graph = shaped(&bytes, &[1, 3, 32, 32]).unwrap().graph;
        assert_eq!(graph.nodes()[0].ty.shape, [1, 3, 32, 32]);
        assert!(
            shaped(&bytes, &[1, 4, 32, 32])
                .unwrap_err()
                .to_string()
                .contains("does not fit the model's [?, 3, ?, ?]")
        );
        let batch = read(&with(&[open, 3]), &ReadOptions::default()).unwrap();
        assert_eq!(batch.graph.nodes()[0].ty.shape, [1, 3]);
        assert!(batch.notes[0].contains("the batch axis of [?, 3] is pinned to 1"), "{:?}", batch.notes);
    }
    let none = read(&with(&[1, 0, 4]), &ReadOptions::default()).unwrap();
    assert!(none.notes[0].contains("no elements") && none.notes[0].contains("x:1x32x4"), "{:?}", none.notes);
    assert_eq!(shaped(&with(&[1, 0, 4]), &[1, 7, 4]).unwrap().graph.nodes()[0].ty.shape, [1, 7, 4]);
}
