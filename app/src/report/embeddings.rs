//! Clips in two dimensions (Fig. 5): the context vectors of a model, and the features averaged over the frames of each clip.

use super::csv_text;
use super::drawing::{Canvas, Drawn, HEADING, HPos, LABEL, Panel, TITLE, VPos, picture, shortened, ticks, write};
use super::marks::{Legend, Mark};
use super::principal_components::PrincipalComponents;
use crate::experiment::ClipRecord;
use reslstm::data::Clip;
use reslstm::error::Result;
use reslstm::matrix::Matrix;
use reslstm::models::{Model, Tape};
use reslstm::normalise::Normaliser;
use reslstm::packed::{Packed, Padding};
use reslstm::rng::RandomStream;

/// Pixels.
const WIDTH: i32 = 900;
const LEFT: i32 = 70;
const SIDE: i32 = 360;
const TOP: i32 = 96;

/// Clips with their embeddings and averaged features.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    clips: Vec<ClipRecord>,
    embeddings: Plane,
    features: Plane,
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
    /// Embeds `clips`, whose features are normalised by `normaliser` first. The embedding of a clip is its context vector (Eq.
    /// 3), before batch norm.
    ///
    /// # Errors
    /// [`Kind::Data`](reslstm::error::Kind::Data) if there are fewer than two clips that differ;
    /// [`Kind::Features`](reslstm::error::Kind::Features) if a clip is of another width than the model.
    pub fn new(model: &Model<f32>, normaliser: &Normaliser, clips: &[&Clip]) -> Result<Self> {
        let (mut contexts, mut averages) = (Vec::with_capacity(clips.len()), Vec::with_capacity(clips.len()));
        let mut tape = Tape::default();
        for clip in clips {
            let x = normaliser.apply(&clip.features)?;
            model.forward_eval(&Packed::new(&[x.rows()], Padding::Ignored), &x, &mut tape);
            contexts.push(tape.top.context.row(0).to_vec());
            averages.push(average(&x));
        }
        let record = |clip: &&Clip| {
            let (name, speaker) = (clip.name.clone(), clip.speaker.clone());
            ClipRecord { name, label: clip.label, speaker }
        };
        let clips = clips.iter().map(record).collect();
        let (embeddings, features) = (Matrix::from_rows(&contexts), Matrix::from_rows(&averages));
        Ok(Embeddings { clips, embeddings: Plane::new(&embeddings)?, features: Plane::new(&features)? })
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
    fn new(x: &Matrix<f32>) -> Result<Self> {
        let components = PrincipalComponents::fit(x)?;
        let explained = components.explained();
        // With a single column there is no second direction: all points lie on a line.
        let second = explained.get(1).copied().unwrap_or(0.0);
        let along = components.project(x, explained.len().min(2));
        let point = |n: usize| [along.row(n)[0], along.row(n).get(1).copied().unwrap_or(0.0)];
        let points = Matrix::from_rows(&(0..x.rows()).map(point).collect::<Vec<_>>());
        Ok(Plane { points, explained: [explained[0], second] })
    }
}

/// The figure, as SVG text: embeddings and averaged features, each titled with the variance that its two components explain.
/// `labels` are the classes in order.
pub fn svg(title: &str, embeddings: &Embeddings, labels: &[String]) -> String {
    let names = labels.iter().enumerate().map(|(k, name)| (Mark::for_class(k), shortened(name, 24))).collect();
    let legend = Legend::new(names, WIDTH - LEFT - 12);
    picture(WIDTH, TOP + SIDE + 56 + legend.height, |canvas| {
        write(canvas, title, (12, 10), TITLE, (HPos::Left, VPos::Top))?;
        let planes = [("utterance embeddings", &embeddings.embeddings), ("averaged features", &embeddings.features)];
        for (number, (name, plane)) in planes.into_iter().enumerate() {
            let left = LEFT + number as i32 * (WIDTH - SIDE - LEFT - 20);
            draw_plane(canvas, left, name, plane, &embeddings.clips)?;
        }
        legend.draw(canvas, (LEFT, TOP + SIDE + 48))
    })
}

fn draw_plane(canvas: &Canvas<'_>, left: i32, name: &str, plane: &Plane, clips: &[ClipRecord]) -> Drawn {
    // The same scale on both axes, so that distances can be compared.
    let column = |k: usize| plane.points.iter_rows().map(move |point| point[k]);
    let ends = [0, 1].map(|k| (column(k).fold(f64::INFINITY, f64::min), column(k).fold(f64::NEG_INFINITY, f64::max)));
    let half = 0.53 * ends.iter().map(|(low, high)| high - low).fold(0.0, f64::max);
    let [x, y] = ends.map(|(low, high)| (low + high) / 2.0 - half..(low + high) / 2.0 + half);
    let panel = Panel { left, top: TOP, right: left + SIDE, bottom: TOP + SIDE, x, y };
    let [first, second] = plane.explained.map(|share| 100.0 * share);
    let at = (left, TOP - 28);
    write(canvas, name, at, HEADING, (HPos::Left, VPos::Bottom))?;
    let explains = format!("two components explain {:.1} % of the variance", first + second);
    write(canvas, &explains, (left, TOP - 8), LABEL, (HPos::Left, VPos::Bottom))?;
    panel.x_axis(canvas, &ticks(&panel.x, 6), &format!("component 1 ({first:.1} %)"))?;
    panel.y_axis(canvas, &ticks(&panel.y, 6), &format!("component 2 ({second:.1} %)"))?;
    panel.frame(canvas)?;
    // In a random order, lest the last class hide the others.
    let mut order: Vec<usize> = (0..clips.len()).collect();
    RandomStream::new(0, "order of drawing", 0).shuffle(&mut order);
    for clip in order {
        let (x, y) = (plane.points[(clip, 0)], plane.points[(clip, 1)]);
        Mark::for_class(clips[clip].label).draw(canvas, panel.at(x, y), 3.6)?;
    }
    Ok(())
}

/// The figure's data as CSV text, one line per clip: `clip,speaker,label,embedding_1,embedding_2,features_1,features_2`, each
/// along its two principal components.
pub fn csv(embeddings: &Embeddings, labels: &[String]) -> String {
    let header = ["clip", "speaker", "label", "embedding_1", "embedding_2", "features_1", "features_2"];
    let row = |(n, clip): (usize, &ClipRecord)| {
        let points = [embeddings.embeddings.points.row(n), embeddings.features.points.row(n)].concat();
        let place = [clip.name.clone(), clip.speaker.clone(), labels[clip.label].clone()];
        place.into_iter().chain(points.into_iter().map(|x| x.to_string()))
    };
    csv_text(&header, embeddings.clips.iter().enumerate().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clips of one to five frames; those of class 1 lie far from those of class 0.
    fn clips() -> Vec<Clip> {
        let mut stream = RandomStream::new(5, "clips", 0);
        let clip = |n: usize| {
            let frames = 1 + n % 5;
            let value = |_| (stream.normal() + 9.0 * (n % 2) as f64) as f32;
            let features = Matrix::from_vec(frames, 4, (0..4 * frames).map(value).collect());
            Clip { name: format!("clip {n}"), label: n % 2, speaker: "anna".into(), features }
        };
        (0..12).map(clip).collect()
    }

    fn labels() -> Vec<String> {
        ["low", "high"].map(String::from).to_vec()
    }

    fn shown(clips: &[Clip]) -> Embeddings {
        let model = Model::init("reslstm-sa-h3".parse().unwrap(), 4, 2, &mut RandomStream::new(1, "init", 0));
        let normaliser = Normaliser::new(vec![4.5; 4], vec![4.0; 4]).unwrap();
        Embeddings::new(&model, &normaliser, &clips.iter().collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn averaged_features_that_differ_are_apart_along_the_first_component() {
        let clips = clips();
        let shown = shown(&clips);
        let points = &shown.features.points;
        let side = |n: usize| points[(n, 0)] > 0.0;
        assert!((2..12).all(|n| side(n) == side(n % 2)) && side(0) != side(1), "{points:?}");
        // Both mean frames are about 9/4 from each other in each of four columns.
        let distance = (points[(0, 0)] - points[(1, 0)]).abs();
        assert!((3.0..6.0).contains(&distance), "{distance}");
        assert!(shown.features.explained[0] > 0.9, "{:?}", shown.features.explained);
    }

    #[test]
    fn a_clip_s_place_depends_on_its_own_frames_alone() {
        let mut clips = clips();
        let before = shown(&clips);
        clips.reverse();
        let after = shown(&clips);
        for (n, clip) in before.clips.iter().enumerate() {
            assert_eq!(*clip, after.clips[11 - n]);
            for k in 0..2 {
                let (a, b) = (before.embeddings.points[(n, k)], after.embeddings.points[(11 - n, k)]);
                assert!((a - b).abs() < 1e-6, "{}: {a} {b}", clip.name);
            }
        }
    }

    #[test]
    fn the_figure_names_the_variance_and_the_classes_and_the_table_every_clip() {
        let shown = shown(&clips());
        let svg = svg("Title", &shown, &labels());
        let [first, second] = shown.embeddings.explained.map(|share| 100.0 * share);
        for text in [
            format!("two components explain {:.1} % of the variance", first + second),
            format!("component 1 ({first:.1} %)"),
            format!("component 2 ({second:.1} %)"),
            "utterance embeddings".into(),
            "averaged features".into(),
            "\nlow\n".into(),
            "\nhigh\n".into(),
        ] {
            assert!(svg.contains(&text), "{text}");
        }
        // Class 0 has circles: six clips in two planes, and the legend.
        assert_eq!(svg.matches("<circle").count(), 13);
        let csv = csv(&shown, &labels());
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines[0], "clip,speaker,label,embedding_1,embedding_2,features_1,features_2");
        assert_eq!(lines.len(), 13);
        let last = format!("clip 11,anna,high,{},", shown.embeddings.points[(11, 0)]);
        assert!(lines[12].starts_with(&last) && lines[12].ends_with(&shown.features.points[(11, 1)].to_string()));
    }
}
