//! Memory that models have freed goes back to the system at once: allocators keep it for a while, which
//! looks like a leak to whoever unloads models for their memory.

/// Returns what is free to the system, from both allocators of this process: that of the server and its
/// own backends, and that of the C library, which backends in C++ use. Takes some milliseconds.
pub fn give_back_memory() {
    // SAFETY: it may be called at any time, from any thread, whichever allocator the process uses.
    unsafe { libmimalloc_sys::mi_collect(true) };
    // SAFETY: as above.
    unsafe { libc::malloc_trim(0) };
}
