//! What backends report of the memory that their models need.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// Memory that a model or its instances use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryUsage {
    /// `CPU`, `CPU_PINNED` or `GPU`.
    pub kind: &'static str,
    /// The device.
    pub id: i64,
    /// Bytes.
    pub byte_size: u64,
}

/// The last report of a model and of each of its instances.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<BTreeMap<String, Vec<MemoryUsage>>>);

impl Memory {
    /// `owner` uses this much memory from now on.
    pub(crate) fn set(&self, owner: &str, usage: Vec<MemoryUsage>) {
        let mut owners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        owners.insert(owner.to_owned(), usage);
    }

    /// Summed over who uses it, by kind and device.
    pub(crate) fn usage(&self) -> Vec<MemoryUsage> {
        let owners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sum(owners.values().flatten())
    }
}

/// Sums by kind and device.
pub(crate) fn sum<'a>(usages: impl IntoIterator<Item = &'a MemoryUsage>) -> Vec<MemoryUsage> {
    let mut sums: BTreeMap<(&'static str, i64), u64> = BTreeMap::new();
    for usage in usages {
        let sum = sums.entry((usage.kind, usage.id)).or_default();
        *sum = sum.saturating_add(usage.byte_size);
    }
    sums.into_iter().map(|((kind, id), byte_size)| MemoryUsage { kind, id, byte_size }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_report_of_each_counts() {
        let usage = |kind, id, byte_size| MemoryUsage { kind, id, byte_size };
        let memory = Memory::default();
        memory.set("", vec![usage("CPU", 0, 1)]);
        memory.set("", vec![usage("CPU", 0, 5)]);
        memory.set("m_0", vec![usage("CPU", 0, 2), usage("GPU", 1, 7)]);
        memory.set("m_1", vec![usage("GPU", 1, u64::MAX)]);
        assert_eq!(memory.usage(), [usage("CPU", 0, 7), usage("GPU", 1, u64::MAX)]);
    }
}
