//! Virtual networks, packet filters, and what is plugged in.

use rusqlite::{OptionalExtension, Row, params};
use uuid::Uuid;

use crate::domains::uuid;
use crate::{Store, StoreError};

/// A persistent definition of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkRow {
    /// Identity.
    pub uuid: Uuid,
    /// Unique name.
    pub name: String,
    /// The document.
    pub xml: String,
    /// Started with the daemon.
    pub autostart: bool,
}

/// A packet filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterRow {
    /// Identity.
    pub uuid: Uuid,
    /// Unique name.
    pub name: String,
    /// The document.
    pub xml: String,
}

/// An interface of an active domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortRow {
    /// The domain.
    pub domain: Uuid,
    /// MAC address of the interface.
    pub mac: String,
    /// What was plugged, in the writer's format.
    pub port: String,
}

impl Store {
    /// All definitions of networks by name.
    pub fn networks(&self) -> Result<Vec<NetworkRow>, StoreError> {
        self.read("reading the networks", |connection| {
            let sql = "SELECT uuid, name, xml, autostart FROM networks ORDER BY name";
            connection.prepare_cached(sql)?.query_map([], network)?.collect()
        })
    }

    /// Adds a definition or replaces the one with its UUID; on disk when it returns. A name that another UUID has is refused
    /// ([`StoreError::Taken`]).
    pub fn put_network(&self, row: &NetworkRow) -> Result<(), StoreError> {
        let put = self.write_to_disk("keeping a network", |change| {
            change.execute(
                "INSERT INTO networks (uuid, name, xml, autostart) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (uuid) DO UPDATE SET name = ?2, xml = ?3, autostart = ?4",
                params![row.uuid.to_string(), row.name, row.xml, row.autostart],
            )
        });
        put.map(drop).map_err(|error| error.or_taken("network", &row.name, row.uuid))
    }

    /// Removes a definition; true when there was one. On disk when it returns.
    pub fn remove_network(&self, uuid: Uuid) -> Result<bool, StoreError> {
        self.write_to_disk("removing a network", |change| {
            Ok(change.execute("DELETE FROM networks WHERE uuid = ?1", [uuid.to_string()])? > 0)
        })
    }

    /// Live documents of the networks that were active.
    pub fn active_networks(&self) -> Result<Vec<String>, StoreError> {
        self.read("reading the active networks", |connection| {
            let sql = "SELECT live FROM active_networks ORDER BY uuid";
            connection.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect()
        })
    }

    /// Notes that a network is active with this document.
    pub fn put_active_network(&self, uuid: Uuid, live: &str) -> Result<(), StoreError> {
        self.write("keeping an active network", |change| {
            let sql = "INSERT OR REPLACE INTO active_networks (uuid, live) VALUES (?1, ?2)";
            change.prepare_cached(sql)?.execute(params![uuid.to_string(), live])
        })
        .map(drop)
    }

    /// Notes that a network is active no more.
    pub fn remove_active_network(&self, uuid: Uuid) -> Result<(), StoreError> {
        self.write("forgetting an active network", |change| {
            change.execute("DELETE FROM active_networks WHERE uuid = ?1", [uuid.to_string()])
        })
        .map(drop)
    }

    /// All packet filters by name.
    pub fn filters(&self) -> Result<Vec<FilterRow>, StoreError> {
        self.read("reading the packet filters", |connection| {
            let sql = "SELECT uuid, name, xml FROM filters ORDER BY name";
            connection.prepare_cached(sql)?.query_map([], filter)?.collect()
        })
    }

    /// Adds a packet filter or replaces the one with its UUID; on disk when it returns. A name that another UUID has is refused
    /// ([`StoreError::Taken`]).
    pub fn put_filter(&self, row: &FilterRow) -> Result<(), StoreError> {
        let put = self.write_to_disk("keeping a packet filter", |change| {
            change.execute(
                "INSERT INTO filters (uuid, name, xml) VALUES (?1, ?2, ?3)
                 ON CONFLICT (uuid) DO UPDATE SET name = ?2, xml = ?3",
                params![row.uuid.to_string(), row.name, row.xml],
            )
        });
        put.map(drop).map_err(|error| error.or_taken("packet filter", &row.name, row.uuid))
    }

    /// Removes a packet filter; true when there was one. On disk when it returns.
    pub fn remove_filter(&self, uuid: Uuid) -> Result<bool, StoreError> {
        self.write_to_disk("removing a packet filter", |change| {
            Ok(change.execute("DELETE FROM filters WHERE uuid = ?1", [uuid.to_string()])? > 0)
        })
    }

    /// Everything that was plugged in.
    pub fn ports(&self) -> Result<Vec<PortRow>, StoreError> {
        self.read("reading the ports", |connection| {
            let sql = "SELECT domain, mac, port FROM ports ORDER BY domain, mac";
            connection.prepare_cached(sql)?.query_map([], port)?.collect()
        })
    }

    /// Notes that an interface is plugged in.
    pub fn put_port(&self, row: &PortRow) -> Result<(), StoreError> {
        self.write("keeping a port", |change| {
            let sql = "INSERT OR REPLACE INTO ports (domain, mac, port) VALUES (?1, ?2, ?3)";
            change.prepare_cached(sql)?.execute(params![row.domain.to_string(), row.mac, row.port])
        })
        .map(drop)
    }

    /// Notes that an interface is plugged in no more.
    pub fn remove_port(&self, domain: Uuid, mac: &str) -> Result<(), StoreError> {
        self.write("forgetting a port", |change| {
            let sql = "DELETE FROM ports WHERE domain = ?1 AND mac = ?2";
            change.prepare_cached(sql)?.execute(params![domain.to_string(), mac])
        })
        .map(drop)
    }

    /// What is known of the addresses behind a link; none where nothing is.
    pub fn learned(&self, link: &str) -> Result<Option<String>, StoreError> {
        self.read("reading learned addresses", |connection| {
            let sql = "SELECT leases FROM learned_addresses WHERE link = ?1";
            connection.prepare_cached(sql)?.query_row([link], |row| row.get(0)).optional()
        })
    }

    /// Notes what is known of the addresses behind a link.
    pub fn put_learned(&self, link: &str, leases: &str) -> Result<(), StoreError> {
        self.write("keeping learned addresses", |change| {
            let sql = "INSERT OR REPLACE INTO learned_addresses (link, leases) VALUES (?1, ?2)";
            change.prepare_cached(sql)?.execute(params![link, leases])
        })
        .map(drop)
    }

    /// Forgets the addresses behind a link.
    pub fn remove_learned(&self, link: &str) -> Result<(), StoreError> {
        self.write("forgetting learned addresses", |change| {
            change.prepare_cached("DELETE FROM learned_addresses WHERE link = ?1")?.execute([link])
        })
        .map(drop)
    }
}

fn network(row: &Row<'_>) -> rusqlite::Result<NetworkRow> {
    Ok(NetworkRow { uuid: uuid(row, 0)?, name: row.get(1)?, xml: row.get(2)?, autostart: row.get(3)? })
}

fn filter(row: &Row<'_>) -> rusqlite::Result<FilterRow> {
    Ok(FilterRow { uuid: uuid(row, 0)?, name: row.get(1)?, xml: row.get(2)? })
}

fn port(row: &Row<'_>) -> rusqlite::Result<PortRow> {
    Ok(PortRow { domain: uuid(row, 0)?, mac: row.get(1)?, port: row.get(2)? })
}
