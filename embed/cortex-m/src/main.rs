//! A clip in flash goes through the live predictor in portions, as from a microphone. Over semihosting come its probabilities, the
//! heap, and the instructions of each frame.
//!
//! Instructions are counted by the SysTick timer: with `-icount shift=0`, QEMU's clock goes on by a nanosecond with each
//! instruction, and the timer by one in 40 ns.

#![no_std]
#![no_main]

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::entry;
use cortex_m_semihosting::{debug, hprintln};
use embedded_alloc::LlffHeap;
use reslstm::audio::Resampler;
use reslstm::error::Result;
use reslstm::models::{LivePredictor, Prediction};

/// A model file with 16-bit weights, where the linker puts it: in flash.
static MODEL: &[u8] = include_bytes!(env!("RESLSTM_MODEL"));
/// The clip: 16-bit little-endian samples of one channel, at `RATE` Hz.
static PCM: &[u8] = include_bytes!(env!("RESLSTM_PCM"));
const RATE: &str = env!("RESLSTM_RATE");

/// Bytes of heap there are.
const HEAP_SIZE: usize = 256 * 1024;
/// Samples per portion: what a microphone's buffer holds.
const PORTION: usize = 160;
const INSTRUCTIONS_PER_TICK: u32 = 40;
/// The timer has 24 bits.
const LARGEST_TICK: u32 = 0xff_ffff;

#[global_allocator]
static HEAP: LlffHeap = LlffHeap::empty();

/// What the frames cost.
#[derive(Default)]
struct Costs {
    frames: u32,
    total: u64,
    most: u32,
    heap: usize,
}

impl Costs {
    /// Counts a portion that completed so many frames.
    fn add(&mut self, frames: u32, instructions: u32) {
        self.frames += frames;
        self.total += u64::from(instructions);
        self.most = self.most.max(instructions / frames.max(1));
        self.heap = self.heap.max(HEAP.used());
    }
}

#[entry]
fn main() -> ! {
    embedded_alloc::init!(HEAP, HEAP_SIZE);
    let mut peripherals = cortex_m::Peripherals::take().expect("nobody else took them");
    let timer = &mut peripherals.SYST;
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(LARGEST_TICK);
    timer.clear_current();
    timer.enable_counter();
    match predict() {
        Ok((prediction, costs)) => {
            for (label, probability) in prediction.named_probabilities() {
                hprintln!("{} {:.8}", label, probability);
            }
            hprintln!("frames {}", costs.frames);
            hprintln!("instructions per frame {}", costs.total / u64::from(costs.frames.max(1)));
            hprintln!("most in a frame {}", costs.most);
            hprintln!("heap {}", costs.heap);
            debug::exit(debug::EXIT_SUCCESS);
        }
        Err(error) => {
            hprintln!("error: {}", error);
            debug::exit(debug::EXIT_FAILURE);
        }
    }
    loop {}
}

/// The prediction at the end of the clip.
fn predict() -> Result<(Prediction, Costs)> {
    let mut live = LivePredictor::from_static(MODEL)?;
    let mut resampler = Resampler::new(RATE.parse().expect("a number"), live.sample_rate());
    let mut costs = Costs { heap: HEAP.used(), ..Costs::default() };
    let mut latest = None;
    let mut samples = [0.0; PORTION];
    for portion in PCM.chunks(2 * PORTION) {
        let samples = &mut samples[..portion.len() / 2];
        for (sample, bytes) in samples.iter_mut().zip(portion.as_chunks().0) {
            *sample = f32::from(i16::from_le_bytes(*bytes)) / 32_768.0;
        }
        let (start, mut frames) = (SYST::get_current(), 0);
        resampler.push(samples, &mut |samples| {
            for moment in live.push(samples)? {
                latest = Some(moment.prediction);
                frames += 1;
            }
            Ok(())
        })?;
        // It counts down.
        let ticks = start.wrapping_sub(SYST::get_current()) & LARGEST_TICK;
        costs.add(frames, ticks * INSTRUCTIONS_PER_TICK);
    }
    resampler.finish(&mut |samples| {
        latest = live.push(samples)?.pop().map(|moment| moment.prediction).or(latest.take());
        Ok(())
    })?;
    latest = live.finish()?.pop().map(|moment| moment.prediction).or(latest);
    Ok((latest.expect("a clip has a frame"), costs))
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    hprintln!("{}", info);
    debug::exit(debug::EXIT_FAILURE);
    loop {}
}
