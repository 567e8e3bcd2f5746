//! Compressed sound and AIFF, by `symphonia`; Opus, which it does not decode, by `ruopus`.

use super::{CONVERT, mp4};
use reslstm::error::{Error, Kind, Result};
use ruopus::OpusDecoder;
use ruopus::ogg::OpusHead;
use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_AAC, CODEC_ID_ALAC, CODEC_ID_MP3, CODEC_ID_OPUS, CODEC_ID_PCM_ALAW, CODEC_ID_PCM_MULAW, CODEC_ID_VORBIS,
};
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
/// Samples of the longest packet, of all channels: one of FLAC or ALAC has half of it. Decoders get memory for what a header says.
const MOST_SAMPLES: u64 = 1 << 20;

/// A file of a kind that symphonia can unpack, packet by packet.
pub(super) struct PacketReader<'a> {
    /// The name of the kind.
    kind: &'static str,
    format: Box<dyn FormatReader + 'a>,
    /// Number of the sound track.
    id: u32,
    /// Length of the track, as the header says.
    stated: Option<u64>,
    is_lossy: bool,
    /// Frames of every packet of ALAC but the last.
    alac_frames: Option<u64>,
    decoder: Decoder,
    /// Rate, Hz, and channels, of all packets; none before the first.
    spec: Option<(u32, usize)>,
    /// Frames decoded so far, without the delay of an Opus encoder.
    frames: u64,
    /// Seconds at the beginning that are no sound, of what an MP4 file says.
    delay: f64,
    /// Frames at the beginning that are still to be left out.
    skip: usize,
    packets: usize,
    broken: usize,
    pub notes: Vec<String>,
}

impl<'a> PacketReader<'a> {
    /// Reads the header. `movie` is the description in an MP4 file.
    pub fn open(source: Box<dyn MediaSource + 'a>, kind: &'static str, movie: Option<Vec<u8>>) -> Result<Self> {
        let damaged = |fault: String| damaged(kind, &fault);
        let stream = MediaSourceStream::new(source, MediaSourceStreamOptions::default());
        let format = symphonia::default::get_probe()
            .probe(&Hint::new(), stream, FormatOptions::default(), MetadataOptions::default())
            .map_err(|fault| damaged(fault.to_string()))?;
        let track = format.default_track(TrackType::Audio).ok_or_else(|| damaged("no sound track".into()))?;
        let (id, stated) = (track.id, track.num_frames);
        let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio());
        let parameters = parameters.ok_or_else(|| damaged("a sound track of an unknown kind".into()))?;
        let decoder = Decoder::new(parameters).map_err(damaged)?;
        Ok(PacketReader {
            kind,
            id,
            stated,
            is_lossy: [CODEC_ID_AAC, CODEC_ID_MP3, CODEC_ID_OPUS, CODEC_ID_VORBIS].contains(&parameters.codec),
            alac_frames: parameters.max_frames_per_packet.filter(|_| parameters.codec == CODEC_ID_ALAC),
            skip: decoder.delay(),
            decoder,
            spec: None,
            frames: 0,
            delay: movie.map_or(0.0, |movie| mp4::delay(&movie, id)),
            packets: 0,
            broken: 0,
            notes: Vec::new(),
            format,
        })
    }

    /// Rate, Hz, and channels; none before the first packet.
    pub fn spec(&self) -> Option<(u32, usize)> {
        self.spec
    }

    /// The samples of the next packet that has any, of all channels in turn, into `samples`; false at the end.
    pub fn next(&mut self, samples: &mut Vec<f32>) -> Result<bool> {
        loop {
            match self.format.next_packet() {
                Ok(Some(packet)) if packet.track_id == self.id => {
                    self.packets += 1;
                    match self.decode(&packet, samples) {
                        Ok(()) if samples.is_empty() => {}
                        Ok(()) => return Ok(true),
                        // Of a stream that was cut out of a longer one, the first packets need what is missing.
                        Err(_) if self.is_lossy => self.broken += 1,
                        Err(fault) => return Err(damaged(self.kind, &fault)),
                    }
                }
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(Fault::ResetRequired) => {
                    self.notes.push("left out all but the first of several streams, one after the other".into());
                    break;
                }
                Err(fault) if self.is_lossy && self.spec.is_some() => {
                    self.notes.push(format!("the sound ends early: {fault}"));
                    break;
                }
                Err(fault) => return Err(damaged(self.kind, &fault.to_string())),
            }
        }
        self.check_end().map_err(|fault| damaged(self.kind, &fault))?;
        Ok(false)
    }

    /// The sound of one packet, into `samples`.
    fn decode(&mut self, packet: &Packet, samples: &mut Vec<f32>) -> std::result::Result<(), String> {
        let (rate, channels) = self.decoder.decode(packet, samples)?;
        let before = self.spec.get_or_insert((rate, channels));
        if *before != (rate, channels) {
            return Err(format!("{channels} channels at {rate} Hz after {} at {} Hz", before.1, before.0));
        }
        if self.delay > 0.0 {
            // An Opus encoder's delay may be said by its header and by the edit list.
            self.skip = self.skip.max((self.delay * f64::from(rate)).round() as usize);
            self.delay = 0.0;
        }
        let frames = samples.len() / channels;
        self.frames += frames as u64;
        let skipped = self.skip.min(frames);
        self.skip -= skipped;
        samples.drain(..skipped * channels);
        Ok(())
    }

    /// What can be said when all packets are decoded.
    fn check_end(&mut self) -> std::result::Result<(), String> {
        let PacketReader { packets, broken, .. } = *self;
        if broken > 0 && broken == packets {
            return Err(format!("{packets} packets, none of which can be decoded"));
        }
        if broken > 0 {
            self.notes.push(format!("left out {broken} of {packets} packets, which are damaged"));
        }
        self.decoder.check_end()?;
        let got = self.frames.saturating_sub(self.decoder.delay() as u64);
        if let Some(stated) = self.stated {
            // ffmpeg counts whole packets of ALAC in CAF, though the last one is shorter.
            let is_whole = self.alac_frames.is_some_and(|frames| stated == frames.saturating_mul(packets as u64));
            if !self.is_lossy && got < stated && !is_whole {
                return Err(format!("{got} frames, where the header says {stated}"));
            }
            let share = got as f64 / stated as f64;
            if share < 1.0 - MISSING {
                let percent = 100.0 * share;
                self.notes
                    .push(format!("the sound ends early, after {percent:.0} % of the length that the header says"));
            }
        }
        Ok(())
    }
}

/// The error of a file of this kind that cannot be decoded.
pub(super) fn damaged(kind: &str, fault: &str) -> Error {
    let problem = format!("expected {kind} that can be decoded, got: {fault}");
    Error::new(Kind::Audio, problem).advice(format!("the file is damaged, cut off or of a rare kind: {CONVERT}"))
}

/// Decodes packets. Its errors are clauses for [`damaged`] to complete.
enum Decoder {
    Symphonia(Box<dyn AudioDecoder>),
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
        let channels = parameters.channels.as_ref().map_or(1, |channels| channels.count() as u64);
        let samples = parameters.max_frames_per_packet.unwrap_or(0).saturating_mul(channels);
        if samples > MOST_SAMPLES {
            return Err(format!("packets of {samples} samples, where at most {MOST_SAMPLES} are read"));
        }
        // FLAC holds a hash of all samples.
        let options = AudioDecoderOptions::default().verify(true);
        let mut parameters = parameters.clone();
        if [CODEC_ID_PCM_ALAW, CODEC_ID_PCM_MULAW].contains(&parameters.codec) {
            // CAF states the bits in the file, the decoder expects those of what it decodes.
            parameters.with_bits_per_sample(16).with_bits_per_coded_sample(16);
        }
        let inner = symphonia::default::get_codecs().make_audio_decoder(&parameters, &options);
        Ok(Decoder::Symphonia(inner.map_err(|fault| fault.to_string())?))
    }

    /// Frames at the beginning that are no sound: the delay of an Opus encoder.
    fn delay(&self) -> usize {
        match self {
            Decoder::Symphonia(_) => 0,
            Decoder::Opus { head, .. } => head.pre_skip.into(),
        }
    }

    /// The samples of a packet, of all channels in turn, into `samples`; returns rate, Hz, and channels.
    fn decode(&mut self, packet: &Packet, samples: &mut Vec<f32>) -> std::result::Result<(u32, usize), String> {
        samples.clear();
        match self {
            Decoder::Symphonia(inner) => {
                let sound = inner.decode(packet).map_err(|fault| fault.to_string())?;
                sound.copy_to_vec_interleaved(samples);
                Ok((sound.spec().rate(), sound.spec().channels().count()))
            }
            Decoder::Opus { inner, head } => {
                let sound = inner.decode_packet(&packet.data).map_err(|fault| fault.to_string())?;
                let channels = usize::from(head.channel_count);
                let after = sound.len().saturating_sub(packet.trim_end.get() as usize * channels);
                samples.extend_from_slice(&sound[..after]);
                // The gain, in 256ths of a decibel, is part of the sound.
                if head.output_gain_q8 != 0 {
                    let gain = 10f32.powf(f32::from(head.output_gain_q8) / (20.0 * 256.0));
                    samples.iter_mut().for_each(|sample| *sample *= gain);
                }
                Ok((OPUS_RATE, channels))
            }
        }
    }

    /// What is left to check when all packets are decoded.
    fn check_end(&mut self) -> std::result::Result<(), String> {
        match self {
            Decoder::Symphonia(inner) => match inner.finalize().verify_ok {
                Some(false) => Err("samples whose hash is not the one in the header".into()),
                _ => Ok(()),
            },
            Decoder::Opus { .. } => Ok(()),
        }
    }
}
