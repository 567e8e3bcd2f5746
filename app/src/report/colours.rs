//! Colours, chosen for light and dark backgrounds and for readers with and without colour blindness.

use plotters::style::{RGBColor, WHITE};

/// Text, axes and grids.
pub(super) const INK: RGBColor = RGBColor(0x76, 0x76, 0x76);
/// The main series.
pub(super) const BLUE: RGBColor = RGBColor(0x00, 0x72, 0xB2);
/// The series it is compared with.
pub(super) const VERMILLION: RGBColor = RGBColor(0xD5, 0x5E, 0x00);
/// A third series.
pub(super) const GREEN: RGBColor = RGBColor(0x00, 0x9E, 0x73);
/// The second colour for scores that are comparisons only.
pub(super) const PURPLE: RGBColor = RGBColor(0x96, 0x1E, 0xF0);

/// Colours of classes; neighbouring classes of RAVDESS differ most. Those of Okabe and Ito, with a grey for their black and a
/// violet for their yellow, which a dark or a light background would hide. Contrast is at least 2.2 on white and 3.3 on a dark
/// background.
pub(super) const QUALITATIVE: [RGBColor; 8] = [
    INK,
    RGBColor(0x56, 0xB4, 0xE9),
    RGBColor(0xE6, 0x9F, 0x00),
    BLUE,
    VERMILLION,
    PURPLE,
    GREEN,
    RGBColor(0xCC, 0x79, 0xA7),
];

/// Blue, light grey, vermillion: −1, 0, 1.
const DIVERGING: [RGBColor; 5] =
    [RGBColor(0x00, 0x36, 0x5C), BLUE, RGBColor(0xF4, 0xF4, 0xF4), VERMILLION, RGBColor(0x6B, 0x2C, 0x00)];

/// Pale yellow to dark blue, for sizes over many decades: it becomes darker all the way, and has no red or grey.
pub(super) const DECADES: [RGBColor; 5] = [
    RGBColor(0xFD, 0xF9, 0xC4),
    RGBColor(0xA9, 0xDD, 0xB5),
    RGBColor(0x3F, 0xB0, 0xC4),
    RGBColor(0x22, 0x64, 0xAE),
    RGBColor(0x10, 0x1C, 0x55),
];

/// Steps of the diverging scale from the middle to an end.
pub(super) const STEPS: i32 = 16;

/// The step of `value` on a scale from −`end` to `end`; values beyond are at the ends.
pub(super) fn step(value: f64, end: f64) -> i32 {
    (value / end * f64::from(STEPS)).round().clamp(f64::from(-STEPS), f64::from(STEPS)) as i32
}

/// The colour of a step, −[`STEPS`] to [`STEPS`].
pub(super) fn diverging(step: i32) -> RGBColor {
    blend(&DIVERGING, 0.5 + 0.5 * f64::from(step) / f64::from(STEPS))
}

/// Light to dark blue, for a share from 0 to 1.
pub(super) fn sequential(share: f64) -> RGBColor {
    blend(&[DIVERGING[2], BLUE, DIVERGING[0]], share)
}

/// Black or white, whichever is easier to read on the background `paper`.
pub(super) fn letters_on(paper: RGBColor) -> RGBColor {
    // The luminance at which both contrast alike is 0.19.
    let linear = |primary: u8| (f64::from(primary) / 255.0).powf(2.2);
    let luminance = 0.2126 * linear(paper.0) + 0.7152 * linear(paper.1) + 0.0722 * linear(paper.2);
    if luminance > 0.19 { RGBColor(0x11, 0x11, 0x11) } else { WHITE }
}

/// Interpolates between colours at equal distances from 0 to 1.
fn blend(colours: &[RGBColor], at: f64) -> RGBColor {
    let place = at.clamp(0.0, 1.0) * (colours.len() - 1) as f64;
    let first = (place.floor() as usize).min(colours.len() - 2);
    let part = place - first as f64;
    let mix = |a: u8, b: u8| (f64::from(a) + part * (f64::from(b) - f64::from(a))).round() as u8;
    let (a, b) = (colours[first], colours[first + 1]);
    RGBColor(mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_is_symmetric_and_ends_at_its_end() {
        assert_eq!([step(0.0, 3.0), step(3.0, 3.0), step(-99.0, 3.0), step(0.1, 3.0)], [0, STEPS, -STEPS, 1]);
        assert_eq!([diverging(-STEPS), diverging(0), diverging(STEPS)], [DIVERGING[0], DIVERGING[2], DIVERGING[4]]);
        assert_eq!(diverging(STEPS / 2), VERMILLION);
        assert_eq!([sequential(0.0), sequential(0.5), sequential(1.0)], [DIVERGING[2], BLUE, DIVERGING[0]]);
        assert_eq!([letters_on(sequential(0.0)), letters_on(sequential(1.0))], [RGBColor(0x11, 0x11, 0x11), WHITE]);
    }

    /// Of two colours, as the Web Content Accessibility Guidelines define it: 1 to 21.
    fn contrast(a: RGBColor, b: RGBColor) -> f64 {
        let linear = |primary: u8| {
            let value = f64::from(primary) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        let [a, b] = [a, b].map(|c| 0.2126 * linear(c.0) + 0.7152 * linear(c.1) + 0.0722 * linear(c.2) + 0.05);
        a.max(b) / a.min(b)
    }

    #[test]
    fn every_colour_has_contrast_on_light_and_dark_backgrounds() {
        let dark = RGBColor(0x0D, 0x11, 0x17);
        for colour in QUALITATIVE {
            let contrasts = [contrast(colour, WHITE), contrast(colour, dark)];
            assert!(contrasts[0] > 2.2 && contrasts[1] > 3.3, "{colour:?}: {contrasts:?}");
        }
        assert!(contrast(INK, WHITE) > 4.1 && contrast(INK, dark) > 4.1);
        // Numbers in cells.
        for share in (0..=100).map(|share| f64::from(share) / 100.0) {
            let cell = sequential(share);
            assert!(contrast(letters_on(cell), cell) > 4.0, "{share}: {}", contrast(letters_on(cell), cell));
        }
    }
}
