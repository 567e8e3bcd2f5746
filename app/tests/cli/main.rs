//! End-to-end tests of the command: exit code, output and files of a process. One file per command; `bad_input` and `resume` test
//! several commands, `studies` tests `tune` on journals of others.

mod across;
mod audit;
mod bad_input;
mod bench;
mod branches;
mod browser;
mod corpus;
mod cv;
mod eval;
mod explain;
mod features;
mod figure;
mod help;
mod info;
mod long;
mod man;
mod nested;
mod onnx;
mod paper;
mod predict;
mod predict_live;
mod rates;
mod report;
mod resume;
mod robustness;
mod sound;
mod speech;
mod studies;
mod sweep;
mod synth;
mod test_dir;
mod timeline;
mod train;
mod tune;
