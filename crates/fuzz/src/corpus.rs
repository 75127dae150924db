//! Inputs worth breaking further.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use crate::mutation::Random;

/// Most inputs that are kept.
const MAX_INPUTS: usize = 4_096;

/// Inputs with outcomes of different kinds.
pub(crate) struct Corpus {
    committed: Vec<Vec<u8>>,
    inputs: Vec<Vec<u8>>,
    kinds: HashSet<String>,
}

impl Corpus {
    /// The committed inputs of a target. A file with lines of `====` holds several.
    pub(crate) fn of(target: &str) -> io::Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        let mut committed = Vec::new();
        for file in std::fs::read_dir(folder)? {
            let text = std::fs::read_to_string(file?.path())?;
            committed.extend(text.split("====\n").map(|input| input.as_bytes().to_vec()));
        }
        // The order of a folder is that of its file system.
        committed.sort();
        if committed.is_empty() {
            return Err(io::Error::other("the corpus is empty"));
        }
        Ok(Self { inputs: Vec::new(), kinds: HashSet::new(), committed })
    }

    pub(crate) fn take_committed(&mut self) -> Vec<Vec<u8>> {
        self.inputs.clone_from(&self.committed);
        std::mem::take(&mut self.committed)
    }

    /// Keeps the input if its outcome is of a new kind.
    pub(crate) fn offer(&mut self, input: Vec<u8>, kind: String) {
        if self.inputs.len() < MAX_INPUTS && self.kinds.insert(kind) {
            self.inputs.push(input);
        }
    }

    pub(crate) fn choose(&self, random: &mut Random) -> &[u8] {
        &self.inputs[random.below(self.inputs.len())]
    }

    /// How many kinds of outcome were seen.
    pub(crate) fn len(&self) -> usize {
        self.kinds.len()
    }
}
