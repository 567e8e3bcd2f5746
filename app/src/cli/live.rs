//! `predict --live`: raw samples on stdin, one line per complete frame.

use super::gate::{Gate, SilenceNote};
use super::options::WrongCall;
use super::rows::{Format, Place};
use super::{Done, Outcome, interrupt};
use crate::corpus::resample::Resampler;
use reslstm::error::{Error, Kind, Result};
use reslstm::models::{LivePredictor, ModelFile, Moment};
use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

/// Limit on the bytes per read; a read returns what has arrived.
const PORTION: usize = 1 << 14;
/// Time between checks for Ctrl-C while nothing arrives.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Seconds after which a voice at the beginning has been noticed.
const NOTICED: f64 = 1.0;
/// First bytes of audio files, which are not raw samples.
const HEADERS: [(&[u8], &str); 4] =
    [(b"RIFF", "a WAV file"), (b"fLaC", "a FLAC file"), (b"OggS", "an Ogg file"), (b"FORM", "an AIFF file")];

/// Predicts until stdin ends or Ctrl-C is pressed. `rate` is the sample rate on stdin, Hz, by default the model's. `step` is
/// the time between lines, seconds, by default one frame.
pub fn run(file: &ModelFile, format: Format, gate: Gate, rate: Option<u32>, step: Option<f64>) -> Outcome {
    let mut live = LivePredictor::new(file)?;
    let mut resampler = match rate {
        Some(rate) if rate != live.sample_rate() => {
            Some(Resampler::new(check_rate(rate).map_err(WrongCall)?, live.sample_rate())?)
        }
        _ => None,
    };
    interrupt::stop_flag_saying("\nstopped");
    let mut lines = Lines {
        format,
        gate,
        silence: SilenceNote::default(),
        labels: live.labels().to_vec(),
        step: step.unwrap_or(0.0),
        next: 0.0,
        pending: None,
    };
    let mut out = std::io::stdout().lock();
    format.write_header(&mut out, &["time"], &lines.labels)?;
    out.flush()?;

    let mut samples = Samples::default();
    let portions = read_stdin();
    while !interrupt::stopped() {
        let portion = match portions.recv_timeout(POLL_INTERVAL) {
            Ok(portion) => portion?,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        let mut sound = samples.decode(&portion)?;
        if let Some(resampler) = &mut resampler {
            sound = resampler.push(&sound)?;
        }
        lines.write_due(&mut out, live.push(&sound)?)?;
    }
    samples.finish(interrupt::stopped())?;
    if let Some(resampler) = &mut resampler {
        lines.write_due(&mut out, live.push(&resampler.finish()?)?)?;
    }
    lines.write_due(&mut out, live.finish()?)?;
    lines.write_pending(&mut out)?;
    Ok(Done::Everything)
}

fn check_rate(rate: u32) -> Result<u32> {
    if (1_000..=1_000_000).contains(&rate) {
        return Ok(rate);
    }
    Err(Error::new(Kind::Settings, format!("--rate: expected 1,000 to 1,000,000 Hz, got {rate}")))
}

/// Reads stdin until it ends, on a separate thread, so that Ctrl-C is noticed while nothing arrives.
fn read_stdin() -> Receiver<Result<Vec<u8>>> {
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
            // After Ctrl-C the receiver is gone.
            if sender.send(portion).is_err() || failed {
                break;
            }
        }
    });
    receiver
}

/// Decoder from bytes to samples; the bytes may come in portions of any size.
#[derive(Default)]
struct Samples {
    /// Number of bytes so far.
    bytes: usize,
    /// Bytes not decoded yet: the first four until they are checked for a file header, then at most half a sample.
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
            let advice = "remove its header, for example with ffmpeg -i - -f s16le -, or leave out --live and give - to \
                          predict a whole WAV file";
            return Err(Error::new(Kind::Audio, problem).at("stdin").advice(advice));
        }
        let (whole, half) = self.waiting.as_chunks::<2>();
        let samples = whole.iter().map(|&sample| f32::from(i16::from_le_bytes(sample)) / 32_768.0).collect();
        self.waiting = half.to_vec();
        Ok(samples)
    }

    /// Checks the end of the stream: refuses one without sound, and notes half a sample.
    fn finish(&self, stopped: bool) -> Result<()> {
        if self.bytes < 4 && !stopped {
            let problem = format!("expected raw 16-bit samples, but stdin ended after {} bytes", self.bytes);
            let advice = "pipe in a recorder, for example: arecord -t raw -f S16_LE -r 48000 | reslstm predict --live";
            return Err(Error::new(Kind::Audio, problem).at("stdin").advice(advice));
        }
        if self.bytes % 2 == 1 && !stopped {
            eprintln!("note: stdin ended in the middle of a sample; its one byte is ignored");
        }
        Ok(())
    }
}

/// Writes one line per time step.
struct Lines {
    format: Format,
    gate: Gate,
    silence: SilenceNote,
    labels: Vec<String>,
    /// Time between lines, seconds; 0 for every frame.
    step: f64,
    /// Time of the next line, seconds.
    next: f64,
    /// The latest prediction, until it is written.
    pending: Option<Moment>,
}

impl Lines {
    /// Writes and flushes a line for each prediction that is due.
    fn write_due(&mut self, out: &mut impl Write, moments: Vec<Moment>) -> anyhow::Result<()> {
        for moment in moments {
            let due = moment.time >= self.next;
            self.pending = Some(moment);
            if due {
                self.write_pending(out)?;
            }
        }
        Ok(())
    }

    /// Writes a line for the latest prediction, unless it is written already.
    fn write_pending(&mut self, out: &mut impl Write) -> anyhow::Result<()> {
        if let Some(Moment { time, prediction, .. }) = self.pending.take() {
            let refusal = self.gate.refusal(&prediction);
            if time >= NOTICED {
                self.silence.print_once(Place::Time(time), refusal);
            }
            self.format.write_row(out, Place::Time(time), &self.labels, &prediction, refusal)?;
            out.flush()?;
            // Counted from the beginning, so that steps of a fraction of a frame do not drift.
            self.next = if self.step > 0.0 { ((time / self.step).floor() + 1.0) * self.step } else { 0.0 };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_do_not_depend_on_the_portions_of_bytes() {
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
