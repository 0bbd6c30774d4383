//! The threads of a program that are alive.

use super::area::Area;
use dangless_core::abi::area::VcpuArea;
use std::mem::offset_of;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// One living thread, as the others see it.
pub struct Member {
    /// Its id on the host, which is its id in the program.
    pub id: i32,
    /// Its area.
    pub area: Area,
    /// Whether its processor runs the guest.
    pub inside: AtomicBool,
}

impl Member {
    /// Whether freed objects wait for its processor to revoke them.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        let word = self.area.shared(offset_of!(VcpuArea, pending));
        word.is_some_and(|word| word.load(Ordering::SeqCst) != 0)
    }

    /// Whether its processor runs the guest.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        self.inside.load(Ordering::SeqCst)
    }

    /// Tells the runtime whether the VMM looks at its queue once a millisecond.
    pub fn set_ticking(&self, ticking: bool) {
        if let Some(word) = self.area.shared(offset_of!(VcpuArea, ticking)) {
            word.store(u64::from(ticking), Ordering::SeqCst);
        }
    }
}

/// The living threads.
#[derive(Default)]
pub struct Crew {
    members: Mutex<Vec<Arc<Member>>>,
    /// Area of the first thread, which is vCPU 0's.
    first: OnceLock<Area>,
}

impl Crew {
    /// The living threads; none ends while this is held.
    pub fn members(&self) -> MutexGuard<'_, Vec<Arc<Member>>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a thread.
    pub fn join(&self, member: Arc<Member>) {
        self.first.get_or_init(|| member.area.clone());
        self.members().push(member);
    }

    /// Area of vCPU 0, once a thread has joined.
    pub(super) fn first_area(&self) -> Option<&Area> {
        self.first.get()
    }

    /// Removes the thread with this id.
    pub fn leave(&self, id: i32) {
        self.members().retain(|member| member.id != id);
    }
}
