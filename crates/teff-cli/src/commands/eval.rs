//! `teff eval`.

use crate::args::{given, input_shape, label, model, path, path_of, switch, threads, threads_of};
use crate::failure::{Failure, Result};
use crate::files::{check_writable, write};
use crate::model::read_model;
use crate::tensors::open_data;
use crate::ui::{Ui, grouped, percent, table};
use clap::{ArgMatches, Command};
use serde_json::json;
use std::path::Path;
use teff::data::{Dataset, Mark, Targets, Tile, contact_sheet};
use teff::metrics::{Confusion, Quality};
use teff::{Graph, Judgement, Predictions, outputs, predict};

pub(crate) fn command() -> Command {
    Command::new("eval")
        .about("Run a model over the test samples of a data set: accuracy and confusion, or how near its numbers are")
        .arg(model())
        .arg(path("data", "DATASET", "The data set").required(true))
        .arg(label())
        .arg(switch("train-part", "Use the training samples instead of the test samples"))
        .arg(path("mistakes", "OUT.png", "Write a picture of the worst mistakes"))
        .arg(input_shape())
        .arg(threads())
}

pub(crate) fn run(args: &ArgMatches, ui: &Ui) -> Result<()> {
    let mistakes = given(args, "mistakes");
    if let Some(picture) = mistakes {
        check_writable(picture)?;
    }
    let graph = read_model(path_of(args, "model"), args, ui)?;
    let data = open_data(args)?;
    let part = if args.get_flag("train-part") { &data.train } else { &data.test };
    if let Targets::Values(_) = part.targets() {
        return numbers(&outputs(&graph, part, threads_of(args))?, part, ui);
    }
    if part.classes().is_empty() {
        return Err(Failure::new(format!(
            "{} does not say what is to be found; add an array y of class numbers or of floats, or name a column by --label",
            path_of(args, "data").display()
        )));
    }
    let predictions = predict(&graph, part, threads_of(args))?;
    let confusion = predictions.confusion(part);
    if let Some(picture) = mistakes {
        write_mistakes(&graph, &predictions, part, picture, ui)?;
    }
    let classes: Vec<_> = (0..confusion.classes())
        .map(|c| json!({"class": part.classes()[c], "recall": confusion.recall(c), "precision": confusion.precision(c)}))
        .collect();
    let counts: Vec<Vec<usize>> = (0..confusion.classes())
        .map(|l| (0..confusion.classes()).map(|p| confusion.get(l, p)).collect())
        .collect();
    ui.result(
        &report(&confusion, part),
        &json!({
            "samples": confusion.total(), "correct": confusion.correct(), "accuracy": confusion.accuracy(),
            "classes": classes, "confusion": counts,
        }),
    );
    Ok(())
}

/// How near what a network said is to the numbers to be found.
fn numbers(said: &[Vec<f32>], data: &Dataset, ui: &Ui) -> Result<()> {
    let Judgement::Numbers(all) = Judgement::of(said, data) else {
        let given: Vec<usize> = said.iter().map(|y| y.len() / data.len().max(1)).collect();
        return Err(Failure::new(format!(
            "the model gives {given:?} numbers for each sample, output by output; the data have others to be found"
        )));
    };
    let text: Vec<String> = all.iter().map(|(name, fit)| format!("{name}: {}", Quality::Fit(*fit))).collect();
    let fits =
        all.iter().map(|(name, fit)| json!({"name": name, "mse": fit.mse, "mae": fit.mae, "r2": fit.r2}));
    let json = json!({"samples": data.len(), "numbers": fits.collect::<Vec<_>>()});
    ui.result(&format!("{}\non {} samples", text.join("\n"), grouped(data.len())), &json);
    Ok(())
}

fn report(confusion: &Confusion, data: &Dataset) -> String {
    let share = |s: Option<f64>| s.map_or("-".to_string(), percent);
    let n = confusion.classes();
    let mut out = format!(
        "{} right: {} of {}\n\n",
        percent(confusion.accuracy()),
        grouped(confusion.correct()),
        grouped(confusion.total())
    );
    let mut rows = vec![vec!["class".to_string(), "samples".into(), "found".into(), "precise".into()]];
    for c in 0..n {
        let samples: usize = (0..n).map(|p| confusion.get(c, p)).sum();
        rows.push(vec![
            data.classes()[c].clone(),
            grouped(samples),
            share(confusion.recall(c)),
            share(confusion.precision(c)),
        ]);
    }
    out += &table(&rows);
    // Wider than a terminal says nothing; the JSON has it all.
    if n <= 20 {
        out += "\nconfusion: a row for each true class, a column for what was said\n";
        let mut rows = vec![[vec![String::new()], data.classes().to_vec()].concat()];
        for l in 0..n {
            let count =
                |p| if confusion.get(l, p) == 0 { ".".to_string() } else { confusion.get(l, p).to_string() };
            rows.push([vec![data.classes()[l].clone()], (0..n).map(count).collect()].concat());
        }
        out += &table(&rows);
    }
    out.trim_end().to_string()
}

/// The samples that the network was most sure of and wrong about.
fn write_mistakes(graph: &Graph, said: &Predictions, data: &Dataset, picture: &Path, ui: &Ui) -> Result<()> {
    let labels = data.labels();
    let mut wrong: Vec<usize> = (0..data.len()).filter(|&i| said.classes[i] != labels[i]).collect();
    wrong.sort_by(|&a, &b| said.confidence(b).total_cmp(&said.confidence(a)).then(a.cmp(&b)));
    if wrong.is_empty() {
        ui.note(format!("no mistakes: {} is not written", picture.display()));
        return Ok(());
    }
    let class = |c: u16| &data.classes()[usize::from(c)];
    let tiles: Vec<Tile> = wrong
        .iter()
        .take(48)
        .map(|&i| Tile {
            sample: data.sample(i),
            caption: format!(
                "{} said {}\n{:.0} % sure",
                class(labels[i]),
                class(said.classes[i]),
                said.confidence(i) * 100.0
            ),
            mark: Mark::Wrong,
        })
        .collect();
    let title =
        format!("{}: {} mistakes in {} samples, the surest first", graph.name, wrong.len(), data.len());
    let png = contact_sheet(&title, &tiles, data.shape(), 8)?;
    write(picture, &png)?;
    ui.note(format!("wrote {}", picture.display()));
    Ok(())
}
