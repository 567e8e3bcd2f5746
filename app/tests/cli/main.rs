//! The command as its users meet it: run as a process, judged by its exit code, its output and the files it leaves. One file per
//! command; `bad_input` and `resume` go through several.

mod audit;
mod bad_input;
mod bench;
mod browser;
mod cv;
mod eval;
mod explain;
mod features;
mod figure;
mod help;
mod info;
mod nested;
mod paper;
mod predict;
mod predict_live;
mod report;
mod resume;
mod robustness;
mod sweep;
mod synth;
mod test_dir;
mod train;
mod tune;
