//! What augmentation does to one clip: the same features as recorded, and as an epoch may hear them.

use super::csv_text;
use super::drawing::{HPos, LONGEST_TITLE, Panel, TITLE, VPos, picture, shortened, whole_ticks, write};
use super::signal_flow::{FEATURE_END, LEFT, RIGHT, WIDTH, draw_colour_bar, draw_features, heat_map};
use reslstm::audio::FeatureSettings;
use reslstm::matrix::Matrix;

/// Pixels.
const TOP: i32 = 64;
const HEAT_MAP: i32 = 116;
const BETWEEN: i32 = 34;

/// One way to hear the clip: what was done, and its normalised features `[T,D]`.
pub struct Heard {
    /// What was done to it.
    pub how: String,
    /// Normalised features.
    pub features: Matrix<f32>,
}

/// The figure, as SVG text: a heat map a way, over one axis of frames.
pub fn svg(title: &str, ways: &[Heard], settings: &FeatureSettings) -> String {
    let frames = ways.iter().map(|way| way.features.rows()).max().unwrap_or(1) as f64;
    let bottom = TOP + (HEAT_MAP + BETWEEN) * ways.len() as i32;
    picture(WIDTH, bottom + 30, |canvas| {
        write(canvas, &shortened(title, LONGEST_TITLE), (12, 10), TITLE, (HPos::Left, VPos::Top))?;
        for (number, way) in ways.iter().enumerate() {
            let top = TOP + (HEAT_MAP + BETWEEN) * number as i32;
            let (x, y) = (-0.5..frames - 0.5, -0.5..way.features.cols() as f64 - 0.5);
            let panel = Panel { left: LEFT, top, right: RIGHT, bottom: top + HEAT_MAP, x, y };
            heat_map(canvas, &panel, &way.features, FEATURE_END)?;
            panel.frame(canvas)?;
            panel.heading(canvas, &way.how)?;
            draw_features(canvas, &panel, settings)?;
            draw_colour_bar(canvas, &panel, FEATURE_END)?;
            if number + 1 == ways.len() {
                panel.x_axis(canvas, &whole_ticks(&panel.x, 10), "frame")?;
            }
        }
        Ok(())
    })
}

/// The figure's data as CSV text, a line a frame and way: `way,frame`, then every column.
pub fn csv(ways: &[Heard]) -> String {
    let columns = ways.first().map_or(0, |way| way.features.cols());
    let mut header = vec!["way".to_string(), "frame".to_string()];
    header.extend((0..columns).map(|column| format!("input.{column}")));
    let rows = ways.iter().flat_map(|way| {
        way.features.iter_rows().enumerate().map(|(frame, values)| {
            let mut row = vec![way.how.clone(), frame.to_string()];
            row.extend(values.iter().map(f32::to_string));
            row
        })
    });
    csv_text(&header, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_has_its_heat_map_and_its_lines() {
        let way = |how: &str, frames: usize| Heard { how: how.into(), features: Matrix::zeros(frames, 3) };
        let ways = [way("as recorded", 4), way("played slower", 6)];
        let settings = {
            let mut settings = FeatureSettings::default();
            (settings.mfcc, settings.chroma) = (2, 1);
            settings
        };
        let svg = svg("Title", &ways, &settings);
        assert!(["Title", "as recorded", "played slower", "MFCC", "chroma", "frame"].iter().all(|t| svg.contains(t)));
        let csv = csv(&ways);
        assert_eq!(csv.lines().count(), 1 + 4 + 6);
        assert_eq!(csv.lines().next(), Some("way,frame,input.0,input.1,input.2"));
        assert_eq!(csv.lines().last(), Some("played slower,5,0,0,0"));
    }
}
