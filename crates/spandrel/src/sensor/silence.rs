//! The kernel holds a sensor to its silence: system calls that send or start anything fail.
//!
//! A packet socket can send with a plain write, so writing is allowed to standard output and
//! standard error alone. Writing at a place is allowed: only files have places, sockets have none.
//! Where the kernel has no seccomp the sensor runs without this: it has no code that sends either
//! way. Invariant: what a sensor needs to listen, work and tell goes on.

use anyhow::{Context as _, Result};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};
use std::collections::BTreeMap;

/// Calls that send, connect, start programs, look into other processes or change the kernel.
const DENIED: &[i64] = &[
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_sendfile,
    libc::SYS_splice,
    libc::SYS_tee,
    libc::SYS_vmsplice,
    libc::SYS_io_uring_setup,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_mount,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
];

/// Calls whose first argument is the descriptor written to.
const WRITES: &[i64] = &[libc::SYS_write, libc::SYS_writev, libc::SYS_pwritev, libc::SYS_pwritev2];

const STDERR: u64 = 2;

/// From here on this thread and those it starts cannot send. Needs `no_new_privs`.
pub fn keep() -> Result<()> {
    let program = filter().context("cannot make the filter of system calls")?;
    match seccompiler::apply_filter(&program) {
        Ok(()) => Ok(()),
        // A kernel without seccomp says EINVAL or ENOSYS; then there is nothing to hold us.
        Err(seccompiler::Error::Prctl(error) | seccompiler::Error::Seccomp(error))
            if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS)) =>
        {
            Ok(())
        }
        Err(error) => Err(error).context("cannot give up system calls that send"),
    }
}

fn filter() -> Result<BpfProgram> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        DENIED.iter().map(|call| (*call, Vec::new())).collect();
    for call in WRITES {
        let beyond = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Gt, STDERR)?;
        rules.insert(*call, vec![SeccompRule::new(vec![beyond])?]);
    }
    let arch: TargetArch = std::env::consts::ARCH.try_into()?;
    let denied = SeccompAction::Errno(libc::EPERM as u32);
    Ok(SeccompFilter::new(rules, SeccompAction::Allow, denied, arch)?.try_into()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::{fd::OwnedFd, unix::fs::FileExt};
    use std::{fs::File, io::Write, net::UdpSocket, process::Command};

    /// The filter holds for a thread, so the other tests go on.
    #[test]
    fn a_sensor_listens_and_works_and_cannot_send_or_start_anything() {
        let heard = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let to = heard.local_addr().expect("an address");
        let speaker = UdpSocket::bind("127.0.0.1:0").expect("a port");
        speaker.connect(to).expect("a loopback address");
        speaker.send(b"before").expect("nothing forbids it yet");
        let mut file = tempfile::tempfile().expect("a temporary file");
        let same = OwnedFd::from(speaker.try_clone().expect("a descriptor"));
        let outcome = std::thread::spawn(move || {
            rustix::thread::set_no_new_privs(true).expect("always allowed");
            keep().expect("the kernel takes the filter");
            let denied = |result: std::io::Result<()>| {
                result.err().and_then(|error| error.raw_os_error()) == Some(libc::EPERM)
            };
            let mut octets = [0; 16];
            assert_eq!(heard.recv(&mut octets).expect("listening goes on"), 6);
            std::thread::spawn(|| vec![7u8; 1 << 20].len()).join().expect("working goes on");
            file.write_all_at(b"learned", 0).expect("a file can be written at a place");
            let sent = File::from(same).write_at(b"after", 0).err();
            assert_eq!(sent.and_then(|e| e.raw_os_error()), Some(libc::ESPIPE), "a socket cannot");
            [
                denied(speaker.send(b"after").map(drop)),
                denied(file.write(b"after").map(drop)),
                denied(UdpSocket::bind("127.0.0.1:0").map(drop)),
                denied(Command::new("true").status().map(drop)),
            ]
        });
        assert_eq!(outcome.join().expect("the thread's own checks hold"), [true; 4]);
    }
}
