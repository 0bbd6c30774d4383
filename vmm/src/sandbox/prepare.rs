//! From a sandbox's settings to a guest that is ready to run.

use super::{ending, Aliasing, Error, Profile, Sandbox};
use crate::descriptor;
use crate::loader::elf::ElfError;
use crate::loader::family::{self, Family, Search};
use crate::loader::file::{check_regular, open_program};
use crate::loader::interpose::Islands;
use crate::loader::vdso::Vdso;
use crate::loader::{elf, image, stack};
use crate::machine::boot::Machine;
use crate::machine::diagnose::Context;
use crate::machine::modules::Modules;
use crate::machine::program::{Parts, Program};
use crate::machine::run::End;
use crate::machine::thread::Thread;
use crate::memory::space::Space;
use crate::process::picture::Origin;
use crate::seccomp::Mode;
use dangless_core::abi::config::Config;
use dangless_core::abi::layout;
use dangless_core::address::PAGE_SIZE;
use object::ReadCache;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::Arc;

/// Free addresses are sought this far below the stack's lowest address.
const BELOW_STACK: u64 = 256 << 20;

/// Bytes at the top of the stack that every program touches.
const STACK_AT_ONCE: u64 = 128 << 10;

impl Sandbox {
    /// Makes the machine, loads the program and puts it at its entry point.
    pub(super) fn prepare(&mut self) -> Result<Thread, Error> {
        let path = self.program.clone();
        let open = |source: io::Error| Error::Open {
            path: path.clone(),
            source,
        };
        let replaced = self.file.is_some();
        let file = match self.file.take() {
            Some(file) => file,
            None => open_program(&path)
                .and_then(|file| self.follow_script(file))
                .map_err(open)?,
        };
        check_regular(&file).map_err(open)?;
        let link = format!("/proc/thread-self/fd/{}", file.as_raw_fd());
        let executable = std::fs::read_link(link).map_err(open)?;
        let cache = ReadCache::new(file.try_clone().map_err(open)?);
        let elf = elf::parse(&cache).map_err(|source| Error::Elf {
            path: path.clone(),
            source,
        })?;
        let interpreter = match &elf.interpreter {
            Some(path) => Some(Interpreter::open(path)?),
            None => None,
        };
        let protects = self.profile != Profile::Off;
        let search = match (protects, &interpreter) {
            (false, _) => Search::NoHeap,
            (true, None) => family::find(&cache),
            (true, Some(interpreter)) => match family::exported(&cache) {
                family if !family.replacements.is_empty() => Search::Found(family),
                // Mostly the family comes with a shared object.
                _ if elf.needs_objects || !interpreter.family.replacements.is_empty() => {
                    Search::NoHeap
                }
                _ => Search::Unknown,
            },
        };
        let unprotected = matches!(search, Search::Unknown);
        if unprotected && self.require_protection {
            return Err(Error::Unprotected { path });
        }
        let found = match search {
            Search::Found(family) => Some(family),
            Search::NoHeap | Search::Unknown => None,
        };

        let (machine, processor) = Machine::new(self.ring, self.memory, self.legacy.take())?;
        let slides = Slides::new(self.aslr)?;
        let bounds = stack_bounds(slides.stack, self.limits.get(&libc::RLIMIT_STACK));
        let space = Arc::new(Space::new(
            Arc::clone(&machine.physical),
            Arc::clone(&machine.tables),
            machine.root,
            bounds.start - BELOW_STACK - slides.map,
        ));
        let image =
            image::map(&space, &file, &elf, slides.image).map_err(|source| Error::Image {
                path: path.clone(),
                source,
            })?;
        let lends = self.addresses.aliasing == Aliasing::Program;
        let mut islands = Islands::new(lends);
        if let Some(at) = image.island.filter(|_| found.is_some()) {
            islands
                .claim(&space, at)
                .map_err(|source| Error::interpose(&path, source))?;
        }
        let mut modules = Modules::new();
        modules.add(executable.clone(), image.bias, elf.range(image.bias));
        let mut loaded = vec![(path.clone(), found.as_ref(), image.bias)];
        let linker = match &interpreter {
            Some(interpreter) => {
                let linker = interpreter.map(&space)?;
                modules.add(
                    interpreter.real.clone(),
                    linker.bias,
                    interpreter.elf.range(linker.bias),
                );
                let family = protects.then_some(&interpreter.family);
                loaded.push((interpreter.path.clone(), family, linker.bias));
                Some((linker.bias, interpreter.elf.entry.wrapping_add(linker.bias)))
            }
            None => None,
        };
        // Without one the time is a system call.
        let vdso = Vdso::of_host()
            .filter(|_| machine.shares_counter)
            .and_then(|mut vdso| {
                // Where page tables are shadowed, the guest's ring 3 is the host's own.
                if !machine.shadow_paging {
                    vdso.ask_for_processor();
                }
                vdso.map(&space, &machine.physical, machine.reach())
            });
        let vdso = vdso.map_or(0..0, |placed| {
            modules.add_image(PathBuf::from("[vdso]"), placed.image, placed.code.clone());
            placed.code
        });
        let mut errno_location = 0;
        let mut protected = false;
        let mut allocator = None;
        for (path, family, bias) in loaded {
            let Some(family) = family else { continue };
            let kept = islands
                .replace(&space, family, bias)
                .map_err(|source| Error::interpose(&path, source))?;
            allocator = allocator.or(kept);
            protected |= !family.replacements.is_empty();
            if let Some(at) = family.errno_location.filter(|_| errno_location == 0) {
                errno_location = at.wrapping_add(bias);
            }
        }
        let heap = image.end + slides.heap;
        space.set_heap(heap..heap);
        let stack = self.build_stack(
            &space,
            &elf,
            &image,
            Bases {
                linker: linker.map_or(0, |(bias, _)| bias),
                vdso: vdso.start,
            },
            &bounds,
        )?;
        if protected {
            machine.back_runtime_table(layout::WINDOW_TABLE)?;
        }
        machine.extend_direct_map()?;
        let watch = std::mem::take(&mut self.watch);
        let mut config = Config {
            profile: self.profile.number(),
            stack_depth: match self.profile {
                Profile::Detect => self.stack_depth,
                Profile::Protect | Profile::Off => 0,
            },
            errno_location,
            alias_start: layout::ALIAS_BASE,
            alias_end: self.addresses.end(),
            reclaim: self.addresses.period(),
            aliasing: self.addresses.aliasing(),
            program_malloc: allocator.map_or(0, |kept| kept.malloc),
            program_free: allocator.map_or(0, |kept| kept.free),
            program_code: allocator.map_or([0; 2], |kept| kept.code),
            zero_on_free: u64::from(self.zero_on_free),
            log_level: watch.wanted_level(),
            ..Config::default()
        };
        self.revocation
            .configure(self.profile, machine.ring, &mut config);
        machine.configure(config);
        let observer = watch.observer().map_err(|source| Error::Process {
            what: "cannot watch the program",
            source,
        })?;
        if unprotected {
            let note = format!(
                "{}: no malloc and free found (is it stripped?): it runs unprotected",
                path.display()
            );
            // Of what a program starts the user is told on request.
            if replaced {
                observer.remark(&note);
            } else {
                observer.note(&note);
            }
        }
        if protects {
            modules.publish(&machine);
        }
        let parts = Parts {
            machine,
            space,
            executable,
            origin: Origin {
                image: elf.range(image.bias),
                stack: stack.pointer,
                arguments: stack.arguments,
                environment: stack.environment,
                auxiliary: stack.auxiliary,
                vdso,
            },
            observer,
            context: Context::new(modules),
            protected,
            islands: protects.then_some(islands),
            farewell: ending::farewell(self.children.take()),
            policy: std::mem::take(&mut self.policy),
            alone: self.alone,
            require_protection: self.require_protection,
            limits: std::mem::take(&mut self.limits),
        };
        let descriptors = parts.limits.get(&libc::RLIMIT_NOFILE).copied();
        let entry = match linker {
            Some((_, entry)) => entry,
            None => elf.entry.wrapping_add(image.bias),
        };
        let first = Thread::first(Program::new(parts), processor, entry, stack.pointer, bounds);
        if let Some([soft, _]) = descriptors {
            descriptor::set_soft_limit(soft);
        }
        if let Ok(first) = &first {
            first.confine(Mode::with(std::mem::take(&mut self.filters)));
        }
        first.map_err(|end| match end {
            End::Broken(why) => Error::Broken(why),
            other => Error::Broken(format!("it ended while it was being started: {other:?}")),
        })
    }

    fn build_stack(
        &self,
        space: &Space,
        elf: &elf::Elf,
        image: &image::Image,
        bases: Bases,
        bounds: &Range<u64>,
    ) -> Result<stack::Initial, Error> {
        let rights = libc::PROT_READ
            | libc::PROT_WRITE
            | if elf.executable_stack {
                libc::PROT_EXEC
            } else {
                0
            };
        space
            .map_anonymous(bounds.clone(), rights, true)
            .map_err(|error| Error::Boot(error.into()))?;
        space.set_growing(bounds.start);
        space.prepare(&(bounds.end - STACK_AT_ONCE..bounds.end));
        let text =
            |value: OsString| CString::new(value.clone().into_vec()).map_err(|_| Error::Nul(value));
        let program = text(self.program.clone().into_os_string())?;
        let mut arguments = vec![match &self.argument_zero {
            Some(name) => text(name.clone())?,
            None => program.clone(),
        }];
        for argument in &self.arguments {
            arguments.push(text(argument.clone())?);
        }
        let mut environment = Vec::new();
        for pair in &self.environment {
            environment.push(text(pair.clone())?);
        }
        let auxiliary = stack::Auxiliary {
            headers: match elf.headers {
                0 => 0,
                at => at.wrapping_add(image.bias),
            },
            header_count: elf.header_count,
            entry: elf.entry.wrapping_add(image.bias),
            base: bases.linker,
            vdso: bases.vdso,
            random: random()?,
        };
        stack::build(
            space,
            bounds.end,
            &program,
            &arguments,
            &environment,
            &auxiliary,
        )
        .map_err(|_| Error::Arguments)
    }
}

/// Where there are other objects than the program, 0 for those that there are not.
struct Bases {
    linker: u64,
    vdso: u64,
}

/// The dynamic linker that a program asks for.
struct Interpreter {
    path: PathBuf,
    real: PathBuf,
    file: File,
    elf: elf::Elf,
    family: Family,
}

impl Interpreter {
    fn open(path: &[u8]) -> Result<Self, Error> {
        let path = PathBuf::from(OsStr::from_bytes(path));
        let open = |source: io::Error| Error::Open {
            path: path.clone(),
            source,
        };
        let file = open_program(&path).map_err(open)?;
        let real = std::fs::canonicalize(&path).map_err(open)?;
        let cache = ReadCache::new(file.try_clone().map_err(open)?);
        let wrong = |source| Error::Elf {
            path: path.clone(),
            source,
        };
        let elf = elf::parse(&cache).map_err(wrong)?;
        if let Some(name) = &elf.interpreter {
            let name = String::from_utf8_lossy(name).into_owned();
            return Err(wrong(ElfError::Interpreter(name)));
        }
        let family = family::exported(&cache);
        Ok(Self {
            path,
            real,
            file,
            elf,
            family,
        })
    }

    fn map(&self, space: &Space) -> Result<image::Image, Error> {
        image::map_interpreter(space, &self.file, &self.elf).map_err(|source| Error::Image {
            path: self.path.clone(),
            source,
        })
    }
}

/// By how much things are moved from their usual addresses, in bytes (the image: in pages).
struct Slides {
    image: u64,
    stack: u64,
    map: u64,
    heap: u64,
}

impl Slides {
    fn new(aslr: bool) -> Result<Self, Error> {
        if !aslr {
            return Ok(Self {
                image: 0,
                stack: 0,
                map: 0,
                heap: 0,
            });
        }
        let [one, other] = [random()?, random()?];
        let word = |bytes: &[u8; 16], at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(word)
        };
        Ok(Self {
            image: word(&one, 0) % (1 << 28),
            stack: word(&one, 8) % (1 << 22) * PAGE_SIZE,
            map: word(&other, 0) % (1 << 28) * PAGE_SIZE,
            heap: word(&other, 8) % (1 << 13) * PAGE_SIZE,
        })
    }
}

fn random() -> Result<[u8; 16], Error> {
    let mut bytes = [0u8; 16];
    // SAFETY: the buffer is ours and as long as said.
    let filled = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if filled != bytes.len() as isize {
        return Err(Error::Process {
            what: "cannot get random bytes",
            source: io::Error::last_os_error(),
        });
    }
    Ok(bytes)
}

/// The stack's range: as large as its limit, or that on this process's own, within reason.
fn stack_bounds(slide: u64, own: Option<&[u64; 2]>) -> Range<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the structure is ours and of the right type.
    unsafe { libc::getrlimit(libc::RLIMIT_STACK, &mut limit) };
    let size = own
        .map_or(limit.rlim_cur, |[soft, _]| *soft)
        .clamp(1 << 20, 1 << 30)
        .next_multiple_of(PAGE_SIZE);
    let top = layout::USER_END - PAGE_SIZE - slide;
    top - size..top
}
