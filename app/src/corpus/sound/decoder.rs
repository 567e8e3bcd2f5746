//! Compressed sound and AIFF, by `symphonia`; Opus, which it does not decode, by `ruopus`.

use super::{CONVERT, Sound, mp4};
use reslstm::audio::Recording;
use reslstm::error::{Error, Kind, Result};
use ruopus::OpusDecoder;
use ruopus::ogg::OpusHead;
use std::fs::File;
use std::io::Cursor;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_AAC, CODEC_ID_MP3, CODEC_ID_OPUS, CODEC_ID_VORBIS};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as Fault;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;

/// Opus has a rate of its own, Hz.
const OPUS_RATE: u32 = 48_000;
/// Lossy sound that lacks more than this share of the stated length was cut off. The length of an MP3 file may be an estimate,
/// and that of an Opus file counts the delay of its encoder.
const MISSING: f64 = 0.1;

/// A file whose header is read.
struct Opened<'a> {
    format: Box<dyn FormatReader + 'a>,
    /// Number of the sound track.
    id: u32,
    /// Length of the track, as the header says.
    frames: Option<u64>,
    is_lossy: bool,
    decoder: Decoder,
}

impl<'a> Opened<'a> {
    fn new(source: Box<dyn MediaSource + 'a>) -> std::result::Result<Self, String> {
        let stream = MediaSourceStream::new(source, MediaSourceStreamOptions::default());
        let format = symphonia::default::get_probe()
            .probe(&Hint::new(), stream, FormatOptions::default(), MetadataOptions::default())
            .map_err(|fault| fault.to_string())?;
        let track = format.default_track(TrackType::Audio).ok_or("no sound track")?;
        let (id, frames) = (track.id, track.num_frames);
        let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio());
        let parameters = parameters.ok_or("a sound track of an unknown kind")?;
        let is_lossy = [CODEC_ID_AAC, CODEC_ID_MP3, CODEC_ID_OPUS, CODEC_ID_VORBIS].contains(&parameters.codec);
        let decoder = Decoder::new(parameters)?;
        Ok(Opened { format, id, frames, is_lossy, decoder })
    }
}

/// Sample rate of a file, Hz: that of its first packet that can be decoded. `None` if there is none.
pub(super) fn sample_rate(file: File) -> Option<u32> {
    let Opened { mut format, id, mut decoder, .. } = Opened::new(Box::new(file)).ok()?;
    let mut mixer = Mixer::default();
    while mixer.rate == 0 {
        let packet = format.next_packet().ok()??;
        if packet.track_id == id {
            // The first packets of a stream that was cut out of a longer one may need what is missing.
            let _ = decoder.decode(&packet, &mut mixer);
        }
    }
    Some(mixer.rate)
}

/// Decodes a file of a kind that symphonia can unpack; `kind` is its name.
pub(super) fn decode(bytes: &[u8], kind: &str) -> Result<Sound> {
    let damaged = |fault: String| {
        let problem = format!("expected {kind} that can be decoded, got: {fault}");
        Error::new(Kind::Audio, problem).advice(format!("the file is damaged, cut off or of a rare kind: {CONVERT}"))
    };
    let opened = Opened::new(Box::new(Cursor::new(bytes.to_vec()))).map_err(damaged)?;
    let Opened { mut format, id, frames, is_lossy, mut decoder } = opened;
    let mut mixer = Mixer::default();
    let (mut packets, mut broken, mut notes) = (0, 0, Vec::new());
    loop {
        match format.next_packet() {
            Ok(Some(packet)) if packet.track_id == id => {
                packets += 1;
                match decoder.decode(&packet, &mut mixer) {
                    Ok(()) => {}
                    // Of a stream that was cut out of a longer one, the first packets need what is missing.
                    Err(_) if is_lossy => broken += 1,
                    Err(fault) => return Err(damaged(fault)),
                }
            }
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(Fault::ResetRequired) => {
                notes.push("left out all but the first of several streams, one after the other".into());
                break;
            }
            Err(fault) if is_lossy && !mixer.samples.is_empty() => {
                notes.push(format!("the sound ends early: {fault}"));
                break;
            }
            Err(fault) => return Err(damaged(fault.to_string())),
        }
    }
    if broken > 0 && broken == packets {
        return Err(damaged(format!("{packets} packets, none of which can be decoded")));
    }
    if broken > 0 {
        notes.push(format!("left out {broken} of {packets} packets, which are damaged"));
    }
    let Mixer { mut samples, rate, .. } = mixer;
    decoder.finish(&mut samples).map_err(damaged)?;
    if let Some(frames) = frames.and_then(|frames| usize::try_from(frames).ok()) {
        let got = samples.len() as f64 / frames as f64;
        if !is_lossy && samples.len() < frames {
            return Err(damaged(format!("{} frames, where the header says {frames}", samples.len())));
        }
        if got < 1.0 - MISSING {
            notes.push(format!("the sound ends early, after {:.0} % of the length that the header says", 100.0 * got));
        }
    }
    let delay = (mp4::delay(bytes, id) * f64::from(rate)).round() as usize;
    samples.drain(..delay.min(samples.len()));
    Ok(Sound { recording: Recording { sample_rate: rate, samples }, notes })
}

/// The mean of the channels, while packets arrive.
#[derive(Default)]
struct Mixer {
    /// Hz; 0 before the first packet.
    rate: u32,
    channels: usize,
    samples: Vec<f32>,
}

impl Mixer {
    /// Adds interleaved samples.
    fn push(&mut self, rate: u32, channels: usize, interleaved: &[f32]) -> std::result::Result<(), String> {
        if self.rate == 0 {
            (self.rate, self.channels) = (rate, channels);
        }
        if (rate, channels) != (self.rate, self.channels) {
            return Err(format!("{channels} channels at {rate} Hz after {} at {} Hz", self.channels, self.rate));
        }
        let mean = |frame: &[f32]| frame.iter().sum::<f32>() / channels as f32;
        self.samples.extend(interleaved.chunks_exact(channels).map(mean));
        Ok(())
    }
}

/// Decodes packets. Its errors are clauses for [`decode`] to complete.
enum Decoder {
    Symphonia { inner: Box<dyn AudioDecoder>, interleaved: Vec<f32> },
    Opus { inner: Box<OpusDecoder>, head: OpusHead },
}

impl Decoder {
    fn new(parameters: &AudioCodecParameters) -> std::result::Result<Self, String> {
        if parameters.codec == CODEC_ID_OPUS {
            let head = parameters.extra_data.as_deref().map(OpusHead::parse);
            return match head {
                Some(Ok(head)) if head.channel_count <= 2 => {
                    Ok(Decoder::Opus { inner: Box::new(OpusDecoder::new(head.channel_count.into())), head })
                }
                Some(Ok(head)) => Err(format!("Opus with {} channels, where 1 or 2 are read", head.channel_count)),
                _ => Err("Opus without its header".into()),
            };
        }
        // FLAC holds a hash of all samples.
        let options = AudioDecoderOptions::default().verify(true);
        let inner = symphonia::default::get_codecs().make_audio_decoder(parameters, &options);
        Ok(Decoder::Symphonia { inner: inner.map_err(|fault| fault.to_string())?, interleaved: Vec::new() })
    }

    fn decode(&mut self, packet: &Packet, mixer: &mut Mixer) -> std::result::Result<(), String> {
        match self {
            Decoder::Symphonia { inner, interleaved } => {
                let sound = inner.decode(packet).map_err(|fault| fault.to_string())?;
                sound.copy_to_vec_interleaved(interleaved);
                let spec = sound.spec();
                mixer.push(spec.rate(), spec.channels().count(), interleaved)
            }
            Decoder::Opus { inner, head } => {
                let sound = inner.decode_packet(&packet.data).map_err(|fault| fault.to_string())?;
                let channels = usize::from(head.channel_count);
                let after = sound.len().saturating_sub(packet.trim_end.get() as usize * channels);
                mixer.push(OPUS_RATE, channels, &sound[..after])
            }
        }
    }

    /// What is left to do when all packets are decoded.
    fn finish(&mut self, samples: &mut Vec<f32>) -> std::result::Result<(), String> {
        match self {
            Decoder::Symphonia { inner, .. } => match inner.finalize().verify_ok {
                Some(false) => Err("samples whose hash is not the one in the header".into()),
                _ => Ok(()),
            },
            // The delay of the encoder is no sound. The gain, in 256ths of a decibel, is part of it.
            Decoder::Opus { head, .. } => {
                samples.drain(..samples.len().min(head.pre_skip.into()));
                if head.output_gain_q8 != 0 {
                    let gain = 10f32.powf(f32::from(head.output_gain_q8) / (20.0 * 256.0));
                    samples.iter_mut().for_each(|sample| *sample *= gain);
                }
                Ok(())
            }
        }
    }
}
