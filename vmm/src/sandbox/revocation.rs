//! When freed objects are revoked: what the user may say, and what follows for the runtime.

use super::Profile;
use crate::machine::segments::Ring;
use dangless_core::abi::config::Config;

/// When a freed object's addresses are taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoke {
    /// Inside `free`, whatever that takes.
    Immediate,
    /// Inside `free` while the budget of run time allows it, else no later than the next system call
    /// or the next tick of 1 ms.
    Bounded,
    /// Inside `free` while the budget allows it, else at the next system call, or at the first tick
    /// of 1 ms for which there is budget again; in [`Profile::Protect`] at the first system call or
    /// tick for which there is budget.
    Adaptive,
}

/// What was asked for; everything else follows from the profile and the ring.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Revocation {
    pub when: Option<Revoke>,
    /// Per cent of run time.
    pub budget: Option<u8>,
    /// Bytes; 0 is a share of the heap.
    pub quarantine: u64,
}

impl Revocation {
    /// Sets the fields of the configuration that say when to revoke.
    pub fn configure(self, profile: Profile, ring: Ring, config: &mut Config) {
        let usual = match (profile, ring) {
            (Profile::Protect, _) => Revoke::Adaptive,
            (_, Ring::Zero) => Revoke::Immediate,
            (_, Ring::Three) => Revoke::Adaptive,
        };
        // A budget is for those that have one.
        let when = match (self.when, self.budget, usual) {
            (Some(when), ..) => when,
            (None, Some(_), Revoke::Immediate) => Revoke::Bounded,
            (None, _, usual) => usual,
        };
        let share = match profile {
            Profile::Protect => 5,
            Profile::Detect | Profile::Off => 50,
        };
        config.revoke_budget = match when {
            Revoke::Immediate => 1000,
            Revoke::Bounded | Revoke::Adaptive => {
                u64::from(self.budget.unwrap_or(share).min(100)) * 10
            }
        };
        config.revoke_bounded = u64::from(when == Revoke::Bounded);
        let calls_may_wait = profile == Profile::Protect && when == Revoke::Adaptive;
        config.revoke_at_calls = u64::from(!calls_may_wait);
        config.quarantine = self.quarantine;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configured(asked: Revocation, profile: Profile, ring: Ring) -> (u64, u64) {
        let mut config = Config::default();
        asked.configure(profile, ring, &mut config);
        (config.revoke_budget, config.revoke_bounded)
    }

    #[test]
    fn system_calls_wait_for_revocations_unless_protect_was_left_to_adapt() {
        let at_calls = |when, profile| {
            let mut config = Config::default();
            let asked = Revocation {
                when,
                ..Revocation::default()
            };
            asked.configure(profile, Ring::Three, &mut config);
            config.revoke_at_calls
        };
        assert_eq!(at_calls(None, Profile::Protect), 0);
        assert_eq!(at_calls(Some(Revoke::Bounded), Profile::Protect), 1);
        assert_eq!(at_calls(None, Profile::Detect), 1);
        assert_eq!(at_calls(Some(Revoke::Adaptive), Profile::Detect), 1);
    }

    #[test]
    fn profile_and_ring_decide_what_was_not_asked_for() {
        let nothing = Revocation::default();
        assert_eq!(configured(nothing, Profile::Detect, Ring::Zero), (1000, 0));
        assert_eq!(configured(nothing, Profile::Detect, Ring::Three), (500, 0));
        assert_eq!(configured(nothing, Profile::Protect, Ring::Zero), (50, 0));
        assert_eq!(configured(nothing, Profile::Protect, Ring::Three), (50, 0));
        let asked = Revocation {
            when: Some(Revoke::Immediate),
            ..nothing
        };
        assert_eq!(configured(asked, Profile::Protect, Ring::Three), (1000, 0));
        let asked = Revocation {
            budget: Some(20),
            ..nothing
        };
        assert_eq!(configured(asked, Profile::Detect, Ring::Zero), (200, 1));
        assert_eq!(configured(asked, Profile::Protect, Ring::Zero), (200, 0));
    }
}
