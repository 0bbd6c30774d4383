//! System V and POSIX message queues and semaphores, keys.

use super::entry::{
    address, entries, fd, flags, input, input_bytes, input_items, int, link, long, mode, output,
    output_bytes, pointer, size, text, unsigned, Entry, Shape,
};
use super::vocabulary::{IPC, IPC_COMMAND, OPEN};
use crate::syscalls::handlers::{exchange, keys, notifying, peering, shm};

/// The entries.
pub const ENTRIES: &[Entry] = entries! {
    [by_hand peering::transfer] process_vm_readv SYS_process_vm_readv
        (int("pid"), pointer("lvec", Shape::Opaque), size("liovcnt"),
         pointer("rvec", Shape::Opaque), size("riovcnt"), size("flags"));
    [by_hand peering::transfer] process_vm_writev SYS_process_vm_writev
        (int("pid"), pointer("lvec", Shape::Opaque), size("liovcnt"),
         pointer("rvec", Shape::Opaque), size("riovcnt"), size("flags"));
    [forward] shmget SYS_shmget (int("key"), size("size"), flags("flag", &IPC));
    [by_hand shm::shmat] shmat SYS_shmat
        (int("shmid"), pointer("shmaddr", Shape::Opaque), int("shmflg"));
    [by_hand shm::shmctl] shmctl SYS_shmctl
        (int("shmid"), flags("cmd", &IPC_COMMAND), pointer("buf", Shape::Opaque));
    [by_hand shm::shmdt] shmdt SYS_shmdt (pointer("shmaddr", Shape::Opaque));
    [forward] semget SYS_semget (int("key"), int("nsems"), flags("semflg", &IPC));
    [forward] semtimedop SYS_semtimedop
        (int("semid"), input_items("sops", 2, 6, Shape::Opaque), unsigned("nsops"),
         input("timeout", 16, Shape::Timespec));
    [forward] semop SYS_semop
        (int("semid"), input_items("sops", 2, 6, Shape::Opaque), unsigned("nsops"));
    [by_hand exchange::semctl] semctl SYS_semctl
        (int("semid"), int("semnum"), flags("cmd", &IPC_COMMAND), address("arg"));
    [forward] msgget SYS_msgget (int("key"), flags("msgflg", &IPC));
    [by_hand exchange::msgsnd] msgsnd SYS_msgsnd
        (int("msqid"), pointer("msgp", Shape::Opaque), size("msgsz"), flags("msgflg", &IPC));
    [by_hand exchange::msgrcv] msgrcv SYS_msgrcv
        (int("msqid"), pointer("msgp", Shape::Opaque), size("msgsz"), long("msgtyp"),
         flags("msgflg", &IPC));
    [by_hand exchange::msgctl] msgctl SYS_msgctl
        (int("msqid"), flags("cmd", &IPC_COMMAND), pointer("buf", Shape::Opaque));
    [forward] mq_open SYS_mq_open
        (link("name"), flags("oflag", &OPEN), mode("mode"), input("attr", 64, Shape::Longs));
    [forward] mq_unlink SYS_mq_unlink (link("name"));
    [forward] mq_timedsend SYS_mq_timedsend
        (fd("mqdes"), input_bytes("msg_ptr", 2, Shape::Bytes), size("msg_len"),
         unsigned("msg_prio"), input("abs_timeout", 16, Shape::Timespec));
    [forward] mq_timedreceive SYS_mq_timedreceive
        (fd("mqdes"), output_bytes("msg_ptr", 2, Shape::Bytes), size("msg_len"),
         output("msg_prio", 4, Shape::Ints), input("abs_timeout", 16, Shape::Timespec));
    [forward] mq_getsetattr SYS_mq_getsetattr
        (fd("mqdes"), input("mqstat", 64, Shape::Longs), output("omqstat", 64, Shape::Longs));
    [by_hand notifying::queue] mq_notify SYS_mq_notify
        (fd("mqdes"), pointer("notification", Shape::Opaque));
    [forward] add_key SYS_add_key
        (text("_type"), text("_description"), input_bytes("_payload", 3, Shape::Bytes),
         size("plen"), int("destringid"));
    [by_hand keys::keyctl] keyctl SYS_keyctl
        (int("cmd"), address("arg2"), address("arg3"), address("arg4"), address("arg5"));
    [forward] request_key SYS_request_key
        (text("_type"), text("_description"), text("_callout_info"), int("destringid"));
};
