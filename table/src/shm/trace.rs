//! Records the stores of this thread in regions, and interrupts its loads, for
//! `writer/write_order.rs`.

use std::cell::{Cell, RefCell};

/// A store to a word of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Store {
    pub(crate) at: usize,
    pub(crate) word: u64,
    /// Whether readers that see it see all stores before it.
    pub(crate) release: bool,
}

thread_local! {
    static STORES: RefCell<Option<Vec<Store>>> = const { RefCell::new(None) };
    static LOADS: Cell<usize> = const { Cell::new(0) };
    static INTERRUPTION: RefCell<Option<Interruption>> = const { RefCell::new(None) };
}

/// Something to do before a load.
struct Interruption {
    /// The number of the load, from 0.
    after: usize,
    act: Box<dyn FnOnce()>,
}

/// Starts to record the stores of this thread.
pub(crate) fn record() {
    STORES.set(Some(Vec::new()));
}

/// How many stores were recorded so far.
pub(crate) fn recorded() -> usize {
    STORES.with_borrow(|stores| stores.as_ref().map_or(0, Vec::len))
}

/// Stops recording; returns the stores in order.
pub(crate) fn finish() -> Vec<Store> {
    STORES.take().unwrap_or_default()
}

/// Runs `f`, and `act` after it has loaded so many words; returns whether it has.
pub(crate) fn interrupt<R>(
    after: usize,
    act: impl FnOnce() + 'static,
    f: impl FnOnce() -> R,
) -> (R, bool) {
    LOADS.set(0);
    let act = Box::new(act);
    INTERRUPTION.set(Some(Interruption { after, act }));
    let result = f();
    (result, INTERRUPTION.take().is_none())
}

/// Called for each store.
pub(super) fn store(at: usize, word: u64, release: bool) {
    STORES.with_borrow_mut(|stores| {
        if let Some(stores) = stores {
            stores.push(Store { at, word, release });
        }
    });
}

/// Called before each load.
pub(super) fn load() {
    let count = LOADS.get();
    LOADS.set(count + 1);
    let due = INTERRUPTION.with_borrow_mut(|next| next.take_if(|next| next.after == count));
    if let Some(due) = due {
        (due.act)();
    }
}
