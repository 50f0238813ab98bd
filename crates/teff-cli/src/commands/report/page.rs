//! The report as one page of HTML that needs nothing else.

use super::Report;
use super::text::{a_mac, cycles, decibels, name, percent, summary};
use crate::ui::grouped;
use std::fmt::Write;

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1d2433; --faint: #667085; --line: #d9dee7; --paper: #fff; --work: #2f6fde; --wait: #e8883a; --block: #7aa7f0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9f0; --faint: #98a2b3; --line: #333b4a; --paper: #151a23; --work: #6b9cf5; --wait: #f0a35e; --block: #3f66a8; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 82rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2.2rem; }
p, dt, figcaption { color: var(--faint); } dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; } dd { margin: 0; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th { color: var(--faint); font-weight: 500; } th:first-child, td:first-child { text-align: left; max-width: 20rem; overflow: hidden; text-overflow: ellipsis; }
th:nth-child(2), td.words { text-align: left; }
td.bar { width: 26%; min-width: 8rem; text-align: left; } .work, .wait { display: inline-block; height: .8rem; vertical-align: middle; }
.work { background: var(--work); } .wait { background: var(--wait); } figure { margin: 0; } svg { width: 100%; height: auto; }
svg text { fill: var(--faint); font-size: 11px; } svg rect { fill: var(--block); stroke: var(--paper); } svg line { stroke: var(--line); }
";

pub(super) fn page(report: &Report) -> String {
    let title =
        escaped(&format!("{} on {}", report.model, report.board.map_or(report.target.name, |b| b.name)));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n<h1>{title}</h1>\n<dl>\n"
    );
    for (what, said) in summary(report) {
        let _ = writeln!(out, "<dt>{what}</dt><dd>{}</dd>", escaped(&said));
    }
    out += "</dl>\n";
    for note in &report.notes {
        let _ = writeln!(out, "<p>{}</p>", escaped(note));
    }
    layers(report, &mut out);
    memory(report, &mut out);
    out + "</html>\n"
}

fn layers(report: &Report, out: &mut String) {
    let measured = report.measured.as_ref().ok();
    let (means, all) = cycles(report);
    let longest = means.iter().map(|m| m.cycles).fold(1.0, f64::max);
    *out += "<h2>Layers</h2>\n";
    *out += match measured {
        Some(_) => {
            "<p><span class=\"work\" style=\"width:.8rem\"></span> computing <span class=\"wait\" style=\"width:.8rem\"></span> waiting for flash</p>\n"
        }
        None => "<p>Cycles are estimated.</p>\n",
    };
    *out += "<div class=\"wide\"><table>\n<tr><th>layer<th>computes<th><th>cycles<th>share<th>a MAC<th>MACs<th>weights<th>code<th>rounding, dB<th>result</tr>\n";
    for (k, (kernel, mean)) in report.budget.kernels.iter().zip(&means).enumerate() {
        let width = |cycles: f64| 100.0 * cycles / longest;
        let code = measured.map_or("-".into(), |m| grouped(m.layers[k].code as usize));
        let _ = writeln!(
            out,
            "<tr><td title=\"{}\">{}<td class=\"words\">{}<td class=\"bar\"><span class=\"work\" style=\"width:{:.2}%\"></span><span class=\"wait\" style=\"width:{:.2}%\">\
             </span><td>{}<td>{}<td>{}<td>{}<td>{}<td>{code}<td>{}<td>{}</tr>",
            escaped(&kernel.ops.join(" ")),
            escaped(name(report, k)),
            escaped(&kernel.words),
            width(mean.cycles - mean.waits),
            width(mean.waits),
            grouped(mean.cycles.round() as usize),
            percent(mean.cycles, all),
            a_mac(mean, kernel.macs),
            grouped(kernel.macs as usize),
            grouped(kernel.weight_bytes),
            decibels(report.rounding[k]),
            escaped(&kernel.result.to_string()),
        );
    }
    *out += "</table></div>\n";
}

/// Sizes of the picture of the memory plan.
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 70.0;

/// Time to the right, by layer; addresses downwards.
fn memory(report: &Report, out: &mut String) {
    let bytes = report.budget.ram_arena;
    let steps = report.budget.kernels.len();
    if bytes == 0 || steps == 0 {
        return;
    }
    let x = |step: usize| LEFT + (WIDTH - LEFT) * step as f64 / steps as f64;
    let y = |offset: usize| HEIGHT * offset as f64 / bytes as f64;
    let _ = write!(
        out,
        "<h2>Working memory</h2>\n<figure><svg viewBox=\"0 -12 {WIDTH} {:.0}\" role=\"img\" aria-label=\"memory plan\">\n\
         <text x=\"0\" y=\"4\">0</text><text x=\"0\" y=\"{HEIGHT}\">{} bytes</text>\n",
        HEIGHT + 32.0,
        grouped(bytes)
    );
    for block in &report.memory {
        let (left, right) = (x(block.first), x(block.last + 1));
        let _ = writeln!(
            out,
            "<rect x=\"{left:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"><title>{}: {} bytes from {} on, {} to {}</title></rect>",
            y(block.offset),
            right - left,
            y(block.bytes).max(1.0),
            escaped(&block.name),
            grouped(block.bytes),
            grouped(block.offset),
            escaped(name(report, block.first)),
            escaped(name(report, block.last)),
        );
    }
    let every = steps.div_ceil(24);
    for step in (0..steps).step_by(every) {
        let _ =
            writeln!(out, "<text x=\"{:.1}\" y=\"{:.0}\">{}</text>", x(step) + 2.0, HEIGHT + 14.0, step + 1);
    }
    *out += "</svg>\n<figcaption>What lies where, by layer (its number in the table from left to right); inputs and outputs are the caller's.\
             </figcaption></figure>\n";
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_cannot_break_the_page() {
        assert_eq!(super::escaped("a<b>&\"c\""), "a&lt;b&gt;&amp;&quot;c&quot;");
    }
}
