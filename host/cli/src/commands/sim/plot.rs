//! Plots of runs, as SVG: one below the other, a line for each seed.

use std::fmt::Write as _;

use replicant_simulator::{Line, Plot};

use super::report::Ran;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 110.0;
const TOP: f64 = 36.0;
const BOTTOM: f64 = 46.0;
/// More lines than this cannot be told apart.
const LINES_MAX: usize = 12;
const COLOURS: [&str; 6] = [
    "#0b6e99", "#b5502b", "#4b7f2a", "#7a3f8f", "#a6851c", "#555555",
];

/// The plots of the first run, with the lines of the others added.
pub(super) fn svg(runs: &[Ran]) -> String {
    let plots = merged(runs);
    let height = HEIGHT * plots.len().max(1) as f64;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for (place, plot) in plots.iter().enumerate() {
        draw(&mut text, plot, HEIGHT * place as f64);
    }
    text.push_str("</svg>\n");
    text
}

fn merged(runs: &[Ran]) -> Vec<Plot> {
    let mut plots: Vec<Plot> = Vec::new();
    for ran in runs {
        for plot in &ran.outcome.plots {
            let lines = plot.lines.iter().map(|line| Line {
                name: match runs.len() {
                    1 => line.name.clone(),
                    _ => format!("{}, {}", line.name, ran.seed),
                },
                points: line.points.clone(),
            });
            match plots.iter_mut().find(|other| other.title == plot.title) {
                Some(other) => other.lines.extend(lines),
                None => plots.push(Plot {
                    lines: lines.collect(),
                    ..plot.clone()
                }),
            }
        }
    }
    plots
}

/// Where values are on paper.
struct Scale {
    x_max: f64,
    y_max: f64,
    top: f64,
}

impl Scale {
    fn of(plot: &Plot, top: f64) -> Self {
        let points = || plot.lines.iter().flat_map(|line| &line.points);
        let most = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
        Self {
            x_max: round_up(most(&mut points().map(|point| point.0))),
            y_max: round_up(most(&mut points().map(|point| point.1))),
            top,
        }
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + value / self.x_max * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        self.top + HEIGHT - BOTTOM - value / self.y_max * (HEIGHT - TOP - BOTTOM)
    }
}

/// The next of 1, 2, 2.5, 5, 10 times a power of ten.
fn round_up(value: f64) -> f64 {
    if value.is_nan() || value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|step| step * power);
    let above = steps.into_iter().find(|step| *step >= value * (1.0 - 1e-9));
    above.unwrap_or(10.0 * power)
}

// Writing to a string cannot fail.
fn draw(text: &mut String, plot: &Plot, top: f64) {
    let scale = Scale::of(plot, top);
    axes(text, plot, &scale);
    for (place, line) in plot.lines.iter().take(LINES_MAX).enumerate() {
        let colour = COLOURS[place % COLOURS.len()];
        let points = line.points.iter();
        let points = points.map(|(x, y)| format!("{:.1},{:.1}", scale.x(*x), scale.y(*y)));
        let points = Vec::from_iter(points).join(" ");
        let _ = writeln!(
            text,
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>"
        );
        let y = top + TOP + 12.0 + 16.0 * place as f64;
        let name = escaped(&line.name);
        let x = WIDTH - RIGHT + 8.0;
        let _ = writeln!(
            text,
            "<text x=\"{x}\" y=\"{y:.1}\" fill=\"{colour}\">{name}</text>"
        );
    }
}

fn axes(text: &mut String, plot: &Plot, scale: &Scale) {
    let top = scale.top;
    let _ = writeln!(
        text,
        "<text x=\"{LEFT}\" y=\"{}\" font-weight=\"bold\">{}</text>",
        top + 22.0,
        escaped(&plot.title)
    );
    for step in 0..=4 {
        let part = f64::from(step) / 4.0;
        let (x, y) = (scale.x(part * scale.x_max), scale.y(part * scale.y_max));
        let (bottom, right) = (scale.y(0.0), WIDTH - RIGHT);
        let _ = writeln!(
            text,
            "<path d=\"M{LEFT} {y:.1}H{right}M{x:.1} {:.1}V{bottom:.1}\" stroke=\"#dddddd\"/>\n\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            top + TOP,
            LEFT - 6.0,
            y + 4.0,
            part * scale.y_max,
            bottom + 16.0,
            part * scale.x_max,
        );
    }
    let _ = writeln!(
        text,
        "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n\
         <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
        WIDTH - RIGHT,
        scale.y(0.0) + 32.0,
        escaped(plot.x),
        WIDTH - RIGHT,
        top + 22.0,
        escaped(plot.y),
    );
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_ends_at_a_round_number() {
        for (value, end) in [
            (0.0, 1.0),
            (0.7, 1.0),
            (100.0, 100.0),
            (101.0, 200.0),
            (23.0, 25.0),
        ] {
            assert!(
                (round_up(value) - end).abs() < 1e-9,
                "{value}: {}",
                round_up(value)
            );
        }
    }

    #[test]
    fn names_cannot_break_out_of_the_picture() {
        let plot = Plot {
            title: "<script>&".to_owned(),
            x: "ms",
            y: "%",
            lines: vec![Line {
                name: "</text>".to_owned(),
                points: vec![(1.0, 2.0)],
            }],
        };
        let mut text = String::new();
        draw(&mut text, &plot, 0.0);
        assert!(text.contains("&lt;script>&amp;") && text.contains("&lt;/text>"));
        assert!(!text.contains("<script"));
    }
}
