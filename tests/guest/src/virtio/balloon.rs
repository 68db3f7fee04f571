//! The memory balloon (5.5 of the specification): follows the host's target by itself and answers its questions
//! about memory use.

use alloc::boxed::Box;
use alloc::vec::Vec;

use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{DeviceStatus, Transport as _};

use super::dma::Identity;
use super::transport::Transport;
use crate::memory::{PAGE, TestMemory};

const INFLATE: u16 = 0;
const DEFLATE: u16 = 1;
const STATISTICS: u16 = 2;
const QUEUE: usize = 16;
/// Bytes that are reported at once.
const REPORTED: u64 = 2 << 20;
const STATISTICS_FEATURE: u64 = 1 << 1;
const SHRINKS_FEATURE: u64 = 1 << 2;
const REPORTS_FEATURE: u64 = 1 << 5;
const VERSION_1: u64 = 1 << 32;
/// Offsets in the device's configuration: pages the host wants, pages it got.
const WANTED: usize = 0;
const ACTUAL: usize = 4;
/// Pages handed over in one request.
const BATCH: usize = 256;
const FREE_MEMORY: u16 = 4;
const TOTAL_MEMORY: u16 = 5;

/// A statistic as the device reads it: tag, then value, packed.
const STATISTIC_BYTES: usize = 10;

/// Driver for a memory balloon.
pub struct Balloon {
    transport: Transport,
    inflate: VirtQueue<Identity, QUEUE>,
    deflate: VirtQueue<Identity, QUEUE>,
    statistics: Option<Statistics>,
    /// Where memory that is free is reported.
    free: Option<VirtQueue<Identity, QUEUE>>,
    features: u64,
    held: u32,
}

struct Statistics {
    queue: VirtQueue<Identity, QUEUE>,
    report: Box<[u8; 2 * STATISTIC_BYTES]>,
    token: Option<u16>,
}

impl Balloon {
    /// Starts the device with an empty balloon.
    pub fn new(mut transport: Transport) -> virtio_drivers::Result<Self> {
        transport.set_status(DeviceStatus::empty());
        transport.set_status(DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER);
        let known = STATISTICS_FEATURE | SHRINKS_FEATURE | REPORTS_FEATURE | VERSION_1;
        let features = transport.read_device_features() & known;
        transport.write_driver_features(features);
        transport.set_status(DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER | DeviceStatus::FEATURES_OK);
        let inflate = VirtQueue::new(&mut transport, INFLATE, false, false)?;
        let deflate = VirtQueue::new(&mut transport, DEFLATE, false, false)?;
        let statistics = if features & STATISTICS_FEATURE != 0 {
            transport.interrupt_on(STATISTICS);
            let queue = VirtQueue::new(&mut transport, STATISTICS, false, false)?;
            Some(Statistics { queue, report: Box::new([0; 2 * STATISTIC_BYTES]), token: None })
        } else {
            None
        };
        let free = if features & REPORTS_FEATURE != 0 {
            // Queues are numbered without those whose features were not taken.
            let number = if statistics.is_some() { STATISTICS + 1 } else { STATISTICS };
            Some(VirtQueue::new(&mut transport, number, false, false)?)
        } else {
            None
        };
        transport.finish_init();
        Ok(Self { transport, inflate, deflate, statistics, free, features, held: 0 })
    }

    /// Whether the balloon may shrink by itself when memory is short, and whether free memory may be reported.
    pub fn offered(&self) -> (bool, bool) {
        (self.features & SHRINKS_FEATURE != 0, self.features & REPORTS_FEATURE != 0)
    }

    /// Tells the host that memory is free. It stays the guest's, and what is in it is lost.
    pub fn report(&mut self, start: u64, bytes: u64) -> virtio_drivers::Result {
        let Some(queue) = &mut self.free else { return Err(virtio_drivers::Error::Unsupported) };
        let mut from = start;
        while from < start + bytes {
            let length = REPORTED.min(start + bytes - from);
            // SAFETY: whole mapped memory of tests, which nobody else has a reference to.
            let part = unsafe { core::slice::from_raw_parts_mut(from as *mut u8, length as usize) };
            queue.add_notify_wait_pop(&[], &mut [part], &mut self.transport)?;
            from += length;
        }
        Ok(())
    }

    /// Pages the host wants and pages it has.
    pub fn pages(&self) -> (u32, u32) {
        (self.transport.read_config_space(WANTED).unwrap_or(0), self.held)
    }

    /// Moves pages until the host's wish is met or memory runs out, and hands over fresh statistics.
    pub fn serve(&mut self, memory: &mut TestMemory) -> virtio_drivers::Result {
        let (wanted, _) = self.pages();
        while self.held < wanted {
            let batch = (wanted - self.held).min(BATCH as u32);
            let frames = (0..batch).map_while(|_| memory.give_up_page()).collect::<Vec<_>>();
            if frames.is_empty() {
                break;
            }
            self.inflate.add_notify_wait_pop(&[&bytes_of(&frames)], &mut [], &mut self.transport)?;
            self.report_held(self.held + frames.len() as u32)?;
        }
        while self.held > wanted {
            let batch = (self.held - wanted).min(BATCH as u32);
            let frames = (0..batch).map_while(|_| memory.take_back_page()).collect::<Vec<_>>();
            if frames.is_empty() {
                break;
            }
            self.deflate.add_notify_wait_pop(&[&bytes_of(&frames)], &mut [], &mut self.transport)?;
            self.report_held(self.held - frames.len() as u32)?;
        }
        self.serve_statistics(memory)
    }

    fn report_held(&mut self, pages: u32) -> virtio_drivers::Result {
        self.held = pages;
        self.transport.write_config_space(ACTUAL, pages)
    }

    /// The device keeps our buffer until it wants news, then gives it back to be filled again.
    fn serve_statistics(&mut self, memory: &TestMemory) -> virtio_drivers::Result {
        let Some(statistics) = &mut self.statistics else { return Ok(()) };
        if let Some(token) = statistics.token {
            if statistics.queue.peek_used() != Some(token) {
                return Ok(());
            }
            // SAFETY: the same buffer was added under this token.
            unsafe { statistics.queue.pop_used(token, &[&statistics.report[..]], &mut [])? };
        }
        let total = memory.bytes() + u64::from(self.held) * PAGE;
        let values = [(FREE_MEMORY, memory.bytes()), (TOTAL_MEMORY, total)];
        for (field, (tag, value)) in statistics.report.chunks_exact_mut(STATISTIC_BYTES).zip(values) {
            field[..2].copy_from_slice(&tag.to_le_bytes());
            field[2..].copy_from_slice(&value.to_le_bytes());
        }
        // SAFETY: the report stays where it is and unchanged until the token comes back.
        statistics.token = Some(unsafe { statistics.queue.add(&[&statistics.report[..]], &mut [])? });
        if statistics.queue.should_notify() {
            self.transport.notify(STATISTICS);
        }
        Ok(())
    }
}

fn bytes_of(frames: &[u32]) -> Vec<u8> {
    frames.iter().flat_map(|frame| frame.to_le_bytes()).collect()
}
