//! A bad link on one machine: a TCP proxy with a rate, a delay, cuts and flipped bytes.
//!
//! Works without rights, where `tc` and network namespaces need some. Not here: loss and
//! reordering of packets, which TCP turns into rate and stalls anyway. Invariant: bytes pass in
//! order and unchanged but for the flip that was asked for; what a cut takes is counted.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// How bad the link is. The default is a good one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// Bytes a second in each direction.
    pub rate: Option<u64>,
    /// Time a byte is under way, one way.
    pub delay: Duration,
    /// All connections are cut each time so much time has passed.
    pub cut_every: Option<Duration>,
    /// The cuts come early or late by up to a tenth, by this seed.
    pub seed: u64,
    /// For so long after a cut nothing connects.
    pub outage: Duration,
    /// The byte with this number, of all towards the client, has one bit flipped; once.
    pub flip_at: Option<u64>,
}

/// What passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    pub to_client: u64,
    pub to_server: u64,
    pub cuts: u64,
    pub connections: u64,
}

/// A link to one server, until it is dropped.
pub struct Link {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    weather: Weather,
    server: SocketAddr,
    to_client: AtomicU64,
    to_server: AtomicU64,
    cuts: AtomicU64,
    connections: AtomicU64,
    ended: AtomicBool,
    flipped: AtomicBool,
    /// Nothing connects before.
    up_at: Mutex<Instant>,
    open: Mutex<Vec<TcpStream>>,
}

/// Pieces are so small that a cut takes little with it.
const PIECE_BYTES: usize = 4 * 1024;
/// How much lateness is made up for.
const CREDIT: Duration = Duration::from_millis(20);

impl Link {
    /// Opens a port on loopback that leads to `server`.
    pub fn to(server: SocketAddr, weather: Weather) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            weather,
            server,
            to_client: AtomicU64::new(0),
            to_server: AtomicU64::new(0),
            cuts: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            flipped: AtomicBool::new(false),
            up_at: Mutex::new(Instant::now()),
            open: Mutex::default(),
        });
        let accepting = shared.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                if accepting.ended.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(client) = client {
                    accepting.connect(client);
                }
            }
        });
        if let Some(every) = weather.cut_every {
            let cutting = shared.clone();
            thread::spawn(move || cutting.cut_again_and_again(every));
        }
        Ok(Self { address, shared })
    }

    /// Cuts every connection at once.
    pub fn cut(&self) {
        self.shared.cut();
    }

    pub fn passed(&self) -> Passed {
        let read = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        Passed {
            to_client: read(&self.shared.to_client),
            to_server: read(&self.shared.to_server),
            cuts: read(&self.shared.cuts),
            connections: read(&self.shared.connections),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.shared.cut();
        // Wakes the thread that accepts, so that it ends.
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    fn connect(self: &Arc<Self>, client: TcpStream) {
        let is_up = Instant::now() >= *lock(&self.up_at);
        let Some(server) = is_up.then(|| TcpStream::connect(self.server).ok()).flatten() else {
            // Closed at once: the client sees a link that is down.
            return;
        };
        self.connections.fetch_add(1, Ordering::SeqCst);
        let both = client.try_clone().and_then(|c| Ok((c, server.try_clone()?)));
        let kept = client.try_clone().and_then(|c| Ok((c, server.try_clone()?)));
        let (Ok((client_end, server_end)), Ok(kept)) = (both, kept) else { return };
        lock(&self.open).extend([kept.0, kept.1]);
        for (from, to, to_client) in [(client, server_end, false), (server, client_end, true)] {
            let shared = self.clone();
            thread::spawn(move || shared.carry(from, to, to_client));
        }
    }

    /// Carries one direction until either end closes.
    fn carry(&self, mut from: TcpStream, mut to: TcpStream, to_client: bool) {
        let counter = if to_client { &self.to_client } else { &self.to_server };
        let mut buffer = [0; PIECE_BYTES];
        let mut due = Instant::now();
        let mut idle = true;
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            if idle {
                // A byte after silence is under way for the delay; those behind it follow closely.
                due = due.max(Instant::now() + self.weather.delay);
            }
            let took = self.weather.rate.map(|rate| {
                Duration::from_nanos((n as u64).saturating_mul(1_000_000_000) / rate.max(1))
            });
            // Waking late is made up for, so that the rate is kept and not merely bounded.
            let earliest = Instant::now().checked_sub(CREDIT).unwrap_or(due);
            due = due.max(earliest) + took.unwrap_or_default();
            thread::sleep(due.saturating_duration_since(Instant::now()));
            idle = n < buffer.len();
            if to_client {
                self.flip(&mut buffer[..n], counter.load(Ordering::SeqCst));
            }
            if to.write_all(&buffer[..n]).is_err() {
                break;
            }
            counter.fetch_add(n as u64, Ordering::SeqCst);
        }
        drop(to.shutdown(Shutdown::Write));
    }

    fn flip(&self, bytes: &mut [u8], before: u64) {
        let Some(at) = self.weather.flip_at else { return };
        let here = at.checked_sub(before).and_then(|at| usize::try_from(at).ok());
        if let Some(byte) = here.and_then(|at| bytes.get_mut(at))
            && !self.flipped.swap(true, Ordering::SeqCst)
        {
            *byte ^= 1;
        }
    }

    fn cut_again_and_again(&self, every: Duration) {
        let mut state = self.weather.seed | 1;
        while !self.ended.load(Ordering::SeqCst) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // 0.9 to 1.1 of the time.
            let thousandths = 900 + (state >> 33) % 201;
            thread::sleep(every.mul_f64(thousandths as f64 / 1_000.0));
            self.cut();
        }
    }

    fn cut(&self) {
        *lock(&self.up_at) = Instant::now() + self.weather.outage;
        let open = std::mem::take(&mut *lock(&self.open));
        if !open.is_empty() {
            self.cuts.fetch_add(1, Ordering::SeqCst);
        }
        for stream in open {
            // It may be closed already.
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that sends `bytes` to everyone who connects.
    fn sender(bytes: Vec<u8>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for client in listener.incoming() {
                // A client whose link was cut is gone.
                drop(client.unwrap().write_all(&bytes));
            }
        });
        address
    }

    fn receive(address: SocketAddr) -> (Vec<u8>, Duration) {
        let begun = Instant::now();
        let mut bytes = Vec::new();
        let mut stream = TcpStream::connect(address).unwrap();
        // A cut ends it early.
        drop(stream.read_to_end(&mut bytes));
        (bytes, begun.elapsed())
    }

    #[test]
    fn the_rate_holds_and_nothing_is_changed() {
        let bytes: Vec<u8> = (0..200_000_u32).map(|i| (i % 251) as u8).collect();
        let weather = Weather { rate: Some(400_000), ..Weather::default() };
        let link = Link::to(sender(bytes.clone()), weather).unwrap();
        let (got, took) = receive(link.address);
        assert_eq!(got, bytes);
        assert!(took >= Duration::from_millis(480), "{took:?}");
        assert_eq!(link.passed().to_client, 200_000);
    }

    #[test]
    fn one_bit_of_one_byte_is_flipped_once() {
        let weather = Weather { flip_at: Some(70_000), ..Weather::default() };
        let link = Link::to(sender(vec![7; 100_000]), weather).unwrap();
        let wrong = |got: Vec<u8>| got.iter().positions_not(7);
        assert_eq!(wrong(receive(link.address).0), [70_000]);
        assert_eq!(wrong(receive(link.address).0), [0_usize; 0]);
    }

    #[test]
    fn a_cut_ends_every_connection_and_the_next_one_is_whole() {
        let weather = Weather { rate: Some(1_000_000), ..Weather::default() };
        let link = Link::to(sender(vec![7; 300_000]), weather).unwrap();
        let address = link.address;
        let receiving = thread::spawn(move || receive(address).0.len());
        while link.passed().to_client < 20_000 {
            thread::yield_now();
        }
        link.cut();
        let got = receiving.join().unwrap();
        assert!((1..300_000).contains(&got), "{got}");
        assert_eq!(receive(address).0.len(), 300_000);
        assert_eq!(link.passed().cuts, 1);
    }

    trait Positions {
        fn positions_not(self, byte: u8) -> Vec<usize>;
    }

    impl<'a, I: Iterator<Item = &'a u8>> Positions for I {
        fn positions_not(self, byte: u8) -> Vec<usize> {
            self.enumerate().filter(|(_, b)| **b != byte).map(|(i, _)| i).collect()
        }
    }
}
