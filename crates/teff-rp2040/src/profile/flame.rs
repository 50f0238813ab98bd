//! The profile as an SVG flame graph: a box for each call path, as wide as its cycles; stalls are boxes in blue.

use super::Profile;
use std::collections::BTreeMap;
use std::fmt::Write;

const WIDTH: f64 = 1200.0;
const ROW: f64 = 18.0;
/// Boxes narrower than this many pixels are left out.
const NARROWEST: f64 = 0.4;
/// Average width of a letter of the font, in pixels.
const LETTER: f64 = 6.6;

#[derive(Default)]
struct Block {
    own: u64,
    children: BTreeMap<String, Block>,
}

impl Block {
    fn total(&self) -> u64 {
        self.own + self.children.values().map(Block::total).sum::<u64>()
    }

    fn depth(&self) -> usize {
        1 + self.children.values().map(Block::depth).max().unwrap_or(0)
    }

    fn draw(&self, svg: &mut String, name: &str, x: f64, row: usize, scale: f64) {
        let total = self.total();
        let width = total as f64 * scale;
        if width < NARROWEST {
            return;
        }
        let y = row as f64 * ROW;
        let fits = ((width - 6.0) / LETTER).max(0.0) as usize;
        let label: String = if fits >= 3 { name.chars().take(fits).collect() } else { String::new() };
        // Writing to a string cannot fail.
        let _ = writeln!(
            svg,
            "<g><title>{} ({total} cycles)</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{:.1}\" \
             fill=\"{}\"/><text x=\"{:.1}\" y=\"{:.1}\">{}</text></g>",
            escape(name),
            ROW - 1.0,
            color(name),
            x + 3.0,
            y + 13.0,
            escape(&label)
        );
        let mut at = x;
        for (child, block) in &self.children {
            block.draw(svg, child, at, row + 1, scale);
            at += block.total() as f64 * scale;
        }
    }
}

/// Warm colours by name, blue for stalls; the same name always has the same one.
fn color(name: &str) -> String {
    if name.starts_with('[') {
        return "#7aa6d8".into();
    }
    let hash = name.bytes().fold(2_166_136_261u32, |h, b| (h ^ u32::from(b)).wrapping_mul(16_777_619));
    format!("#{:02x}{:02x}{:02x}", 205 + hash % 50, 100 + (hash >> 8) % 100, 40 + (hash >> 16) % 40)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

impl Profile {
    /// A flame graph of both cores, as a complete SVG file.
    pub fn flame_graph(&self) -> String {
        let mut root = Block::default();
        for line in self.folded().lines() {
            let Some((path, cycles)) = line.rsplit_once(' ') else { continue };
            let block = path.split(';').fold(&mut root, |b, name| b.children.entry(name.into()).or_default());
            block.own += cycles.parse::<u64>().unwrap_or(0);
        }
        let height = root.depth() as f64 * ROW;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"monospace\" \
             font-size=\"11\">\n"
        );
        root.draw(&mut svg, "all", 0.0, 0, WIDTH / root.total().max(1) as f64);
        svg.push_str("</svg>\n");
        svg
    }
}
