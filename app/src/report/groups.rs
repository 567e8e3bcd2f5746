//! Recall by emotion, sex and intensity, with its spread over runs.

use super::colours::{BLUE, INK, VERMILLION};
use super::csv_text;
use super::drawing::{
    Canvas, Drawn, HPos, LABEL, Panel, TITLE, VPos, line, picture, shortened, ticks, width_of, write,
};
use super::marks::{Legend, Mark, Shape};
use super::published::FIGURE_4;
use crate::experiment::results::RunResult;
use crate::experiment::{ClipRecord, Results};
use plotters::prelude::*;
use reslstm::labels::RavdessName;
use reslstm::train::{Confusion, Spread};
use std::path::Path;

/// Pixels.
const LEFT: i32 = 76;
const TOP: i32 = 66;
const HEIGHT: i32 = 300;

/// Test clips of one emotion, sex or intensity, and their recall.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// What the clips are grouped by.
    pub by: By,
    /// `angry`, `female`, `strong`
    pub name: String,
    /// Number of classes among them.
    pub classes: usize,
    /// Number of test clips of a run.
    pub clips: u64,
    /// For each run the recall of the emotion; for other groups the UAR over the classes that occur.
    pub recall: Spread,
}

/// What clips are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The class.
    Emotion,
    /// RAVDESS: actors of odd number are male.
    Sex,
    /// RAVDESS: normal or strong; neutral is never strong.
    Intensity,
}

impl By {
    /// Its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            By::Emotion => "emotion",
            By::Sex => "sex",
            By::Intensity => "intensity",
        }
    }
}

/// All groups of test clips, emotions first; sex and intensity only if every clip has a RAVDESS file name.
pub fn groups(results: &Results) -> Vec<Group> {
    let mut groups = Vec::new();
    for (label, name) in results.labels().iter().enumerate() {
        groups.extend(group(results, By::Emotion, name, |clip| clip.label == label));
    }
    let named =
        |clip: &ClipRecord| -> Option<RavdessName> { Path::new(&clip.name).file_stem()?.to_str()?.parse().ok() };
    if results.clips.iter().all(|clip| named(clip).is_some()) {
        let is = |test: fn(&RavdessName) -> bool| move |clip: &ClipRecord| named(clip).is_some_and(|name| test(&name));
        groups.extend(group(results, By::Sex, "female", is(|name| !name.is_male())));
        groups.extend(group(results, By::Sex, "male", is(RavdessName::is_male)));
        groups.extend(group(results, By::Intensity, "normal", is(|name| !name.is_strong())));
        groups.extend(group(results, By::Intensity, "strong", is(RavdessName::is_strong)));
    }
    groups
}

/// The test clips for which `belongs` is true; `None` if there are none.
fn group(results: &Results, by: By, name: &str, belongs: impl Fn(&ClipRecord) -> bool) -> Option<Group> {
    let confusion = |run: &RunResult| {
        let mut confusion = Confusion::new(results.labels().len());
        for (clip, predicted) in run.folds.iter().flat_map(|fold| results.predictions(fold)) {
            if belongs(clip) {
                confusion.count(clip.label, predicted);
            }
        }
        confusion
    };
    let confusions: Vec<Confusion> = results.runs.iter().map(confusion).collect();
    let classes = confusions[0].recalls().into_iter().flatten().count();
    let (name, clips) = (name.to_string(), confusions[0].total());
    // With one class, the unweighted average recall is its recall.
    let recall = || Spread::new(confusions.iter().map(Confusion::uar).collect());
    (clips > 0).then(|| Group { by, name, classes, clips, recall: recall() })
}

/// The figure, as SVG text: a mark at each group's mean over runs, bars for ± the standard deviation, one dot per run. With
/// `paper`, also the recalls of the paper's Fig. 4 for the emotions of these names.
pub fn svg(title: &str, groups: &[Group], paper: bool) -> String {
    let widest = groups.iter().map(|group| width_of(&shortened(&group.name, 24), LABEL)).max().unwrap_or(0);
    let column = widest.max(60);
    // Some room between groupings.
    let mut places: Vec<f64> = Vec::new();
    for (n, group) in groups.iter().enumerate() {
        let before = n.checked_sub(1).map(|n| (places[n], groups[n].by));
        places.push(before.map_or(0.0, |(place, by)| place + if by == group.by { 1.0 } else { 1.3 }));
    }
    let x = -0.5..places.last().copied().unwrap_or(0.0) + 0.5;
    let right = LEFT + (f64::from(column) * (x.end - x.start)).round() as i32;
    let width = (right + 16).max(520).max(24 + width_of(title, TITLE));
    let panel = Panel { left: LEFT, top: TOP, right, bottom: TOP + HEIGHT, x, y: 0.0..1.0 };
    let legend = legend(width, paper);
    picture(width, TOP + HEIGHT + 84 + legend.height, |canvas| {
        write(canvas, title, (12, 10), TITLE, (HPos::Left, VPos::Top))?;
        legend.draw(canvas, (LEFT, TOP + HEIGHT + 76))?;
        panel.y_axis(canvas, &ticks(&panel.y, 5), "recall")?;
        panel.frame(canvas)?;
        for (group, &place) in groups.iter().zip(&places) {
            draw_group(canvas, &panel, group, place, paper)?;
        }
        for (n, (group, place)) in groups.iter().zip(&places).enumerate() {
            if n == 0 || groups[n - 1].by != group.by {
                let heading = match group.by {
                    By::Emotion => "recall by emotion".to_string(),
                    by => format!("UAR by {}", by.name()),
                };
                let at = (panel.across(place - 0.5) + 2, TOP - 7);
                write(canvas, &heading, at, LABEL, (HPos::Left, VPos::Bottom))?;
                if n > 0 {
                    let x = panel.across(place - 0.65);
                    line(canvas, [(x, TOP), (x, panel.bottom)], INK.mix(0.6))?;
                }
            }
        }
        Ok(())
    })
}

fn legend(width: i32, paper: bool) -> Legend {
    let mut names = vec![
        (MEAN, "mean over runs, ± standard deviation".to_string()),
        (Mark::new(Shape::Circle, INK), "a run".to_string()),
    ];
    if paper {
        names.push((PAPER, "the paper's Fig. 4".to_string()));
    }
    Legend::new(names, width - LEFT - 12)
}

const MEAN: Mark = Mark { shape: Shape::Circle, colour: BLUE, hollow: false };
const PAPER: Mark = Mark { shape: Shape::Diamond, colour: VERMILLION, hollow: true };

fn draw_group(canvas: &Canvas<'_>, panel: &Panel, group: &Group, place: f64, paper: bool) -> Drawn {
    let Spread { mean, std, values, .. } = &group.recall;
    let middle = panel.across(place);
    for &value in values {
        canvas.draw(&Circle::new((middle - 14, panel.up(value)), 2, INK.filled()))?;
    }
    let [low, high] = [mean - std, mean + std].map(|value| panel.up(value.clamp(0.0, 1.0)));
    if values.len() > 1 {
        line(canvas, [(middle, low), (middle, high)], BLUE.stroke_width(2))?;
        for end in [low, high] {
            line(canvas, [(middle - 5, end), (middle + 5, end)], BLUE.stroke_width(2))?;
        }
    }
    MEAN.draw(canvas, (middle, panel.up(*mean)), 5.0)?;
    let published = FIGURE_4.iter().find(|(label, _)| paper && group.by == By::Emotion && *label == group.name);
    if let Some((_, recall)) = published {
        PAPER.draw(canvas, (middle + 14, panel.up(*recall)), 5.0)?;
    }
    let classes = if group.by == By::Emotion { String::new() } else { format!("{} classes", group.classes) };
    let texts =
        [shortened(&group.name, 24), format!("{:.1} %", 100.0 * mean), format!("{} clips", group.clips), classes];
    for (row, text) in texts.iter().enumerate() {
        let at = (middle, panel.bottom + 6 + 15 * row as i32);
        write(canvas, text, at, LABEL, (HPos::Center, VPos::Top))?;
    }
    Ok(())
}

/// The figure's data as CSV text, one line per group and run: `by,group,classes,clips,run,recall`.
pub fn csv(groups: &[Group], runs: &[RunResult]) -> String {
    let rows = groups.iter().flat_map(|group| {
        group.recall.values.iter().zip(runs).map(|(recall, run)| {
            let Group { by, name, classes, clips, .. } = group;
            let number = run.run.to_string();
            [by.name().to_string(), name.clone(), classes.to_string(), clips.to_string(), number, recall.to_string()]
        })
    });
    csv_text(&["by", "group", "classes", "clips", "run", "recall"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example::results;

    #[test]
    fn groups_are_counted_by_hand() {
        let groups = groups(&results());
        let found: Vec<_> = groups
            .iter()
            .map(|group| (group.by.name(), group.name.as_str(), group.classes, group.clips, &group.recall.values[..]))
            .collect();
        let third = 1.0 / 3.0;
        assert_eq!(
            found,
            [
                ("emotion", "neutral", 1, 2, &[1.0, 0.0][..]),
                ("emotion", "happy", 1, 3, &[2.0 / 3.0, 0.0]),
                ("emotion", "angry", 1, 3, &[1.0, 1.0]),
                // Actors 2 and 4: three angry clips and a happy one.
                ("sex", "female", 2, 4, &[1.0, 0.5]),
                // Actors 1 and 3: two neutral clips and two happy ones, of which one is strong.
                ("sex", "male", 2, 4, &[0.75, 0.0]),
                ("intensity", "normal", 3, 6, &[1.0, third]),
                ("intensity", "strong", 2, 2, &[0.5, 0.5]),
            ]
        );
    }

    #[test]
    fn other_names_than_those_of_ravdess_give_no_sex_or_intensity() {
        let mut results = results();
        results.clips[3].name = "clips/take 3.wav".into();
        assert!(groups(&results).iter().all(|group| group.by == By::Emotion));
        // The path of a manifest is one of RAVDESS's names with a folder and an extension.
        results.clips[3].name = "../speech/03-01-05-01-01-02-02.wav".into();
        assert_eq!(groups(&results).len(), 7);
    }

    #[test]
    fn the_figure_has_every_group_and_the_paper_on_request() {
        let groups = groups(&results());
        let shown = |paper: bool| svg("Title", &groups, paper);
        for text in [
            "neutral",
            "female",
            "strong",
            "33.3 %",
            "recall by emotion",
            "UAR by sex",
            "UAR by intensity",
            "3 classes",
        ] {
            assert!(shown(false).contains(text), "{text}");
        }
        let diamonds = |svg: &str| svg.lines().filter(|line| line.contains("#D55E00")).count();
        // Three emotions and the legend.
        assert_eq!((diamonds(&shown(false)), diamonds(&shown(true))), (0, 4));
    }

    #[test]
    fn the_table_has_one_line_per_group_and_run() {
        let results = results();
        let csv = csv(&groups(&results), &results.runs);
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines[..2], ["by,group,classes,clips,run,recall", "emotion,neutral,1,2,0,1"]);
        assert_eq!((lines.len(), lines[14]), (15, "intensity,strong,2,2,3,0.5"));
    }
}
