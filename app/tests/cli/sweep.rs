//! `sweep`: the same bytes however the jobs are shared out, whoever is killed, and however many are at it.

use crate::test_dir::{Ran, TestDir};
use serde_json::Value;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Two rows of two runs and three folds: twelve jobs, of no time each.
const GRID: &str = "arch = ['lstm-sa-h4', 'reslstm-sa-h4']\nruns = 2\nfolds = 'k=3'\nepochs = 3\nseed = 5\n";

/// A directory with a plan of a grid in the folder `sweep`.
fn planned(name: &str, grid: &str) -> TestDir {
    let dir = TestDir::new(name);
    dir.write("grid.toml", grid);
    dir.does("sweep plan grid.toml ../speech -o sweep");
    dir
}

/// A copy of a folder that was only planned, as another machine would have it.
fn copy_plan(dir: &TestDir, copy: &str) {
    dir.write(&format!("{copy}/plan.json"), dir.read("sweep/plan.json"));
    ["results", "unfinished"].iter().for_each(|name| std::fs::create_dir(dir.path(&format!("{copy}/{name}"))).unwrap());
}

fn collected(dir: &TestDir, dirs: &str) -> Vec<u8> {
    dir.does(&format!("sweep collect {dirs} -o summary.json"));
    dir.read("summary.json")
}

/// With the variables of a scheduler, and no others.
fn scheduled(dir: &TestDir, line: &str, variables: &[(&str, &str)]) -> Ran {
    let mut command = dir.command(line);
    command.envs(variables.iter().copied());
    Ran::new(line, command.output().unwrap())
}

fn ended(child: Child, line: &str) -> Ran {
    Ran::new(line, child.wait_with_output().unwrap())
}

#[test]
fn the_table_is_that_of_cv_whoever_did_which_jobs() {
    let dir = planned("sweep", GRID);
    assert_eq!(dir.list("sweep"), ["plan.json", "results", "unfinished"]);
    dir.does("sweep run sweep");
    assert_eq!((dir.list("sweep/results").len(), dir.list("sweep/unfinished").len()), (12, 0));
    let whole = collected(&dir, "sweep");

    // What cv says of each row, to the byte.
    let models = ["lstm-sa-h4", "reslstm-sa-h4"].map(|arch| {
        dir.does(&format!(
            "cv ../speech -o cv-{arch} --recipe paper --arch {arch} --runs 2 --folds k=3 --epochs 3 --seed 5"
        ));
        dir.json(&format!("cv-{arch}/summary.json"))["models"][0].clone()
    });
    assert_eq!(dir.json("summary.json"), serde_json::json!({ "models": models }));
    dir.write("one.toml", GRID.replace("'lstm-sa-h4', ", ""));
    dir.does("sweep plan one.toml ../speech -o one");
    dir.does("sweep run one --threads 1");
    assert!(collected(&dir, "one") == dir.read("cv-reslstm-sa-h4/summary.json"));

    // Three shards in any order, each in its own copy.
    for shard in [3, 1, 2] {
        copy_plan(&dir, &format!("copy{shard}"));
        dir.does(&format!("sweep run copy{shard} --shard {shard}/3 --threads 1"));
        assert_eq!(dir.list(&format!("copy{shard}/results")).len(), 4);
    }
    let parts = dir.refuses("sweep collect copy3 copy1");
    assert!(
        parts.contains("4 of 12 jobs are missing") && parts.contains("\n  lstm-sa-h4-strict-run0-fold1-"),
        "{parts}"
    );
    dir.refuses_saying("sweep collect copy3 --partial", &["8 of 12 jobs are missing"]);
    assert!(collected(&dir, "copy2 copy3 copy1") == whole);
    assert!(collected(&dir, "copy1 sweep copy2") == whole);

    // Done is done, also once more, and where the data are gone.
    std::fs::rename(dir.path("sweep/plan.json"), dir.path("plan.json")).unwrap();
    let text = String::from_utf8(dir.read("plan.json")).unwrap();
    dir.write("sweep/plan.json", text.replace("speech\"", "gone\""));
    dir.does("sweep run sweep --shard 2/5");
    let table = dir.does("sweep collect sweep");
    assert!(table.contains("UAR mean ± std") && table.lines().filter(|line| line.contains("lstm-sa-h4")).count() == 2);
    let json: Value = serde_json::from_str(&dir.does("sweep collect sweep --json")).unwrap();
    assert_eq!(json, dir.json("summary.json"));
}

#[test]
fn a_grid_that_grows_keeps_names_and_results() {
    let dir = planned("sweep-grows", "arch = 'lstm-sa-h4'\nfolds = [0]\nepochs = 2\n");
    dir.does("sweep run sweep");
    let before = dir.list("sweep/results");
    dir.write("more.toml", "arch = 'lstm-sa-h4'\nfolds = [0, 2]\nepochs = [2, 3]\nruns = 2\n");
    dir.refuses_saying("sweep plan more.toml ../speech -o sweep", &["sweep: ", "it holds another plan", "--replace"]);
    dir.does("sweep plan grid.toml ../speech -o sweep");
    let plan = dir.does("sweep plan more.toml ../speech -o sweep --replace --json");
    let plan: Value = serde_json::from_str(&plan).unwrap();
    let jobs = plan["jobs"].as_array().unwrap();
    assert_eq!((jobs.len(), format!("{}.json", jobs[0].as_str().unwrap())), (8, before[0].clone()));
    let status: Value = serde_json::from_str(&dir.does("sweep status sweep --json")).unwrap();
    assert_eq!((&status["done"], &status["waiting"], &status["plan"]), (&1.into(), &7.into(), &plan["plan"]));
    let events = dir.does("sweep run sweep --json");
    let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |name: &str| events.iter().filter(|event| event["event"] == name).count();
    assert_eq!((count("found-finished"), count("finished"), count("epoch")), (1, 7, 3 * 2 + 4 * 3));
    assert_eq!((&events[0]["event"], &events[0]["done"]), (&"shard".into(), &1.into()));
    assert_eq!(events.last().unwrap(), &serde_json::json!({ "event": "end", "done": 8, "failed": 0 }));
    // Rows that differ in nothing else are told apart by the setting.
    let table = dir.does("sweep collect sweep");
    assert!(table.contains(" epochs=2\n") && table.contains(" epochs=3\n"), "{table}");
    assert!(dir.does("sweep status sweep").contains("8 jobs: 8 done, 0 running, 0 begun, 0 failed, 0 waiting"));
}

#[test]
fn killed_again_and_again_by_two_at_once_it_ends_with_the_same_bytes() {
    let dir = planned("sweep-killed", &GRID.replace("epochs = 3", "epochs = 60"));
    copy_plan(&dir, "whole");
    dir.does("sweep run whole");
    let mut wait = Duration::from_millis(10);
    let mut kills = 0;
    loop {
        let line = "sweep run sweep --threads 1";
        let mut pair = [dir.start(line), dir.start(line)];
        std::thread::sleep(wait);
        let first = &mut pair[kills % 2];
        if first.try_wait().unwrap().is_none() {
            first.kill().unwrap(); // SIGKILL: nothing is saved on the way out
            kills += 1;
        }
        let survives = kills > 4;
        if !survives {
            pair.iter_mut().for_each(|child| _ = child.kill());
        }
        let ran = pair.map(|child| child.wait_with_output().unwrap());
        if survives || ran.iter().all(|output| output.status.success()) {
            break;
        }
        wait = wait * 8 / 5;
    }
    assert!(kills > 2, "killed {kills} times only");
    // The one that was left did the other's jobs too.
    assert_eq!(dir.list("sweep/results"), dir.list("whole/results"));
    assert!(collected(&dir, "sweep") == collected(&dir, "whole"));
    // Both copies of each job agree, which collect looks at.
    assert!(collected(&dir, "sweep whole") == collected(&dir, "whole"));
}

#[test]
fn two_at_once_share_one_shard() {
    let dir = planned("sweep-twice", GRID);
    let line = "sweep run sweep --threads 2 --json";
    let pair = [dir.start(line), dir.start(line)];
    let mut finished = 0;
    for child in pair {
        let ran = ended(child, line);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ran.stderr.contains("shard 1/1: 12 of 12 jobs are done"), "{}", ran.stderr);
        finished += ran.stdout.lines().filter(|line| line.contains("\"event\":\"finished\"")).count();
    }
    assert_eq!(finished, 12, "each job was done once");
    assert_eq!(dir.list("sweep/unfinished").len(), 0);
}

#[cfg(unix)]
#[test]
fn asked_to_stop_it_saves_and_says_how_to_go_on() {
    let grid = "arch = 'lstm-sa-h8'\nfolds = [0]\nepochs = 1200\n";
    let dir = planned("sweep-stopped", grid);
    copy_plan(&dir, "whole");
    dir.does("sweep run whole");
    let line = "sweep run sweep --json";
    let mut stopped = false;
    for wait in (2..40).map(|tenths| Duration::from_millis(100 * tenths)) {
        let child = dir.start(line);
        std::thread::sleep(wait);
        let sent = Command::new("kill").args(["-TERM".to_string(), child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let output = child.wait_with_output().unwrap();
        assert!(!output.status.success(), "the work must take longer than {wait:?}");
        let checkpoint = |name: &String| name.ends_with(".checkpoint");
        if dir.list("sweep/unfinished").iter().any(checkpoint) {
            let ran = Ran::new(line, output);
            assert_eq!(ran.code, 75, "{}", ran.stderr);
            assert!(ran.stderr.contains("the same command continues"), "{}", ran.stderr);
            stopped = true;
            break;
        }
    }
    assert!(stopped, "nothing is started within seconds");
    let status = dir.does("sweep status sweep");
    assert!(status.contains("1 jobs: 0 done, 0 running, 1 begun"), "{status}");
    // It goes on: the first epochs are those that the checkpoint has.
    dir.does(line);
    assert!(collected(&dir, "sweep") == collected(&dir, "whole"));
}

#[test]
fn a_training_that_fails_stops_no_other() {
    let dir = planned("sweep-fails", "arch = 'lstm-sa-h4'\nfolds = [0]\nepochs = 8\nlr = [0.1, 0.01]\n");
    let plan = dir.json("sweep/plan.json");
    let id = plan["jobs"][0]["id"].as_str().unwrap();
    // A failure that is the same on every machine: what should be a checkpoint is none.
    dir.write(&format!("sweep/unfinished/{id}.checkpoint"), "torn");
    let ran = dir.run("sweep run sweep");
    assert!(ran.code == 1 && ran.stderr.contains(&format!("error: {id}: ")), "{}", ran.stderr);
    assert!(ran.stderr.contains("shard 1/1: 1 of 2 jobs are done\n1 failed"), "{}", ran.stderr);
    let status = dir.does("sweep status sweep");
    assert!(
        status.contains("1 done, 0 running, 0 begun, 1 failed") && status.contains("not a usable checkpoint"),
        "{status}"
    );
    dir.refuses_saying("sweep collect sweep", &["1 of 2 jobs are missing", id, "--partial"]);
    let partial: Value = serde_json::from_str(&dir.does("sweep collect sweep --partial --json")).unwrap();
    assert_eq!(
        (partial["models"].as_array().unwrap().len(), &partial["models"][0]["settings"]["lr"]),
        (1, &0.01.into())
    );
    std::fs::remove_file(dir.path(&format!("sweep/unfinished/{id}.checkpoint"))).unwrap();
    dir.does("sweep run sweep");
    dir.does("sweep collect sweep");
    assert_eq!(dir.list("sweep/unfinished").len(), 0);
}

#[test]
fn schedulers_say_which_share() {
    let dir = planned("sweep-scheduled", "arch = 'lstm-sa-h4'\nfolds = 'k=3'\nepochs = 1\n");
    let slurm = |id| {
        let range = [("MIN", "0"), ("MAX", "4"), ("COUNT", "3"), ("STEP", "2"), ("ID", id)];
        range.map(|(end, value)| (format!("SLURM_ARRAY_TASK_{end}"), value))
    };
    for (id, shard) in [("2", "1/3"), ("0", "3/3")] {
        let variables = slurm(id);
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let ran = scheduled(&dir, "sweep run sweep", &variables);
        assert!(ran.code == 0 && ran.stderr.contains(&format!("shard {shard}: 1 of 1 jobs")), "{}", ran.stderr);
        let ran = scheduled(&dir, "sweep run sweep --shard 1/3", &variables);
        assert!(ran.stderr.contains("shard 1/3: "), "{}", ran.stderr);
    }
    let index = [("JOB_COMPLETION_INDEX", "1")];
    let ran = scheduled(&dir, "sweep run sweep", &index);
    assert!(ran.code == 2 && ran.stderr.contains("--shards N"), "{}", ran.stderr);
    let ran = scheduled(&dir, "sweep run sweep --shards 3", &index);
    assert!(ran.code == 0 && ran.stderr.contains("shard 2/3: 1 of 1 jobs"), "{}", ran.stderr);
    dir.does("sweep collect sweep");
    dir.is_wrong_call(
        "sweep run sweep --shards 3",
        &["--shards 3: expected the number of the share from a scheduler", "--shard 1/3"],
    );
}

#[cfg(unix)]
#[test]
fn scripts_quote_what_shells_would_take_apart() {
    let dir = planned("sweep-emits", "arch = 'lstm-sa-h4'\nfolds = 'k=3'\nepochs = 1\n");
    let name = "it's a {} $HOME \"folder\"";
    std::fs::rename(dir.path("sweep"), dir.path(name)).unwrap();
    let emit = |line: &str| {
        let output = dir.command(line).arg(name).output().unwrap();
        Ran::new(line, output).stdout
    };
    // The task of the array itself, with a `scontrol` that must not be called.
    dir.write("task.sh", emit("sweep emit slurm --shards 2"));
    for (id, done) in [("1", 2), ("2", 3)] {
        let mut task = Command::new("bash");
        task.arg(dir.path("task.sh")).env("XDG_CACHE_HOME", dir.path("../cache")).env("SLURM_ARRAY_TASK_ID", id);
        let ran = Ran::new("task.sh", task.output().unwrap());
        assert_eq!((ran.code, dir.list(&format!("{name}/results")).len()), (0, done), "{}", ran.stderr);
    }
    let slurm = emit("sweep emit slurm");
    for line in ["#SBATCH --array=1-3\n", "#SBATCH --requeue\n", "#SBATCH --signal=B:TERM@60\n", "scontrol requeue "] {
        assert!(slurm.contains(line), "{slurm}");
    }
    let k8s = emit("sweep emit k8s --image registry/reslstm:1");
    for line in ["completionMode: Indexed\n", "completions: 3\n", "image: \"registry/reslstm:1\"\n", "values: [75]"] {
        assert!(k8s.contains(line), "{k8s}");
    }
    assert!(k8s.contains(r#"it's a {} $HOME \"folder\""#), "{k8s}");
    // GNU parallel, as far as the script needs one: the command for each value.
    let stub = "while [ \"$1\" != ::: ]; do command=$1; shift; done; shift\n\
                for n; do sh -c \"$(printf %s \"$command\" | sed \"s/{}/$n/\")\" || exit 1; done\n";
    std::fs::remove_dir_all(dir.path(&format!("{name}/results"))).unwrap();
    std::fs::create_dir(dir.path(&format!("{name}/results"))).unwrap();
    let path = with_program(&dir, "parallel", stub);
    dir.write("all.sh", emit("sweep emit parallel --shards 2"));
    let mut all = Command::new("sh");
    all.arg(dir.path("all.sh")).env("XDG_CACHE_HOME", dir.path("../cache")).env("PATH", path);
    let ran = Ran::new("all.sh", all.output().unwrap());
    assert_eq!((ran.code, dir.list(&format!("{name}/results")).len()), (0, 3), "{}", ran.stderr);
}

#[cfg(unix)]
#[test]
fn a_task_of_slurm_that_is_out_of_time_requeues_itself() {
    let dir = planned("sweep-requeued", "arch = 'lstm-sa-h8'\nfolds = [0]\nepochs = 1200\n");
    dir.write("task.sh", dir.does("sweep emit slurm sweep"));
    let path = with_program(&dir, "scontrol", "echo \"$@\" > called\n");
    for wait in (2..40).map(|tenths| Duration::from_millis(100 * tenths)) {
        let mut task = Command::new("bash");
        task.arg("task.sh").current_dir(dir.path(".")).env("PATH", &path).env("XDG_CACHE_HOME", dir.path("../cache"));
        task.envs([("SLURM_ARRAY_JOB_ID", "42"), ("SLURM_ARRAY_TASK_ID", "1")]);
        let task = task.stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(wait);
        // As --signal=B:TERM@60 has it: to the shell of the task alone.
        assert!(Command::new("kill").arg("-TERM").arg(task.id().to_string()).status().unwrap().success());
        let output = task.wait_with_output().unwrap();
        if dir.path("called").exists() {
            assert_eq!(output.status.code(), Some(75));
            assert_eq!(dir.read("called"), b"requeue 42_1\n");
            return;
        }
        assert!(!output.status.success(), "the work must take longer than {wait:?}");
    }
    panic!("nothing is started within seconds");
}

/// A `PATH` on which a shell script of this name comes first.
#[cfg(unix)]
fn with_program(dir: &TestDir, name: &str, script: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    dir.write(&format!("bin/{name}"), format!("#!/bin/sh\n{script}"));
    std::fs::set_permissions(dir.path(&format!("bin/{name}")), PermissionsExt::from_mode(0o755)).unwrap();
    format!("{}:{}", dir.path("bin").display(), std::env::var("PATH").unwrap())
}

#[test]
fn what_is_no_sweep_is_refused_before_any_work() {
    let dir = planned("sweep-refuses", "arch = 'lstm-sa-h4'\nfolds = [0]\nepochs = 1\n");
    for (grid, problem) in [
        ("epoch = 3\n", "unknown setting `epoch`"),
        ("lr = [", "TOML parse error"),
        ("", "expected a grid, found no setting"),
        ("lr = []\n", "expected at least one value, got an empty list"),
        ("arch = ['lstm-sa-h4', 'lstm-sa-h4']\n", "arch: expected every value once, got \"lstm-sa-h4\" twice"),
        ("dropout = 1\n", "dropout: expected at least 0 and below 1, got 1"),
    ] {
        dir.write("bad.toml", grid);
        dir.is_wrong_call("sweep plan bad.toml ../speech -o bad", &["error: bad.toml", problem]);
    }
    dir.write("bad.toml", "folds = 'k=9'\n");
    dir.refuses_saying("sweep plan bad.toml ../speech -o bad", &["../speech", "as many speakers as folds, 9"]);
    dir.is_wrong_call("sweep plan none.toml ../speech -o bad", &["none.toml: No such file"]);
    dir.is_wrong_call("sweep plan grid.toml ../speech -o bad --recipe best", &["--recipe: expected paper, voices"]);
    dir.refuses_saying("sweep plan grid.toml nowhere -o bad", &["nowhere: "]);
    dir.write("mine/notes.txt", "mine");
    dir.refuses_saying("sweep plan grid.toml ../speech -o mine", &["mine: expected a new or empty folder"]);
    assert!(!dir.path("bad").exists() && dir.list("mine") == ["notes.txt"]);

    for (shard, code) in [("4/3", 2), ("0/3", 2), ("three", 2)] {
        let ran = dir.run(&format!("sweep run sweep --shard {shard}"));
        assert!(ran.code == code && ran.stderr.contains("shard"), "{ran:?}");
    }
    for command in ["run", "status", "collect", "emit slurm"] {
        dir.refuses_saying(&format!("sweep {command} mine"), &["mine: expected a folder with a plan"]);
    }

    // Another plan, and other data.
    dir.write("other.toml", "arch = 'lstm-sa-h4'\nfolds = [1]\nepochs = 1\n");
    dir.does("sweep plan other.toml ../speech -o other");
    for command in ["collect", "status"] {
        let line = format!("sweep {command} sweep other");
        dir.refuses_saying(
            &line,
            &["other: expected the plan of sweep, got another: job 0 is lstm-sa-h4-strict-run0-fold1"],
        );
    }
    dir.does("synth voices --speakers 6 --statements 1 --repetitions 1 --seed 9");
    dir.refuses_saying("sweep run sweep --data voices", &["voices: expected the data that sweep was planned with"]);
    dir.does("sweep plan grid.toml voices -o voiced");
    dir.does("sweep run voiced");
    dir.refuses_saying("sweep collect sweep voiced", &["voiced: expected the plan of sweep, got another"]);
    // A result that found its way into another plan, by hand.
    dir.does("sweep run sweep");
    let name = &dir.list("sweep/results")[0];
    dir.write(&format!("sweep/results/{name}"), dir.read(&format!("voiced/results/{}", dir.list("voiced/results")[0])));
    dir.refuses_saying("sweep collect sweep", &[name, "expected the result of "]);
}
