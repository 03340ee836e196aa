//! Pictures of the tables: lines on logarithmic axes, as SVG.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

/// Of the lines, in turn; dark enough on white, and told apart by those who see red and green alike
/// (Okabe and Ito, "Color Universal Design", 2008).
const COLOURS: [RGBColor; 5] = [
    RGBColor(90, 90, 90),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(230, 159, 0),
    RGBColor(213, 94, 0),
];

/// One line: what it is called, and its points.
pub type Line = (String, Vec<(f64, f64)>);

/// A picture of lines.
#[derive(Debug)]
pub struct Chart<'a> {
    /// What is shown.
    pub title: &'a str,
    /// What stands on the axes.
    pub axes: [&'a str; 2],
    /// How the numbers of the upright axis are written.
    pub show: fn(f64) -> String,
    /// The lines.
    pub lines: Vec<Line>,
}

impl Chart<'_> {
    /// Draws it.
    ///
    /// # Panics
    /// When the file cannot be written, or there is nothing to be drawn.
    pub fn draw(&self, path: &Path) {
        self.try_draw(path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    fn try_draw(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        let points = || self.lines.iter().flat_map(|(_, points)| points);
        let range = |of: fn(&(f64, f64)) -> f64| {
            let (least, most) = points()
                .map(of)
                .fold((f64::MAX, f64::MIN), |(least, most), one| {
                    (least.min(one), most.max(one))
                });
            least / 1.5..most * 1.5
        };
        let area = SVGBackend::new(path, (860, 480)).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(self.title, ("sans-serif", 20))
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(80)
            .build_cartesian_2d(
                range(|point| point.0).log_scale(),
                range(|point| point.1).log_scale(),
            )?;
        chart
            .configure_mesh()
            .light_line_style(RGBColor(238, 238, 238))
            .x_desc(self.axes[0])
            .y_desc(self.axes[1])
            .x_label_formatter(&|number| super::figures::count(number.round() as u64))
            .y_label_formatter(&|number| (self.show)(*number))
            .label_style(("sans-serif", 14))
            .draw()?;
        for (at, (name, points)) in self.lines.iter().enumerate() {
            let style = COLOURS[at % COLOURS.len()].stroke_width(2);
            chart
                .draw_series(LineSeries::new(points.iter().copied(), style).point_size(3))?
                .label(name)
                .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], style));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.8))
            .border_style(RGBColor(200, 200, 200))
            .label_font(("sans-serif", 14))
            .draw()?;
        area.present()?;
        Ok(())
    }
}
