//! A simulated week as a picture: memory over time, as SVG.

use reeve_policy::simulate::{Sample, Week};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const TOP: f64 = 40.0;
const RIGHT: f64 = 20.0;
const BOTTOM: f64 = 60.0;

/// Points of a line at most: more than there are pixels draw nothing new.
const POINTS: usize = 900;

const GIB: f64 = (1_u64 << 30) as f64;

/// What a line shows of a sample, bytes.
type Value = fn(&Sample) -> f64;

/// Where things are on the paper.
struct Frame {
    seconds: f64,
    gib: f64,
}

impl Frame {
    fn x(&self, second: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * second / self.seconds
    }

    fn y(&self, gib: f64) -> f64 {
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * gib / self.gib
    }

    fn line(&self, samples: &[&Sample], color: &str, value: impl Fn(&Sample) -> f64) -> String {
        let points: Vec<String> = samples
            .iter()
            .map(|sample| format!("{:.1},{:.1}", self.x(sample.second as f64), self.y(value(sample) / GIB)))
            .collect();
        format!("<polyline fill='none' stroke='{color}' stroke-width='1.5' points='{}'/>\n", points.join(" "))
    }
}

/// The picture.
pub(super) fn draw(title: &str, week: &Week) -> String {
    let step = week.samples.len().div_ceil(POINTS).max(1);
    let samples: Vec<&Sample> = week.samples.iter().step_by(step).collect();
    let seconds = week.samples.last().map_or(1, |last| last.second.max(1)) as f64;
    let most = week.samples.iter().map(|sample| sample.committed).max().unwrap_or_default().max(week.memory);
    let frame = Frame { seconds, gib: (most as f64 / GIB).max(1.0) * 1.05 };
    let mut svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' font-family='sans-serif' font-size='12'>\n\
         <rect width='{WIDTH}' height='{HEIGHT}' fill='white'/>\n<text x='{LEFT}' y='22' font-size='15'>{}</text>\n",
        title.replace('&', "&amp;").replace('<', "&lt;")
    );
    svg.push_str(&scanning(&frame, &samples));
    svg.push_str(&grid(&frame));
    let memory = frame.y(week.memory as f64 / GIB);
    svg.push_str(&format!(
        "<line x1='{LEFT}' x2='{:.1}' y1='{memory:.1}' y2='{memory:.1}' stroke='#222' stroke-dasharray='6 4'/>\n",
        WIDTH - RIGHT
    ));
    let lines: [(&str, &str, Value); 4] = [
        ("committed", "#999999", |sample| sample.committed as f64),
        ("touched", "#d95f02", |sample| sample.used as f64),
        ("used after merging", "#1f77b4", |sample| (sample.used - sample.saved) as f64),
        ("saved", "#2ca02c", |sample| sample.saved as f64),
    ];
    for (number, (name, color, value)) in lines.into_iter().enumerate() {
        svg.push_str(&frame.line(&samples, color, value));
        let (x, y) = (LEFT + 190.0 * number as f64, HEIGHT - 14.0);
        svg.push_str(&format!("<text x='{x}' y='{y}' fill='{color}'>{name}</text>\n"));
    }
    let x = LEFT + 760.0;
    svg.push_str(&format!("<text x='{x}' y='{}' fill='#222'>- - memory</text>\n</svg>\n", HEIGHT - 14.0));
    svg
}

/// Bands where pages were scanned.
fn scanning(frame: &Frame, samples: &[&Sample]) -> String {
    let mut bands = String::new();
    let mut begin = None;
    let end = samples.last().map(|last| last.second);
    for sample in samples {
        match (begin, sample.scanning) {
            (None, true) => begin = Some(sample.second),
            (Some(from), false) => {
                bands.push_str(&band(frame, from, sample.second));
                begin = None;
            }
            _ => {}
        }
    }
    if let (Some(from), Some(end)) = (begin, end) {
        bands.push_str(&band(frame, from, end));
    }
    bands
}

fn band(frame: &Frame, from: u64, to: u64) -> String {
    let (left, right) = (frame.x(from as f64), frame.x(to as f64));
    let (top, height) = (TOP, HEIGHT - TOP - BOTTOM);
    format!(
        "<rect x='{left:.1}' y='{top}' width='{:.1}' height='{height}' fill='#2ca02c' opacity='0.08'/>\n",
        right - left
    )
}

fn grid(frame: &Frame) -> String {
    let mut grid = String::new();
    let days = (frame.seconds / 86_400.0).ceil() as u64;
    for day in 0..=days {
        let x = frame.x((day * 86_400) as f64).min(WIDTH - RIGHT);
        let (bottom, label) = (HEIGHT - BOTTOM, HEIGHT - BOTTOM + 16.0);
        grid.push_str(&format!("<line x1='{x:.1}' x2='{x:.1}' y1='{TOP}' y2='{bottom}' stroke='#eee'/>\n"));
        grid.push_str(&format!("<text x='{x:.1}' y='{label}' text-anchor='middle'>day {day}</text>\n"));
    }
    for part in 0..=4 {
        let gib = frame.gib * f64::from(part) / 4.0;
        let (y, left) = (frame.y(gib), LEFT - 6.0);
        grid.push_str(&format!(
            "<line x1='{LEFT}' x2='{}' y1='{y:.1}' y2='{y:.1}' stroke='#eee'/>\n",
            WIDTH - RIGHT
        ));
        grid.push_str(&format!(
            "<text x='{left}' y='{:.1}' text-anchor='end'>{gib:.0} GiB</text>\n",
            y + 4.0
        ));
    }
    grid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_xml_and_has_every_line() {
        let sample = |hour: u64| Sample {
            second: hour * 3600,
            active: 10,
            committed: 40 << 30,
            used: (20 + hour % 5) << 30,
            saved: (hour % 5) << 30,
            scanning: hour % 24 > 8,
        };
        let week = Week { samples: (0..168).map(sample).collect(), ..Week::empty(30 << 30) };
        let svg = draw("a < b & c", &week);
        assert!(svg.contains("a &lt; b &amp; c"));
        assert_eq!(svg.matches("<polyline").count(), 4);
        assert_eq!(svg.matches("opacity='0.08'").count(), 7, "a band a day");
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
    }
}
