//! The functions that fuzz targets call, each with the bytes of a file. The tests of the application call them with the seeds.

// Under the name that the test of the C library gives it too.
pub extern crate c_interface;

mod c;
mod limit;
pub mod targets;

pub use c::c;
