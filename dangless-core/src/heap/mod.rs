//! The protected heap: windowed aliasing, revocation, reports on addresses.
