//! Results small enough to be counted by hand, for the tests of the figures.

use crate::experiment::Plan;
use crate::experiment::results::{Epochs, FoldRecord, Made, RunResult};
use crate::experiment::{ClipRecord, Results};
use reslstm::data::folds::Split;
use reslstm::labels::Labels;
use reslstm::train::{Confusion, Settings};

/// Eight clips, all of them neutral, happy or angry, by four actors of whom fold 0 tests 1 and 2 and fold 2 tests 3 and 4. Run 0
/// recognises all but the strong clip of actor 1; run 3 takes everything for angry.
pub fn results() -> Results {
    let names = [
        "03-01-01-01-01-01-01",
        "03-01-03-02-01-01-01",
        "03-01-05-01-01-01-02",
        "03-01-05-01-01-02-02",
        "03-01-01-01-01-01-03",
        "03-01-03-01-01-01-03",
        "03-01-03-01-01-01-04",
        "03-01-05-02-01-01-04",
    ];
    let clips: Vec<ClipRecord> = names.into_iter().map(clip).collect();
    let settings = Settings::default().with(|it| (it.epochs, it.t0, it.lr) = (4, 2, 0.5)).check().unwrap();
    let run = |number: usize, predict: &dyn Fn(usize) -> usize| {
        let fold = |fold: usize, test: [&str; 2], train: [&str; 2]| {
            let [train, validation] = train.map(|name| vec![name.to_string()]);
            let split = Split::new(fold, train, validation, test.map(String::from).to_vec()).unwrap();
            let tested = (0..clips.len()).filter(|&n| test.contains(&clips[n].speaker.as_str()));
            let mut confusion = Confusion::new(8);
            let predictions: Vec<usize> = tested.clone().map(predict).collect();
            tested.zip(&predictions).for_each(|(n, &predicted)| confusion.count(clips[n].label, predicted));
            let epochs = Epochs {
                test_correct: Vec::new(),
                loss: vec![2.0, 1.5, 1.0 + fold as f64 / 4.0, 0.75],
                validation_uar: vec![0.25, 0.5, 0.75, 0.625],
                seconds: vec![0.1; 4],
            };
            let (best_epoch, validation_uar, test_uar) = (2, Some(0.75), confusion.uar());
            FoldRecord {
                split,
                best_epoch,
                validation_uar,
                test_uar,
                predictions,
                confusion,
                no_speech: None,
                seconds: 0.4,
                epochs,
                enrolment: Vec::new(),
                variants: Vec::new(),
            }
        };
        let folds = vec![fold(0, ["01", "02"], ["03", "04"]), fold(2, ["03", "04"], ["01", "02"])];
        let made = Made { host: "h".into(), threads: 1, date: "2026-11-24".into(), program: "p".into() };
        RunResult::pool(number, &settings, Labels::ravdess().into(), "data", 46_772, folds, made)
    };
    let angry = 4;
    let runs = vec![run(0, &|n| if n == 1 { angry } else { clips[n].label }), run(3, &|_| angry)];
    Results {
        plan: Plan { settings: settings.clone(), runs: 4, folds: "0,2".parse().unwrap(), map: Default::default() },
        clips: clips.clone(),
        runs,
    }
}

fn clip(name: &str) -> ClipRecord {
    let parsed: reslstm::labels::RavdessName = name.parse().unwrap();
    ClipRecord { name: name.into(), label: parsed.label(), speaker: parsed.speaker() }
}

/// Checks that a picture is XML: allowed characters, every tag closed in order.
pub fn assert_well_formed(svg: &str) {
    let mut open: Vec<&str> = Vec::new();
    for c in svg.chars() {
        let allowed = matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
        assert!(allowed, "{c:?} in {svg}");
    }
    for tag in svg.split('<').skip(1).map(|rest| rest.split_once('>').expect("a tag ends").0) {
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "{svg}");
        } else if !tag.ends_with('/') {
            open.push(tag.split_whitespace().next().expect("a tag has a name"));
        }
    }
    assert!(open.is_empty(), "{open:?} in {svg}");
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
}

/// Numbers as journals of strangers have them: all finite ones, and the worst more often.
pub fn any_number() -> impl proptest::strategy::Strategy<Value = f64> {
    use proptest::prelude::*;
    let worst = [0.0, -0.0, 1.0, 1e-300, 5e-324, 1e16, 1e16 + 2.0, 1e308, -1e308, f64::MAX, f64::MIN, 1e6];
    prop_oneof![proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL, proptest::sample::select(worst.to_vec())]
}
