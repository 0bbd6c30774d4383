//! How a stack walk reads the words of the stack.

/// Something that can read a word of the walked stack.
pub trait Memory {
    /// The eight bytes at `at`, or `None` where they cannot be read.
    fn read(&self, at: u64) -> Option<u64>;
}

impl<F: Fn(u64) -> Option<u64>> Memory for F {
    #[inline]
    fn read(&self, at: u64) -> Option<u64> {
        self(at)
    }
}

/// The stack of the running thread, read in place.
#[derive(Clone, Copy, Debug)]
pub struct StackMemory {
    low: u64,
    high: u64,
}

impl StackMemory {
    /// Reads words in `[low, high)` and nowhere else.
    ///
    /// # Safety
    ///
    /// `[low, high)` must stay mapped and readable for as long as the value is used, and no other
    /// thread may write there meanwhile.
    #[must_use]
    pub const unsafe fn new(low: u64, high: u64) -> Self {
        Self { low, high }
    }
}

impl Memory for StackMemory {
    #[inline]
    fn read(&self, at: u64) -> Option<u64> {
        let inside = at >= self.low && at < self.high && self.high - at >= 8;
        if !inside || at % 8 != 0 {
            return None;
        }
        // SAFETY: the word lies, aligned, in the range that `new`'s caller vouches for.
        Some(unsafe { core::ptr::with_exposed_provenance::<u64>(at as usize).read() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_aligned_words_inside_are_read() {
        let words = [1u64, 2, 3];
        let low = words.as_ptr().expose_provenance() as u64;
        // SAFETY: the range is the array above, which nobody writes.
        let memory = unsafe { StackMemory::new(low, low + 24) };
        assert_eq!(memory.read(low), Some(1));
        assert_eq!(memory.read(low + 16), Some(3));
        assert_eq!(memory.read(low + 4), None);
        assert_eq!(memory.read(low + 24), None);
        assert_eq!(memory.read(low - 8), None);
        assert_eq!(memory.read(u64::MAX - 7), None);
    }
}
