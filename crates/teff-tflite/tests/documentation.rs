//! `docs/tflite.md` lists the operators there are and the differences there are. `TEFF_BLESS=1` rewrites both lists.

use std::path::Path;

/// What stands between these two lines is made from the code.
fn made(text: &str, name: &str, content: &str) -> String {
    let (begin, end) = (format!("<!-- made: {name} -->\n"), format!("<!-- end: {name} -->\n"));
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("no {begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("no {end}"));
    format!("{before}{begin}\n{content}\n{end}{after}")
}

fn operators() -> String {
    let names: Vec<String> = teff_tflite::supported_operators().iter().map(|n| format!("`{n}`")).collect();
    let mut text = format!("{} operators:", names.len());
    let mut width = text.len();
    for (i, name) in names.iter().enumerate() {
        let word = format!("{name}{}", if i + 1 == names.len() { "." } else { "," });
        let fits = width + 1 + word.len() <= 130;
        text += if fits { " " } else { "\n" };
        width = word.len() + if fits { width + 1 } else { 0 };
        text += &word;
    }
    text + "\n"
}

fn differences() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/differences.txt");
    let mut text = String::from("| case | integers that differ | by at most |\n|---|---|---|\n");
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let (case, rest) = line.split_once(": ").unwrap();
        let (count, most) = rest.split_once(" differ, by at most ").unwrap();
        text += &format!("| `{case}` | {count} | {most} |\n");
    }
    text
}

#[test]
fn the_book_lists_what_the_code_has() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/tflite.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let right = made(&made(&text, "operators", &operators()), "differences", &differences());
    if std::env::var_os("TEFF_BLESS").is_some() {
        std::fs::write(&path, &right).unwrap();
    } else {
        assert_eq!(text, right, "run with TEFF_BLESS=1");
    }
}
