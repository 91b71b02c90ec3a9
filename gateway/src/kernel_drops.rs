//! Datagrams that the kernel dropped because a socket's receive buffer was full, read from `/proc`:
//! the socket itself learns of them only with the next datagram.

use std::collections::HashSet;
use std::fs;
use std::os::fd::AsFd;

/// The tables of UDP sockets; their columns are documented in proc(5).
const TABLES: [&str; 2] = ["/proc/net/udp", "/proc/net/udp6"];

/// Columns of a table line, as they are separated by spaces.
const INODE_COLUMN: usize = 9;
const DROPS_COLUMN: usize = 12;

/// The sockets of the media workers, by the inodes that the tables name them by.
#[derive(Debug, Clone, Default)]
pub(crate) struct WatchedSockets {
    inodes: HashSet<u64>,
}

impl WatchedSockets {
    /// Adds a socket.
    pub(crate) fn watch(&mut self, socket: impl AsFd) {
        if let Ok(stat) = nix::sys::stat::fstat(socket) {
            self.inodes.insert(stat.st_ino);
        }
    }

    /// Drops of all of them since they were made.
    pub(crate) fn drops(&self) -> u64 {
        TABLES
            .iter()
            .filter_map(|table| fs::read_to_string(table).ok())
            .map(|text| self.drops_in(&text))
            .sum()
    }

    fn drops_in(&self, table: &str) -> u64 {
        table
            .lines()
            .filter_map(parse_line)
            .filter(|(inode, _)| self.inodes.contains(inode))
            .map(|(_, it)| it)
            .sum()
    }
}

/// The inode and the drops of a socket.
fn parse_line(line: &str) -> Option<(u64, u64)> {
    let mut columns = line.split_whitespace();
    let inode = columns.nth(INODE_COLUMN)?.parse().ok()?;
    let drops = columns.nth(DROPS_COLUMN - INODE_COLUMN - 1)?.parse().ok()?;
    Some((inode, drops))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    const TABLE: &str = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
          200: 0100007F:C350 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 12\n\
          201: 0100007F:C351 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4712 2 0000000000000000 30\n";

    #[test]
    fn only_watched_sockets_count() {
        for (inodes, drops) in [(vec![], 0), (vec![4711], 12), (vec![4711, 4712, 5], 42)] {
            let watched = WatchedSockets { inodes: inodes.into_iter().collect() };
            assert_eq!(watched.drops_in(TABLE), drops);
        }
    }

    #[test]
    fn a_socket_that_nobody_reads_overflows() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut watched = WatchedSockets::default();
        watched.watch(&socket);
        assert_eq!(watched.drops(), 0);
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..10_000 {
            sender.send_to(&[0; 1_200], socket.local_addr().unwrap()).unwrap();
        }
        assert!(watched.drops() > 0);
    }
}
