//! How an emotion changes a voice.
//!
//! A recipe gives the change of each property of neutral speech for an emotion at strong intensity:
//!
//! | emotion   | mean F0 | F0 range | contour at the end | rate | energy  | phonation           | spectrum           |
//! |-----------|---------|----------|--------------------|------|---------|---------------------|--------------------|
//! | neutral   | –       | –        | falls              | –    | –       | modal               | –                  |
//! | calm      | lower   | narrower | falls gently       | slow | lower   | soft, breathy       | darker             |
//! | happy     | higher  | wider    | rises              | fast | higher  | modal               | brighter, smiling  |
//! | sad       | lower   | narrower | falls low          | slow | lower   | breathy, trembling  | dark, slack vowels |
//! | angry     | higher  | wider    | falls low          | fast | highest | pressed, rough      | bright             |
//! | fear      | higher  | narrower | level              | fast | –       | breathy, trembling  | –                  |
//! | disgust   | lower   | –        | falls low          | slow | –       | creaky              | lips pushed out    |
//! | surprised | highest | widest   | rises steeply      | –    | higher  | breathy             | brighter           |
//!
//! The directions are those on which reviews of vocal expression broadly agree (Scherer; Juslin and Laukka; Murray and
//! Arnott); the sizes are ours, chosen so that neighbours (neutral and calm, happy and angry, fear and surprise)
//! overlap.

/// Number of properties in a recipe.
pub(super) const PROPERTIES: usize = 11;

/// Changes of the properties of neutral speech by an emotion, a speaker or a take, in [`Expression`]'s order and units.
pub(super) type Change = [f64; PROPERTIES];

/// The recipes, in the order of the labels.
#[rustfmt::skip]
pub(super) const RECIPES: [Change; 8] = [
    // pitch range ending  rate energy breath  tilt rough tremor smile  care
    [   0.0,  0.0,   0.0,   0.0,  0.0,   0.0,  0.0,  0.0,  0.0,   0.0,   0.0], // neutral
    [  -1.4, -1.6,   1.0, -13.0, -4.0,   5.0, -3.5, -0.1,  0.0,   0.0,  -5.0], // calm
    [   4.5,  4.0,   5.0,  12.0,  6.0,   0.0,  3.5,  0.0,  0.0,   5.5,  10.0], // happy
    [  -1.6, -2.4,  -2.0, -25.0, -6.5,   8.5, -6.5,  0.6,  0.3,  -2.0, -22.0], // sad
    [   4.0,  4.0,  -3.5,  12.0, 11.0,  -7.0,  7.5,  1.0,  0.0,   0.0,  13.0], // angry
    [   6.5, -1.0,   2.0,  20.0,  2.0,   6.0,  0.5,  1.2,  0.7,   1.5,  -6.0], // fear
    [  -2.2,  0.5,  -3.5, -18.0,  0.5,   0.5, -1.5,  1.5,  0.0,  -5.5,   6.0], // disgust
    [   7.0,  6.0,   9.0,   2.0,  4.5,   4.0,  2.0,  0.0,  0.0,   2.0,   2.0], // surprised
];

/// Typical difference of two renderings of one emotion in each property: one standard deviation.
#[rustfmt::skip]
pub(super) const SPREAD: Change =
    [   1.2,  1.0,   1.2,   5.0,  2.0,   2.0,  1.8,  0.3,  0.1,   1.5,   5.0];

/// The properties of an utterance that carry emotion, as differences from neutral speech.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Expression {
    /// Mean F0, semitones.
    pub pitch: f64,
    /// Excursion of F0 on a stressed syllable, semitones.
    pub range: f64,
    /// Movement of F0 over the last quarter of the utterance, semitones.
    pub ending: f64,
    /// Rate of speaking, per cent.
    pub rate: f64,
    /// Level, dB.
    pub energy: f64,
    /// Aspiration noise against the voice, dB; more of it also keeps the folds open longer.
    pub breath: f64,
    /// Level of frequencies above 1 kHz, dB.
    pub tilt: f64,
    /// Jitter from cycle to cycle, per cent.
    pub rough: f64,
    /// Depth of a slow waver of F0, semitones.
    pub tremor: f64,
    /// Shift of all formants, per cent: a smile shortens the tract, pouting lips lengthen it.
    pub smile: f64,
    /// Care of articulation, per cent: by how much the vowels are further apart.
    pub care: f64,
}

impl From<Change> for Expression {
    fn from([pitch, range, ending, rate, energy, breath, tilt, rough, tremor, smile, care]: Change) -> Self {
        Expression { pitch, range, ending, rate, energy, breath, tilt, rough, tremor, smile, care }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_are_read_in_the_order_of_their_columns() {
        let angry = Expression::from(RECIPES[4]);
        assert_eq!((angry.pitch, angry.ending, angry.energy, angry.breath), (4.0, -3.5, 11.0, -7.0));
        assert_eq!((angry.tilt, angry.rough, angry.tremor, angry.care), (7.5, 1.0, 0.0, 13.0));
        assert_eq!(Expression::from(RECIPES[6]).smile, -5.5);
    }

    #[test]
    fn neutral_changes_nothing_and_emotions_differ() {
        assert_eq!(RECIPES[0], [0.0; PROPERTIES]);
        for (index, one) in RECIPES.iter().enumerate() {
            for other in &RECIPES[index + 1..] {
                // Distance with each property in units of its standard deviation.
                let distance = (0..PROPERTIES).map(|p| ((one[p] - other[p]) / SPREAD[p]).powi(2)).sum::<f64>().sqrt();
                assert!(distance > 2.5, "{one:?} and {other:?}: {distance}");
            }
        }
    }
}
