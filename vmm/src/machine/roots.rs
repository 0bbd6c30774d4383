//! Serves the heap's conservative search: where the program may hold pointers.

use super::thread::Thread;
use dangless_core::abi::area::MOST_ROOTS;
use dangless_core::abi::exit::FAILED;

impl Thread {
    /// Lists touched memory of the program's mappings from `from` on, in the area.
    pub(super) fn roots(&self, from: u64) -> u64 {
        let sp = self.processor.vcpu.registers().rsp;
        let unused = if self.is_on_stack(sp) {
            self.stack_start()..sp
        } else {
            0..0
        };
        let Ok(touched) = self.program.space.touched(from, &unused, MOST_ROOTS) else {
            return FAILED;
        };
        self.processor.area.update(|area| {
            area.roots.count = touched.pieces.len() as u64;
            area.roots.next = touched.next.unwrap_or(0);
            for (to, (start, length)) in area.roots.pieces.iter_mut().zip(&touched.pieces) {
                *to = [start.0, *length];
            }
        });
        0
    }
}
