//! Random numbers that a seed gives again (SplitMix64).

use std::time::{SystemTime, UNIX_EPOCH};

pub struct Random(u64);

impl Random {
    /// From `COFFERDAM_SEED`, or else from the clock; says which.
    pub fn new() -> Self {
        let given = std::env::var("COFFERDAM_SEED").ok();
        let seed = given.map(|text| text.parse().expect("a number as COFFERDAM_SEED"));
        let clock = || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            now.map_or(1, |since| since.as_nanos() as u64)
        };
        let seed = seed.unwrap_or_else(clock);
        println!("COFFERDAM_SEED={seed}");
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
