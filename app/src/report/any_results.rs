//! Pages and figures of results with any numbers and names, as far as results with them are read.

use super::example::{any_number, assert_well_formed, results};
use super::{confusion, groups, learning_curves, parameters, results_page, seeds};
use crate::experiment::Results;
use crate::experiment::results::ModelSummary;
use crate::files::write_json;
use proptest::prelude::*;
use reslstm::data::folds::Split;
use reslstm::train::Confusion;
use serde_json::json;

/// What is drawn of the results of [`results`].
#[derive(Clone, Debug)]
struct Drawn {
    labels: Vec<String>,
    speakers: Vec<String>,
    clip: String,
    predicted: Vec<usize>,
    numbers: Vec<f64>,
    scores: Vec<f64>,
    runs: usize,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let names = |count| proptest::collection::vec(any::<String>(), count);
    let score = prop_oneof![0.0..=1.0, proptest::sample::select(vec![0.0, 1.0, 5e-324])];
    let numbers = proptest::collection::vec(any_number(), 6);
    let predicted = proptest::collection::vec(0usize..8, 8);
    let all = (names(8), names(4), any::<String>(), predicted, numbers, proptest::collection::vec(score, 4), 1usize..3);
    all.prop_map(|(labels, speakers, clip, predicted, numbers, scores, runs)| Drawn {
        labels,
        speakers,
        clip,
        predicted,
        numbers,
        scores,
        runs,
    })
}

/// The results with what is drawn, through their files; none if they are refused.
fn read(drawn: &Drawn) -> Option<Results> {
    let mut all = results();
    let speaker = |old: &str| drawn.speakers[old.parse::<usize>().expect("a number") - 1].clone();
    all.runs.truncate(drawn.runs);
    for run in &mut all.runs {
        run.labels = drawn.labels.clone();
        run.seconds = drawn.numbers[0];
        run.made.host = drawn.clip.clone();
        run.confusion = Confusion::new(8);
        for fold in &mut run.folds {
            fold.predictions = Vec::new();
            fold.confusion = Confusion::new(8);
            for (clip, &predicted) in all.clips.iter().zip(&drawn.predicted) {
                if fold.split.test().contains(&clip.speaker) {
                    fold.predictions.push(predicted);
                    fold.confusion.count(clip.label, predicted);
                }
            }
            run.confusion.add(&fold.confusion);
            let side = |names: &[String]| names.iter().map(|name| speaker(name)).collect();
            let (train, validation, test) = (fold.split.train(), fold.split.validation(), fold.split.test());
            fold.split = Split::new(fold.split.fold(), side(train), side(validation), side(test)).ok()?;
            fold.epochs.loss = drawn.numbers[..4].to_vec();
            fold.epochs.seconds = drawn.numbers[2..].to_vec();
            fold.epochs.validation_uar = drawn.scores.clone();
            (fold.validation_uar, fold.test_uar) = (Some(drawn.scores[0]), drawn.scores[1]);
        }
    }
    for clip in &mut all.clips {
        clip.speaker = speaker(&clip.speaker);
        clip.name += &drawn.clip;
    }
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, value: serde_json::Value| write_json(&folder.path().join(name), &value).unwrap();
    std::fs::create_dir(folder.path().join("runs")).unwrap();
    write("plan.json", json!({ "plan": all.plan, "data": all.runs[0].data }));
    write("clips.json", json!(all.clips));
    for run in &all.runs {
        write(&format!("runs/run{}.json", run.run), json!(run));
    }
    Results::read(folder.path()).ok()
}

/// The pictures of a page.
fn pictures(page: &str) -> Vec<&str> {
    let begins = page.match_indices("<svg").map(|(at, _)| &page[at..]);
    begins.map(|rest| &rest[..rest.find("</svg>").expect("a picture ends") + "</svg>".len()]).collect()
}

proptest! {
    #[test]
    fn any_results_are_drawn(drawn in drawn()) {
        let Some(results) = read(&drawn) else { return Ok(()) };
        let (title, first) = (&drawn.clip, &results.runs[0]);
        let summary = ModelSummary::new(&results.runs);
        let groups = groups::groups(&results);
        let figures = [
            seeds::svg(title, &results.runs),
            learning_curves::svg(title, first, None),
            learning_curves::svg(title, first, Some(2)),
            confusion::svg(title, &summary.confusion, &summary.labels),
            groups::svg(title, &groups, false),
            parameters::svg(title, std::slice::from_ref(&summary)),
        ];
        figures.iter().for_each(|figure| assert_well_formed(figure));
        let about = results_page::About { command: &|_| title.clone(), licence: title };
        let mut pages = vec![results_page::of_one(&results, about)];
        pages.extend(results_page::of_paper(std::slice::from_ref(&results), about));
        for page in pages {
            prop_assert!(!pictures(&page).is_empty());
            pictures(&page).into_iter().for_each(assert_well_formed);
            prop_assert!(!page.chars().any(|c| c.is_control() && !"\t\n\r".contains(c)), "{page}");
        }
    }
}

/// What is drawn by the test above is mostly not refused.
#[test]
fn results_with_names_and_numbers_of_strangers_are_read() {
    let drawn = Drawn {
        labels: "abcdefgh".chars().map(|c| format!("{c}<\u{1b}[31m&\"")).collect(),
        speakers: "wxyz".chars().map(String::from).collect(),
        clip: "</svg>\u{0}".into(),
        predicted: vec![0, 1, 2, 3, 4, 5, 6, 7],
        numbers: vec![1e308, -1e308, 0.0, 5e-324, 1e16, -0.0],
        scores: vec![0.0, 1.0, 5e-324, 0.5],
        runs: 2,
    };
    assert!(read(&drawn).is_some());
}
