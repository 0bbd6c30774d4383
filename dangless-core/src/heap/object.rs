//! From an address to the object that has it.

use core::sync::atomic::Ordering;

use super::class::{column_of_order, position_of_page, Class};
use super::extent::Extent;
use super::handle::Handle;
use super::ledger::{Entry, Ledger};
use super::machine::Machine;
use super::paged::PageRecord;
use super::space::Space;
use super::window::{is_set, Use, Window};
use super::FreeError;
use crate::abi::error::{kind, ErrorRecord, Frames};
use crate::address::{GuestVirtual, LARGE_PAGE_SIZE, PAGE_SIZE};

/// An object that was handed out, live or freed.
pub(super) enum Object {
    /// In a chunk.
    Slot {
        /// Number of its window.
        number: u64,
        /// Record of its window.
        window: Handle<Window>,
        /// Its class.
        class: &'static Class,
        /// Its position in the window.
        position: u32,
    },
    /// On blocks of its own.
    Extent(Handle<Extent>),
    /// On pages that have an entry each.
    Paged {
        /// Number of its first page.
        id: u64,
        /// Record of its first page.
        record: Handle<PageRecord>,
    },
    /// On such a page, freed so long ago that no more is known.
    Forgotten(GuestVirtual),
}

impl<M: Machine> Space<M> {
    /// The object whose pages hold `at`, if there ever was one. Takes no lock and reads nothing
    /// that can be absent.
    fn object_at(&self, at: GuestVirtual) -> Option<Object> {
        let number = self.windows.number_of(at)?;
        let window = self.windows.record(&self.machine, number)?;
        match window.used_as() {
            Use::Nothing => None,
            Use::Extent => Some(Object::Extent(window.extent()?)),
            Use::Pages => self.paged_object_at(number, at),
            Use::Column => {
                let class = self
                    .classes
                    .get(usize::from(window.class.load(Ordering::Relaxed)))?;
                let page = at.offset_in(LARGE_PAGE_SIZE) / PAGE_SIZE;
                let position = position_of_page(page as u32, class.reciprocal);
                if position >= class.positions() || !is_set(&window.served, position) {
                    return None;
                }
                // While the object counts as live, the chunk is this window's.
                if is_set(&window.live, position) {
                    let key = window.key.load(Ordering::Relaxed);
                    if !window.chunk()?.handed_out(key, position) {
                        return None;
                    }
                }
                Some(Object::Slot {
                    number,
                    window,
                    class,
                    position,
                })
            }
        }
    }

    /// The live object that starts at `at`.
    #[inline]
    pub(super) fn object_starting_at(&self, at: GuestVirtual) -> Result<Object, FreeError> {
        let object = self.object_at(at).ok_or(FreeError::Foreign)?;
        if self.start_of(&object) != at {
            return Err(FreeError::Interior);
        }
        if !is_live(&object) {
            return Err(FreeError::Double);
        }
        Ok(object)
    }

    fn start_of(&self, object: &Object) -> GuestVirtual {
        match object {
            Object::Slot {
                number,
                window,
                class,
                position,
                ..
            } => {
                let column = u32::from(window.column.load(Ordering::Relaxed));
                self.windows
                    .address(*number)
                    .add(class.offset(*position, column).into())
            }
            Object::Extent(extent) => GuestVirtual(extent.start.load(Ordering::Relaxed)),
            Object::Paged { record, .. } => GuestVirtual(record.start.load(Ordering::Relaxed)),
            Object::Forgotten(at) => *at,
        }
    }

    /// Describes `at` in `record`: kind ([`kind::LIVE`], [`kind::FREED`] or [`kind::WILD`]),
    /// address, object, size, stacks and threads. Answers whether there is, or was, an object.
    /// May interrupt anything: it takes no lock and faults on no address.
    pub fn describe(&self, at: GuestVirtual, record: &mut ErrorRecord) -> bool {
        record.address = at.0;
        record.kind = kind::WILD;
        record.object = 0;
        record.size = 0;
        record.alloc_thread = 0;
        record.free_thread = 0;
        record.alloc = Frames::default();
        record.free = Frames::default();
        let Some(object) = self.object_at(at) else {
            return false;
        };
        record.object = self.start_of(&object).0;
        let live = is_live(&object);
        record.kind = if live { kind::LIVE } else { kind::FREED };
        let (allocated, freed) = match object {
            Object::Slot {
                window,
                class,
                position,
                ..
            } => {
                record.size = class.size.into();
                let Some(stacks) = read_ledger(window, class, position, record) else {
                    return true;
                };
                stacks
            }
            Object::Extent(extent) => {
                record.size = extent.size.load(Ordering::Relaxed);
                (
                    extent.allocated.load(Ordering::Relaxed),
                    extent.freed.load(Ordering::Relaxed),
                )
            }
            Object::Paged { id, record: page } => {
                let size = page.size.load(Ordering::Relaxed);
                let stacks = (
                    page.allocated.load(Ordering::Acquire),
                    page.freed.load(Ordering::Acquire),
                );
                if !self.is_page_record(id, page) {
                    return true;
                }
                record.size = size;
                stacks
            }
            Object::Forgotten(_) => return true,
        };
        record.alloc_thread = self.depot.read(allocated, &mut record.alloc);
        if !live {
            record.free_thread = self.depot.read(freed, &mut record.free);
        }
        true
    }
}

/// The entry of the object at `position` of a window of this class, in the ledger that is the
/// window's now.
#[inline]
pub(super) fn entry_of(
    window: Handle<Window>,
    class: &Class,
    position: u32,
) -> Option<Handle<Entry>> {
    let column = column_of_order(window.key.load(Ordering::Relaxed));
    let place = class.place_in_line(position, column);
    Ledger::entry(window.ledger.get()?, place)
}

/// Size, into the record, and stacks from the ledger, unless that was used again meanwhile.
fn read_ledger(
    window: Handle<Window>,
    class: &Class,
    position: u32,
    record: &mut ErrorRecord,
) -> Option<(u32, u32)> {
    let ledger = window.ledger.get()?;
    let entry = entry_of(window, class, position)?;
    let size = entry.size.load(Ordering::Acquire);
    let allocated = entry.allocated.load(Ordering::Acquire);
    let freed = entry.freed.load(Ordering::Acquire);
    // A ledger that is taken for something else is first detached from its windows.
    if window.ledger.get()? != ledger {
        return None;
    }
    record.size = size.into();
    Some((allocated, freed))
}

fn is_live(object: &Object) -> bool {
    match object {
        Object::Slot {
            window, position, ..
        } => is_set(&window.live, *position),
        Object::Extent(extent) => extent.live.load(Ordering::Acquire) != 0,
        Object::Paged { record, .. } => record.is_live(),
        Object::Forgotten(_) => false,
    }
}
