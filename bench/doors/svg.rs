//! The picture: throughput and p99 latency against connections, as SVG written by hand.

use std::fmt::Write;

use crate::figures::Figures;
use crate::plan::{CURVE, Case, Path};
use crate::run::Sample;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 400.0;
/// Top and bottom of both plots.
const TOP: f64 = 92.0;
const BOTTOM: f64 = 336.0;
/// Width of each plot.
const PLOT: f64 = 340.0;
/// Steps of the throughput axis.
const STEPS: u32 = 5;

/// The servers drawn, with their colours: distinct for the colour-blind too.
const LINES: [(Path, &str, &str); 3] = [
    (Path::Bare, "bare (the limit)", "#767676"),
    (Path::PerRequest, "per-request", "#d55e00"),
    (Path::Grab, "seckill, grab", "#0072b2"),
];

/// One of the two plots.
struct Plot<'a> {
    left: f64,
    title: &'a str,
    /// From a value to its share of the height, 0 at the bottom.
    share: Box<dyn Fn(f64) -> f64>,
    /// Values that get a line across, with their labels.
    ticks: Vec<(f64, String)>,
}

/// The whole picture.
pub fn picture(figures: &Figures) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"#333\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
    );
    legend(&mut svg);
    draw(&mut svg, &throughput(figures), figures, |sample| {
        sample.seen.rate / 1e3
    });
    draw(&mut svg, &latency(figures), figures, |sample| {
        sample.seen.p99 / 1e3
    });
    svg.push_str("</svg>\n");
    svg
}

fn throughput(figures: &Figures) -> Plot<'static> {
    let drawn = figures.cases().filter(|case| case.path.is_drawn());
    let rates = drawn.filter_map(|case| figures.spread(case, |s| Some(s.seen.rate)));
    let most = rates.map(|rate| rate.median / 1e3).fold(1.0, f64::max);
    let step = round_step(most / f64::from(STEPS));
    let top = step * f64::from(STEPS);
    Plot {
        left: 62.0,
        title: "Throughput, thousand requests a second",
        share: Box::new(move |value| value / top),
        ticks: (0..=STEPS)
            .map(|n| f64::from(n) * step)
            .map(|v| (v, format!("{v}")))
            .collect(),
    }
}

fn latency(figures: &Figures) -> Plot<'static> {
    let drawn = figures.cases().filter(|case| case.path.is_drawn());
    let found = drawn.filter_map(|case| figures.spread(case, |s| Some(s.seen.p99)));
    let powers: Vec<f64> = found.map(|p99| (p99.median / 1e3).log10()).collect();
    // Whole powers of ten around all points, and at least one between them.
    let low = powers.iter().copied().fold(0.0, f64::min).floor();
    let high = powers.iter().copied().fold(1.0, f64::max).ceil();
    let decades = low as i32..=high as i32;
    let ticks = decades
        .map(|power| 10f64.powi(power))
        .map(|v| (v, format!("{v}")));
    Plot {
        left: 512.0,
        title: "Latency p99, milliseconds (log scale)",
        share: Box::new(move |value| (value.log10() - low) / (high - low)),
        ticks: ticks.collect(),
    }
}

/// The next larger of 1, 2, 5, 10, 20, 50, ...
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let factors = [1.0, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0];
    let fits = factors.into_iter().find(|factor| factor * power >= step);
    fits.unwrap_or(10.0) * power
}

fn legend(svg: &mut String) {
    let mut x = 62.0;
    for (_, name, colour) in LINES {
        let _ = writeln!(
            svg,
            "<line x1=\"{x}\" y1=\"26\" x2=\"{}\" y2=\"26\" stroke=\"{colour}\" \
             stroke-width=\"2.5\"/><circle cx=\"{}\" cy=\"26\" r=\"4\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"30\">{name}</text>",
            x + 28.0,
            x + 14.0,
            x + 36.0,
        );
        x += 160.0;
    }
}

fn draw(svg: &mut String, plot: &Plot, figures: &Figures, value: impl Fn(&Sample) -> f64) {
    axes(svg, plot);
    for (path, _, colour) in LINES {
        let mut points = Vec::new();
        for connections in CURVE {
            let found = figures.spread(Case { path, connections }, |s| Some(value(s)));
            points.extend(found.map(|found| (plot.x(connections), plot.y(found.median))));
        }
        let line: Vec<String> = points
            .iter()
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2.5\" \
             stroke-linejoin=\"round\"/>",
            line.join(" ")
        );
        for (x, y) in points {
            let _ = writeln!(
                svg,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\" stroke=\"#fff\"/>"
            );
        }
    }
}

fn axes(svg: &mut String, plot: &Plot) {
    let Plot { left, title, .. } = plot;
    let (right, middle) = (left + PLOT, left + PLOT / 2.0);
    let _ = writeln!(
        svg,
        "<text x=\"{left}\" y=\"{}\" font-size=\"14\" font-weight=\"600\">{title}</text>",
        TOP - 22.0
    );
    for (value, label) in &plot.ticks {
        let y = plot.y(*value);
        let _ = writeln!(
            svg,
            "<line x1=\"{left}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\" stroke=\"#e3e3e3\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            left - 8.0,
            y + 4.0
        );
    }
    for connections in CURVE {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{connections}</text>",
            plot.x(connections),
            BOTTOM + 20.0
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">connections</text>",
        BOTTOM + 42.0
    );
}

impl Plot<'_> {
    /// Connections are spread by their logarithm, with a margin at both sides.
    fn x(&self, connections: u32) -> f64 {
        let last = f64::from(CURVE[CURVE.len() - 1]).log2();
        self.left + 16.0 + f64::from(connections).log2() / last * (PLOT - 32.0)
    }

    fn y(&self, value: f64) -> f64 {
        BOTTOM - (self.share)(value).clamp(0.0, 1.0) * (BOTTOM - TOP)
    }
}
