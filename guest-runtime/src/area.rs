//! Finding this vCPU's area and the configuration.

use core::arch::asm;
use dangless_core::abi::area::VcpuArea;
use dangless_core::abi::config::Config;
use dangless_core::abi::layout;

/// The area of the vCPU that executes this.
pub fn current() -> *mut VcpuArea {
    let area: *mut VcpuArea;
    // SAFETY: GS points at the vCPU's area for the whole life of the program, and its first word
    // is its own address; reading it has no side effect.
    unsafe {
        asm!("mov {}, gs:[0]", out(reg) area, options(nostack, preserves_flags, readonly));
    }
    area
}

/// The area of vCPU `index`, which exists.
pub fn of(index: u64) -> *mut VcpuArea {
    (layout::VCPU_AREAS + index * layout::VCPU_AREA_STRIDE) as *mut VcpuArea
}

/// What the VMM configured.
pub fn config() -> &'static Config {
    // SAFETY: the VMM mapped and filled the page before the first instruction ran, and nobody
    // writes it afterwards.
    unsafe { &*(layout::CONFIG as *const Config) }
}
