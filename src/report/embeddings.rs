//! Clips in two dimensions (Fig. 5): as the model sees them, its context vectors, beside the features it sees them through, averaged
//! over the frames of each clip.

use super::colours::Mark;
use super::csv_text;
use super::drawing::{
    Canvas, Drawn, HEADING, HPos, LABEL, Panel, TITLE, VPos, legend, picture, shortened, ticks, write,
};
use super::principal_components::PrincipalComponents;
use crate::data::Clip;
use crate::data::normalise::Normaliser;
use crate::error::Result;
use crate::matrix::Matrix;
use crate::models::{Model, Tape};
use crate::packed::{Packed, Padding};
use crate::rng::Stream;

/// Pixels.
const WIDTH: i32 = 900;
const LEFT: i32 = 70;
const SIDE: i32 = 360;
const TOP: i32 = 96;

/// Clips with two descriptions of each.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    clips: Vec<Place>,
    embeddings: Plane,
    features: Plane,
}

/// What is known of a clip.
#[derive(Clone, Debug, PartialEq)]
struct Place {
    name: String,
    speaker: String,
    label: usize,
}

/// Points along their first two principal components.
#[derive(Clone, Debug, PartialEq)]
struct Plane {
    /// `[N,2]`
    points: Matrix<f64>,
    /// Share of the variance along each of the two.
    explained: [f64; 2],
}

impl Embeddings {
    /// Of `clips`, whose features are normalised by `normaliser` first. The embedding of a clip is its context vector (Eq. 3), before
    /// batch norm.
    ///
    /// # Errors
    /// [`Kind::Data`](crate::error::Kind::Data) if there are fewer than two clips that differ;
    /// [`Kind::Features`](crate::error::Kind::Features) if a clip is of another width than the model.
    pub fn of(model: &Model<f32>, normaliser: &Normaliser, clips: &[&Clip]) -> Result<Self> {
        let (mut contexts, mut averages) = (Vec::with_capacity(clips.len()), Vec::with_capacity(clips.len()));
        let mut tape = Tape::default();
        for clip in clips {
            let x = normaliser.apply(&clip.features)?;
            model.forward_eval(&Packed::new(&[x.rows()], Padding::Ignored), &x, &mut tape);
            contexts.push(tape.top.context.row(0).to_vec());
            averages.push(average(&x));
        }
        let place = |clip: &&Clip| {
            let (name, speaker) = (clip.name.clone(), clip.speaker.clone());
            Place { name, speaker, label: clip.label }
        };
        let clips = clips.iter().map(place).collect();
        let (embeddings, features) = (Matrix::from_rows(&contexts), Matrix::from_rows(&averages));
        Ok(Embeddings { clips, embeddings: Plane::of(&embeddings)?, features: Plane::of(&features)? })
    }
}

/// The mean frame of a clip `[T,D]`, `[D]`.
fn average(x: &Matrix<f32>) -> Vec<f32> {
    let mut sums = vec![0.0; x.cols()];
    for frame in x.iter_rows() {
        sums.iter_mut().zip(frame).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    sums.into_iter().map(|sum| (sum / x.rows() as f64) as f32).collect()
}

impl Plane {
    fn of(x: &Matrix<f32>) -> Result<Self> {
        let components = PrincipalComponents::of(x)?;
        let explained = components.explained();
        // Of a single column the second direction is none: everything lies on a line.
        let second = explained.get(1).copied().unwrap_or(0.0);
        let along = components.project(x, explained.len().min(2));
        let point = |n: usize| [along.row(n)[0], along.row(n).get(1).copied().unwrap_or(0.0)];
        let points = Matrix::from_rows(&(0..x.rows()).map(point).collect::<Vec<_>>());
        Ok(Plane { points, explained: [explained[0], second] })
    }
}

/// The figure, as SVG text: embeddings beside averaged features, each titled with the variance its two components explain. `labels`
/// are the classes in order.
pub fn svg(title: &str, embeddings: &Embeddings, labels: &[String]) -> String {
    let names: Vec<_> = labels.iter().enumerate().map(|(k, name)| (Mark::of(k), shortened(name, 24))).collect();
    let rows = 20 * (1 + names.len() as i32 / 6);
    picture(WIDTH, TOP + SIDE + 60 + rows, |canvas| {
        write(canvas, title, (12, 10), TITLE, (HPos::Left, VPos::Top))?;
        let planes = [("utterance embeddings", &embeddings.embeddings), ("averaged features", &embeddings.features)];
        for (number, (name, plane)) in planes.into_iter().enumerate() {
            let left = LEFT + number as i32 * (WIDTH - SIDE - LEFT - 20);
            draw_plane(canvas, left, name, plane, &embeddings.clips)?;
        }
        legend(canvas, (LEFT, TOP + SIDE + 52), WIDTH - 12, &names)?;
        Ok(())
    })
}

fn draw_plane(canvas: &Canvas<'_>, left: i32, name: &str, plane: &Plane, clips: &[Place]) -> Drawn {
    // One scale on both axes: what counts are distances.
    let farthest = plane.points.as_slice().iter().fold(0.0, |farthest: f64, x| farthest.max(x.abs()));
    let range = -1.06 * farthest..1.06 * farthest;
    let panel = Panel { left, top: TOP, right: left + SIDE, bottom: TOP + SIDE, x: range.clone(), y: range.clone() };
    let [first, second] = plane.explained.map(|share| 100.0 * share);
    let at = (left, TOP - 28);
    write(canvas, name, at, HEADING, (HPos::Left, VPos::Bottom))?;
    let explains = format!("two components explain {:.1} % of the variance", first + second);
    write(canvas, &explains, (left, TOP - 8), LABEL, (HPos::Left, VPos::Bottom))?;
    let ticks = ticks(&range, 6);
    panel.x_axis(canvas, &ticks, &format!("component 1 ({first:.1} %)"))?;
    panel.y_axis(canvas, &ticks, &format!("component 2 ({second:.1} %)"))?;
    panel.frame(canvas)?;
    // In a random order, lest the last class hide the others.
    let mut order: Vec<usize> = (0..clips.len()).collect();
    Stream::new(0, "order of drawing", 0).shuffle(&mut order);
    for clip in order {
        let (x, y) = (plane.points[(clip, 0)], plane.points[(clip, 1)]);
        Mark::of(clips[clip].label).draw(canvas, panel.at(x, y), 3.6)?;
    }
    Ok(())
}

/// The figure's data as CSV text, a line a clip: `clip,speaker,label,embedding_1,embedding_2,features_1,features_2`, each along its two
/// principal components.
pub fn csv(embeddings: &Embeddings, labels: &[String]) -> String {
    let header = ["clip", "speaker", "label", "embedding_1", "embedding_2", "features_1", "features_2"];
    let row = |(n, clip): (usize, &Place)| {
        let points = [embeddings.embeddings.points.row(n), embeddings.features.points.row(n)].concat();
        let place = [clip.name.clone(), clip.speaker.clone(), labels[clip.label].clone()];
        place.into_iter().chain(points.into_iter().map(|x| x.to_string()))
    };
    csv_text(&header, embeddings.clips.iter().enumerate().map(row))
}
