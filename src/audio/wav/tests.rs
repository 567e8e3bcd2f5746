//! Formats that are decoded, and files that are refused.

use super::chunks::OPEN_END;
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

/// Bytes of a file after its last whole frame.
fn rest(bytes: &[u8]) -> usize {
    read_wav_header(bytes, Some(bytes.len() as u64)).unwrap().unwrap().rest()
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
    // Wide integers, half floats, and formats of telephones and music, extensible ones too.
    assert_refused(&wav(&format(1, 1, 64), &[0; 8]), "format 0x0001 with 64 bits", "ffmpeg");
    assert_refused(&wav(&format(1, 1, 0), &[0; 8]), "format 0x0001 with 0 bits", "ffmpeg");
    assert_refused(&wav(&format(3, 1, 16), &[0; 8]), "format 0x0003 with 16 bits", "ffmpeg");
    assert_refused(&wav(&format(0x31, 1, 0), &[0; 65]), "format 0x0031 (GSM 6.10) with 0 bits", "ffmpeg");
    assert_refused(&wav(&extensible(0x55, 1, 8), &[0; 8]), "format 0x0055 (MP3)", "ffmpeg");
    assert_refused(&wav(&format(0xfffe, 1, 16), &[0; 8]), "format 0xfffe with 16 bits", "ffmpeg");
    assert_refused(&wav(&format(1, 1, 16)[..14], &[0; 8]), "at least 16 bytes", "copy");
    // Blocks of ADPCM too short for their own header.
    assert_refused(&wav(&block(2, 1, 6), &[0; 12]), "format 0x0002 with 4 bits", "ffmpeg");
    assert_refused(&wav(&block(0x11, 2, 8), &[0; 16]), "format 0x0011 with 4 bits", "ffmpeg");
}

/// The format of ADPCM with blocks of this many bytes.
fn block(tag: u16, channels: u16, bytes: u16) -> Vec<u8> {
    let mut format = format(tag, channels, 4);
    format[12..14].copy_from_slice(&bytes.to_le_bytes());
    format
}

#[test]
fn wide_floats_are_rounded_to_32_bits() {
    let data: Vec<u8> = [0.1f64, -3.5, 1e-300].iter().flat_map(|x| x.to_le_bytes()).collect();
    assert_eq!(samples(&wav(&format(3, 1, 64), &data)), [0.1, -3.5, 0.0]);
    assert_eq!(samples(&wav(&extensible(3, 1, 64), &data)), [0.1, -3.5, 0.0]);
    assert_refused(&wav(&format(3, 1, 64), &1e300f64.to_le_bytes()), "got inf at sample 0", "scale");
}

#[test]
fn telephone_speech_has_the_levels_of_its_standard() {
    // G.711, tables 1 and 2: the ends, the middle, and where the step doubles.
    let a_law: [(u8, i32); 8] =
        [(0xd5, 8), (0x55, -8), (0xaa, 32_256), (0x2a, -32_256), (0xd4, 24), (0xda, 248), (0xc5, 264), (0x80, 5_504)];
    let mu_law: [(u8, i32); 7] =
        [(0xff, 0), (0x7f, 0), (0x80, 32_124), (0x00, -32_124), (0xfe, 8), (0xf0, 120), (0xef, 132)];
    for (tag, levels) in [(6, &a_law[..]), (7, &mu_law)] {
        for &(byte, level) in levels {
            let expected = [level as f32 / 32_768.0];
            assert_eq!(samples(&wav(&format(tag, 1, 8), &[byte])), expected, "format {tag}, byte {byte:#04x}");
        }
        // The bits are a matter of the format, whatever the header says.
        assert_eq!(samples(&wav(&format(tag, 1, 0), &[levels[2].0])).len(), 1);
        // Every positive value has a negative one of the same size.
        let bytes: Vec<u8> = (0..=255).collect();
        let (low, high) =
            (samples(&wav(&extensible(tag, 1, 8), &bytes[..128])), samples(&wav(&format(tag, 1, 8), &bytes[128..])));
        assert!(low.iter().zip(&high).all(|(low, high)| *low == -high), "format {tag}");
    }
}

#[test]
fn adpcm_follows_its_steps() {
    // IMA: sample 100, step 7, differences 7 (11 upwards, the index moves by 8: step 16) and 8 (2 downwards).
    let header = |sample: i16, index: u8| [&sample.to_le_bytes()[..], &[index, 0]].concat();
    let mono = [header(100, 0), vec![0x87, 0, 0, 0]].concat();
    let expected = [100.0, 111.0, 109.0, 110.0, 111.0, 112.0, 113.0, 114.0, 115.0].map(|x: f32| x / 32_768.0);
    assert_eq!(samples(&wav(&block(0x11, 1, 8), &mono)), expected);
    // The same on the left, its negative on the right.
    let stereo = [header(100, 0), header(-100, 0), vec![0x87, 0, 0, 0, 0x0f, 8, 8, 8]].concat();
    let right = [-100.0, -111.0, -109.0].map(|x: f32| x / 32_768.0);
    let mean = samples(&wav(&block(0x11, 2, 16), &stereo));
    assert_eq!(mean.len(), 9);
    assert!((0..3).all(|n| mean[n] == (expected[n] + right[n]) / 2.0), "{mean:?}");

    // Microsoft: predictor 1 continues the line through the last two samples, 50 and 60, in steps of 16: 70, 80 + 2·16.
    let line = [vec![1], 16i16.to_le_bytes().to_vec(), 60i16.to_le_bytes().to_vec(), 50i16.to_le_bytes().to_vec()];
    let mono = [line.concat(), vec![0x02]].concat();
    assert_eq!(samples(&wav(&block(2, 1, 8), &mono)), [50.0, 60.0, 70.0, 112.0].map(|x: f32| x / 32_768.0));
    // Two channels, the right at rest: predictor 2 predicts nothing.
    let stereo = [1, 2, 16, 0, 16, 0, 60, 0, 0, 0, 50, 0, 0, 0, 0x00, 0x20];
    assert_eq!(samples(&wav(&block(2, 2, 16), &stereo)), [25.0, 30.0, 35.0, 56.0].map(|x: f32| x / 32_768.0));
    // A block that is not whole is no sound.
    for (tag, length) in [(0x11, 8), (2, 8)] {
        let [whole, more] = [32, 37].map(|bytes| wav(&block(tag, 1, length), &vec![0; bytes]));
        assert_eq!((samples(&more), rest(&more), rest(&whole)), (samples(&whole), 5, 0));
    }
}

#[test]
fn bytes_per_frame_and_per_second_are_not_used() {
    let data = [0, 0x40, 0, 0x20, 0, 0xc0, 0, 0x30];
    for (tag, channels, bits) in [(1, 1, 16), (1, 2, 16), (1, 1, 12), (3, 1, 32), (6, 1, 8)] {
        let right = samples(&wav(&format(tag, channels, bits), &data));
        for frame in [0u16, 1, 3, 4, 7, 255, u16::MAX] {
            let mut wrong = format(tag, channels, bits);
            wrong[8..12].copy_from_slice(&(u32::from(frame) * 77).to_le_bytes());
            wrong[12..14].copy_from_slice(&frame.to_le_bytes());
            assert_eq!(samples(&wav(&wrong, &data)), right, "format {tag} with {bits} bits, {frame} bytes per frame");
        }
    }
    // Narrow samples fill the upper bits: 12 in two bytes, 20 in three, 24 in four as the extensible format says.
    assert_eq!(samples(&wav(&format(1, 1, 12), &data)), [0.5, 0.25, -0.5, 0.375]);
    assert_eq!(samples(&wav(&format(1, 1, 20), &[0, 0, 0x40])), [0.5]);
    let mut in_four = extensible(1, 1, 32);
    in_four[18] = 24;
    assert_eq!(samples(&wav(&in_four, &[0, 0, 0, 0x40])), [0.5]);
}

#[test]
fn a_last_frame_that_is_not_whole_is_left_out() {
    let data: Vec<u8> = (0..64).collect();
    for (tag, channels, bits) in [(1, 1, 16), (1, 2, 16), (1, 2, 24), (1, 3, 8), (3, 1, 32), (3, 2, 64), (7, 2, 8)] {
        let frame = usize::from(channels * bits / 8);
        let whole = wav(&format(tag, channels, bits), &data[..3 * frame]);
        assert_eq!((rest(&whole), samples(&whole).len()), (0, 3));
        for more in 1..frame {
            let longer = wav(&format(tag, channels, bits), &data[..3 * frame + more]);
            assert_eq!((samples(&longer), rest(&longer)), (samples(&whole), more), "{tag} {channels} {bits}");
        }
    }
    assert_refused(&wav(&format(1, 2, 16), &[0; 3]), "at least one sample", "leave");
}

/// The same sound in another layout, with a chunk of odd length before it.
fn other_layout(id: &[u8; 4], format: &[u8], data: &[u8], length: u64) -> Vec<u8> {
    if id == b"riff" {
        let guid = |name: &[u8; 4]| [&name[..], b"\xf3\xac\xd3\x11\x8c\xd1\0\xc0\x4f\x8e\xdb\x8a"].concat();
        let mut bytes = [b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0", &[0; 8][..], &guid(b"wave")].concat();
        for (name, content, length) in
            [(b"odd!", &[1; 5][..], 5), (b"fmt ", format, format.len() as u64), (b"data", data, length)]
        {
            bytes.extend(guid(name));
            bytes.extend(length.saturating_add(24).to_le_bytes());
            bytes.extend(content);
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
        let whole = bytes.len() as u64;
        bytes[16..24].copy_from_slice(&whole.to_le_bytes());
        return bytes;
    }
    let sizes: Vec<u8> = [0, length, 0].iter().flat_map(|size| size.to_le_bytes()).chain([0; 4]).collect();
    let mut bytes = file(&[(b"ds64", &sizes), (b"odd!", &[1; 5]), (b"fmt ", format), (b"data", data)]);
    bytes[..4].copy_from_slice(id);
    let at = bytes.len() - data.len().next_multiple_of(2) - 4;
    bytes[at..at + 4].copy_from_slice(&[0xff; 4]);
    bytes
}

#[test]
fn layouts_for_long_files_hold_the_same_samples() {
    let data = [0, 0x40, 0, 0x20, 0, 0xc0, 0, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0x40];
    let format = format(1, 2, 16);
    let expected = samples(&wav(&format, &data));
    for id in [b"RF64", b"BW64", b"riff"] {
        let whole = other_layout(id, &format, &data, 16);
        assert_eq!(samples(&whole), expected, "{}", id.escape_ascii());
        // Lengths that a program to a pipe never filled in.
        for open in [u64::MAX - 24, u64::MAX] {
            assert_eq!(samples(&other_layout(id, &format, &data, open)), expected, "{}", id.escape_ascii());
        }
        let cut = other_layout(id, &format, &data, 1 << 33);
        assert_refused(&cut, "expected 8589934592 bytes of \"data\" as the header says, got", "cut off");
        for length in 0..whole.len() - 8 {
            assert!(Recording::from_wav(&whole[..length]).is_err(), "{} cut to {length}", id.escape_ascii());
        }
    }
}

#[test]
fn big_endian_files_hold_the_same_samples() {
    for (tag, channels, bits) in [(1, 1, 16), (1, 2, 24), (1, 1, 32), (3, 1, 32), (3, 2, 64), (6, 1, 8), (1, 1, 8)] {
        let (format, data) = (format(tag, channels, bits), (0..48).map(|n| n * 5 / 4).collect::<Vec<u8>>());
        let expected = samples(&wav(&format, &data));
        let reversed = |bytes: &[u8], width: usize| {
            bytes.chunks(width).flat_map(|number| number.iter().rev().copied()).collect::<Vec<u8>>()
        };
        let format = [reversed(&format[..4], 2), reversed(&format[4..12], 4), reversed(&format[12..], 2)].concat();
        let mut bytes = b"RIFX\0\0\0\x54WAVEfmt \0\0\0\x10".to_vec();
        bytes.extend(format);
        bytes.extend(b"data\0\0\0\x30");
        bytes.extend(reversed(&data, usize::from(bits / 8)));
        assert_eq!(samples(&bytes), expected, "format {tag} with {bits} bits");
    }
}

#[test]
fn the_header_is_known_as_soon_as_it_is_read() {
    let (mono, data) = (format(1, 1, 16), [0x40; 400]);
    let late = file(&[(b"LIST", b"odd"), (b"FLLR", &[0; 300]), (b"fmt ", &mono), (b"data", &data)]);
    let layouts = [b"RF64", b"riff"].map(|id| other_layout(id, &mono, &data, 400));
    for whole in [wav(&mono, &data), late].iter().chain(&layouts) {
        let header = whole.len() - 400;
        for total in [None, Some(whole.len() as u64)] {
            let read = |length: usize| read_wav_header(&whole[..length], total).unwrap();
            let known = read(header).unwrap();
            assert_eq!((known.sample_rate, known.start, known.length), (48_000, header, Some(400)));
            assert_eq!(read(whole.len()), Some(known));
            for length in 0..header {
                assert_eq!(read(length), None, "{length} of {header} bytes");
            }
        }
        assert!(read_wav_header(&whole[..header], Some(header as u64)).is_err(), "the samples are missing");
    }
    assert!(read_wav_header(&wav(&format(0x31, 1, 0), &data), None).is_err(), "a format that is not decoded");
    assert!(read_wav_header(&[b'x'; 40], None).is_err());
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
}

#[test]
fn no_change_of_one_byte_in_the_header_panics() {
    let riff = [format(1, 2, 16), format(3, 1, 32), extensible(1, 1, 24), block(2, 2, 16), block(0x11, 1, 8)];
    let riff = riff.map(|format| wav(&format, &[0x5c; 48]));
    let long = [b"RF64", b"riff"].map(|id| other_layout(id, &format(1, 1, 16), &[0; 24], 24));
    for good in riff.iter().chain(&long) {
        for place in 0..good.len() {
            for value in [0, 1, 2, 3, 15, 16, 17, 18, 24, 40, 127, 128, 254, 255] {
                let mut bytes = good.clone();
                bytes[place] = value;
                let _ = (Recording::from_wav(&bytes), read_wav_header(&bytes, None));
            }
        }
    }
}
