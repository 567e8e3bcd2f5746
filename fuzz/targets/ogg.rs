#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    reslstm_fuzz::targets::sound(bytes);
});
