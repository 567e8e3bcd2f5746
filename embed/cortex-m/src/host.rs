//! Samples from the host by semihosting: its file `samples.f32`, 32-bit floats.

use cortex_m_semihosting::syscall;

const NAME: &[u8] = b"samples.f32\0";
/// Mode "rb".
const READ_BINARY: usize = 1;

pub struct Samples {
    handle: usize,
}

impl Samples {
    pub fn open() -> Self {
        // SAFETY: the name ends with a zero byte and lives as long as the program.
        let handle = unsafe { syscall!(OPEN, NAME.as_ptr(), READ_BINARY, NAME.len() - 1) };
        assert!(handle != usize::MAX, "samples.f32 cannot be opened");
        Samples { handle }
    }

    /// Fills `samples` as far as there are some; their number.
    pub fn read(&mut self, samples: &mut [f32]) -> usize {
        let bytes = size_of_val(samples);
        // SAFETY: the host writes at most that many bytes, and any bytes are floats.
        let missing = unsafe { syscall!(READ, self.handle, samples.as_mut_ptr(), bytes) };
        (bytes - missing) / size_of::<f32>()
    }
}
