//! `predict --live`: raw samples on stdin, a line for every frame as it completes.

use super::rows::{Format, Place};
use super::{Done, Outcome, interrupt};
use crate::corpus::resample::Resampler;
use reslstm::error::{Error, Kind, Result};
use reslstm::models::{LivePredictor, ModelFile, Moment};
use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

/// Bytes read at a time, at most: what is there is taken at once.
const PORTION: usize = 1 << 14;
/// How often Ctrl-C is looked for while nothing arrives.
const PATIENCE: Duration = Duration::from_millis(100);
/// How files of sound begin that are no raw samples.
const HEADERS: [(&[u8], &str); 4] =
    [(b"RIFF", "a WAV file"), (b"fLaC", "a FLAC file"), (b"OggS", "an Ogg file"), (b"FORM", "an AIFF file")];

/// Predicts until stdin ends or Ctrl-C is pressed. `rate` (Hz) is that of stdin where it is not the model's; `step`
/// seconds pass from one line to the next.
pub fn run(file: &ModelFile, format: Format, rate: Option<u32>, step: Option<f64>) -> Outcome {
    let mut live = LivePredictor::new(file)?;
    let mut resampler = match rate {
        Some(rate) if rate != live.sample_rate() => Some(Resampler::new(check_rate(rate)?, live.sample_rate())?),
        _ => None,
    };
    interrupt::stop_flag_saying("\nstopped");
    let mut lines =
        Lines { format, labels: live.labels().to_vec(), step: step.unwrap_or(0.0), next: 0.0, unsaid: None };
    let mut out = std::io::stdout().lock();
    format.write_header(&mut out, &["time"], &lines.labels)?;
    out.flush()?;

    let mut samples = Samples::default();
    let portions = listen();
    while !interrupt::stopped() {
        let portion = match portions.recv_timeout(PATIENCE) {
            Ok(portion) => portion?,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        let mut heard = samples.decode(&portion)?;
        if let Some(resampler) = &mut resampler {
            heard = resampler.push(&heard)?;
        }
        lines.say(&mut out, live.push(&heard)?)?;
    }
    samples.finish(interrupt::stopped())?;
    if let Some(resampler) = &mut resampler {
        lines.say(&mut out, live.push(&resampler.finish()?)?)?;
    }
    lines.say(&mut out, live.finish()?)?;
    lines.say_last(&mut out)?;
    Ok(Done::Everything)
}

fn check_rate(rate: u32) -> Result<u32> {
    if (1_000..=1_000_000).contains(&rate) {
        return Ok(rate);
    }
    Err(Error::new(Kind::Settings, format!("rate: expected 1,000 to 1,000,000 Hz, got {rate}")))
}

/// What arrives on stdin, until it ends. Read on a thread of its own, so that Ctrl-C is noticed when nothing arrives.
fn listen() -> Receiver<Result<Vec<u8>>> {
    let (sender, receiver) = sync_channel(16);
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut buffer = vec![0; PORTION];
        loop {
            let portion = match stdin.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => Ok(buffer[..length].to_vec()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => Err(Error::io("stdin", error)),
            };
            let failed = portion.is_err();
            // Nobody listens any more after Ctrl-C.
            if sender.send(portion).is_err() || failed {
                break;
            }
        }
    });
    receiver
}

/// Bytes to samples, wherever the stream of bytes is cut.
#[derive(Default)]
struct Samples {
    /// Bytes so far.
    bytes: usize,
    /// The beginning, until it is known to be no file's; then half a sample, or nothing.
    waiting: Vec<u8>,
}

impl Samples {
    /// The samples that `bytes` complete, full scale −1 to 1.
    fn decode(&mut self, bytes: &[u8]) -> Result<Vec<f32>> {
        let begun = self.bytes >= 4;
        self.bytes += bytes.len();
        self.waiting.extend_from_slice(bytes);
        if self.bytes < 4 {
            return Ok(Vec::new());
        }
        if !begun && let Some((_, what)) = HEADERS.iter().find(|(header, _)| self.waiting.starts_with(header)) {
            let problem = format!("expected raw 16-bit samples, got {what}");
            let advice = "take its header off, for example with ffmpeg -i - -f s16le -, or leave out --live and give - to \
                          predict a whole WAV file";
            return Err(Error::new(Kind::Audio, problem).at("stdin").advice(advice));
        }
        let (whole, half) = self.waiting.as_chunks::<2>();
        let samples = whole.iter().map(|&sample| f32::from(i16::from_le_bytes(sample)) / 32_768.0).collect();
        self.waiting = half.to_vec();
        Ok(samples)
    }

    /// What is to be said of the end.
    fn finish(&self, stopped: bool) -> Result<()> {
        if self.bytes < 4 && !stopped {
            let problem = format!("expected raw 16-bit samples, got an end after {} bytes", self.bytes);
            let advice = "pipe a recorder in, for example: arecord -t raw -f S16_LE -r 48000 | reslstm predict --live";
            return Err(Error::new(Kind::Audio, problem).at("stdin").advice(advice));
        }
        if self.bytes % 2 == 1 && !stopped {
            eprintln!("note: stdin ended in the middle of a sample, whose one byte is left out");
        }
        Ok(())
    }
}

/// Which moments are said, and how.
struct Lines {
    format: Format,
    labels: Vec<String>,
    /// Seconds from one line to the next.
    step: f64,
    /// When the next is due.
    next: f64,
    /// The latest moment, if no line says it yet.
    unsaid: Option<Moment>,
}

impl Lines {
    /// A line for each of the moments that is due, seen by whoever reads as soon as it is written.
    fn say(&mut self, out: &mut impl Write, moments: Vec<Moment>) -> anyhow::Result<()> {
        for moment in moments {
            let due = moment.time >= self.next;
            self.unsaid = Some(moment);
            if due {
                self.say_last(out)?;
            }
        }
        Ok(())
    }

    /// A line for the latest moment, unless there is one.
    fn say_last(&mut self, out: &mut impl Write) -> anyhow::Result<()> {
        if let Some(Moment { time, prediction, .. }) = self.unsaid.take() {
            self.format.write_row(out, Place::Time(time), &self.labels, &prediction)?;
            out.flush()?;
            // Counted from the beginning, so that steps that are no whole frames do not drift.
            self.next = if self.step > 0.0 { ((time / self.step).floor() + 1.0) * self.step } else { 0.0 };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_the_same_however_the_bytes_are_cut() {
        let bytes: Vec<u8> = [0i16, 1, -32_768, 32_767, 258].iter().flat_map(|sample| sample.to_le_bytes()).collect();
        for size in 1..=bytes.len() {
            let mut samples = Samples::default();
            let all: Vec<f32> = bytes.chunks(size).flat_map(|portion| samples.decode(portion).unwrap()).collect();
            assert_eq!(all, [0.0, 1.0 / 32_768.0, -1.0, 32_767.0 / 32_768.0, 258.0 / 32_768.0], "portions of {size}");
        }
        for size in 1..4 {
            let mut samples = Samples::default();
            let refused = b"RIFF....WAVE".chunks(size).find_map(|portion| samples.decode(portion).err()).unwrap();
            assert!(refused.to_string().contains("got a WAV file"), "{refused}");
        }
    }
}
