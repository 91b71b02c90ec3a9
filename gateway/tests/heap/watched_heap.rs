//! The heap of this process, watched where a thread asks for it: how often it is called, by whom, and what is kept.
//! What a thread does outside of a watched section is not counted.

#![expect(unsafe_code, reason = "a global allocator cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

#[global_allocator]
static HEAP: WatchedHeap = WatchedHeap;

struct WatchedHeap;

/// A piece of memory that is kept.
pub(crate) struct Piece {
    /// Bytes that were asked for.
    pub(crate) size: usize,
    /// Who asked for them, or last made them more.
    pub(crate) site: Backtrace,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Watching {
    Nothing,
    /// Allocations are counted.
    Section,
    /// The books are being written: what that allocates is not in them.
    Books,
}

/// What a thread wants to know beside how often watched sections have asked for memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeping {
    Nothing,
    /// Where they have.
    Sites,
    /// What they have not given back, and where they have asked for it.
    Pieces,
}

/// What a thread has written down of its watched sections.
struct Books {
    keeping: Keeping,
    allocations: u64,
    sites: Vec<Backtrace>,
    pieces: BTreeMap<usize, Piece>,
}

thread_local! {
    static WATCHING: Cell<Watching> = const { Cell::new(Watching::Nothing) };
    static BOOKS: RefCell<Books> = const { RefCell::new(Books::new()) };
}

impl Books {
    const fn new() -> Self {
        Self { keeping: Keeping::Nothing, allocations: 0, sites: Vec::new(), pieces: BTreeMap::new() }
    }

    fn allocated(&mut self, address: usize, size: usize) {
        self.allocations += 1;
        match self.keeping {
            Keeping::Nothing => {}
            Keeping::Sites => self.sites.push(Backtrace::force_capture()),
            Keeping::Pieces => {
                self.pieces.insert(address, Piece { size, site: Backtrace::force_capture() });
            }
        }
    }
}

/// Lets the books be written, if they can be: not while they are, and not as the thread ends.
fn write(entry: impl FnOnce(Watching, &mut Books)) {
    let Ok(watching) = WATCHING.try_with(|watching| watching.replace(Watching::Books)) else { return };
    if watching != Watching::Books {
        let _ = BOOKS.try_with(|books| {
            if let Ok(mut books) = books.try_borrow_mut() {
                entry(watching, &mut books);
            }
        });
    }
    let _ = WATCHING.try_with(|cell| cell.set(watching));
}

fn allocated(address: *mut u8, size: usize) {
    write(|watching, books| {
        if watching == Watching::Section {
            books.allocated(address as usize, size);
        }
    });
}

fn freed(address: *mut u8) {
    write(|_, books| {
        books.pieces.remove(&(address as usize));
    });
}

// SAFETY: every call goes on to the system's allocator as it came.
unsafe impl GlobalAlloc for WatchedHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller has promised.
        let address = unsafe { System.alloc(layout) };
        allocated(address, layout.size());
        address
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller has promised.
        let address = unsafe { System.alloc_zeroed(layout) };
        allocated(address, layout.size());
        address
    }

    unsafe fn realloc(&self, before: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        freed(before);
        // SAFETY: as the caller has promised.
        let address = unsafe { System.realloc(before, layout, size) };
        allocated(address, size);
        address
    }

    unsafe fn dealloc(&self, address: *mut u8, layout: Layout) {
        freed(address);
        // SAFETY: as the caller has promised.
        unsafe { System.dealloc(address, layout) }
    }
}

/// Makes a call under watch, and gives how often it has asked for memory, or for more of it.
pub(crate) fn watched(call: &mut dyn FnMut()) -> u64 {
    let count = || BOOKS.with_borrow(|books| books.allocations);
    let before = count();
    WATCHING.set(Watching::Section);
    call();
    WATCHING.set(Watching::Nothing);
    count() - before
}

/// Chooses what is written down of watched sections from here on.
pub(crate) fn keep(keeping: Keeping) {
    write(|_, books| books.keeping = keeping);
}

/// Where watched sections have asked for memory since the last call.
pub(crate) fn take_sites() -> Vec<Backtrace> {
    let mut taken = Vec::new();
    write(|_, books| taken = std::mem::take(&mut books.sites));
    taken
}

/// Looks at what watched sections have not given back.
pub(crate) fn for_each_piece(mut look: impl FnMut(&Piece)) {
    write(|_, books| books.pieces.values().for_each(&mut look));
}
