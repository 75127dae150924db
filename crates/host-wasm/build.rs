//! Takes the blanks out of the published description, which would take room in the module.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

const DESCRIPTION: &str = "../../docs/openapi.json";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={DESCRIPTION}");
    let description: serde_json::Value = serde_json::from_slice(&fs::read(DESCRIPTION)?)?;
    let folder = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(folder.join("openapi.json"), serde_json::to_vec(&description)?)?;
    Ok(())
}
