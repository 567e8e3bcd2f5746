//! `sweep emit slurm|k8s|parallel DIR`: scripts for schedulers, on stdout.

use super::super::{Done, Outcome, print_line};
use crate::experiment::job::Training;
use crate::sweep::Folder;
use clap::{Args, Subcommand};
use reslstm::error::{Error, Kind, Result};
use reslstm::train::Identity;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// Print a script that runs the plan under a scheduler.
#[derive(Debug, Args)]
pub struct Emit {
    #[command(subcommand)]
    scheduler: Scheduler,
}

#[derive(Debug, Subcommand)]
enum Scheduler {
    /// An array job for `sbatch`, requeued when its time limit interrupts it
    Slurm(Script),
    /// An Indexed Job for `kubectl apply`
    K8s(Kubernetes),
    /// A shell script for GNU parallel on this machine, which continues when run again
    Parallel(Script),
}

#[derive(Debug, Args)]
struct Script {
    /// The folder of the plan
    dir: PathBuf,
    /// Tasks that share the jobs [default: 16, or the number of jobs]
    #[arg(long, value_name = "N")]
    shards: Option<NonZeroUsize>,
    /// Trainings at a time in each task
    #[arg(long, value_name = "N", default_value = "1")]
    threads: NonZeroUsize,
}

#[derive(Debug, Args)]
struct Kubernetes {
    #[command(flatten)]
    script: Script,
    /// Container image with reslstm in its path
    #[arg(long, value_name = "IMAGE", default_value = concat!("reslstm:", env!("CARGO_PKG_VERSION")))]
    image: String,
    /// Persistent volume claim that has the plan's folder as `sweep` and the data as `data`
    #[arg(long, value_name = "CLAIM", default_value = "reslstm")]
    claim: String,
}

impl Emit {
    pub fn run(self) -> Outcome {
        print_line(match self.scheduler {
            Scheduler::Slurm(script) => slurm(&Facts::new(&script)?),
            Scheduler::K8s(Kubernetes { script, image, claim }) => kubernetes(&Facts::new(&script)?, &image, &claim)?,
            Scheduler::Parallel(script) => parallel(&Facts::new(&script)?),
        })?;
        Ok(Done::Everything)
    }
}

/// What a script says. Paths are absolute: a task begins wherever its scheduler puts it.
struct Facts {
    program: String,
    dir: String,
    data: String,
    plan: String,
    jobs: usize,
    shards: usize,
    threads: usize,
}

impl Facts {
    fn new(script: &Script) -> Result<Self> {
        let folder = Folder::<Identity>::open(&script.dir)?;
        let jobs: &[Training] = &folder.plan().jobs;
        let program = std::env::current_exe().map_err(|error| Error::io("the program's own path", error))?;
        Ok(Facts {
            program: text(&program)?,
            dir: absolute(&script.dir)?,
            data: folder.plan().data.clone(),
            plan: folder.plan().fingerprint(),
            jobs: jobs.len(),
            shards: script.shards.map_or(jobs.len().min(16), NonZeroUsize::get),
            threads: script.threads.get(),
        })
    }
}

/// The absolute path of what exists, as text for plans and scripts.
pub fn absolute(path: &Path) -> Result<String> {
    text(&std::fs::canonicalize(path).map_err(|error| Error::io(path.display(), error))?)
}

fn text(path: &Path) -> Result<String> {
    let foreign = || Error::new(Kind::Settings, "expected a path in UTF-8").at(path.display()).advice("rename it");
    path.to_str().map(str::to_string).ok_or_else(foreign)
}

/// A word of a POSIX shell that means exactly `text`.
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_string();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn slurm(facts: &Facts) -> String {
    let Facts { plan, jobs, shards, threads, .. } = facts;
    let (program, dir) = (quoted(&facts.program), quoted(&facts.dir));
    format!(
        r#"#!/bin/bash
# {shards} tasks share the {jobs} jobs of plan {plan}. Submit with `sbatch`, whose options win over those below; add
# --time, --partition or --account as your cluster asks.
#SBATCH --job-name=reslstm-sweep
#SBATCH --array=1-{shards}
#SBATCH --cpus-per-task={threads}
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@60

# A minute before a task's time is up Slurm sends TERM to this shell, which passes it on: the work is saved, and the
# program ends with code 75.
stopped=
pass_on() {{ stopped=1; kill -TERM "$work"; }}
trap pass_on TERM
{program} sweep run {dir} --shards {shards} --threads {threads} &
work=$!
wait "$work"
code=$?
# The signal ended that wait, not the program.
if [ -n "$stopped" ]; then wait "$work"; code=$?; fi
if [ "$code" -eq 75 ]; then
    scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"
fi
exit "$code""#
    )
}

fn parallel(facts: &Facts) -> String {
    let Facts { plan, jobs, shards, threads, .. } = facts;
    let (program, dir) = (quoted(&facts.program), quoted(&facts.dir));
    let numbers: Vec<String> = (1..=*shards).map(|number| number.to_string()).collect();
    let numbers = numbers.join(" ");
    // Paths go through the environment: GNU parallel would read its own signs in them.
    format!(
        r#"#!/bin/sh
# {shards} tasks share the {jobs} jobs of plan {plan}, as many at a time as there are cores. Run it again after an
# interruption: tasks that are complete are left out, the others go on.
program={program}
dir={dir}
export program dir
exec parallel --joblog "$dir/parallel-{plan}.log" --resume-failed --line-buffer --termseq TERM,60000,KILL,25 \
    '"$program" sweep run "$dir" --shard {{}}/{shards} --threads {threads}' ::: {numbers}"#
    )
}

fn kubernetes(facts: &Facts, image: &str, claim: &str) -> Result<String> {
    let Facts { plan, jobs, shards, threads, .. } = facts;
    // The clips of a manifest are in its folder.
    let data = Path::new(&facts.data);
    let data =
        if data.extension().is_some_and(|csv| csv.eq_ignore_ascii_case("csv")) { data.parent() } else { Some(data) };
    let data = data.and_then(Path::to_str).unwrap_or("/");
    for path in [&facts.dir, data] {
        if path.contains(':') {
            let problem = "Kubernetes mounts no path with a colon";
            return Err(Error::new(Kind::Settings, problem).at(path).advice("plan in a folder of another name"));
        }
    }
    // A JSON text is a YAML text.
    let [dir, data, image, claim] = [&facts.dir, data, image, claim].map(|text| serde_json::json!(text).to_string());
    Ok(format!(
        r#"# {shards} pods share the {jobs} jobs of plan {plan}. The claim {claim} holds the plan's folder as `sweep`, the
# corpus as `data` and the feature cache as `cache`; it must be mountable by many pods, with file locks.
apiVersion: batch/v1
kind: Job
metadata:
  name: reslstm-sweep-{plan}
spec:
  completionMode: Indexed
  completions: {shards}
  parallelism: {shards}
  backoffLimitPerIndex: 3
  podFailurePolicy:
    rules:
      # Stopped on request with everything saved, or moved by the cluster: goes on in a new pod, and counts as no failure.
      - action: Ignore
        onExitCodes: {{ containerName: sweep, operator: In, values: [75] }}
      - action: Ignore
        onPodConditions: [{{ type: DisruptionTarget, status: "True" }}]
      # A job of the shard failed, or the call was wrong: the same would happen again. The shard's other jobs are done.
      - action: FailIndex
        onExitCodes: {{ containerName: sweep, operator: In, values: [1, 2] }}
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 60
      containers:
        - name: sweep
          image: {image}
          command: [reslstm, sweep, run, {dir}, --shards, "{shards}", --threads, "{threads}", --cache, /cache]
          resources:
            requests: {{ cpu: "{threads}" }}
          volumeMounts:
            - {{ name: work, subPath: sweep, mountPath: {dir} }}
            - {{ name: work, subPath: data, mountPath: {data}, readOnly: true }}
            - {{ name: work, subPath: cache, mountPath: /cache }}
      volumes:
        - name: work
          persistentVolumeClaim: {{ claimName: {claim} }}"#
    ))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        for text in ["/a/b-1_2.x", "", "two words", "it's", "$HOME `id` \\ \"x\"", "*", "~", "é", "a\nb"] {
            let script = format!("printf %s {}", quoted(text));
            let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
        assert_eq!(quoted("/a/b-1_2.x"), "/a/b-1_2.x");
    }
}
