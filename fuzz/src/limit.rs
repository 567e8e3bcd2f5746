//! Memory as the targets get it. libFuzzer knows the size of allocations from sanitizers alone; without one, this stops at 64 MB.

use std::alloc::{GlobalAlloc, Layout, System};

/// Bytes that one allocation of a target may have.
const LARGEST: usize = 64 << 20;

struct Limited;

#[global_allocator]
static MEMORY: Limited = Limited;

fn check(size: usize) {
    if size > LARGEST {
        eprintln!("an allocation of {size} bytes");
        // An allocator may not panic.
        std::process::abort();
    }
}

// SAFETY: all is done by the allocator of the system.
unsafe impl GlobalAlloc for Limited {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        check(size);
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, size) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}
