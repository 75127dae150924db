//! The configuration file.

use std::path::PathBuf;

use portway::config::{Config, PlaceArgs, ServeArgs};
use tempfile::TempDir;

use super::{Target, kind};

pub(super) struct ConfigFile {
    folder: TempDir,
}

impl ConfigFile {
    pub(super) fn open() -> std::io::Result<Self> {
        // In memory where there is such a place.
        let memory = PathBuf::from("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Ok(Self { folder: folder? })
    }
}

impl Target for ConfigFile {
    fn feed(&mut self, input: &[u8]) -> Result<String, String> {
        let path = self.folder.path().join("portway.toml");
        std::fs::write(&path, input).map_err(|error| error.to_string())?;
        match Config::load(ServeArgs {
            place: PlaceArgs { config: Some(path.clone()), ..PlaceArgs::default() },
            ..ServeArgs::default()
        }) {
            Ok(config) => Ok(format!("{} agents, {}", config.agents.len(), config.access_log)),
            Err(error) if error.0.is_empty() => Err("refused without a reason".to_owned()),
            Err(error) => {
                let text = error.to_string();
                let file = path.display().to_string();
                // Mistakes of the environment cannot be here, so each names the file.
                let nameless = error.0.iter().find(|mistake| !mistake.contains(&file));
                match nameless {
                    Some(mistake) => Err(format!("not said where: {mistake}")),
                    None => Ok(kind(&text.replace(&file, ""))),
                }
            }
        }
    }
}
