//! A heap of 256 kB that knows how much of it was needed.

use core::alloc::{GlobalAlloc, Layout};
use core::mem::MaybeUninit;
use core::ptr::addr_of_mut;
use core::sync::atomic::{AtomicUsize, Ordering};
use embedded_alloc::LlffHeap;

const SIZE: usize = 256 * 1024;
static mut MEMORY: MaybeUninit<[u8; SIZE]> = MaybeUninit::uninit();

pub struct Heap {
    heap: LlffHeap,
    most: AtomicUsize,
}

impl Heap {
    pub const fn new() -> Self {
        Heap { heap: LlffHeap::empty(), most: AtomicUsize::new(0) }
    }

    /// # Safety
    /// To be called once, before anything is allocated.
    pub unsafe fn init(&self) {
        // SAFETY: nobody else uses the memory.
        unsafe { self.heap.init(addr_of_mut!(MEMORY) as usize, SIZE) };
    }

    /// Bytes in use.
    pub fn used(&self) -> usize {
        self.heap.used()
    }

    /// The most bytes that were in use at any time.
    pub fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }
}

// SAFETY: every call goes on to the heap unchanged.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract is the heap's.
        let pointer = unsafe { self.heap.alloc(layout) };
        self.most.fetch_max(self.heap.used(), Ordering::Relaxed);
        pointer
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { self.heap.dealloc(pointer, layout) }
    }
}
