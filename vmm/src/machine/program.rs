//! A program in a machine: what its threads share.
//!
//! Locks, in the order in which they are taken: `mapping`, then any one of the others; none of the
//! others is held while a vCPU runs.

use super::boot::Machine;
use super::crew::{Crew, Member};
use super::diagnose::Context;
use super::fork::Farewell;
use super::pauses::Pauses;
use super::tick::Ticker;
use crate::exec::Policy;
use crate::loader::interpose::Islands;
use crate::memory::account::Account;
use crate::memory::physical::Use;
use crate::memory::space::Space;
use crate::observe::Observer;
use crate::process::picture::{Origin, Picture};
use crate::report::Report;
use crate::syscalls::state::{Limits, SharedState};
use std::collections::BTreeSet;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// What the threads of a program share.
pub struct Program {
    // First, so that its thread is gone before what it looks at. Made at the first queued free.
    pub(super) ticker: Mutex<Option<Ticker>>,
    pub(super) machine: Machine,
    pub(super) space: Arc<Space>,
    executable: PathBuf,
    origin: Origin,
    pub(super) observer: Observer,
    context: Mutex<Context>,
    protected: AtomicBool,
    interposes: bool,
    islands: Mutex<Islands>,
    /// Descriptors of the VMM.
    hidden: RwLock<BTreeSet<RawFd>>,
    mapping: Mutex<()>,
    calls: Arc<Mutex<SharedState>>,
    pub(super) crew: Arc<Crew>,
    /// How long threads stood still for the heap.
    pub(super) pauses: Pauses,
    /// What ends a child process.
    pub(super) farewell: Box<Farewell>,
    /// What becomes of `execve`.
    pub(super) policy: Policy,
    /// Whether the first process is the program's alone.
    pub(super) alone: bool,
    /// Whether programs that cannot be protected are refused.
    pub(super) require_protection: bool,
}

/// What a program is made of.
pub struct Parts {
    /// The machine, with the runtime configured.
    pub machine: Machine,
    /// The address space with the program in it.
    pub space: Arc<Space>,
    /// Absolute path of the program.
    pub executable: PathBuf,
    /// What it was started with.
    pub origin: Origin,
    /// Who watches system calls and reads the log.
    pub observer: Observer,
    /// What reports need to know of the program.
    pub context: Context,
    /// Whether its malloc family is the runtime's.
    pub protected: bool,
    /// Where its jumps to the runtime are, if malloc families that it loads are to be the runtime's
    /// too.
    pub islands: Option<Islands>,
    /// What ends a child process.
    pub farewell: Box<Farewell>,
    /// What becomes of `execve`.
    pub policy: Policy,
    /// Whether the first process is the program's alone.
    pub alone: bool,
    /// Whether programs that cannot be protected are refused.
    pub require_protection: bool,
    /// Limits on its address space.
    pub limits: Limits,
}

/// Releases the threads when it is dropped.
struct Held<'a>(&'a Crew);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl Program {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let mut hidden: BTreeSet<RawFd> = parts.machine.descriptors().into_iter().collect();
        hidden.extend(parts.machine.published());
        hidden.extend(parts.observer.hidden());
        if let Policy::Follow(launcher) = &parts.policy {
            hidden.insert(launcher.descriptor());
        }
        Self {
            ticker: Mutex::new(None),
            machine: parts.machine,
            space: parts.space,
            executable: parts.executable,
            origin: parts.origin,
            observer: parts.observer,
            context: Mutex::new(parts.context),
            protected: AtomicBool::new(parts.protected),
            interposes: parts.islands.is_some(),
            islands: Mutex::new(parts.islands.unwrap_or_default()),
            hidden: RwLock::new(hidden),
            mapping: Mutex::new(()),
            calls: Arc::new(Mutex::new(SharedState {
                limits: parts.limits,
                ..SharedState::default()
            })),
            crew: Arc::new(Crew::default()),
            pauses: Pauses::default(),
            farewell: parts.farewell,
            policy: parts.policy,
            alone: parts.alone,
            require_protection: parts.require_protection,
        }
    }

    /// Whether the program's heap is the runtime's.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        self.protected.load(Ordering::Acquire)
    }

    /// Its heap is the runtime's from now on.
    pub(super) fn set_protected(&self) {
        self.protected.store(true, Ordering::Release);
    }

    /// Whether malloc families that the program loads are to be the runtime's.
    pub(super) const fn interposes(&self) -> bool {
        self.interposes
    }

    /// Where jumps to the runtime are.
    pub(super) fn islands(&self) -> MutexGuard<'_, Islands> {
        self.islands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The program's address space.
    #[must_use]
    pub const fn space(&self) -> &Arc<Space> {
        &self.space
    }

    /// Who watches.
    #[must_use]
    pub const fn observer(&self) -> &Observer {
        &self.observer
    }

    /// What was counted, if system calls were: them, and pauses.
    #[must_use]
    pub fn statistics(&self) -> Option<String> {
        let calls = self.observer.statistics()?;
        Some(format!("{calls}{}", self.pauses))
    }

    /// Absolute path of the program.
    #[must_use]
    pub fn executable(&self) -> &Path {
        &self.executable
    }

    /// How it was started, and its memory as it is now.
    pub(super) fn picture(&self) -> Picture {
        Picture {
            origin: self.origin.clone(),
            mappings: self.space.survey(),
            objects: self.machine.physical.in_use(Use::Granted),
            heap: self.space.heap(),
            threads: self.crew.members().iter().map(|member| member.id).collect(),
        }
    }

    /// How much of the address space is in use.
    pub(super) fn account(&self) -> Account {
        self.space.account(self.origin.stack)
    }

    /// The reports made so far.
    #[must_use]
    pub fn take_reports(&self) -> Vec<Report> {
        self.context().take_reports()
    }

    /// Whether a descriptor is the VMM's own.
    #[must_use]
    pub fn is_hidden(&self, descriptor: RawFd) -> bool {
        let hidden = self.hidden.read().unwrap_or_else(PoisonError::into_inner);
        hidden.contains(&descriptor)
    }

    /// Has children know what is known of the host, so that none of them asks again.
    pub(super) fn know_host(&self) {
        if !matches!(self.policy, Policy::Follow(_)) || self.machine.published().is_some() {
            return;
        }
        if let Some(descriptor) = self.machine.publish() {
            self.hide(descriptor);
        }
    }

    /// Descriptors of what is known of the host, and of KVM, for the VMM's next start.
    pub(super) fn known_host(&self) -> Option<[RawFd; 2]> {
        self.know_host();
        let [kvm, _] = self.machine.descriptors();
        Some([self.machine.published()?, kvm])
    }

    /// Takes a descriptor of the VMM's out of the program's sight.
    pub(super) fn hide(&self, descriptor: RawFd) {
        let mut hidden = self.hidden.write().unwrap_or_else(PoisonError::into_inner);
        hidden.insert(descriptor);
    }

    /// Makes a number visible that is no descriptor of the VMM's any more.
    pub(super) fn show(&self, descriptor: RawFd) {
        let mut hidden = self.hidden.write().unwrap_or_else(PoisonError::into_inner);
        hidden.remove(&descriptor);
    }

    pub(super) fn context(&self) -> MutexGuard<'_, Context> {
        self.context.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held while mappings change.
    pub(super) fn mapping(&self) -> MutexGuard<'_, ()> {
        self.mapping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What system calls keep for the whole process.
    pub(super) fn calls(&self) -> Arc<Mutex<SharedState>> {
        Arc::clone(&self.calls)
    }

    /// Makes the other threads rest, outside of the runtime, and takes every lock of the VMM's, so
    /// that nothing is half done while the result is held.
    pub(super) fn freeze(&self, own: &Member) -> impl Sized + '_ {
        // First what may be held while the runtime is called: threads that wait for it rest.
        let mapping = self.mapping();
        self.crew.hold(own);
        (
            Held(&self.crew),
            (mapping, self.islands()),
            (
                self.context(),
                self.calls.lock().unwrap_or_else(PoisonError::into_inner),
                self.hidden.write().unwrap_or_else(PoisonError::into_inner),
                self.ticker.lock().unwrap_or_else(PoisonError::into_inner),
                self.observer.freeze(),
            ),
            self.crew.freeze(),
            self.machine.freeze(),
            self.space.freeze(),
            self.machine.tables.freeze(),
            self.machine.physical.freeze(),
        )
    }

    /// Takes the thread that looks at queued revocations away from the program.
    pub(super) fn take_ticker(&self) -> Option<Ticker> {
        let mut ticker = self.ticker.lock().unwrap_or_else(PoisonError::into_inner);
        ticker.take()
    }
}
