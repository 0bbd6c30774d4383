//! The heap object that an address belongs to.

use dangless_core::abi::error::{kind, ErrorRecord};
use serde::Serialize;

use super::hex;
use super::scene::{Scene, Thread};

/// Where an address lies, seen from an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relation {
    /// In the object.
    Inside,
    /// Below its first byte.
    Before,
    /// Above its last byte.
    After,
}

/// A heap object, live or freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HeapObject {
    /// First byte.
    #[serde(serialize_with = "hex::number")]
    pub start: u64,
    /// Bytes.
    pub size: u64,
    /// Where the address lies.
    pub relation: Relation,
    /// Bytes from the first byte if inside, from the nearer end otherwise.
    pub offset: u64,
    /// Thread that allocated it.
    pub alloc_thread: Thread,
    /// Thread that freed it, if it was freed.
    pub free_thread: Option<Thread>,
}

impl HeapObject {
    /// The object that `record` speaks of, seen from `address`.
    pub(super) fn of(record: &ErrorRecord, address: u64, scene: &Scene<'_>) -> Option<Self> {
        if record.object == 0 {
            return None;
        }
        let start = record.object;
        // An object cannot reach past the address space, whatever the record says.
        let size = record.size.min(u64::MAX - start);
        let (relation, offset) = match address.checked_sub(start) {
            None => (Relation::Before, start - address),
            Some(offset) if offset < size.max(1) => (Relation::Inside, offset),
            Some(offset) => (Relation::After, offset - size),
        };
        let freed = matches!(record.kind, kind::FREED | kind::DOUBLE_FREE);
        Some(Self {
            start,
            size,
            relation,
            offset,
            alloc_thread: scene.thread_of(record.alloc_thread),
            free_thread: freed.then(|| scene.thread_of(record.free_thread)),
        })
    }

    /// First address past the object.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.start.saturating_add(self.size)
    }
}
