//! How volumes are wiped (guide 14.12.2).

use serde::{Deserialize, Serialize};

/// What is written over the old content, pass by pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum WipeAlgorithm {
    /// Zeroes, once.
    #[default]
    Zero,
    /// NAP-14.1-C: random twice, zeroes, read back.
    Nnsa,
    /// DoD 5220.22-M section 8-306: random, zeroes, ones, read back.
    Dod,
    /// BSI: nine passes of bits that go off one by one.
    Bsi,
    /// Gutmann: 35 passes.
    Gutmann,
    /// Schneier: zeroes, ones, random five times.
    Schneier,
    /// Random seven times.
    Pfitzner7,
    /// Random 33 times.
    Pfitzner33,
    /// Random once.
    Random,
    /// Gives the blocks back without writing.
    Trim,
}

/// One pass over a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WipePass {
    /// The bytes, over and over.
    Pattern(&'static [u8]),
    /// Random bytes.
    Random,
    /// The pass before is read back and compared.
    Verify,
    /// Blocks are given back.
    Discard,
}

use WipePass::{Discard, Pattern, Random, Verify};

impl WipeAlgorithm {
    /// Every algorithm with its word.
    pub const ALL: [(Self, &'static str); 10] = [
        (Self::Zero, "zero"),
        (Self::Nnsa, "nnsa"),
        (Self::Dod, "dod"),
        (Self::Bsi, "bsi"),
        (Self::Gutmann, "gutmann"),
        (Self::Schneier, "schneier"),
        (Self::Pfitzner7, "pfitzner7"),
        (Self::Pfitzner33, "pfitzner33"),
        (Self::Random, "random"),
        (Self::Trim, "trim"),
    ];

    /// The word on a command line.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(algorithm, _)| *algorithm == self).map_or("zero", |(_, word)| word)
    }

    /// The passes, in order. A pass is on the medium before the next begins.
    pub fn passes(self) -> &'static [WipePass] {
        match self {
            Self::Zero => &[Pattern(&[0x00])],
            Self::Nnsa => &[Random, Random, Pattern(&[0x00]), Verify],
            Self::Dod => &[Random, Pattern(&[0x00]), Pattern(&[0xff]), Verify],
            Self::Bsi => &BSI,
            Self::Gutmann => &GUTMANN,
            Self::Schneier => &SCHNEIER,
            Self::Pfitzner7 => &[Random; 7],
            Self::Pfitzner33 => &[Random; 33],
            Self::Random => &[Random],
            Self::Trim => &[Discard],
        }
    }
}

impl std::fmt::Display for WipeAlgorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for WipeAlgorithm {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().find(|(_, name)| *name == word).map(|(algorithm, _)| *algorithm).ok_or_else(|| {
            let words: Vec<&str> = Self::ALL.iter().map(|(_, word)| *word).collect();
            format!("'{word}' is no way to wipe a volume; there are {}", words.join(", "))
        })
    }
}

const BSI: [WipePass; 9] = [
    Pattern(&[0xff]),
    Pattern(&[0xfe]),
    Pattern(&[0xfd]),
    Pattern(&[0xfb]),
    Pattern(&[0xf7]),
    Pattern(&[0xef]),
    Pattern(&[0xdf]),
    Pattern(&[0xbf]),
    Pattern(&[0x7f]),
];

const SCHNEIER: [WipePass; 7] = [Pattern(&[0x00]), Pattern(&[0xff]), Random, Random, Random, Random, Random];

/// The 35 passes of Peter Gutmann's paper, in the order of its table.
const GUTMANN: [WipePass; 35] = [
    Random,
    Random,
    Random,
    Random,
    Pattern(&[0x55]),
    Pattern(&[0xaa]),
    Pattern(&[0x92, 0x49, 0x24]),
    Pattern(&[0x49, 0x24, 0x92]),
    Pattern(&[0x24, 0x92, 0x49]),
    Pattern(&[0x00]),
    Pattern(&[0x11]),
    Pattern(&[0x22]),
    Pattern(&[0x33]),
    Pattern(&[0x44]),
    Pattern(&[0x55]),
    Pattern(&[0x66]),
    Pattern(&[0x77]),
    Pattern(&[0x88]),
    Pattern(&[0x99]),
    Pattern(&[0xaa]),
    Pattern(&[0xbb]),
    Pattern(&[0xcc]),
    Pattern(&[0xdd]),
    Pattern(&[0xee]),
    Pattern(&[0xff]),
    Pattern(&[0x92, 0x49, 0x24]),
    Pattern(&[0x49, 0x24, 0x92]),
    Pattern(&[0x24, 0x92, 0x49]),
    Pattern(&[0x6d, 0xb6, 0xdb]),
    Pattern(&[0xb6, 0xdb, 0x6d]),
    Pattern(&[0xdb, 0x6d, 0xb6]),
    Random,
    Random,
    Random,
    Random,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Guide 14.12.2: how many passes each makes.
    #[test]
    fn passes_are_as_many_as_the_guide_says() {
        let counts = [
            ("zero", 1),
            ("nnsa", 4),
            ("dod", 4),
            ("bsi", 9),
            ("gutmann", 35),
            ("schneier", 7),
            ("pfitzner7", 7),
            ("pfitzner33", 33),
            ("random", 1),
            ("trim", 1),
        ];
        assert_eq!(counts.len(), WipeAlgorithm::ALL.len());
        for (word, count) in counts {
            let algorithm: WipeAlgorithm = word.parse().unwrap();
            assert_eq!(algorithm.passes().len(), count, "{word}");
            assert_eq!(algorithm.to_string(), word);
        }
        let error = "shred".parse::<WipeAlgorithm>().unwrap_err();
        assert!(error.contains("'shred' is no way") && error.contains("pfitzner33"), "{error}");
    }
}
