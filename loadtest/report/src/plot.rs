//! A time series as a picture: CSV or JSON in, SVG out.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use plotters::coord::ranged1d::ValueFormatter;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use serde_json::Value;

/// More lines than this cannot be told apart.
const MAX_SERIES: usize = 8;

/// Room for an hour of samples at 100 ms; more is not a picture.
const MAX_POINTS: usize = 36_000;

/// Told apart by people with any colour vision (Okabe and Ito), black last.
const PALETTE: [RGBColor; MAX_SERIES] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(240, 228, 66),
    RGBColor(0, 0, 0),
];

/// A line of no more has its points marked: a single one would not be seen, and of a few it is said where they are.
const FEW_POINTS: usize = 12;

const SIZE: (u32, u32) = (960, 420);

/// Values over one axis, by the name of the series.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TimeSeries {
    /// What the horizontal axis shows.
    pub axis: String,
    /// The lines, in the order they were named.
    pub lines: Vec<Line>,
}

/// One line of the picture.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Line {
    /// Its name in the legend.
    pub name: String,
    /// Its points.
    pub points: Vec<(f64, f64)>,
}

/// How the horizontal axis grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Axis {
    /// By equal steps.
    #[default]
    Linear,
    /// By equal factors; points at or below zero are left out.
    Logarithmic,
}

impl TimeSeries {
    /// Reads CSV: a header, then rows; the first column is the axis. Cells that are no numbers leave a gap.
    ///
    /// # Errors
    /// Where there is no header or too much of everything.
    pub fn parse_csv(text: &str) -> anyhow::Result<Self> {
        let mut rows = text.lines().filter(|line| !line.trim().is_empty());
        let names: Vec<&str> =
            rows.next().context("the CSV has no header")?.split(',').map(str::trim).collect();
        let records = rows.map(|row| {
            let cells = row.split(',').map(|cell| cell.trim().parse().ok());
            names.iter().zip(cells).filter_map(|(name, cell)| Some(((*name).to_owned(), cell?))).collect()
        });
        Self::from_records(names.iter().map(ToString::to_string).collect(), records)
    }

    /// Reads JSON, an array of objects or one object a line. The axis is the field `axis`, else `time`, `second` or `t`;
    /// every other field with a number is a line. Only objects with all the fields in `only` count.
    ///
    /// # Errors
    /// Where the text is not of that form.
    pub fn parse_json(text: &str, axis: Option<&str>, only: &[(String, String)]) -> anyhow::Result<Self> {
        let mut objects: Vec<BTreeMap<String, Value>> = if text.trim_start().starts_with('[') {
            serde_json::from_str(text)?
        } else {
            text.lines()
                .filter(|line| !line.trim().is_empty())
                .map(serde_json::from_str)
                .collect::<Result<_, _>>()?
        };
        let text_of = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        objects.retain(|object| {
            only.iter().all(|(name, wanted)| object.get(name).is_some_and(|value| text_of(value) == *wanted))
        });
        let has = |name: &str| objects.iter().any(|object| object.contains_key(name));
        let axis = axis.or_else(|| ["time", "second", "t"].into_iter().find(|name| has(name)));
        let axis = axis.context("no field time, second or t: name the axis")?.to_owned();
        let mut names = vec![axis.clone()];
        for (name, value) in objects.iter().flatten() {
            if value.is_number() && !names.contains(name) {
                names.push(name.clone());
            }
        }
        let records = objects.iter().map(|object| {
            object.iter().filter_map(|(name, value)| Some((name.clone(), value.as_f64()?))).collect()
        });
        Self::from_records(names, records)
    }

    fn from_records(
        names: Vec<String>,
        records: impl Iterator<Item = BTreeMap<String, f64>>,
    ) -> anyhow::Result<Self> {
        let mut names = names.into_iter();
        let axis = names.next().context("there is no column")?;
        let mut lines: Vec<_> = names.map(|name| Line { name, points: Vec::new() }).collect();
        for (index, record) in records.enumerate() {
            ensure!(index < MAX_POINTS, "more than {MAX_POINTS} points");
            let Some(x) = record.get(&axis) else { continue };
            for line in &mut lines {
                line.points.extend(record.get(&line.name).map(|y| (*x, *y)));
            }
        }
        Ok(Self { axis, lines })
    }

    /// Only the named lines, in that order.
    ///
    /// # Errors
    /// Where there is no line of a name.
    pub fn select(mut self, names: &[String]) -> anyhow::Result<Self> {
        let find = |name: &String| self.lines.iter().find(|line| line.name == *name).cloned();
        let lines = names.iter().map(|name| find(name).with_context(|| format!("no series {name}")));
        self.lines = lines.collect::<anyhow::Result<_>>()?;
        Ok(self)
    }

    /// Draws it over an axis of equal steps.
    ///
    /// # Errors
    /// Where there is nothing to draw, or more than a picture holds.
    pub fn draw(&self, title: &str) -> anyhow::Result<String> {
        self.draw_on(title, Axis::Linear)
    }

    /// Draws it over either axis.
    ///
    /// # Errors
    /// Where there is nothing to draw, or more than a picture holds.
    pub fn draw_on(&self, title: &str, axis: Axis) -> anyhow::Result<String> {
        ensure!(self.lines.len() <= MAX_SERIES, "more than {MAX_SERIES} series: select some");
        let is_drawn = |point: &&(f64, f64)| axis == Axis::Linear || point.0 > 0.0;
        let points = || self.lines.iter().flat_map(|line| &line.points).filter(is_drawn);
        let (Some(first), Some(last)) = (
            points().map(|point| point.0).min_by(f64::total_cmp),
            points().map(|point| point.0).max_by(f64::total_cmp),
        ) else {
            bail!("there is no point to draw");
        };
        let bottom = points().map(|point| point.1).fold(0.0, f64::min);
        let top = points().map(|point| point.1).fold(bottom, f64::max);
        // An axis without length cannot be drawn.
        let (last, top) =
            (if last > first { last } else { first + 1.0 }, if top > bottom { top * 1.05 } else { 1.0 });

        let mut svg = String::new();
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area);
        chart.caption(title, ("sans-serif", 18)).margin(12).x_label_area_size(36).y_label_area_size(64);
        match axis {
            Axis::Linear => self.draw_lines(chart.build_cartesian_2d(first..last, bottom..top)?, axis)?,
            Axis::Logarithmic => {
                self.draw_lines(chart.build_cartesian_2d((first..last).log_scale(), bottom..top)?, axis)?;
            }
        }
        area.present()?;
        drop(area);
        Ok(svg)
    }

    fn draw_lines<'a, X>(
        &self,
        mut chart: ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, RangedCoordf64>>,
        axis: Axis,
    ) -> anyhow::Result<()>
    where
        X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_desc(&self.axis)
            .label_style(("sans-serif", 13))
            .draw()?;
        for (line, colour) in self.lines.iter().zip(PALETTE) {
            let points = line.points.iter().copied().filter(|point| axis == Axis::Linear || point.0 > 0.0);
            let points: Vec<_> = points.collect();
            if points.len() <= FEW_POINTS {
                chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, colour.filled())))?;
            }
            chart
                .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
                .label(&line.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(3)));
        }
        let labels_at = match axis {
            Axis::Linear => SeriesLabelPosition::MiddleRight,
            // Costs that fall and shares that grow both leave this corner free.
            Axis::Logarithmic => SeriesLabelPosition::LowerRight,
        };
        chart
            .configure_series_labels()
            .position(labels_at)
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.2))
            .label_font(("sans-serif", 13))
            .draw()?;
        Ok(())
    }
}

/// Draws a CSV file (first column: time) or JSON file (array of objects, or one a line) as SVG.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to draw: `*.json`, `*.jsonl`, or anything else as CSV.
    input: PathBuf,
    /// The picture.
    output: PathBuf,
    /// Its caption.
    #[arg(long, default_value = "")]
    title: String,
    /// The field of the horizontal axis, in JSON.
    #[arg(long)]
    axis: Option<String>,
    /// Draw only the JSON objects with this field: `--only link=doctor`.
    #[arg(long, value_parser = field)]
    only: Vec<(String, String)>,
    /// The series to draw; all where none is named.
    #[arg(long, value_delimiter = ',')]
    series: Vec<String>,
}

fn field(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("not of the form FIELD=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Runs the command.
///
/// # Errors
/// Where the input cannot be read or drawn.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let text = fs::read_to_string(&args.input).with_context(|| format!("read {}", args.input.display()))?;
    let is_json = |path: &Path| path.extension().is_some_and(|ending| ending == "json" || ending == "jsonl");
    let series = if is_json(&args.input) {
        TimeSeries::parse_json(&text, args.axis.as_deref(), &args.only)?
    } else {
        TimeSeries::parse_csv(&text)?
    };
    let series = if args.series.is_empty() { series } else { series.select(&args.series)? };
    fs::write(&args.output, series.draw(&args.title)?)
        .with_context(|| format!("write {}", args.output.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, points: &[(f64, f64)]) -> Line {
        Line { name: name.to_owned(), points: points.to_vec() }
    }

    #[test]
    fn csv_and_json_are_the_same_series() {
        let csv = "second,rate,class,loss\n0,5,4g,\n1,6,5g,0.5\n";
        let json = r#"[{"second":0,"rate":5,"class":"4g"},{"second":1,"rate":6,"loss":0.5}]"#;
        let lines = "{\"second\":0,\"rate\":5}\n{\"second\":1,\"rate\":6,\"loss\":0.5}\n";
        let names = ["rate".to_owned(), "loss".to_owned()];
        let expected = TimeSeries {
            axis: "second".to_owned(),
            lines: vec![line("rate", &[(0.0, 5.0), (1.0, 6.0)]), line("loss", &[(1.0, 0.5)])],
        };
        for series in [
            TimeSeries::parse_csv(csv),
            TimeSeries::parse_json(json, None, &[]),
            TimeSeries::parse_json(lines, Some("second"), &[]),
        ] {
            assert_eq!(series.and_then(|series| series.select(&names)).ok().as_ref(), Some(&expected));
        }
    }

    #[test]
    fn a_picture_names_its_lines_and_an_empty_one_is_refused() {
        let series = TimeSeries {
            axis: "s".to_owned(),
            lines: vec![line("rate", &[(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)])],
        };
        let svg = series.draw("Rates").expect("three points");
        for part in ["<svg", "Rates", "rate", "polyline", "</svg>"] {
            assert!(svg.contains(part), "{part}");
        }
        let alone = TimeSeries { axis: "s".to_owned(), lines: vec![line("rate", &[(1.0, 1.0)])] };
        assert!(alone.draw("").expect("a point").contains("<circle"), "a single point is seen");
        let equal_factors = series.draw_on("Rates", Axis::Logarithmic).expect("a point above zero");
        assert!(equal_factors.contains("polyline") && equal_factors != svg);
        assert!(TimeSeries::default().draw("").is_err());
        assert!(series.select(&["loss".to_owned()]).is_err());
    }
}
