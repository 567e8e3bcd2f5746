//! Sound on a pipe: raw samples, or a WAV file whose end is not known.

use super::{kinds, wav};
use reslstm::audio::{SampleFormat, WavHeader};
use reslstm::error::{Error, Kind, Result};

/// Bytes after the samples that say whether a chunk follows: its name and its length.
const CHUNK: usize = 8;

/// Decodes bytes that come in portions of any size.
pub struct StreamDecoder {
    format: SampleFormat,
    /// Hz; the caller's, until a header says otherwise.
    sample_rate: u32,
    stage: Stage,
    /// Whether there was a header.
    is_file: bool,
    /// Bytes so far.
    bytes: usize,
    /// Bytes of a header with which it is looked at next: a part more each time, as all of it is looked at again.
    enough: usize,
    /// Bytes not decoded yet.
    waiting: Vec<u8>,
    notes: Vec<String>,
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    /// It is not known yet whether this is a file.
    Beginning,
    /// Within the header of a WAV file.
    Header,
    /// So many bytes of samples are left; none where their number is not known.
    Sound(Option<u64>),
    /// After the samples of a WAV file.
    End,
}

impl StreamDecoder {
    /// Of raw samples in this format at `sample_rate` Hz, unless the stream begins as a WAV file does: then its header counts.
    pub fn new(format: SampleFormat, sample_rate: u32) -> Self {
        let (stage, bytes, enough, waiting, notes) = (Stage::Beginning, 0, 0, Vec::new(), Vec::new());
        StreamDecoder { format, sample_rate, stage, is_file: false, bytes, enough, waiting, notes }
    }

    /// Rate, Hz, and number of channels; none before they are known.
    pub fn spec(&self) -> Option<(u32, usize)> {
        let known = matches!(self.stage, Stage::Sound(_) | Stage::End);
        known.then_some((self.sample_rate, self.format.channels()))
    }

    /// Whether it is a WAV file, as far as is known.
    pub fn is_file(&self) -> bool {
        self.is_file
    }

    /// Bytes so far.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What a user should know since this was last called. Each is one clause.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// The samples that `bytes` complete, of all channels in turn, full scale −1 to 1.
    ///
    /// # Errors
    /// [`Kind::Audio`] if the stream is a sound file of another kind, or a WAV file that cannot be read.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<f32>> {
        self.bytes += bytes.len();
        self.waiting.extend_from_slice(bytes);
        if self.stage == Stage::Beginning && self.waiting.len() >= kinds::BEGINNING {
            self.begin()?;
        }
        self.decode()
    }

    /// The last samples, when the stream has ended.
    ///
    /// # Errors
    /// As [`push`](Self::push); [`Kind::Audio`] if the stream ends within the header of a WAV file.
    pub fn finish(&mut self) -> Result<Vec<f32>> {
        if self.stage == Stage::Beginning {
            self.begin()?;
        }
        self.enough = 0;
        let samples = self.decode()?;
        if self.stage == Stage::Header {
            let total = Some(self.waiting.len() as u64);
            wav::header(&self.waiting, total)?;
        }
        let is_decoded = matches!(self.stage, Stage::Sound(_)) && self.bytes > self.waiting.len();
        if is_decoded && !self.waiting.is_empty() {
            let what = if self.format.channels() == 1 { "sample" } else { "frame" };
            self.notes.push(match self.waiting.len() {
                1 => format!("stdin ended in the middle of a {what}; its one byte is ignored"),
                rest => format!("stdin ended in the middle of a {what}; its {rest} bytes are ignored"),
            });
        }
        Ok(samples)
    }

    /// Decides what the stream is.
    fn begin(&mut self) -> Result<()> {
        self.stage = match kinds::name_of_stream(&self.waiting) {
            None => Stage::Sound(None),
            Some("WAV") => Stage::Header,
            Some(kind) => {
                let problem = format!("expected raw samples or a WAV file, got {kind}");
                let advice = "decode it first, for example with ffmpeg -i - -f s16le -, or leave out --live and give - to \
                              predict a whole sound file";
                return Err(Error::new(Kind::Audio, problem).advice(advice));
            }
        };
        Ok(())
    }

    fn decode(&mut self) -> Result<Vec<f32>> {
        if self.stage == Stage::Header && self.waiting.len() >= self.enough {
            self.enough = self.waiting.len() + self.waiting.len() / 8;
            if let Some(WavHeader { format, sample_rate, start, length }) = wav::header(&self.waiting, None)? {
                (self.format, self.sample_rate, self.stage) = (format, sample_rate, Stage::Sound(length));
                self.is_file = true;
                self.waiting.drain(..start);
                let channels = format.channels();
                self.notes.push(format!("stdin is a WAV file: {sample_rate} Hz, channels: {channels}"));
            }
        }
        let mut samples = Vec::new();
        while let Stage::Sound(left) = self.stage {
            let most = left.map_or(self.waiting.len(), |left| self.waiting.len().min(left as usize));
            let whole = most - most % self.format.frame_bytes();
            self.format.decode(&self.waiting[..whole], &mut samples);
            self.waiting.drain(..whole);
            let Some(left) = left.map(|left| left - whole as u64) else { break };
            self.stage = Stage::Sound(Some(left));
            let frame = self.format.frame_bytes() as u64;
            if left >= frame || self.waiting.len() < CHUNK + left as usize {
                break;
            }
            self.end_of_data(left as usize);
        }
        if self.stage == Stage::End {
            self.waiting.clear();
        }
        Ok(samples)
    }

    /// Decides what follows the samples that the header announced, after `rest` bytes of no whole frame: another chunk, whose name
    /// is text, or more samples, because the header states a wrong length.
    fn end_of_data(&mut self, rest: usize) {
        let is_text = |bytes: &[u8]| bytes.iter().all(|byte| (b' '..=b'~').contains(byte));
        // Chunks begin at even places.
        if is_text(&self.waiting[rest..rest + 4]) || is_text(&self.waiting[rest + 1..rest + 5]) {
            self.stage = Stage::End;
        } else {
            self.stage = Stage::Sound(None);
            self.notes.push("the sound on stdin is longer than its header says; all of it is read".into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reslstm::audio::{Encoding, write_wav16};

    fn mono() -> StreamDecoder {
        StreamDecoder::new(SampleFormat::raw(Encoding::S16, 1).unwrap(), 48_000)
    }

    /// All samples of a stream that comes in portions of this size, and the notes.
    fn decode(mut decoder: StreamDecoder, bytes: &[u8], size: usize) -> Result<(Vec<f32>, StreamDecoder)> {
        let mut samples = Vec::new();
        for portion in bytes.chunks(size) {
            samples.extend(decoder.push(portion)?);
        }
        samples.extend(decoder.finish()?);
        Ok((samples, decoder))
    }

    fn samples() -> Vec<f32> {
        (0..200).map(|i| ((i * 7919) % 65_536 - 32_768) as f32 / 32_768.0).collect()
    }

    #[test]
    fn samples_do_not_depend_on_the_portions_of_bytes() {
        let bytes = &write_wav16(&samples(), 48_000)[44..];
        for size in [1, 2, 3, 63, 64, 65, 400] {
            let (got, mut decoder) = decode(mono(), bytes, size).unwrap();
            assert_eq!((got, decoder.spec()), (samples(), Some((48_000, 1))), "portions of {size}");
            assert_eq!(decoder.take_notes(), [""; 0]);
        }
        let (got, mut decoder) = decode(mono(), &bytes[..5], 1).unwrap();
        assert_eq!(got, samples()[..2]);
        assert_eq!(decoder.take_notes(), ["stdin ended in the middle of a sample; its one byte is ignored"]);
        let stereo = StreamDecoder::new(SampleFormat::raw(Encoding::S24, 2).unwrap(), 48_000);
        let (got, mut decoder) = decode(stereo, &bytes[..100], 9).unwrap();
        assert_eq!(got.len(), 32);
        assert_eq!(decoder.take_notes(), ["stdin ended in the middle of a frame; its 4 bytes are ignored"]);
    }

    #[test]
    fn the_header_of_a_wav_file_counts() {
        let good = write_wav16(&samples(), 16_000);
        let length = |riff: u32, data: u32| {
            let mut bytes = good.clone();
            bytes[4..8].copy_from_slice(&riff.to_le_bytes());
            bytes[40..44].copy_from_slice(&data.to_le_bytes());
            bytes
        };
        let followed = [&good[..], b"LIST\x04\0\0\0INFO"].concat();
        for (name, bytes, notes) in [
            ("right", good.clone(), 1),
            ("followed by a chunk", followed, 1),
            ("ffmpeg's", length(u32::MAX, u32::MAX), 1),
            ("sox's", length(0x7fff_f024, 0x7fff_f000), 1),
            ("never filled in", length(0, 0), 1),
            ("too small", length(136, 100), 2),
        ] {
            for size in [1, 50, 1000] {
                let (got, mut decoder) = decode(mono(), &bytes, size).unwrap();
                assert_eq!((got, decoder.spec()), (samples(), Some((16_000, 1))), "{name}, portions of {size}");
                let got = decoder.take_notes();
                assert!(
                    got[0] == "stdin is a WAV file: 16000 Hz, channels: 1" && got.len() == notes,
                    "{name}: {got:?}"
                );
            }
        }
        let error = decode(mono(), &good[..30], 7).err().unwrap();
        assert!(error.to_string().starts_with("expected 16 bytes of \"fmt \" as the header says, got 10"), "{error}");
    }

    /// Each look at the header begins at its beginning.
    #[test]
    fn a_header_of_many_chunks_takes_no_longer_than_its_length_and_is_refused_beyond_16_mb() {
        let start = std::time::Instant::now();
        let good = write_wav16(&samples(), 16_000);
        let file = |empty: usize| [&good[..36], &vec![0; 8 * empty], &good[36..]].concat();
        let long = file(1 << 20);
        assert_eq!(decode(mono(), &long, 1_000).unwrap().0, samples());
        assert_eq!(super::super::decode(&long).unwrap().recording.samples, samples());
        let longer = file(1 << 21);
        for error in [decode(mono(), &longer, 1_000).err().unwrap(), super::super::decode(&longer).unwrap_err()] {
            assert!(error.to_string().starts_with("expected the samples of a WAV file within its first"), "{error}");
        }
        // Quadratic time took minutes.
        assert!(start.elapsed() < std::time::Duration::from_secs(20), "{:?}", start.elapsed());
    }

    #[test]
    fn other_files_are_refused_by_name() {
        let mut aiff = *b"FORM\0\0\0\0AIFFCOMM....";
        for (bytes, kind) in [(&b"fLaC\0\0\0\x22 and so on"[..], "FLAC"), (&aiff, "AIFF"), (b"OggS....", "Ogg")] {
            for size in [1, 3, 100] {
                let error = decode(mono(), bytes, size).err().unwrap().to_string();
                assert!(error.contains("expected raw samples or a WAV file, got") && error.contains(kind), "{error}");
            }
        }
        // Few bytes that are common in sound too: frames of MPEG and AC-3 begin with them.
        aiff[..4].copy_from_slice(b"\xff\xfb\x0b\x77");
        aiff[8] = 0;
        assert!(decode(mono(), &aiff, 100).is_ok());
    }
}
