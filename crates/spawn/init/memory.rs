//! The functions on memory that the compiler calls by name; no library here provides them.

/// Copies `n` bytes between places that do not overlap.
///
/// # Safety
/// As memcpy(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, n: usize) -> *mut u8 {
    for i in 0..n {
        // SAFETY: both places hold `n` bytes by contract. Volatile, so that the compiler does not
        // turn this loop into a call of itself.
        unsafe { to.add(i).write_volatile(from.add(i).read_volatile()) };
    }
    to
}

/// Fills `n` bytes.
///
/// # Safety
/// As memset(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, n: usize) -> *mut u8 {
    for i in 0..n {
        // SAFETY: the place holds `n` bytes by contract; volatile as above.
        unsafe { to.add(i).write_volatile(byte as u8) };
    }
    to
}
