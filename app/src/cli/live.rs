//! `predict --live`: sound on stdin, one line per complete frame.

use super::gate::{Gate, SilenceNote};
use super::options::check_rate;
use super::rows::{Format, Place, Span};
use super::timeline::{LiveTimeline, Timeline};
use super::{Done, Outcome, interrupt};
use crate::corpus::resample::Resampler;
use crate::corpus::sound::{Side, SignalCheck, StreamDecoder};
use reslstm::audio::{FeatureSettings, SampleFormat};
use reslstm::error::{Error, Kind, Result};
use reslstm::models::{LivePredictor, Moment};
use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

/// Limit on the bytes per read; a read returns what has arrived.
const PORTION: usize = 1 << 14;
/// Time between checks for Ctrl-C while nothing arrives.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Seconds after which a voice at the beginning has been noticed.
const NOTICED: f64 = 1.0;

/// What arrives on stdin, and what of it is predicted.
pub struct Stream {
    /// Format of raw samples. The header of a WAV file says its own.
    pub raw: SampleFormat,
    /// Rate of raw samples, Hz; by default the model's.
    pub rate: Option<u32>,
    /// Each side with its name in lines, if it has one there.
    pub sides: Vec<(Side, Option<&'static str>)>,
}

/// What is written.
#[derive(Clone, Copy)]
pub struct Output {
    /// Format of lines.
    pub format: Format,
    /// Intervals in place of lines.
    pub timeline: Option<Timeline>,
    /// Which predictions get a label.
    pub gate: Gate,
    /// Time between lines, seconds; 0 for every frame.
    pub step: f64,
}

/// Predicts until stdin ends or Ctrl-C is pressed.
pub fn run(live: LivePredictor, stream: Stream, output: Output) -> Outcome {
    stream.rate.map_or(Ok(()), check_rate)?;
    interrupt::stop_flag_saying("\nstopped");
    let mut out = std::io::stdout().lock();
    let columns: &[&str] = if stream.sides.len() > 1 { &["side", "time"] } else { &["time"] };
    match output.timeline {
        Some(timeline) => timeline.write_header(&mut out)?,
        None => output.format.write_header(&mut out, columns, live.labels())?,
    }
    out.flush()?;

    let mut decoder = StreamDecoder::new(stream.raw, stream.rate.unwrap_or(live.sample_rate()));
    let features = live.features().clone();
    let is_rate_given = stream.rate.is_some();
    let mut live_lines = LiveLines { live, features, output, sides: stream.sides, is_rate_given, active: None };
    let portions = read_stdin();
    while !interrupt::stopped() {
        let portion = match portions.recv_timeout(POLL_INTERVAL) {
            Ok(portion) => portion?,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        let samples = decoder.push(&portion).map_err(|error| error.at("stdin"))?;
        live_lines.push(&mut decoder, samples, &mut out)?;
    }
    if !interrupt::stopped() {
        let samples = decoder.finish().map_err(|error| error.at("stdin"))?;
        live_lines.push(&mut decoder, samples, &mut out)?;
        if live_lines.active.is_none() {
            let problem = format!("expected samples, but stdin ended after {} bytes", decoder.bytes());
            let advice = "pipe in a recorder, for example: arecord -f S16_LE -r 48000 | reslstm predict --live";
            return Err(Error::new(Kind::Audio, problem).at("stdin").advice(advice).into());
        }
    }
    live_lines.finish(&mut out)?;
    Ok(Done::Everything)
}

/// From samples to lines.
struct LiveLines {
    /// Before the first sample.
    live: LivePredictor,
    features: FeatureSettings,
    output: Output,
    sides: Vec<(Side, Option<&'static str>)>,
    /// Whether the caller says what rate raw samples have.
    is_rate_given: bool,
    /// None before the first sample, when rate and channels are known.
    active: Option<ActiveStream>,
}

/// The sides of a recording that has begun.
struct ActiveStream {
    channels: usize,
    /// None of a WAV file, whose header is right.
    check: Option<SignalCheck>,
    sides: Vec<SidePredictor>,
}

struct SidePredictor {
    side: Side,
    resampler: Option<Resampler>,
    live: LivePredictor,
    /// Samples so far, at the model's rate.
    samples: usize,
    lines: Lines,
}

impl LiveLines {
    /// Takes the next samples of the stream, whole frames, and writes the lines that are due.
    fn push(&mut self, decoder: &mut StreamDecoder, samples: Vec<f32>, out: &mut impl Write) -> anyhow::Result<()> {
        decoder.take_notes().iter().for_each(|note| message!("note: {note}"));
        let Some((rate, channels)) = decoder.spec().filter(|_| !samples.is_empty()) else { return Ok(()) };
        if self.active.is_none() {
            if !self.is_rate_given && !decoder.is_file() {
                message!("note: raw samples are read as {rate} Hz, the model's rate; --rate says another");
            }
            let sides = self.sides.iter().enumerate();
            let sides = sides.map(|(place, &(side, name))| self.begin((place, side, name), rate, channels));
            let sides = sides.collect::<Result<_>>().map_err(|error| error.at("stdin"))?;
            let check = (!decoder.is_file()).then(|| SignalCheck::new(rate, channels));
            self.active = Some(ActiveStream { channels, check, sides });
        }
        let ActiveStream { channels, check, sides } = self.active.as_mut().expect("it has begun");
        if let Some(check) = check {
            check.push(&samples).iter().for_each(|finding| print_finding(finding));
        }
        for SidePredictor { side, resampler, live, samples: taken, lines } in sides {
            let mut sound = side.of(samples.clone(), *channels);
            if let Some(resampler) = resampler {
                sound = resampler.push(&sound)?;
            }
            *taken += sound.len();
            lines.write_due(out, live.push(&sound)?)?;
        }
        Ok(())
    }

    fn begin(
        &self,
        (place, side, name): (usize, Side, Option<&'static str>),
        rate: u32,
        channels: usize,
    ) -> Result<SidePredictor> {
        side.check(channels)?;
        let (live, model_rate) = (self.live.clone(), self.live.sample_rate());
        Ok(SidePredictor {
            side,
            resampler: if rate == model_rate { None } else { Some(Resampler::new(rate, model_rate, &self.features)?) },
            lines: Lines {
                output: self.output,
                timeline: self.output.timeline.map(|format| LiveTimeline::new(format, place, name)),
                silence: SilenceNote::default(),
                labels: live.labels().to_vec(),
                side: name,
                next: 0.0,
                is_empty: true,
                pending: None,
            },
            live,
            samples: 0,
        })
    }

    /// Writes the last lines.
    fn finish(self, out: &mut impl Write) -> anyhow::Result<()> {
        let Some(ActiveStream { check, sides, .. }) = self.active else { return Ok(()) };
        if let Some(mut check) = check {
            check.finish().iter().for_each(|finding| print_finding(finding));
        }
        let (mut timelines, mut seconds) = (Vec::new(), 0.0);
        for SidePredictor { resampler, mut live, mut samples, mut lines, .. } in sides {
            if let Some(mut resampler) = resampler {
                let last = resampler.finish()?;
                samples += last.len();
                lines.write_due(out, live.push(&last)?)?;
            }
            lines.write_due(out, live.finish()?)?;
            lines.write_pending(out)?;
            if lines.is_empty {
                message!("note: nobody speaks in stdin: there is no prediction");
            }
            timelines.extend(lines.timeline);
            seconds = samples as f64 / f64::from(live.sample_rate());
        }
        LiveTimeline::finish(timelines, out, seconds)
    }
}

fn print_finding(finding: &str) {
    message!("note: {finding}: see --format and --channels");
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

/// Writes one line per time step.
struct Lines {
    output: Output,
    /// In place of lines.
    timeline: Option<LiveTimeline>,
    silence: SilenceNote,
    labels: Vec<String>,
    side: Option<&'static str>,
    /// Time of the next line, seconds.
    next: f64,
    /// Whether there was no prediction yet.
    is_empty: bool,
    /// The latest prediction, until it is written.
    pending: Option<Moment>,
}

impl Lines {
    /// Writes and flushes a line for each prediction that is due.
    fn write_due(&mut self, out: &mut impl Write, moments: Vec<Moment>) -> anyhow::Result<()> {
        self.is_empty &= moments.is_empty();
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
            let Output { format, gate, step, .. } = self.output;
            let place = Place { file: None, side: self.side, span: Span::UpTo(time) };
            let refusal = gate.refusal(&prediction);
            if time >= NOTICED {
                self.silence.print_once(place, refusal);
            }
            match &mut self.timeline {
                Some(timeline) => timeline.push(out, time, gate.label(&prediction))?,
                None => format.write_row(out, place, &self.labels, &prediction, refusal)?,
            }
            out.flush()?;
            // Counted from the beginning, so that steps of a fraction of a frame do not drift.
            self.next = if step > 0.0 { ((time / step).floor() + 1.0) * step } else { 0.0 };
        }
        Ok(())
    }
}
