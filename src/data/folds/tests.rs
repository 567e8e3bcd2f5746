use super::*;

fn names(count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("{n:02}")).collect()
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}

/// What holds for every plan: each fold uses every speaker once, and each speaker is tested once.
fn assert_valid(splits: &[Split], speakers: &[String]) {
    for (index, split) in splits.iter().enumerate() {
        assert_eq!(split.fold(), index);
        split.check_speakers(speakers).unwrap();
        let mut all = [split.train(), split.validation(), split.test()].concat();
        all.sort();
        assert_eq!(all, speakers, "fold {index}");
        let next = &splits[(index + 1) % splits.len()];
        assert!(split.validation().iter().all(|name| next.test().contains(name)), "fold {index}");
    }
    let mut tested: Vec<String> = splits.iter().flat_map(|split| split.test().to_vec()).collect();
    tested.sort();
    assert_eq!(tested, speakers);
}

#[test]
fn ravdess_actors_get_the_folds_of_the_paper() {
    let splits = FoldPlan::all().splits(&names(24)).unwrap();
    let expected: [(&[&str], &[&str]); 5] = [
        (&["02", "05", "14", "15", "16"], &["03", "06"]),
        (&["03", "06", "07", "13", "18"], &["10", "11"]),
        (&["10", "11", "12", "19", "20"], &["08", "17"]),
        (&["08", "17", "21", "23", "24"], &["01", "14"]),
        (&["01", "04", "09", "22"], &["02", "05"]),
    ];
    assert_eq!(splits.len(), 5);
    for (fold, (split, (test, validation))) in splits.iter().zip(expected).enumerate() {
        assert_eq!(
            (split.fold(), split.test(), split.validation()),
            (fold, &strings(test)[..], &strings(validation)[..])
        );
        let rest: Vec<String> =
            names(24).into_iter().filter(|n| !split.test.contains(n) && !split.validation.contains(n)).collect();
        assert_eq!(split.train(), rest);
    }
    let mut tested: Vec<String> = splits.into_iter().flat_map(|split| split.test).collect();
    tested.sort();
    assert_eq!(tested, names(24));
}

#[test]
fn chosen_folds_keep_their_numbers() {
    let splits = "3, 0".parse::<FoldPlan>().unwrap().splits(&names(24)).unwrap();
    assert_eq!(splits.iter().map(Split::fold).collect::<Vec<_>>(), [0, 3]);
    assert_eq!(splits[1].test()[0], "08");
}

#[test]
fn ravdess_actors_are_recognised_in_every_spelling() {
    for style in [|n: usize| n.to_string(), |n| format!("Actor_{n:02}")] {
        let speakers: Vec<String> = (1..=24).rev().map(style).collect();
        let splits = FoldPlan::all().splits(&speakers).unwrap();
        let mut test: Vec<String> = [1, 4, 9, 22].map(style).to_vec();
        test.sort();
        assert_eq!(splits[4].test(), test);
    }
    // 24 speakers that are not the actors, and actors that are not all 24, get five other folds.
    for speakers in [(2..=25).map(|n| format!("{n:02}")).collect(), names(23)] {
        let splits = FoldPlan::all().splits(&speakers).unwrap();
        assert_valid(&splits, &speakers);
        assert_eq!(splits, FoldPlan::KFold(5).splits(&speakers).unwrap());
    }
}

#[test]
fn folds_are_valid_for_any_number_of_speakers() {
    for count in 3..=30 {
        let speakers = names(count);
        for folds in 3..=count {
            let splits = FoldPlan::KFold(folds).splits(&speakers).unwrap();
            assert_eq!(splits.len(), folds);
            assert_valid(&splits, &speakers);
            let sizes: Vec<usize> = splits.iter().map(|split| split.test().len()).collect();
            assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1, "{sizes:?}");
        }
        let splits = FoldPlan::LeaveOneSpeakerOut.splits(&speakers).unwrap();
        assert_valid(&splits, &speakers);
        assert!(splits.iter().all(|split| split.test().len() == 1 && split.validation().len() == 1));
    }
}

#[test]
fn inner_folds_leave_out_the_test_speakers_of_the_outer_fold() {
    for speakers in [names(24), names(13)] {
        for (fold, outer) in FoldPlan::all().splits(&speakers).unwrap().iter().enumerate() {
            let splits = format!("within={fold}:4").parse::<FoldPlan>().unwrap().splits(&speakers).unwrap();
            let others: Vec<String> = speakers.iter().filter(|name| !outer.test().contains(name)).cloned().collect();
            assert_eq!(splits.len(), 4);
            assert_valid(&splits, &others);
        }
    }
    let error = FoldPlan::Within { fold: 5, folds: 4 }.splits(&names(24)).unwrap_err();
    assert_eq!(error.to_string(), "folds `within=5:4`: expected a fold from 0 to 4, got 5");
}

#[test]
fn a_corpus_is_left_out_whole_and_named() {
    let mut speakers: Vec<String> = (1..=11).map(|n| format!("B/{n:02}")).collect();
    speakers.extend(strings(&["A/01", "A/02", "A/x/3", "C/01"]));
    let splits = "corpus".parse::<FoldPlan>().unwrap().splits(&speakers).unwrap();
    let parts: Vec<_> = splits.iter().map(|s| (s.name(), s.test().len(), s.validation().to_vec())).collect();
    assert_eq!(
        parts,
        [
            ("A".to_string(), 3, strings(&["B/05", "B/10"])),
            // Neither of the others has five speakers.
            ("B".to_string(), 11, strings(&["C/01"])),
            ("C".to_string(), 1, strings(&["B/05", "B/10"])),
        ]
    );
    for split in &splits {
        assert_eq!(split.train().len() + split.validation().len() + split.test().len(), speakers.len());
    }
    let chosen = "corpus:2".parse::<FoldPlan>().unwrap();
    assert_eq!((chosen.to_string(), chosen.splits(&speakers).unwrap()), ("corpus:2".into(), splits[2..].to_vec()));
    // Other folds of the same speakers leave no corpus out, even if all test speakers are of one.
    let other = Split::new(1, strings(&["A/01", "B/01"]), strings(&["B/02"]), strings(&["A/02"])).unwrap();
    assert_eq!((other.corpus(), other.name()), (None, "1".into()));
    let refused = |speakers: &[&str]| FoldPlan::LeaveOneCorpusOut.splits(&strings(speakers)).unwrap_err().to_string();
    let advice = "(name several DATA, or call speakers CORPUS/NAME in a table)";
    assert_eq!(
        refused(&["A/1", "2", "B/3"]),
        format!("folds `corpus`: expected speakers of at least two corpora, but `2` names none {advice}")
    );
    assert_eq!(
        refused(&["A/1", "A/2", "A/3"]),
        format!("folds `corpus`: expected at least two corpora, got A {advice}")
    );
    assert!(refused(&["A/1", "B/1"]).starts_with("fold 0: no speaker is left for training"));
}

#[test]
fn with_two_folds_validation_speakers_come_from_the_training_half() {
    let speakers = names(9);
    let splits = FoldPlan::KFold(2).splits(&speakers).unwrap();
    assert_valid(&splits, &speakers);
    let sizes: Vec<_> = splits.iter().map(|s| (s.train().len(), s.validation().len(), s.test().len())).collect();
    assert_eq!(sizes, [(2, 2, 5), (3, 2, 4)]);
    let error = FoldPlan::KFold(2).splits(&names(3)).unwrap_err();
    assert!(error.to_string().starts_with("folds: expected at least 4 speakers for two folds, found 3 ("), "{error}");
}

/// Clips of speakers: `counts[s]` of each class, speakers named by number.
fn clips_of(counts: &[&[usize]]) -> Vec<(String, usize)> {
    let speaker = |(s, counts): (usize, &&[usize])| {
        let classes = counts.iter().enumerate().flat_map(|(class, &count)| vec![class; count]).collect::<Vec<_>>();
        classes.into_iter().map(move |class| (format!("{s:02}"), class)).collect::<Vec<_>>()
    };
    counts.iter().enumerate().flat_map(speaker).collect()
}

fn balanced(folds: usize, clips: &[(String, usize)]) -> Result<Vec<Split>> {
    FoldPlan::Balanced(folds).splits_of(clips.iter().map(|(speaker, class)| (&speaker[..], *class)))
}

/// Clips of each class that each fold tests.
fn tested(splits: &[Split], clips: &[(String, usize)], classes: usize) -> Vec<Vec<usize>> {
    let count = |split: &Split, class| {
        clips.iter().filter(|(speaker, k)| *k == class && split.test().contains(speaker)).count()
    };
    splits.iter().map(|split| (0..classes).map(|class| count(split, class)).collect()).collect()
}

#[test]
fn balanced_folds_have_as_many_clips_of_each_class() {
    // Speakers who show one emotion, in unequal numbers: one exact solution for three folds, 6 and 6 clips each.
    let clips = clips_of(&[&[6], &[0, 6], &[4], &[0, 3], &[0, 3], &[2], &[0, 5], &[5], &[1], &[0, 1]]);
    let splits = balanced(3, &clips).unwrap();
    assert_eq!(tested(&splits, &clips, 2), vec![vec![6, 6]; 3]);
    assert_valid(
        &splits,
        &names(9).into_iter().chain(["00".into()]).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>(),
    );
    // The order of the clips does not matter.
    let reversed: Vec<_> = clips.iter().rev().cloned().collect();
    assert_eq!(balanced(3, &reversed).unwrap(), splits);
    // Where all speakers have the same clips, the folds are as even in speakers.
    let even = clips_of(&[&[2, 3, 1][..]; 17]);
    let sizes: Vec<usize> = balanced(5, &even).unwrap().iter().map(|split| split.test().len()).collect();
    assert!(sizes.iter().all(|size| (3..=4).contains(size)), "{sizes:?}");
    // One speaker has nearly everything: no fold is empty all the same.
    for count in 5..9 {
        let mut counts: Vec<&[usize]> = vec![&[1]; count];
        counts[count - 1] = &[500, 20];
        let splits = balanced(5, &clips_of(&counts)).unwrap();
        assert!(splits.iter().all(|split| !split.test().is_empty()));
    }
}

#[test]
fn balanced_folds_need_the_clips_and_enough_speakers() {
    let error = FoldPlan::Balanced(3).splits(&names(9)).unwrap_err();
    assert!(error.kind() == Kind::Settings && error.to_string().starts_with("folds `balanced=3`: expected"), "{error}");
    let error = balanced(5, &clips_of(&[&[1][..]; 4])).unwrap_err().to_string();
    assert!(error.starts_with("folds: expected at least as many speakers as folds, 5, found 4"), "{error}");
    // Some of them, and plans that do not need the clips.
    let clips = clips_of(&[&[1, 2][..]; 6]);
    let of = |plan: &str| {
        let plan = plan.parse::<FoldPlan>().unwrap();
        plan.splits_of(clips.iter().map(|(speaker, class)| (&speaker[..], *class))).unwrap()
    };
    assert_eq!(of("balanced=3:1"), balanced(3, &clips).unwrap()[1..2]);
    let speakers: Vec<String> = (0..6).map(|s| format!("{s:02}")).collect();
    assert_eq!(of("k=3"), FoldPlan::KFold(3).splits(&speakers).unwrap());
}

#[test]
fn folds_depend_on_speaker_names_alone() {
    let speakers = strings(&["dora", "anna", "ben", "carl", "emil", "fay", "gus"]);
    let splits = FoldPlan::KFold(3).splits(&speakers).unwrap();
    let mut repeated = speakers.clone();
    repeated.reverse();
    repeated.push("ben".into());
    assert_eq!(FoldPlan::KFold(3).splits(&repeated).unwrap(), splits);
    assert!(splits.iter().all(|split| split.train().is_sorted() && split.test().is_sorted()));
}

#[test]
fn folds_mix_men_and_women() {
    for folds in 2..=12 {
        for split in FoldPlan::KFold(folds).splits(&names(24)).unwrap() {
            let numbers: Vec<i32> = split.test().iter().map(|name| name.parse().unwrap()).collect();
            for is_male in [|n: &i32| n % 2 == 1, |n: &i32| *n <= 12] {
                let men = numbers.iter().copied().filter(is_male).count();
                assert!(men.abs_diff(numbers.len() - men) <= 2, "k={folds}: {numbers:?}");
            }
        }
    }
}

#[test]
fn groups_of_nine_speakers_worked_by_hand() {
    // Four groups of nine: 1 2 3 4, then from the second group on 5 6 7 8, then from the third on 9.
    let splits = FoldPlan::KFold(4).splits(&names(9)).unwrap();
    let groups = splits.iter().map(Split::test).collect::<Vec<_>>();
    assert_eq!(groups, [["01", "08"].as_slice(), &["02", "05"], &["03", "06", "09"], &["04", "07"]]);
    assert_eq!(splits[1].validation(), ["03"]);
    assert_eq!(splits[1].train(), ["01", "04", "06", "07", "08", "09"]);
    // Three groups: plain round robin.
    let splits = FoldPlan::KFold(3).splits(&names(7)).unwrap();
    assert_eq!(splits[0].test(), ["01", "04", "07"]);
}

#[test]
fn too_few_speakers_are_refused() {
    let refusal = |plan: FoldPlan, count| {
        let error = plan.splits(&names(count)).unwrap_err();
        assert_eq!(error.kind(), Kind::Data);
        error.to_string()
    };
    let few = "folds: expected at least as many speakers as folds, 5, found 4 (`k=4` or `loso` ";
    assert!(refusal(FoldPlan::KFold(5), 4).starts_with(few));
    let three = "folds: expected at least 3 speakers to train, validate and test with, found ";
    for plan in [FoldPlan::LeaveOneSpeakerOut, FoldPlan::all(), FoldPlan::KFold(3)] {
        assert_eq!(refusal(plan, 2), format!("{three}2 (train --all trains on everyone, without a score)"));
    }
    assert!(refusal(FoldPlan::LeaveOneSpeakerOut, 0).starts_with(&format!("{three}0")));
    assert!(refusal(FoldPlan::KFold(2), 1).starts_with(&format!("{three}1")));
}

#[test]
fn three_or_four_speakers_are_left_out_one_by_one() {
    for count in [3, 4] {
        let speakers = names(count);
        let all = FoldPlan::all().splits(&speakers).unwrap();
        assert_eq!(all, FoldPlan::LeaveOneSpeakerOut.splits(&speakers).unwrap());
        assert_eq!(FoldPlan::Standard(vec![2]).splits(&speakers).unwrap(), all[2..3]);
        assert!(FoldPlan::all().is_leave_one_out_for(count) && !FoldPlan::KFold(3).is_leave_one_out_for(count));
        let error = FoldPlan::Standard(vec![0, 4]).splits(&speakers).unwrap_err().to_string();
        let expected =
            format!("folds `0,4`: expected folds from 0 to {}, as these speakers make {count}, got 4", count - 1);
        assert_eq!(error, expected);
        assert!(FoldPlan::Within { fold: 4, folds: 2 }.splits(&speakers).is_err());
    }
    assert!(!FoldPlan::all().is_leave_one_out_for(5));
}

#[test]
fn some_folds_of_a_plan_are_chosen_by_number() {
    let speakers = names(9);
    for (text, whole) in
        [("k=3:1", FoldPlan::KFold(3)), ("k=5:0,3", FoldPlan::KFold(5)), ("loso:8", FoldPlan::LeaveOneSpeakerOut)]
    {
        let splits = text.parse::<FoldPlan>().unwrap().splits(&speakers).unwrap();
        let numbers: Vec<usize> = splits.iter().map(Split::fold).collect();
        let chosen: Vec<usize> = text.split_once(':').unwrap().1.split(',').map(|n| n.parse().unwrap()).collect();
        assert_eq!(numbers, chosen);
        let all = whole.splits(&speakers).unwrap();
        assert!(splits.iter().all(|split| *split == all[split.fold()]));
    }
    let error = "loso:9".parse::<FoldPlan>().unwrap().splits(&speakers).unwrap_err();
    assert_eq!(error.to_string(), "folds `loso:9`: expected folds from 0 to 8, as these speakers make 9, got 9");
}

#[test]
fn plans_are_read_and_written_as_text() {
    for (text, plan) in [
        ("all", FoldPlan::all()),
        ("0,3", FoldPlan::Standard(vec![0, 3])),
        ("2", FoldPlan::Standard(vec![2])),
        ("k=10", FoldPlan::KFold(10)),
        ("balanced", FoldPlan::Balanced(5)),
        ("balanced=4", FoldPlan::Balanced(4)),
        ("balanced:1,2", FoldPlan::Chosen { of: Box::new(FoldPlan::Balanced(5)), folds: vec![1, 2] }),
        ("balanced=3:0", FoldPlan::Chosen { of: Box::new(FoldPlan::Balanced(3)), folds: vec![0] }),
        ("loso", FoldPlan::LeaveOneSpeakerOut),
        ("k=5:0,3", FoldPlan::Chosen { of: Box::new(FoldPlan::KFold(5)), folds: vec![0, 3] }),
        ("loso:2", FoldPlan::Chosen { of: Box::new(FoldPlan::LeaveOneSpeakerOut), folds: vec![2] }),
        ("within=3:4", FoldPlan::Within { fold: 3, folds: 4 }),
    ] {
        assert_eq!(text.parse::<FoldPlan>().unwrap(), plan);
        assert_eq!(plan.to_string(), text);
        let json = serde_json::to_string(&plan).unwrap();
        assert_eq!(json, format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<FoldPlan>(&json).unwrap(), plan);
    }
    assert_eq!("4,0 ,1,2,3,3".parse::<FoldPlan>().unwrap(), FoldPlan::default());
}

#[test]
fn invalid_plans_are_refused() {
    let refusal = |text: &str| {
        let error = text.parse::<FoldPlan>().unwrap_err();
        assert_eq!(error.kind(), Kind::Settings);
        error.to_string()
    };
    let wrong = "expected `all`, numbers such as `0,3`, `k=5`, `balanced`, `balanced=4`, `loso`, `corpus`, some of these as \
                 `k=5:0,3`, or `within=0:4`";
    for text in [
        "",
        "some",
        "k=",
        "k=five",
        "K=5",
        "1,",
        "1;2",
        "-1",
        "k=-3",
        "within=1",
        "in=1:2",
        "within=:3",
        "k=3:",
        "loso:a",
        "all:1",
        "0,1:2",
        ":1",
    ] {
        assert_eq!(refusal(text), format!("folds `{text}`: {wrong}"));
    }
    assert_eq!(refusal("k=1:0"), "folds `k=1`: expected at least 2 folds, got 1");
    assert_eq!(refusal("1,5"), "folds `1,5`: expected folds from 0 to 4, got 5");
    assert_eq!(refusal("within=0:1"), "folds `within=0:1`: expected at least 2 folds, got 1");
    assert_eq!(refusal("balanced=1"), "folds `balanced=1`: expected at least 2 folds, got 1");
    assert_eq!(refusal("k=1"), "folds `k=1`: expected at least 2 folds, got 1");
    assert_eq!(FoldPlan::KFold(0).splits(&names(9)).unwrap_err().kind(), Kind::Settings);
    assert_eq!(FoldPlan::Standard(vec![]).splits(&names(9)).unwrap_err().kind(), Kind::Settings);
}

#[test]
fn a_split_keeps_its_speakers_apart() {
    let split = |train: &[&str], validation: &[&str], test: &[&str]| {
        Split::new(7, strings(train), strings(validation), strings(test))
    };
    let refusal = |split: Result<Split>| {
        let error = split.unwrap_err();
        assert_eq!(error.kind(), Kind::Data);
        error.to_string()
    };
    let twice = |speaker, one, other| format!("fold 7: speaker `{speaker}` is in {one} and in {other} (");
    assert!(refusal(split(&["a", "b"], &["c"], &["d", "b"])).starts_with(&twice("b", "training", "test")));
    assert!(refusal(split(&["a", "b"], &["a"], &["d"])).starts_with(&twice("a", "training", "validation")));
    assert!(refusal(split(&["a"], &["c", "d"], &["d"])).starts_with(&twice("d", "validation", "test")));
    assert!(refusal(split(&["a"], &["c"], &["d", "d"])).starts_with(&twice("d", "test", "test")));
    assert!(refusal(split(&[], &["c"], &["d"])).starts_with("fold 7: no speaker is left for training ("));
    assert!(refusal(split(&["a"], &[], &["d"])).starts_with("fold 7: no speaker is left for validation ("));
    assert!(refusal(split(&["a"], &["c"], &[])).starts_with("fold 7: no speaker is left for test ("));

    let split = split(&["b", "a"], &["c"], &["d"]).unwrap();
    assert_eq!(split.train(), ["a", "b"]);
    split.check_speakers(&strings(&["a", "b", "c", "d", "e"])).unwrap();
    let error = split.check_speakers(&strings(&["a", "b", "d"])).unwrap_err();
    assert_eq!(error.to_string(), "fold 7: validation names speaker `c`, who is not in the data: a, b, d");

    let json = serde_json::to_string(&split).unwrap();
    assert_eq!(json, r#"{"fold":7,"train":["a","b"],"validation":["c"],"test":["d"]}"#);
    assert_eq!(serde_json::from_str::<Split>(&json).unwrap(), split);
    assert!(serde_json::from_str::<Split>(&json.replace("\"c\"", "\"d\"")).is_err());
}
