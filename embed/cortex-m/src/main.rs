//! Reads samples from the host, predicts after every frame, prints the probabilities, and how much memory and how many instructions
//! it took. On a board, the samples come from a microphone instead: the loop of `main` is all there is to change.

#![no_std]
#![no_main]

extern crate alloc;

mod heap;
mod host;

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_semihosting::{debug, hprintln};
use heap::Heap;
use host::Samples;
use reslstm::error::Result;
use reslstm::models::{LivePredictor, Moment, Profile};

/// In flash. Its weights are read where they are.
static MODEL: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/model.safetensors"));
/// Empty unless the firmware is for one speaker.
static PROFILE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/profile.json"));

#[global_allocator]
static HEAP: Heap = Heap::new();

/// QEMU counts one instruction per nanosecond (`-icount shift=0`), SysTick ticks at 25 MHz.
const INSTRUCTIONS_PER_TICK: u32 = 40;
/// Samples per portion.
const PORTION: usize = 256;

#[cortex_m_rt::entry]
fn main() -> ! {
    // SAFETY: called once, before anything is allocated.
    unsafe { HEAP.init() };
    let mut ticks = cortex_m::Peripherals::take().expect("taken once").SYST;
    ticks.set_clock_source(SystClkSource::Core);
    ticks.set_reload(0x00ff_ffff);
    ticks.enable_counter();
    match run(&mut ticks) {
        Ok(()) => debug::exit(debug::EXIT_SUCCESS),
        Err(error) => {
            hprintln!("error: {}", error);
            debug::exit(debug::EXIT_FAILURE);
        }
    }
    loop {
        cortex_m::asm::wfi();
    }
}

fn run(ticks: &mut SYST) -> Result<()> {
    let mut live = LivePredictor::from_static(MODEL)?;
    if !PROFILE.is_empty() {
        live = live.with_profile(&Profile::from_json(PROFILE)?)?;
    }
    let (built, mut samples, mut portion) = (HEAP.most(), Samples::open(), [0.0; PORTION]);
    let (mut frames, mut most) = (0, 0);
    hprintln!("{} Hz, {} classes", live.sample_rate(), live.labels().count());
    loop {
        let count = samples.read(&mut portion);
        let (moments, instructions) = counted(ticks, || match count {
            0 => live.finish(),
            _ => live.push(&portion[..count]),
        });
        let moments = moments?;
        if let [moment] = &moments[..] {
            (frames, most) = (frames + 1, most.max(instructions));
            print(moment, instructions);
        } else {
            moments.iter().for_each(|moment| print(moment, instructions));
        }
        if count == 0 {
            break;
        }
    }
    hprintln!("{} frames, at most {} instructions each", frames, most);
    hprintln!("heap: {} bytes when built, {} at most, {} at the end", built, HEAP.most(), HEAP.used());
    Ok(())
}

/// Runs `work` and counts its instructions.
fn counted<T>(ticks: &mut SYST, work: impl FnOnce() -> T) -> (T, u32) {
    ticks.clear_current();
    let done = work();
    (done, (0x00ff_ffff - SYST::get_current()) * INSTRUCTIONS_PER_TICK)
}

fn print(moment: &Moment, instructions: u32) {
    use alloc::string::String;
    use core::fmt::Write;
    let mut line = String::new();
    for probability in &moment.prediction.probabilities {
        write!(line, " {probability:.7}").expect("a string takes any text");
    }
    hprintln!("{:.3} {}{}", moment.time, instructions, line);
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    hprintln!("{}", info);
    debug::exit(debug::EXIT_FAILURE);
    loop {
        cortex_m::asm::wfi();
    }
}
