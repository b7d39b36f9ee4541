use crate::Dice;

/// A file in the page cache, and beneath it.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pub cached: Vec<u8>,
    pub durable: Vec<u8>,
    /// Something was changed since the last sync.
    pub dirty: bool,
    /// Ranges whose pages a failed fsync dropped.
    pub dropped: Vec<(usize, usize)>,
}

const SECTOR: usize = 512;

impl Content {
    pub(super) fn sync(&mut self) {
        if !self.dirty {
            return;
        }
        let grown = self.cached.len() >= self.durable.len() && self.dropped.is_empty();
        if grown && self.cached.starts_with(&self.durable) {
            let from = self.durable.len();
            self.durable.extend_from_slice(self.cached.get(from..).unwrap_or_default());
        } else {
            self.durable.clone_from(&self.cached);
        }
        for (from, to) in &self.dropped {
            for byte in self.durable.iter_mut().take(*to).skip(*from) {
                *byte = 0;
            }
        }
        self.dirty = false;
    }

    pub(super) fn lose(&mut self, dice: &mut Dice) {
        if self.dirty {
            let from = self.durable.len().min(self.cached.len());
            match dice.below(4) {
                // Nothing of it, all of it, a part up to any byte, or whole sectors in any order.
                0 => {}
                1 => self.sync(),
                2 => {
                    let to = from + dice.place(self.cached.len() - from + 1);
                    self.durable = self.cached.get(..to).unwrap_or_default().to_vec();
                }
                _ => {
                    let old = std::mem::replace(&mut self.durable, self.cached.clone());
                    let mut at = from - from % SECTOR;
                    while at < self.durable.len() {
                        let end = (at + SECTOR).min(self.durable.len());
                        if dice.once_in(2) {
                            for place in at..end {
                                if let Some(byte) = self.durable.get_mut(place) {
                                    *byte = old.get(place).copied().unwrap_or(0);
                                }
                            }
                        }
                        at = end;
                    }
                }
            }
        }
        self.cached.clone_from(&self.durable);
        self.dirty = false;
        self.dropped.clear();
    }
}
