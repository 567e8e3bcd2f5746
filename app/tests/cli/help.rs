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
        "train",
        "cv",
        "eval",
        "predict",
        "info",
        "explain",
        "figure",
        "report",
        "bench",
        "completions",
        "man",
    ] {
        assert!(help.contains(&format!("\n  {name} ")), "{name}: {help}");
        let help = dir.does(&format!("{name} --help"));
        assert!(help.contains("Example") && help.contains(&format!("reslstm {name}")), "{help}");
    }
    assert_eq!(dir.run("").code, 2);
    assert_eq!(dir.run("--nonsense").code, 2);
}
