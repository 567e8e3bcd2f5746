//! `sweep run DIR`

use super::super::options::{CacheOption, ThreadOption, WrongCall};
use super::super::source::{Found, Licensed};
use super::super::{Done, Outcome, interrupt, progress};
use super::SAME_COMMAND;
use crate::corpus::Reading;
use crate::experiment::CONTENT_UNKNOWN;
use crate::experiment::job::{Trained, Training};
use crate::sweep::{self, Event, Execution, Folder, Shard};
use crate::terminal::print_event;
use clap::Args;
use indicatif::ProgressBar;
use reslstm::error::{Error, Kind, Result};
use reslstm::train::identity::content_difference;
use reslstm::train::{EpochRecord, Identity};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Train the jobs of a plan, or one share.
#[derive(Debug, Args)]
#[command(after_help = "\
Safe to run twice, and by two processes at once: each job is done once. If it is interrupted, even by SIGKILL, run the \
same command again. Ctrl-C and SIGTERM save and end with code 75. Without --shard, a task of a Slurm array or of a Kubernetes \
Indexed Job finds its share in the environment.

Example: reslstm sweep run sweep --shard 2/3")]
pub struct Run {
    /// The folder of the plan
    dir: PathBuf,
    /// Which share, e.g. 2/3 [default: from Slurm or Kubernetes, else 1/1]
    #[arg(long, value_name = "I/N", conflicts_with = "shards")]
    shard: Option<Shard>,
    /// Number of shares, if the scheduler only numbers its tasks [default: length of Slurm's array]
    #[arg(long, value_name = "N")]
    shards: Option<usize>,
    #[command(flatten)]
    threads: ThreadOption,
    /// Folder or manifest of the data, if it has moved since `plan`
    #[arg(long)]
    data: Option<PathBuf>,
    #[command(flatten)]
    cache: CacheOption,
    /// Print events as JSON, one per line
    #[arg(long)]
    json: bool,
}

impl Run {
    pub fn run(self) -> Outcome {
        let shard = self.shard().map_err(WrongCall)?;
        interrupt::stop_flag(); // before anything can be interrupted
        let threads = self.threads.count();
        let folder = Folder::<Identity>::open(&self.dir)?;
        let jobs: Vec<&Training> = shard.select(&folder.plan().jobs).collect();
        let done = jobs.iter().map(|job| folder.is_done(job)).collect::<Result<Vec<bool>>>()?;
        let done = done.into_iter().filter(|&done| done).count();
        let left = jobs.len() - done;
        let plan = folder.plan().fingerprint();
        self.say(
            json!({ "event": "shard", "plan": plan, "shard": shard.to_string(), "jobs": jobs.len(), "done": done }),
        );
        let failed = if left == 0 {
            0
        } else {
            self.work(&folder, shard, &jobs, threads).map_err(interrupt::resumable_by(SAME_COMMAND))?
        };
        let done = jobs.len() - failed;
        self.say(json!({ "event": "end", "done": done, "failed": failed }));
        message!("{}: shard {shard}: {done} of {} jobs are done", self.dir.display(), jobs.len());
        if failed > 0 {
            message!("{failed} failed: reslstm sweep status says why; the same command tries them again");
            return Ok(Done::SomeFailed);
        }
        Ok(Done::Everything)
    }

    /// The given share, or the one of the scheduler.
    fn shard(&self) -> Result<Shard> {
        if let Some(shard) = self.shard {
            return Ok(shard);
        }
        match (Shard::from_environment(|name| std::env::var(name).ok(), self.shards)?, self.shards) {
            (Some(shard), _) => Ok(shard),
            (None, None) => Ok(Shard::WHOLE),
            (None, Some(shards)) => {
                let problem = format!(
                    "--shards {shards}: expected the number of the share from a scheduler, found no {VARIABLES}"
                );
                Err(Error::new(Kind::Settings, problem).advice("or give it, as in --shard 1/3"))
            }
        }
    }

    /// Loads the data, and trains; how many jobs failed.
    fn work(&self, folder: &Folder<Identity>, shard: Shard, jobs: &[&Training], threads: usize) -> Result<usize> {
        let data = self.load(folder, threads)?;
        let source = data.source()?;
        let screen = Screen {
            bar: progress::bar(jobs.iter().map(|job| epochs(job)).sum(), &progress_of(0, jobs.len()), "epochs"),
            jobs: jobs.len(),
            done: AtomicUsize::new(0),
        };
        let observe = |job: &Training, event: Event<'_, Trained>| self.observe(&screen, job, event);
        let execution = Execution { shard, threads, stop: interrupt::stop_flag(), observe: &observe };
        let failed = sweep::run(folder, &execution, &|job, checkpoint: &Path| {
            let mut epoch = |number: usize, record: &EpochRecord| {
                screen.bar.inc(1);
                self.say(json!({ "event": "epoch", "job": job.id, "epoch": number + 1, "epochs": epochs(job),
                                 "loss": record.loss, "validation_uar": record.validation_uar }));
            };
            Trained::by(job, &source, checkpoint, threads, execution.stop, &mut epoch)
        });
        screen.bar.finish_and_clear();
        failed
    }

    /// The data of the plan; no others.
    fn load(&self, folder: &Folder<Identity>, threads: usize) -> Result<Licensed> {
        let path = self.data.clone().unwrap_or_else(|| PathBuf::from(&folder.plan().data));
        let reading = serde_json::from_value(folder.plan().reading.clone().into());
        let reading: Reading =
            reading.map_err(|error| Error::new(Kind::Data, format!("reading: {error}")).at("plan.json"))?;
        let advice = "--data names their folder on this machine";
        let found = Found::open(&path, &reading)
            .map_err(|error| if self.data.is_none() { error.advice(advice) } else { error })?;
        let data = found.load_for(&folder.plan().jobs[0].work.settings, self.cache.cache.as_deref(), threads)?;
        let (expected, got) = (&folder.plan().jobs[0].work.data, data.fingerprint());
        if expected != got {
            let plan = self.dir.display();
            let problem = format!("expected the data that {plan} was planned with, {expected}, got others, {got}");
            return Err(Error::new(Kind::Data, problem).at(path.display()).advice("plan again for other data"));
        }
        let (plan, content) = (self.dir.display(), folder.plan().content.as_deref().unwrap_or_default());
        if content.is_empty() {
            message!("note: {plan}: {CONTENT_UNKNOWN}");
        } else if let Some(difference) = content_difference(content, data.content()?) {
            let problem = format!("expected the files that {plan} was planned with: {difference}");
            let advice = "their features are the same, but not the files: plan again, in another folder";
            return Err(Error::new(Kind::Data, problem).at(path.display()).advice(advice));
        }
        Ok(data)
    }

    fn observe(&self, screen: &Screen, job: &Training, event: Event<'_, Trained>) {
        let id = &job.id;
        match event {
            Event::Begun => self.say(json!({ "event": "begun", "job": id })),
            Event::FoundFinished => {
                screen.count();
                progress::found(&screen.bar, epochs(job));
                self.say(json!({ "event": "found-finished", "job": id }));
            }
            Event::Finished(Trained { record, .. }) => {
                let (count, jobs, uar) = (screen.count(), screen.jobs, record.test_uar);
                screen.line(format_args!("{count}/{jobs} {id}: test UAR {uar:.4}"));
                self.say(json!({ "event": "finished", "job": id, "best_epoch": record.best_epoch + 1, "test_uar": uar,
                                 "validation_uar": record.validation_uar, "seconds": record.seconds }));
            }
            Event::Failed(error) => {
                screen.line(format_args!("error: {id}: {error}"));
                self.say(json!({ "event": "failed", "job": id, "error": error.to_string() }));
            }
        }
    }

    /// Prints one event for programs. Training continues if stdout is closed.
    fn say(&self, event: Value) {
        if self.json {
            print_event(&event);
        }
    }
}

const VARIABLES: &str = "SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX";

/// Progress for people.
struct Screen {
    bar: ProgressBar,
    jobs: usize,
    done: AtomicUsize,
}

impl Screen {
    /// One more job is done; how many are.
    fn count(&self) -> usize {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        self.bar.set_message(progress_of(done, self.jobs));
        done
    }

    /// A line that stays, above the bar.
    fn line(&self, text: std::fmt::Arguments<'_>) {
        self.bar.suspend(|| message!("{text}"));
    }
}

/// Text before a bar of epochs.
fn progress_of(done: usize, jobs: usize) -> String {
    format!("{done}/{jobs} jobs, epochs")
}

fn epochs(job: &Training) -> u64 {
    job.work.settings.total_epochs() as u64
}
