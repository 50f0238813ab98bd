//! Names that were meant.

/// The name among `names` that is nearly `wanted`: one that differs in case, or in up to two characters, fewer in short names.
pub(crate) fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
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
