//! A machine for a forked child: KVM's objects belong to the process that made them, so the child
//! makes new ones over its copy of guest memory and goes on from the same processor state.
//!
//! The parent takes the processor's [`State`] before it forks; the child calls
//! [`Machine::revive`], which closes the parent's descriptors in the child only.

use super::area::Area;
use super::boot::{BootError, Machine};
use super::host::HostError;
use super::processor::Processor;
use super::vcpu::Vcpu;
use kvm_bindings::{kvm_regs, kvm_sregs, kvm_xsave};
use std::sync::Arc;

/// All of a stopped processor that the program can tell.
pub struct State {
    registers: kvm_regs,
    special: kvm_sregs,
    extended: Box<kvm_xsave>,
}

impl Vcpu {
    /// The state of this processor, which has stopped with its registers settled.
    ///
    /// # Errors
    /// When KVM refuses.
    pub fn state(&self) -> Result<State, HostError> {
        Ok(State {
            registers: self.registers(),
            special: self.special()?,
            extended: Box::new(self.extended()?),
        })
    }

    /// Puts a state back.
    ///
    /// # Errors
    /// When KVM refuses.
    pub fn set_state(&mut self, state: &State) -> Result<(), HostError> {
        self.set_special(&state.special)?;
        self.set_extended(&state.extended)?;
        self.set_registers(&state.registers);
        Ok(())
    }
}

impl Machine {
    /// Makes the machine anew in a child process, which has one thread, with its processor in
    /// `state`; `others` are the areas of the threads that the child does not have.
    ///
    /// # Errors
    /// When the host refuses the child what it gave the parent.
    pub fn revive(
        &self,
        processor: &mut Processor,
        state: &State,
        others: impl IntoIterator<Item = Area>,
    ) -> Result<(), BootError> {
        self.forget_vcpus(processor.area.base(), others);
        let link = self.link().again()?;
        *self.link() = link;
        let vm = Arc::clone(&self.link().vm);
        self.physical.adopt(vm)?;
        let fd = self.connect(processor.index())?;
        processor.vcpu = Vcpu::without_state(fd, &self.features, &self.start)?;
        processor.vcpu.set_state(state)?;
        Ok(())
    }
}
