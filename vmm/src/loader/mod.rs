//! From an ELF file to a program that is ready to run.
//!
//! | room | holds |
//! | --- | --- |
//! | [`elf`] | reading the file: what to map, where to start |
//! | [`image`] | mapping it into the address space |
//! | [`stack`] | the initial stack: arguments, environment, auxiliary vector |
//! | [`family`] | finding the malloc family in the symbol table |
//! | [`interpose`] | leading it to the runtime |
//! | [`vdso`] | the host kernel's code for telling the time |

pub mod elf;
pub mod family;
pub mod file;
pub mod image;
pub mod interpose;
pub mod original;
pub mod stack;
pub mod vdso;
