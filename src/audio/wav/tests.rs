//! Formats that are decoded, and files that are refused.

use super::*;

/// A `fmt ` chunk: tag, channels, bits; 48 kHz.
fn format(tag: u16, channels: u16, bits: u16) -> Vec<u8> {
    // A hostile number of channels may wrap; the header is refused before this matters.
    let block = channels.wrapping_mul(bits) / 8;
    let mut bytes = Vec::new();
    bytes.extend(tag.to_le_bytes());
    bytes.extend(channels.to_le_bytes());
    bytes.extend(48_000u32.to_le_bytes());
    bytes.extend((48_000 * u32::from(block)).to_le_bytes());
    bytes.extend(block.to_le_bytes());
    bytes.extend(bits.to_le_bytes());
    bytes
}

/// The extensible format: the same, with the real tag at the end.
fn extensible(tag: u16, channels: u16, bits: u16) -> Vec<u8> {
    let mut bytes = format(0xfffe, channels, bits);
    bytes.extend(22u16.to_le_bytes());
    bytes.extend(bits.to_le_bytes());
    bytes.extend(0u32.to_le_bytes());
    bytes.extend(tag.to_le_bytes());
    bytes.extend([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71]);
    bytes
}

fn file(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut bytes = b"RIFF\0\0\0\0WAVE".to_vec();
    for (name, content) in chunks {
        bytes.extend(*name);
        bytes.extend((content.len() as u32).to_le_bytes());
        bytes.extend(*content);
        if content.len() % 2 == 1 {
            bytes.push(0);
        }
    }
    let length = bytes.len() as u32 - 8;
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    bytes
}

fn wav(format: &[u8], data: &[u8]) -> Vec<u8> {
    file(&[(b"fmt ", format), (b"data", data)])
}

fn samples(bytes: &[u8]) -> Vec<f32> {
    Recording::from_wav(bytes).unwrap().samples
}

/// Decoding fails, and the message has both parts: what is wrong, what to do.
fn assert_refused(bytes: &[u8], problem: &str, advice: &str) {
    let error = Recording::from_wav(bytes).unwrap_err();
    assert_eq!(error.kind(), Kind::Audio);
    let message = error.to_string();
    assert!(message.contains(problem), "expected \"{problem}\" in: {message}");
    assert!(message.ends_with(')') && message.contains(advice), "expected \"{advice}\" in: {message}");
}

#[test]
fn every_sample_format_has_its_scale() {
    assert_eq!(samples(&wav(&format(1, 1, 8), &[0, 128, 255])), [-1.0, 0.0, 127.0 / 128.0]);
    assert_eq!(
        samples(&wav(&format(1, 1, 16), &[0, 0x80, 1, 0, 0xff, 0x7f])),
        [-1.0, 1.0 / 32768.0, 32767.0 / 32768.0]
    );
    let most = 8_388_607.0 / 8_388_608.0;
    let pcm24 = [0, 0, 0x80, 1, 0, 0, 0xff, 0xff, 0x7f];
    assert_eq!(samples(&wav(&format(1, 1, 24), &pcm24)), [-1.0, 1.0 / 8_388_608.0, most]);
    let pcm32 = [0, 0, 0, 0x80, 0, 1, 0, 0];
    assert_eq!(samples(&wav(&format(1, 1, 32), &pcm32)), [-1.0, 1.0 / 8_388_608.0]);
    let float: Vec<u8> = [0.25f32, -3.5].iter().flat_map(|x| x.to_le_bytes()).collect();
    assert_eq!(samples(&wav(&format(3, 1, 32), &float)), [0.25, -3.5]);
}

#[test]
fn the_extensible_format_gives_the_same_samples() {
    assert_eq!(samples(&wav(&extensible(1, 1, 16), &[0, 0x80])), [-1.0]);
    assert_eq!(samples(&wav(&extensible(1, 1, 24), &[0, 0, 0x80])), [-1.0]);
    assert_eq!(samples(&wav(&extensible(3, 1, 32), &0.75f32.to_le_bytes())), [0.75]);
}

#[test]
fn hound_reads_the_same_samples() {
    // The last byte of every four is a float's exponent: below 64, the float is small.
    let data: Vec<u8> = (0..144).map(|n: u8| if n % 4 == 3 { n / 2 } else { n.wrapping_mul(37) }).collect();
    for (tag, channels, bits) in [(1, 1, 8), (1, 2, 16), (1, 3, 24), (1, 4, 32), (3, 1, 32), (3, 2, 32)] {
        for format in [format(tag, channels, bits), extensible(tag, channels, bits)] {
            let bytes = wav(&format, &data);
            let mut reader = hound::WavReader::new(&bytes[..]).unwrap();
            let scale = (1u64 << (bits - 1)) as f32;
            let interleaved: Vec<f32> = match reader.spec().sample_format {
                hound::SampleFormat::Float => reader.samples::<f32>().map(|x| x.unwrap()).collect(),
                hound::SampleFormat::Int => reader.samples::<i32>().map(|n| n.unwrap() as f32 / scale).collect(),
            };
            let mean = |frame: &[f32]| frame.iter().sum::<f32>() / f32::from(channels);
            let expected: Vec<f32> = interleaved.chunks_exact(channels.into()).map(mean).collect();
            assert_eq!(samples(&bytes), expected, "format {tag}, {channels} channels, {bits} bits");
        }
    }
}

#[test]
fn channels_become_their_mean() {
    let data: Vec<u8> = [100i16, 200, -300, 500, 0, 7].iter().flat_map(|x| x.to_le_bytes()).collect();
    assert_eq!(samples(&wav(&format(1, 2, 16), &data)), [150.0 / 32768.0, 100.0 / 32768.0, 3.5 / 32768.0]);
    assert_eq!(samples(&wav(&format(1, 3, 16), &data)), [0.0, 169.0 / 32768.0]);
    assert_eq!(samples(&wav(&format(1, 16, 8), &[192; 32])), [0.5, 0.5]);
}

#[test]
fn foreign_chunks_of_even_and_odd_length_are_skipped() {
    let format = format(1, 1, 16);
    let bytes = file(&[
        (b"LIST", b"odd"),
        (b"fmt ", &format),
        (b"FLLR", &[0; 4044]),
        (b"data", &[0, 0x40]),
        (b"id3 ", b"after the samples"),
    ]);
    assert_eq!(samples(&bytes), [0.5]);
    // Formats longer than they need be, as some programs write them.
    for extra in [2, 4, 24] {
        let long = [&format[..], &vec![0; extra]].concat();
        assert_eq!(samples(&wav(&long, &[0, 0x40])), [0.5], "{extra} bytes more");
    }
}

#[test]
fn written_samples_are_read_back() {
    let bytes = write_wav16(&[0.0, 0.5, -1.0, 1.0, -7.0, f32::NAN, 0.4 / 32768.0], 8_000);
    let recording = Recording::read_wav(&bytes[..]).unwrap();
    assert_eq!(recording.sample_rate, 8_000);
    assert_eq!(recording.samples, [0.0, 0.5, -1.0, 32767.0 / 32768.0, -1.0, 0.0, 0.0]);
}

#[test]
fn what_is_not_a_wav_file_is_described() {
    assert_refused(b"", "got 0 bytes", "ffmpeg");
    assert_refused(b"RIFF", "got 4 bytes beginning \"RIFF\"", "ffmpeg");
    assert_refused(b"Dear diary,\ntoday I was sad.", r#"beginning "Dear diary,\n""#, "ffmpeg");
    assert_refused(b"RIFF\x10\0\0\0AVI LIST", "expected a WAV file", "ffmpeg");
    assert_refused(b"OggS\0\x02\0\0\0\0\0\0\0\0", "OggS", "ffmpeg");
}

#[test]
fn a_truncated_file_is_refused() {
    let whole = write_wav16(&[0.25; 100], 48_000);
    assert_eq!(whole.len(), 244);
    // Cut anywhere: an error, never a panic, never fewer samples.
    for length in 0..whole.len() {
        assert!(Recording::from_wav(&whole[..length]).is_err(), "cut to {length} bytes");
    }
    assert_refused(&whole[..144], "expected 200 bytes of \"data\" as the header says, got 100", "copy");
    assert_refused(&whole[..36], "samples (a data chunk), got none", "copy");
}

/// The lengths of the whole file and of its samples, as a program leaves them that writes to a pipe.
fn streamed(mut bytes: Vec<u8>, whole: u32, samples: u32) -> Vec<u8> {
    let data = bytes.windows(4).position(|name| name == b"data").unwrap();
    bytes[4..8].copy_from_slice(&whole.to_le_bytes());
    bytes[data + 4..data + 8].copy_from_slice(&samples.to_le_bytes());
    bytes
}

#[test]
fn a_stream_is_read_to_its_end() {
    let data: Vec<u8> = [100i16, 200, -300, 500].iter().flat_map(|x| x.to_le_bytes()).collect();
    let whole = file(&[(b"fmt ", &format(1, 2, 16)), (b"LIST", b"INFOISFT"), (b"data", &data)]);
    // ffmpeg; SoX; arecord; a file begun by hound or Python's wave; nothing filled in at all.
    let header = whole.len() as u32 - 8 - 8;
    for (riff, length) in [
        (u32::MAX, u32::MAX),
        (0x7fff_f024, 0x7fff_f000),
        (0x8000_0024, 0x8000_0000),
        (header, 0),
        (0, 0),
        (u32::MAX, 0),
    ] {
        let stream = streamed(whole.clone(), riff, length);
        let expected = [150.0 / 32768.0, 100.0 / 32768.0];
        // In pieces, as a pipe delivers them.
        let (beginning, end) = stream.split_at(41);
        let recording = Recording::read_wav(beginning.chain(end)).unwrap();
        assert_eq!(recording.samples, expected, "lengths {riff:#x}, {length:#x}");
        // Cut off within a frame, it is as long as its whole frames.
        for missing in 1..4 {
            assert_eq!(samples(&stream[..stream.len() - missing]), expected[..1], "{missing} bytes less");
        }
        assert_refused(&stream[..stream.len() - 8], "at least one sample", "leave");
    }
}

#[test]
fn a_length_that_is_no_placeholder_must_be_right() {
    // Nothing but the samples is open-ended, and they only when their length is none.
    let whole = write_wav16(&[0.25; 100], 48_000);
    assert_refused(&streamed(whole.clone(), u32::MAX, 201), "expected 201 bytes of \"data\"", "cut off");
    assert_refused(&streamed(whole, 0, OPEN_END as u32 - 1), "expected 2147418111 bytes of \"data\"", "cut off");
    // Chunks after no samples are no samples.
    let empty = file(&[(b"fmt ", &format(1, 1, 16)), (b"data", &[]), (b"LIST", b"INFOISFT")]);
    assert_refused(&empty, "at least one sample", "leave");
}

#[test]
fn no_samples_is_an_error() {
    assert_refused(&write_wav16(&[], 48_000), "at least one sample", "leave");
}

#[test]
fn samples_that_are_not_finite_are_named() {
    for (value, name) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf"), (1e30, "1e30")] {
        let data: Vec<u8> = [0.0, 0.5, value, 0.5].iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_refused(&wav(&format(3, 1, 32), &data), &format!("got {name} at sample 2"), "scale");
    }
}

#[test]
fn zero_and_seventeen_channels_are_refused() {
    assert_refused(&wav(&format(1, 0, 16), &[0; 4]), "expected 1 to 16 channels, got 0", "damaged");
    assert_refused(&wav(&format(1, 17, 8), &[0; 34]), "expected 1 to 16 channels, got 17", "mixed");
    assert_refused(&wav(&format(1, 65_535, 8), &[0; 34]), "got 65535", "mixed");
}

#[test]
fn formats_we_do_not_read_are_named() {
    // 64-bit floats, 12-bit integers, ADPCM, A-law, MP3 in a WAV file, extensible with an unknown tag.
    assert_refused(&wav(&format(3, 1, 64), &[0; 8]), "format 0x0003 with 64 bits", "ffmpeg");
    assert_refused(&wav(&format(1, 1, 12), &[0; 8]), "format 0x0001 with 12 bits", "ffmpeg");
    assert_refused(&wav(&format(1, 1, 64), &[0; 8]), "format 0x0001 with 64 bits", "ffmpeg");
    assert_refused(&wav(&format(2, 1, 8), &[0; 8]), "format 0x0002 with 8 bits", "ffmpeg");
    assert_refused(&wav(&format(6, 1, 8), &[0; 8]), "format 0x0006 with 8 bits", "ffmpeg");
    assert_refused(&wav(&format(0x55, 1, 8), &[0; 8]), "format 0x0055", "ffmpeg");
    assert_refused(&wav(&extensible(6, 1, 8), &[0; 8]), "format 0xfffe", "ffmpeg");
    assert_refused(&wav(&extensible(3, 1, 64), &[0; 8]), "format 0xfffe with 64 bits", "ffmpeg");
    assert_refused(&wav(&format(1, 1, 16)[..14], &[0; 8]), "at least 16 bytes", "copy");
    // 24 bits in places of four bytes.
    let mut loose = format(1, 1, 32);
    loose[14] = 24;
    assert_refused(&wav(&loose, &[0; 8]), "narrower", "ffmpeg");
}

#[test]
fn impossible_sample_rates_are_refused() {
    let rate = |hz: u32| {
        let mut bytes = format(1, 1, 8);
        bytes[4..8].copy_from_slice(&hz.to_le_bytes());
        bytes[8..12].copy_from_slice(&hz.to_le_bytes());
        wav(&bytes, &[128; 8])
    };
    assert_refused(&rate(0), "got 0", "resample");
    assert_refused(&rate(u32::MAX), "got 4294967295", "resample");
    assert!(Recording::from_wav(&rate(11_025)).is_ok());
}

#[test]
fn hostile_headers_end_in_an_error() {
    // A data chunk of 1 GiB, an unknown one of 4 GiB, nothing but chunk headers, data before its format.
    let mut huge = write_wav16(&[0.5; 8], 48_000);
    huge[40..44].copy_from_slice(&(1u32 << 30).to_le_bytes());
    assert_refused(&huge, "expected 1073741824 bytes", "cut off");
    let mut unknown = b"RIFF\xff\xff\xff\xffWAVEjunk\xff\xff\xff\xff".to_vec();
    unknown.extend([0; 64]);
    assert_refused(&unknown, "\"junk\"", "cut off");
    assert_refused(&b"RIFF\0\0\0\0WAVE".iter().copied().chain([0; 800]).collect::<Vec<_>>(), "got none", "cut off");
    assert_refused(&file(&[(b"data", &[0; 8]), (b"fmt ", &format(1, 1, 8))]), "fmt", "cut off");
    // Half a sample too many, half a frame too many.
    assert_refused(&wav(&format(1, 1, 16), &[0; 3]), "whole frames of 2 bytes, got 3", "ffmpeg");
    assert_refused(&wav(&format(1, 2, 16), &[0; 6]), "whole frames of 4 bytes, got 6", "ffmpeg");
}

#[test]
fn no_change_of_one_byte_in_the_header_panics() {
    for format in [format(1, 2, 16), format(3, 1, 32), extensible(1, 1, 24)] {
        let good = wav(&format, &[0; 24]);
        for place in 0..good.len() {
            for value in [0, 1, 2, 3, 15, 16, 17, 18, 24, 40, 127, 128, 254, 255] {
                let mut bytes = good.clone();
                bytes[place] = value;
                let _ = Recording::from_wav(&bytes);
            }
        }
    }
}
