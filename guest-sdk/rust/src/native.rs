//! The functions of the contract off wasm32, where there is no host to call: what [`testing`](crate::testing) says answers them.
//! Types are those of the bindings; the getters of a domain and every function have the same signatures.

/// A domain's configuration, read piece by piece.
pub mod domain {
    pub use crate::bindings::reeve::domain::config::{Balloon, Disk, NetworkInterface, State};

    use crate::testing::Domain;

    /// What a hook looks at; [`Domain::config`] makes it.
    #[derive(Debug, Clone, PartialEq)]
    pub struct DomainConfig(Domain);

    /// Getters that give what the test said.
    macro_rules! getters {
        ($($(#[$docs:meta])* $name:ident: $ty:ty;)*) => {
            impl DomainConfig {
                $($(#[$docs])*
                pub fn $name(&self) -> $ty {
                    self.0.$name.clone()
                })*
            }

            /// The getters are those of the contract; one that differs does not compile.
            const _: () = {
                fn same<T>(_: fn(&crate::bindings::reeve::domain::config::DomainConfig) -> T, _: fn(&DomainConfig) -> T) {}
                #[allow(dead_code, reason = "compiled, never called")]
                fn all() {
                    $(same(crate::bindings::reeve::domain::config::DomainConfig::$name, DomainConfig::$name);)*
                }
            };
        };
    }

    getters! {
        /// Unique name.
        name: String;
        /// Identity.
        uuid: String;
        /// State when the hook was called.
        state: State;
        /// Title; none when the document has none.
        title: Option<String>;
        /// Driver it asks for: `kvm`, `sim` or another word.
        domain_type: String;
        /// Memory at boot and at most, bytes.
        memory: u64;
        /// Memory after the balloon took its share, bytes.
        current_memory: u64;
        /// vCPUs at most.
        vcpus: u32;
        /// vCPUs at boot.
        current_vcpus: u32;
        /// True when the host may merge this guest's pages.
        mergeable: bool;
        /// Path of the kernel; none when the document has none.
        kernel: Option<String>;
        /// Kernel command line; none when the document has none.
        cmdline: Option<String>;
        /// Disks in document order.
        disks: Vec<Disk>;
        /// Interfaces in document order.
        interfaces: Vec<NetworkInterface>;
        /// Memory balloon; none when the document does not say.
        balloon: Option<Balloon>;
        /// Number of random-number devices.
        rng_count: u32;
        /// `<metadata>` as XML text of the whole element; none when there is none.
        metadata: Option<String>;
        /// The whole document in canonical form.
        xml: String;
    }

    impl DomainConfig {
        pub(crate) fn new(domain: Domain) -> Self {
            Self(domain)
        }
    }
}

/// The domains of this host.
pub mod domains {
    pub use crate::bindings::reeve::domain::domains::{Commitment, Summary};

    use super::domain::DomainConfig;
    use crate::testing::{ask, error};
    use crate::{Code, Error};

    /// All domains the policy may read.
    pub fn list() -> Result<Vec<Summary>, Error> {
        ask(|host| {
            let row = |it: &crate::testing::Domain| Summary {
                uuid: it.uuid.clone(),
                name: it.name.clone(),
                state: it.state,
                persistent: true,
                autostart: false,
            };
            Ok(host.domains.iter().map(row).collect())
        })
    }

    /// One domain by name or UUID.
    pub fn get(name: &str) -> Result<DomainConfig, Error> {
        ask(|host| {
            let found = host.domains.iter().find(|it| it.name == name || it.uuid == name);
            let missing = || error(Code::NotFound, &format!("there is no domain '{name}'"));
            found.map(crate::testing::Domain::config).ok_or_else(missing)
        })
    }

    /// Sums over all active domains but `except`.
    pub fn committed(_except: Option<&str>) -> Result<Commitment, Error> {
        ask(|host| Ok(host.committed))
    }

    fn change(call: String) -> Result<(), Error> {
        ask(|host| {
            host.calls.push(call);
            Ok(())
        })
    }

    /// Starts a defined domain.
    pub fn start(name: &str) -> Result<(), Error> {
        change(format!("start {name}"))
    }

    /// Asks the guest to shut down.
    pub fn shutdown(name: &str) -> Result<(), Error> {
        change(format!("shutdown {name}"))
    }

    /// Stops it by force.
    pub fn destroy(name: &str) -> Result<(), Error> {
        change(format!("destroy {name}"))
    }

    /// Stops its vCPUs.
    pub fn suspend(name: &str) -> Result<(), Error> {
        change(format!("suspend {name}"))
    }

    /// Lets its vCPUs run again.
    pub fn resume(name: &str) -> Result<(), Error> {
        change(format!("resume {name}"))
    }

    /// Sets the balloon target, bytes.
    pub fn set_memory(name: &str, target: u64) -> Result<(), Error> {
        change(format!("set-memory {name} {target}"))
    }
}

/// What the host machine is and how it is loaded.
pub mod host {
    pub use crate::bindings::reeve::node::host::{Info, Memory};

    use crate::Error;
    use crate::testing::ask;

    /// The machine.
    pub fn get_info() -> Result<Info, Error> {
        ask(|host| Ok(host.info.clone()))
    }

    /// Memory now.
    pub fn get_memory() -> Result<Memory, Error> {
        ask(|host| Ok(host.memory))
    }
}

/// Kernel samepage merging.
pub mod ksm {
    pub use crate::bindings::reeve::node::ksm::KsmState;

    use crate::Error;
    use crate::testing::ask;

    /// The present state.
    pub fn get() -> Result<KsmState, Error> {
        ask(|host| Ok(host.ksm))
    }
}

/// The storage pools of this host.
pub mod pools {
    use crate::storage::Pool;
    use crate::testing::{ask, error};
    use crate::{Code, Error};

    /// All pools that the policy may read.
    pub fn list() -> Result<Vec<Pool>, Error> {
        ask(|host| Ok(host.pools.clone()))
    }

    /// One pool by name.
    pub fn get(name: &str) -> Result<Pool, Error> {
        ask(|host| {
            let found = host.pools.iter().find(|pool| pool.name == name).cloned();
            found.ok_or_else(|| error(Code::NotFound, &format!("there is no pool '{name}'")))
        })
    }
}

/// The volumes of running pools; a change is done to those of the test's host, and written down.
pub mod volumes {
    use crate::storage::{NewVolume, Volume};
    use crate::testing::{Host, ask, error, volume};
    use crate::{Code, Error};

    fn place(host: &Host, pool: &str, name: &str) -> Result<usize, Error> {
        let found = host.volumes.iter().position(|it| it.pool == pool && it.name == name);
        found.ok_or_else(|| error(Code::NotFound, &format!("pool '{pool}' has no volume '{name}'")))
    }

    fn add(host: &mut Host, made: Volume) -> Result<Volume, Error> {
        if place(host, &made.pool, &made.name).is_ok() {
            let message = format!("pool '{}' has a volume '{}' already", made.pool, made.name);
            return Err(error(Code::AlreadyExists, &message));
        }
        host.volumes.push(made.clone());
        Ok(made)
    }

    /// All volumes of a pool.
    pub fn list(pool: &str) -> Result<Vec<Volume>, Error> {
        ask(|host| Ok(host.volumes.iter().filter(|it| it.pool == pool).cloned().collect()))
    }

    /// One volume.
    pub fn get(pool: &str, name: &str) -> Result<Volume, Error> {
        ask(|host| place(host, pool, name).map(|place| host.volumes[place].clone()))
    }

    /// Makes a volume of zeroes.
    pub fn create(pool: &str, new: &NewVolume) -> Result<Volume, Error> {
        ask(|host| {
            host.calls.push(format!("create {pool} {} {}", new.name, new.capacity));
            let allocation = new.allocation.unwrap_or(new.capacity);
            let format = new.format.clone().unwrap_or_else(|| "raw".to_owned());
            add(host, Volume { allocation, format, ..volume(pool, &new.name, new.capacity) })
        })
    }

    /// Copies a volume in the same pool.
    pub fn copy(pool: &str, source: &str, name: &str) -> Result<Volume, Error> {
        ask(|host| {
            host.calls.push(format!("copy {pool} {source} {name}"));
            let source = &host.volumes[place(host, pool, source)?];
            let copy = Volume { format: source.format.clone(), ..volume(pool, name, source.capacity) };
            add(host, copy)
        })
    }

    /// Gives a volume another capacity.
    pub fn resize(pool: &str, name: &str, capacity: u64, shrink: bool) -> Result<Volume, Error> {
        ask(|host| {
            host.calls.push(format!("resize {pool} {name} {capacity}"));
            let place = place(host, pool, name)?;
            let volume = &mut host.volumes[place];
            if capacity < volume.capacity && !shrink {
                return Err(error(Code::Invalid, &format!("'{name}' has {} bytes", volume.capacity)));
            }
            volume.capacity = capacity;
            Ok(volume.clone())
        })
    }

    /// Deletes a volume.
    pub fn delete(pool: &str, name: &str) -> Result<(), Error> {
        ask(|host| {
            host.calls.push(format!("delete {pool} {name}"));
            let place = place(host, pool, name)?;
            host.volumes.remove(place);
            Ok(())
        })
    }

    /// Reads what a volume holds; here, zeroes.
    pub fn read(pool: &str, name: &str, offset: u64, length: u32) -> Result<Vec<u8>, Error> {
        ask(|host| {
            let size = host.volumes[place(host, pool, name)?].capacity;
            let rest = size.saturating_sub(offset).min(u64::from(length)).min(1 << 20);
            Ok(vec![0; rest as usize])
        })
    }

    /// Writes into a volume.
    pub fn write(pool: &str, name: &str, offset: u64, data: &[u8]) -> Result<(), Error> {
        ask(|host| {
            place(host, pool, name)?;
            host.calls.push(format!("write {pool} {name} {offset} {}", data.len()));
            Ok(())
        })
    }
}

/// The disks of the guest that a hook of migrations is asked about.
pub mod migrated_disks {
    use crate::migration::MigratedDisk;
    use crate::testing::tell;

    /// The disks in the order of the document; empty in hooks that are asked about no migration.
    pub fn list() -> Vec<MigratedDisk> {
        tell(|host| host.migrated_disks.clone())
    }
}

/// Values that outlive a call.
pub mod kv {
    use crate::Error;
    use crate::testing::ask;

    /// The value of a key; none when it was never set.
    pub fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
        ask(|host| Ok(host.store.get(key).cloned()))
    }

    /// Sets a value.
    pub fn set(key: &str, value: &[u8]) -> Result<(), Error> {
        ask(|host| {
            host.store.insert(key.to_owned(), value.to_vec());
            Ok(())
        })
    }

    /// Removes a key; true when it was there.
    pub fn delete(key: &str) -> Result<bool, Error> {
        ask(|host| Ok(host.store.remove(key).is_some()))
    }

    /// Keys that begin with `prefix`, in byte order.
    pub fn keys(prefix: &str) -> Result<Vec<String>, Error> {
        ask(|host| Ok(host.store.keys().filter(|key| key.starts_with(prefix)).cloned().collect()))
    }
}

/// The host's clock.
pub mod clock {
    use crate::testing::tell;

    /// Time since the Unix epoch in milliseconds, UTC.
    pub fn now() -> u64 {
        tell(|host| host.now)
    }

    /// Nanoseconds on a clock that never goes back.
    pub fn monotonic() -> u64 {
        tell(|host| host.monotonic)
    }
}

/// Waiting, which takes no time here.
pub mod timer {
    use crate::Error;
    use crate::testing::ask;

    /// Moves the clocks on by so many milliseconds.
    pub fn pause(milliseconds: u32) -> Result<(), Error> {
        ask(|host| {
            host.now += u64::from(milliseconds);
            host.monotonic += u64::from(milliseconds) * 1_000_000;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Domain, Host, error, host, set_host};
    use crate::{Code, clock, domains, kv, log, timer};

    #[test]
    fn the_host_of_a_test_remembers_what_it_was_asked() {
        let domain = Domain { name: "web-1".into(), vcpus: 3, ..Domain::default() };
        set_host(Host { domains: vec![domain], ..Host::default() });
        assert_eq!(domains::get("web-1").map(|it| it.vcpus()), Ok(3));
        assert_eq!(
            domains::get("db-1").map(|it| it.vcpus()),
            Err(error(Code::NotFound, "there is no domain 'db-1'"))
        );
        assert_eq!(domains::list().map(|rows| rows.len()), Ok(1));
        assert_eq!(domains::set_memory("web-1", 5), Ok(()));
        log::info("a line");
        assert_eq!((kv::set("a", b"1"), kv::get("a")), (Ok(()), Ok(Some(b"1".to_vec()))));
        assert_eq!((kv::delete("a"), kv::delete("a")), (Ok(true), Ok(false)));
        assert_eq!((timer::pause(7), clock::now()), (Ok(()), 7));
        let host = host();
        assert_eq!(
            (host.calls, host.lines),
            (vec!["set-memory web-1 5".to_owned()], vec!["info: a line".to_owned()])
        );
    }

    #[test]
    fn a_host_that_fails_fails_every_call() {
        let no = error(Code::Denied, "no");
        set_host(Host { failure: Some(no.clone()), ..Host::default() });
        assert_eq!((domains::start("a"), kv::set("a", b"")), (Err(no.clone()), Err(no)));
        assert!(host().calls.is_empty() && host().store.is_empty());
    }
}
