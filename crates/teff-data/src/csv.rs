//! CSV: a line a sample, a header with the columns' names, numbers separated by commas, semicolons or tabs.
//!
//! Format: RFC 4180; fields may stand in double quotes.

use crate::dataset::{Column, Dataset, Samples, Split};
use crate::error::{Error, Result};
use crate::open::Options;
use crate::stream::open_file;
use crate::targets::Targets;
use std::io::Read;
use std::path::Path;

/// Columns that hold what is to be found, where nothing is said.
const TARGETS: [&str; 6] = ["label", "target", "class", "y", "labels", "targets"];

/// Most classes that whole numbers in a column are taken for.
const MOST_CLASSES: usize = 100;

/// Reads the file; a share of its lines is set aside as `options` say.
pub(crate) fn read(path: &Path, options: &Options) -> Result<Split> {
    let name = path.display().to_string();
    let unusable = |what: &str| Err(Error::unusable(&name, what));
    let mut bytes = Vec::new();
    open_file(path).and_then(|mut f| f.read_to_end(&mut bytes)).map_err(|e| Error::io(path, e))?;
    let text = String::from_utf8_lossy(&bytes);
    let mut lines =
        text.trim_start_matches('\u{feff}').lines().enumerate().filter(|(_, l)| !l.trim().is_empty());
    let Some((_, header)) = lines.next() else {
        return unusable("has no lines; a data set needs a header and a line for each sample");
    };
    let separator = [',', ';', '\t'].into_iter().max_by_key(|s| header.matches(*s).count()).unwrap_or(',');
    let header = fields(header, separator);
    if header.iter().all(|field| field.parse::<f64>().is_ok()) {
        return unusable(
            "has numbers in its first line, where the names of its columns belong; put a line of names before it",
        );
    }
    let labels = labels(&name, &header, options)?;
    let (mut x, mut found) = (Vec::new(), Vec::new());
    for (line, text) in lines {
        let mut row = fields(text, separator);
        if separator != ',' {
            row.iter_mut().for_each(with_point);
        }
        if row.len() != header.len() {
            let what = format!("line {} has {} fields, its header {}", line + 1, row.len(), header.len());
            return unusable(&what);
        }
        found.extend(labels.iter().map(|label| row[*label].clone()));
        for (i, field) in row.into_iter().enumerate().filter(|(i, _)| !labels.contains(i)) {
            match field.parse::<f32>() {
                Ok(number) if number.is_finite() => x.push(number),
                _ => {
                    let what = format!(
                        "line {}, column {}: {field:?} is no number; fill what is missing and number what are words, or name the column \
                         with what is to be found by --label",
                        line + 1,
                        header[i]
                    );
                    return unusable(&what);
                }
            }
        }
    }
    if x.is_empty() && found.is_empty() {
        return unusable("has no samples: only the line of names");
    }
    let features = header.len() - labels.len();
    if features == 0 {
        return unusable("has no columns beside what is to be found; a sample needs at least one");
    }
    let inputs = vec![Column { name: "x".into(), shape: vec![features], samples: Samples::F32(x) }];
    let targets = match labels[..] {
        [] => Targets::Missing,
        [column] => targets(header[column].clone(), &found),
        _ => several(&name, labels.iter().map(|l| &*header[*l]).collect(), &found)?,
    };
    let data = Dataset::of(inputs, targets).map_err(|e| e.in_file(&name))?;
    data.split(options.test_fraction, options.split_seed)
}

/// Which columns are to be found: those that `options` name, with commas between them.
fn labels(name: &str, header: &[String], options: &Options) -> Result<Vec<usize>> {
    let Some(wanted) = &options.label else {
        let known = header.iter().position(|field| TARGETS.contains(&&*field.to_lowercase()));
        return Ok(known.into_iter().collect());
    };
    let place = |wanted: &str| {
        header.iter().position(|field| field == wanted).ok_or_else(|| {
            Error::unusable(name, format!("has no column {wanted}; its columns are {}", header.join(", ")))
        })
    };
    match place(wanted) {
        Err(_) if wanted.contains(',') => {
            let all: Vec<usize> = wanted.split(',').map(|one| place(one.trim())).collect::<Result<_>>()?;
            match all.iter().enumerate().find(|(i, at)| all[..*i].contains(at)) {
                Some((_, twice)) => {
                    Err(Error::unusable(name, format!("column {} is to be found twice", header[*twice])))
                }
                None => Ok(all),
            }
        }
        one => one.map(|at| vec![at]),
    }
}

/// Several columns are numbers to be found together, an array of one row a sample.
fn several(name: &str, columns: Vec<&str>, found: &[String]) -> Result<Targets> {
    let number = |(i, field): (usize, &String)| {
        field.parse::<f32>().map_err(|_| {
            let column = columns[i % columns.len()];
            let what = format!(
                "column {column}: {field:?} is no number; of several columns to be found all hold numbers"
            );
            Error::unusable(name, what)
        })
    };
    let numbers = found.iter().enumerate().map(number).collect::<Result<_>>()?;
    let column =
        Column { name: columns.join(","), shape: vec![columns.len()], samples: Samples::F32(numbers) };
    Ok(Targets::Values(vec![column]))
}

/// Words and a few whole numbers are classes, in order; others are numbers to be found.
fn targets(name: String, found: &[String]) -> Targets {
    let whole: Option<Vec<u16>> = found.iter().map(|field| field.parse().ok()).collect();
    let largest = whole.iter().flatten().max().map(|n| usize::from(*n));
    if let (Some(labels), Some(largest)) = (whole, largest.filter(|n| *n < MOST_CLASSES.min(found.len()))) {
        return Targets::Classes { labels, names: (0..=largest).map(|n| n.to_string()).collect() };
    }
    let numbers: Option<Vec<f32>> = found.iter().map(|field| field.parse().ok()).collect();
    if let Some(numbers) = numbers {
        return Targets::Values(vec![Column { name, shape: vec![1], samples: Samples::F32(numbers) }]);
    }
    let mut names = found.to_vec();
    names.sort();
    names.dedup();
    let label = |field: &String| names.binary_search(field).map_or(u16::MAX, |at| at as u16);
    Targets::Classes { labels: found.iter().map(label).collect(), names }
}

/// A number with a comma before its fraction, as where columns are separated by semicolons, gets a point.
fn with_point(field: &mut String) {
    let pointed = field.replace(',', ".");
    if pointed.parse::<f64>().is_ok() {
        *field = pointed;
    }
}

/// The fields of a line.
fn fields(line: &str, separator: char) -> Vec<String> {
    let (mut fields, mut quoted) = (vec![String::new()], false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let last = fields.last_mut().expect("begins with one");
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                last.push('"');
            }
            '"' => quoted = !quoted,
            c if c == separator && !quoted => fields.push(String::new()),
            c => last.push(c),
        }
    }
    fields.into_iter().map(|field| field.trim().to_owned()).collect()
}
