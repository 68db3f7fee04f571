//! What LVM reports, as JSON. Names in it are an operator's, sizes are LVM's own; neither is believed further than it goes.

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// How LVM is asked: plain numbers of bytes.
pub(super) const ARGUMENTS: [&str; 5] = ["--reportformat", "json", "--units", "b", "--nosuffix"];

/// A new logical volume has it until it is filled.
pub(super) const UNFINISHED: &str = "reeve_unfinished";

/// What a logical volume that grows has in a tag until its new end is cleared: this, and where it ended before.
const GROWS_FROM: &str = "reeve_grows_from.";

/// The tag of a logical volume that grows.
pub(super) fn grows_from(bytes: u64) -> String {
    format!("{GROWS_FROM}{bytes}")
}

/// A volume group.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Group {
    #[serde(rename = "vg_name")]
    pub(super) name: String,
    #[serde(rename = "vg_size", deserialize_with = "bytes")]
    pub(super) size: u64,
    #[serde(rename = "vg_free", deserialize_with = "bytes")]
    pub(super) free: u64,
    /// What sizes of logical volumes are multiples of.
    #[serde(rename = "vg_extent_size", deserialize_with = "bytes")]
    pub(super) extent: u64,
}

/// A device, and the volume group that it is a part of.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Part {
    #[serde(rename = "pv_name")]
    pub(super) device: String,
    /// Empty for a device that is in none.
    #[serde(rename = "vg_name", default)]
    pub(super) group: String,
    /// Of the group.
    #[serde(rename = "vg_size", default, deserialize_with = "bytes_or_none")]
    pub(super) size: Option<u64>,
}

/// A logical volume.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Logical {
    #[serde(rename = "lv_name")]
    pub(super) name: String,
    #[serde(rename = "lv_uuid")]
    pub(super) uuid: String,
    #[serde(rename = "lv_size", deserialize_with = "bytes")]
    pub(super) size: u64,
    /// The logical volume that it is a snapshot of; empty for none.
    #[serde(default)]
    pub(super) origin: String,
    /// What a snapshot shows: the size of its origin, whatever it takes itself.
    #[serde(default, deserialize_with = "bytes_or_none")]
    pub(super) origin_size: Option<u64>,
    /// Kind, permissions, state and so on, a letter each (lvs(8)).
    #[serde(rename = "lv_attr")]
    pub(super) attributes: String,
    #[serde(rename = "lv_tags", default)]
    pub(super) tags: String,
}

impl Logical {
    /// True for what a guest can have: neither a pool of thin volumes nor a part of another volume.
    pub(super) fn is_volume(&self) -> bool {
        let kind = self.attributes.bytes().next().unwrap_or(b'?');
        !b"tTeliIvpdD?".contains(&kind)
    }

    pub(super) fn is_unfinished(&self) -> bool {
        self.tags.split(',').any(|tag| tag == UNFINISHED)
    }

    /// Where it ended before it began to grow.
    pub(super) fn grew_from(&self) -> Option<u64> {
        let mut ends = self.tags.split(',').filter_map(|tag| tag.strip_prefix(GROWS_FROM)?.parse().ok());
        ends.next().filter(|end| (1..=self.size).contains(end))
    }

    /// The fifth letter: it has a device.
    pub(super) fn is_active(&self) -> bool {
        self.attributes.as_bytes().get(4) == Some(&b'a')
    }
}

#[derive(Deserialize)]
struct Report<T> {
    report: Vec<T>,
}

#[derive(Deserialize)]
struct Groups {
    #[serde(default)]
    vg: Vec<Group>,
}

#[derive(Deserialize)]
struct Parts {
    #[serde(default)]
    pv: Vec<Part>,
}

#[derive(Deserialize)]
struct Logicals {
    #[serde(default)]
    lv: Vec<Logical>,
}

/// The groups of a report.
pub(super) fn groups(printed: &[u8]) -> Result<Vec<Group>, String> {
    let report: Report<Groups> = read(printed)?;
    Ok(report.report.into_iter().flat_map(|part| part.vg).collect())
}

/// The devices of a report.
pub(super) fn parts(printed: &[u8]) -> Result<Vec<Part>, String> {
    let report: Report<Parts> = read(printed)?;
    Ok(report.report.into_iter().flat_map(|part| part.pv).collect())
}

/// The logical volumes of a report.
pub(super) fn logicals(printed: &[u8]) -> Result<Vec<Logical>, String> {
    let report: Report<Logicals> = read(printed)?;
    Ok(report.report.into_iter().flat_map(|part| part.lv).collect())
}

fn read<T: DeserializeOwned>(printed: &[u8]) -> Result<T, String> {
    serde_json::from_slice(printed).map_err(|error| format!("what LVM reports can't be read: {error}"))
}

/// A number that LVM writes as a text.
fn bytes<'de, D: serde::Deserializer<'de>>(text: D) -> Result<u64, D::Error> {
    let number = bytes_or_none(text)?;
    number.ok_or_else(|| serde::de::Error::custom("a size is empty"))
}

/// As [`bytes`]; an empty text where there is nothing to be measured.
fn bytes_or_none<'de, D: serde::Deserializer<'de>>(text: D) -> Result<Option<u64>, D::Error> {
    let text = <std::borrow::Cow<'de, str>>::deserialize(text)?;
    if text.is_empty() {
        return Ok(None);
    }
    let number: u64 = text.parse().map_err(serde::de::Error::custom)?;
    // No device is larger; sums of two stay within a u64.
    match i64::try_from(number) {
        Ok(_) => Ok(Some(number)),
        Err(_) => Err(serde::de::Error::custom(format!("{number} bytes are more than a device has"))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PRINTED: &str = r#"
  {
      "report": [
          {
              "lv": [
                  {"lv_name":"disk one", "lv_uuid":"3zFNWk", "lv_size":"4194304", "origin":"", "lv_attr":"-wi-a-----", "lv_tags":""},
                  {"lv_name":"snap", "lv_uuid":"8kjx", "lv_size":"4194304", "origin":"disk", "origin_size":"8388608", "lv_attr":"swi---s---", "lv_tags":"a,reeve_unfinished"},
                  {"lv_name":"[pool_tmeta]", "lv_uuid":"9kjx", "lv_size":"4194304", "origin":"", "lv_attr":"ewi-ao----", "lv_tags":""}
              ]
          }
      ]
      ,
      "log": [
      ]
  }
"#;

    #[test]
    fn what_lvm_prints_is_read() {
        let found = logicals(PRINTED.as_bytes()).unwrap();
        assert_eq!(found.iter().map(|one| one.size).sum::<u64>(), 3 * 4_194_304);
        let facts: Vec<_> =
            found.iter().map(|one| (one.is_volume(), one.is_active(), one.is_unfinished())).collect();
        assert_eq!(found[1].origin_size, Some(8 << 20));
        let grows = |tags: &str| Logical { tags: tags.to_owned(), ..found[0].clone() }.grew_from();
        assert_eq!(grows(&format!("a,{}", grows_from(1 << 20))), Some(1 << 20));
        assert_eq!((grows(&grows_from(0)), grows(&grows_from(5 << 20)), grows("")), (None, None, None));
        assert_eq!(facts, [(true, true, false), (true, false, true), (false, true, false)]);
        let printed =
            br#"{"report":[{"vg":[{"vg_name":"a","vg_size":"8","vg_free":"0","vg_extent_size":"4"}]}]}"#;
        assert_eq!(groups(printed).unwrap()[0].extent, 4);
        assert_eq!(groups(br#"{"report":[{}]}"#).unwrap(), []);
    }

    #[test]
    fn devices_are_found_with_their_groups() {
        let printed = br#"{"report":[{"pv":[
            {"pv_name":"/dev/sda", "vg_name":"attic", "vg_size":"8388608"},
            {"pv_name":"/dev/sdb", "vg_name":"", "vg_size":""}
        ]}]}"#;
        let found = parts(printed).unwrap();
        assert_eq!((found[0].group.as_str(), found[0].size), ("attic", Some(8 << 20)));
        assert_eq!(
            (found[1].device.as_str(), found[1].group.as_str(), found[1].size),
            ("/dev/sdb", "", None)
        );
        for size in ["-1", "18446744073709551615", "8.00m"] {
            let printed = String::from_utf8_lossy(printed).replace("8388608", size);
            assert!(parts(printed.as_bytes()).unwrap_err().contains("can't be read"), "{size}");
        }
        assert_eq!(parts(br#"{"report":[{}]}"#).unwrap(), []);
    }

    #[test]
    fn sizes_that_no_device_has_are_refused() {
        for size in ["-1", "18446744073709551615", "4.00m", ""] {
            let printed = PRINTED.replacen("4194304", size, 1);
            assert!(logicals(printed.as_bytes()).unwrap_err().contains("can't be read"), "{size}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_printed_is_read_or_refused(at in 0..PRINTED.len(), more in proptest::collection::vec(any::<u8>(), 0..32)) {
            let mut printed = PRINTED.as_bytes().to_vec();
            printed.splice(at..(at + more.len()).min(PRINTED.len()), more);
            if let Ok(found) = logicals(&printed) {
                prop_assert!(found.iter().all(|one| i64::try_from(one.size).is_ok()));
            }
            if let Ok(found) = parts(&printed) {
                prop_assert!(found.iter().all(|one| one.size.is_none_or(|size| i64::try_from(size).is_ok())));
            }
        }
    }
}
