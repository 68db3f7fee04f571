//! Pools and volumes on real directories, file systems and disks: loop devices of this machine (lane C).

mod bed;
mod contract;
mod full;
mod hostile;
mod images;
mod kinds;
mod volumes;
