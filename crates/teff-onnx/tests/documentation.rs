//! `docs/operators.md` lists the operators there are. `TEFF_BLESS=1` rewrites it.

use std::collections::BTreeMap;
use std::path::Path;

fn table() -> String {
    let mut domains: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (domain, name) in teff_onnx::supported_operators() {
        domains.entry(domain).or_default().push(name);
    }
    let mut text = String::from(
        "# ONNX operators\n\nWhat `teff` reads, from opset 7 (most operators: from their first version) to the newest. Shapes must \
         be static. Every attribute is read at the version the model asks for; one that is not supported is an error, never ignored. \
         This list is made from the code (`crates/teff-onnx`, `TEFF_BLESS=1 cargo test -p teff-onnx --test documentation`).\n",
    );
    for (domain, names) in domains {
        let title = if domain.is_empty() { "ai.onnx (default domain)" } else { domain };
        text += &format!("\n## {title}\n\n{} operators.\n\n", names.len());
        names.iter().for_each(|n| text += &format!("- {n}\n"));
    }
    text
}

#[test]
fn the_list_of_operators_is_that_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operators.md");
    if std::env::var_os("TEFF_BLESS").is_some() {
        std::fs::write(&path, table()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), table(), "run with TEFF_BLESS=1");
}
