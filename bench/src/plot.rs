//! Bars for the contests, as an SVG: one line for each contender, the 90th percentile as a thin line after the bar.

use crate::contest::Outcome;
use std::fmt::Write;

const WIDTH: f64 = 860.0;
/// Where bars begin, and how long the longest is.
const LEFT: f64 = 270.0;
const LONGEST: f64 = 470.0;
const LINE: f64 = 20.0;
const HEADING: f64 = 34.0;

/// The picture.
pub fn draw(outcomes: &[Outcome]) -> String {
    let lines: usize = outcomes.iter().map(|outcome| outcome.rows.len()).sum();
    let height = lines as f64 * LINE + outcomes.len() as f64 * (HEADING + 10.0) + 10.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    let mut y = 0.0;
    for outcome in outcomes {
        y += HEADING;
        contest(&mut svg, outcome, &mut y);
        y += 10.0;
    }
    svg + "</svg>\n"
}

fn contest(svg: &mut String, outcome: &Outcome, y: &mut f64) {
    let title = escape(&outcome.setting.title());
    text(
        svg,
        10.0,
        *y - 8.0,
        "font-weight=\"bold\" font-size=\"14\"",
        &title,
    );
    let longest = outcome.rows.iter().map(|row| row.p90).fold(0.0, f64::max);
    for row in &outcome.rows {
        let scale = |value: f64| value / longest * LONGEST;
        let (bar, end) = (scale(row.median), scale(row.p90));
        let color = match row.key.as_str() {
            "std" | "vfork" => "#9e9e9e",
            "mechanism" | "template" => "#c9a227",
            "bwrap" | "bwrap-filter" | "hakoniwa" | "sandlock" | "crun" | "firejail" => "#b05a4a",
            _ => "#2f6f8f",
        };
        text(
            svg,
            LEFT - 8.0,
            *y + 14.0,
            "text-anchor=\"end\"",
            &escape(&row.name),
        );
        let _ = writeln!(
            svg,
            "<rect x=\"{LEFT}\" y=\"{:.1}\" width=\"{bar:.1}\" height=\"14\" fill=\"{color}\"/>\
             <rect x=\"{LEFT}\" y=\"{:.1}\" width=\"{end:.1}\" height=\"1\" fill=\"{color}\"/>",
            *y + 3.0,
            *y + 9.5,
        );
        let mut label = format!("{:.2} ms", row.median * 1e3);
        if outcome.setting.threads > 1 {
            let _ = write!(label, ", {:.0}/s", row.rate);
        }
        text(svg, LEFT + end + 6.0, *y + 14.0, "fill=\"#333333\"", &label);
        *y += LINE;
    }
}

fn text(svg: &mut String, x: f64, y: f64, attributes: &str, text: &str) {
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" {attributes}>{text}</text>"
    );
}

fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;");
    text.replace('<', "&lt;").replace('>', "&gt;")
}
