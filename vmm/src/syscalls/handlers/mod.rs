//! Calls served by hand.
//!
//! | room | holds |
//! | --- | --- |
//! | [`transfer`], [`random`], [`aio`], `telling` | moving bytes between descriptors and memory |
//! | [`paths`], [`handles`], [`listing`], [`mounting`] | names of files |
//! | [`closing`], [`fcntl`], [`ioctl`], [`polling`] | descriptors |
//! | [`messages`], [`datagrams`], [`batches`], [`options`] | sockets |
//! | [`memory`], [`locking`], [`placement`] | the address space |
//! | [`cloning`], [`replacing`], [`ending`], [`threads`], [`futex`], [`prctl`], [`capabilities`], [`confining`], [`limits`], [`affinity`] | the process |
//! | [`signals`], [`stacks`], [`sending`] | signals |
//! | [`exchange`], [`shm`] | System V messages, semaphores and shared memory |
//! | [`keys`] | keys and keyrings |
//! | [`notifying`] | message queues that tell when they fill |
//! | [`peering`], [`comparing`] | a process by its id |
//! | [`word`] | arguments whose meaning a command decides |

pub mod affinity;
pub mod aio;
pub mod batches;
pub mod capabilities;
pub mod cloning;
pub mod closing;
pub mod comparing;
pub mod confining;
pub mod datagrams;
pub mod ending;
pub mod exchange;
pub mod fcntl;
pub mod futex;
pub mod handles;
pub mod ioctl;
pub mod keys;
pub mod limits;
pub mod listing;
pub mod locking;
pub mod memory;
pub mod messages;
pub mod mounting;
pub mod notifying;
pub mod options;
pub mod paths;
pub mod peering;
pub mod placement;
pub mod polling;
pub mod prctl;
pub mod random;
pub mod replacing;
pub mod sending;
pub mod shm;
pub mod signals;
pub mod stacks;
mod telling;
pub mod threads;
pub mod transfer;
pub mod word;
