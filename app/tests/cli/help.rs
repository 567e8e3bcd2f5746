//! `--help` of every command.

use crate::test_dir::TestDir;

#[test]
fn every_subcommand_helps_with_an_example() {
    let dir = TestDir::new("help");
    let help = dir.does("--help");
    for name in [
        "demo",
        "synth",
        "features",
        "cache",
        "train",
        "cv",
        "eval",
        "predict",
        "info",
        "export",
        "quantise",
        "enrol",
        "import",
        "explain",
        "lab",
        "figure",
        "report",
        "recipes",
        "bench",
        "completions",
        "man",
    ] {
        assert!(help.contains(&format!("\n  {name} ")), "{name}: {help}");
        let help = dir.does(&format!("{name} --help"));
        assert!(help.contains("Example") && help.contains(&format!("reslstm {name}")), "{help}");
        // The short help fits a teacher's projector.
        let short = dir.does(&format!("{name} -h"));
        assert!(short.lines().count() <= 42, "{} lines: {short}", short.lines().count());
    }
    let short = dir.does("train -h");
    for shown in ["[default: speech]", "recipe speech"] {
        let words = short.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(shown), "{shown}: {short}");
    }
    assert_eq!(dir.run("").code, 2);
    assert_eq!(dir.run("--nonsense").code, 2);
}

#[test]
fn completions_know_commands_options_and_values() {
    let dir = TestDir::new("completions");
    for shell in ["bash", "zsh", "fish"] {
        let script = dir.does(&format!("completions {shell}"));
        for word in ["recipes", "recipe", "weight-decay", "published", "voices"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn recipes_are_listed_printed_and_used_as_files() {
    let dir = TestDir::new("recipes");
    let list = dir.does("recipes");
    for word in ["paper", "voices", "anywhere", "weight-decay", "0.0008"] {
        assert!(list.contains(word), "{word}: {list}");
    }
    let json: serde_json::Value = serde_json::from_str(&dir.does("recipes --json")).unwrap();
    let names: Vec<&str> = json.as_array().unwrap().iter().map(|recipe| recipe["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["paper", "voices", "anywhere", "speech", "table1"]);
    assert_eq!(json[1]["settings"]["weight-decay"], 0.0008);
    dir.write(
        "mine.toml",
        dir.does("recipes voices").replace("epochs = 100", "epochs = 4").replace("t0 = 10", "t0 = 2"),
    );
    dir.does("train ../speech -o m.safetensors --recipe mine.toml --arch lstm-sa-h4 --augment none");
    let info: serde_json::Value = serde_json::from_str(&dir.does("info m.safetensors --json")).unwrap();
    let settings = &info["metadata"]["settings"];
    assert_eq!(
        (&settings["epochs"], &settings["inputs"], &settings["augment"]),
        (&4.into(), &"pitch".into(), &serde_json::Value::Null)
    );
    assert_eq!(dir.run("recipes best").code, 2);
}
