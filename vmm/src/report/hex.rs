//! How JSON spells addresses: as strings such as `"0x7f12"`, because many readers of JSON keep
//! numbers in floating point and would round them.

use serde::Serializer;

/// For fields of type `u64`.
pub fn number<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{value:#x}"))
}

/// For fields of type `Option<u64>`.
pub fn optional<S: Serializer>(value: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => number(value, serializer),
        None => serializer.serialize_none(),
    }
}
