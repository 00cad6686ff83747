//! The few system calls, each behind a safe function.
//!
//! Not here: the ring's memory. Invariant: each `unsafe` says why it is sound.

use std::{
    ffi::CString,
    io,
    mem::size_of,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

/// All protocols, in network order as the call wants it.
const ALL: u16 = (libc::ETH_P_ALL as u16).to_be();

/// A packet socket that hears nothing until it is bound.
pub(crate) fn open() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: `socket` takes three integers and touches no memory of ours.
    let fd = unsafe { libc::socket(libc::AF_PACKET, kind, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sets an option of level SOL_PACKET.
pub(crate) fn set<T: Copy>(fd: &OwnedFd, option: libc::c_int, value: &T) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<T>()).expect("options are small");
    // SAFETY: pointer and length describe `value`, which outlives the call.
    let done = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_PACKET,
            option,
            std::ptr::from_ref(value).cast(),
            length,
        )
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Packets dropped since the last call.
pub(crate) fn take_drops(fd: &OwnedFd) -> io::Result<u64> {
    let mut stats = libc::tpacket_stats_v3 { tp_packets: 0, tp_drops: 0, tp_freeze_q_cnt: 0 };
    let mut length =
        libc::socklen_t::try_from(size_of::<libc::tpacket_stats_v3>()).expect("a small struct");
    // SAFETY: the kernel writes at most `length` bytes into `stats`, which is that long.
    let done = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            std::ptr::from_mut(&mut stats).cast(),
            &mut length,
        )
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(u64::from(stats.tp_drops)) }
}

/// Hears the interface from here on.
pub(crate) fn bind(fd: &OwnedFd, index: libc::c_int) -> io::Result<()> {
    // SAFETY: all zeros is a valid `sockaddr_ll`.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = ALL;
    address.sll_ifindex = index;
    let length = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).expect("a small struct");
    // SAFETY: pointer and length describe `address`, which outlives the call.
    let done = unsafe { libc::bind(fd.as_raw_fd(), std::ptr::from_ref(&address).cast(), length) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Hardware type of the interface that a socket is bound to (include/uapi/linux/if_arp.h).
pub(crate) fn hardware(fd: &OwnedFd) -> io::Result<u16> {
    // SAFETY: all zeros is a valid `sockaddr_ll`.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    let mut length =
        libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).expect("a small struct");
    // SAFETY: pointer and length describe `address`, which outlives the call.
    let done = unsafe {
        libc::getsockname(fd.as_raw_fd(), std::ptr::from_mut(&mut address).cast(), &raw mut length)
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(address.sll_hatype) }
}

/// The kernel's number of an interface.
pub(crate) fn index_of(interface: &str) -> io::Result<libc::c_int> {
    let name = CString::new(interface).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: `name` is a NUL-terminated text that outlives the call.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    if index == 0 {
        return Err(io::Error::last_os_error());
    }
    libc::c_int::try_from(index).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Waits until the socket has something to say; false after the time.
pub(crate) fn wait(fd: &OwnedFd, timeout_ms: i32) -> io::Result<bool> {
    let events = libc::POLLIN | libc::POLLERR;
    let mut one = libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
    // SAFETY: the array has one element, which outlives the call.
    let ready = unsafe { libc::poll(&mut one, 1, timeout_ms) };
    if ready < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::Interrupted { Ok(false) } else { Err(error) };
    }
    if one.revents & libc::POLLERR != 0 {
        // The interface went down or away; the socket knows which.
        return Err(pending_error(fd));
    }
    Ok(ready > 0)
}

fn pending_error(fd: &OwnedFd) -> io::Error {
    let mut code: libc::c_int = 0;
    let mut length = libc::socklen_t::try_from(size_of::<libc::c_int>()).expect("4");
    // SAFETY: the kernel writes an int into `code`, which is one.
    let done = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ERROR,
            std::ptr::from_mut(&mut code).cast(),
            &mut length,
        )
    };
    if done < 0 { io::Error::last_os_error() } else { io::Error::from_raw_os_error(code) }
}
