//! Augmentation of one clip: its features as recorded, and as an epoch may read them.

use super::csv_text;
use super::drawing::{HPos, LONGEST_TITLE, Panel, TITLE, VPos, picture, shortened, whole_ticks, write};
use super::signal_flow::{FEATURE_END, LEFT, RIGHT, WIDTH, draw_colour_bar, draw_features, heat_map};
use reslstm::audio::FeatureSettings;
use reslstm::matrix::Matrix;

/// Pixels.
const TOP: i32 = 64;
const HEAT_MAP: i32 = 116;
const BETWEEN: i32 = 34;

/// A version of the clip.
pub struct AugmentedClip {
    /// The augmentation, such as `speed 0.9`.
    pub name: String,
    /// Normalised features `[T,D]`.
    pub features: Matrix<f32>,
}

/// The figure, as SVG text: one heat map per version, over one axis of frames.
pub fn svg(title: &str, clips: &[AugmentedClip], settings: &FeatureSettings) -> String {
    let frames = clips.iter().map(|clip| clip.features.rows()).max().unwrap_or(1) as f64;
    let bottom = TOP + (HEAT_MAP + BETWEEN) * clips.len() as i32;
    picture(WIDTH, bottom + 30, |canvas| {
        write(canvas, &shortened(title, LONGEST_TITLE), (12, 10), TITLE, (HPos::Left, VPos::Top))?;
        for (number, clip) in clips.iter().enumerate() {
            let top = TOP + (HEAT_MAP + BETWEEN) * number as i32;
            let (x, y) = (-0.5..frames - 0.5, -0.5..clip.features.cols() as f64 - 0.5);
            let panel = Panel { left: LEFT, top, right: RIGHT, bottom: top + HEAT_MAP, x, y };
            heat_map(canvas, &panel, &clip.features, FEATURE_END)?;
            panel.frame(canvas)?;
            panel.heading(canvas, &clip.name)?;
            draw_features(canvas, &panel, settings)?;
            draw_colour_bar(canvas, &panel, FEATURE_END)?;
            if number + 1 == clips.len() {
                panel.x_axis(canvas, &whole_ticks(&panel.x, 10), "frame")?;
            }
        }
        Ok(())
    })
}

/// The figure's data as CSV text, one line per version and frame: `way,frame`, then every column.
pub fn csv(clips: &[AugmentedClip]) -> String {
    let columns = clips.first().map_or(0, |clip| clip.features.cols());
    let mut header = vec!["way".to_string(), "frame".to_string()];
    header.extend((0..columns).map(|column| format!("input.{column}")));
    let rows = clips.iter().flat_map(|clip| {
        clip.features.iter_rows().enumerate().map(|(frame, values)| {
            let mut row = vec![clip.name.clone(), frame.to_string()];
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
    fn every_version_has_its_heat_map_and_its_lines() {
        let clip = |name: &str, frames: usize| AugmentedClip { name: name.into(), features: Matrix::zeros(frames, 3) };
        let clips = [clip("as recorded", 4), clip("played slower", 6)];
        let mut settings = FeatureSettings::default();
        (settings.mfcc, settings.chroma) = (2, 1);
        let svg = svg("Title", &clips, &settings);
        assert!(["Title", "as recorded", "played slower", "MFCC", "chroma", "frame"].iter().all(|t| svg.contains(t)));
        let csv = csv(&clips);
        assert_eq!(csv.lines().count(), 1 + 4 + 6);
        assert_eq!(csv.lines().next(), Some("way,frame,input.0,input.1,input.2"));
        assert_eq!(csv.lines().last(), Some("played slower,5,0,0,0"));
    }
}
