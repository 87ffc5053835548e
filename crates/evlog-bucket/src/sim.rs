//! A simulated store that fails as real ones do, by a seed: answers that are lost, requests that take effect later, conflicts
//! without an object, throttling, lists that are old and in no order.

use crate::memory::Memory;
use crate::store::{Fault, Store};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Random numbers from a seed.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Equal seeds give equal numbers.
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

/// A create whose client had no answer, and which still comes.
#[derive(Debug)]
struct Ghost {
    due: u64,
    name: String,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct World {
    objects: Memory,
    ghosts: Vec<Ghost>,
    /// How many requests there were.
    requests: u64,
    dice: Dice,
    /// How many of 100 requests fail.
    faults: u64,
    /// The last list that was given, which a stale one repeats.
    listed: Vec<String>,
}

/// A store that fails. Clones are the same store.
#[derive(Clone, Debug)]
pub struct SimStore(Arc<Mutex<World>>);

impl SimStore {
    /// A store without objects, in which this many of 100 requests fail.
    pub fn new(seed: u64, faults: u64) -> SimStore {
        let (objects, ghosts, dice) = (Memory::default(), Vec::new(), Dice::new(seed));
        SimStore(Arc::new(Mutex::new(World { objects, ghosts, requests: 0, dice, faults, listed: Vec::new() })))
    }

    /// From now on this many of 100 requests fail.
    pub fn set_faults(&self, faults: u64) {
        self.lock().faults = faults;
    }

    /// All creates that still come take effect now.
    pub fn settle(&self) {
        let mut world = self.lock();
        for ghost in std::mem::take(&mut world.ghosts) {
            world.objects.create(&ghost.name, &ghost.bytes).ok();
        }
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request, and lets ghosts take effect that are due. Returns whether the request fails.
    fn request(&self) -> (MutexGuard<'_, World>, bool) {
        let mut world = self.lock();
        world.requests += 1;
        let now = world.requests;
        let (due, later) = std::mem::take(&mut world.ghosts).into_iter().partition(|ghost| ghost.due <= now);
        world.ghosts = later;
        for ghost in Vec::from_iter::<Vec<Ghost>>(due) {
            world.objects.create(&ghost.name, &ghost.bytes).ok();
        }
        let faults = world.faults;
        let fails = world.dice.below(100) < faults;
        (world, fails)
    }
}

fn unclear(why: &str) -> Fault {
    Fault::Unclear(format!("simulated: {why}"))
}

impl Store for SimStore {
    fn create(&self, name: &str, bytes: &[u8]) -> Result<(), Fault> {
        let (mut world, fails) = self.request();
        if !fails {
            return world.objects.create(name, bytes);
        }
        match world.dice.below(6) {
            0 => {
                world.objects.create(name, bytes).ok();
                Err(unclear("a timeout, and the request succeeded or met an object"))
            }
            1 => Err(unclear("a timeout, and the request got lost")),
            2 => {
                let due = world.requests + 1 + world.dice.below(40);
                world.ghosts.push(Ghost { due, name: name.to_string(), bytes: bytes.to_vec() });
                Err(unclear("a timeout, and the request takes effect later"))
            }
            3 => Err(Fault::Condition),
            4 => {
                // Something in front of the store sent it twice.
                world.objects.create(name, bytes).ok();
                world.objects.create(name, bytes)
            }
            _ => Err(unclear(["429", "500", "503"][usize::try_from(world.dice.below(3)).unwrap_or(0)])),
        }
    }

    fn get(&self, name: &str, len_max: u64) -> Result<Vec<u8>, Fault> {
        let (world, fails) = self.request();
        if fails { Err(unclear("no answer to a read")) } else { world.objects.get(name, len_max) }
    }

    fn get_range(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>, Fault> {
        let (world, fails) = self.request();
        if fails { Err(unclear("no answer to a read")) } else { world.objects.get_range(name, range) }
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, Fault> {
        let (mut world, fails) = self.request();
        if fails {
            let mut old = world.listed.clone();
            old.reverse();
            return Ok(old);
        }
        world.listed = world.objects.list(folder)?;
        Ok(world.listed.clone())
    }

    fn put_if_match(&self, name: &str, bytes: &[u8], tag: &str) -> Result<String, Fault> {
        let (world, fails) = self.request();
        if fails { Err(unclear("no answer to a swap")) } else { world.objects.put_if_match(name, bytes, tag) }
    }

    fn head(&self, name: &str) -> Result<(u64, String), Fault> {
        let (world, fails) = self.request();
        if fails { Err(unclear("no answer to a read")) } else { world.objects.head(name) }
    }

    fn delete(&self, name: &str) -> Result<(), Fault> {
        let (world, _) = self.request();
        world.objects.delete(name)
    }

    fn pause(&self, _time: Duration) {}
}
