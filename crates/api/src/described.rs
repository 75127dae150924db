//! What the rows know of the schemas of what they take and give.

use schemars::{JsonSchema, Schema, SchemaGenerator};

/// Makes the schema of a type; references go to the generator's definitions.
pub type SchemaFn = fn(&mut SchemaGenerator) -> Schema;

/// Whether schemas can be made. A program that brings the description of its tables does not need what makes them, which
/// takes several times the room of the description.
pub(crate) const HAS_SCHEMAS: bool = cfg!(feature = "schemas");

/// The schemas of a row.
#[derive(Clone, Copy)]
pub(crate) struct Described {
    input: SchemaFn,
    output: Option<SchemaFn>,
}

impl Described {
    /// Of a row that answers with no value of a type.
    pub(crate) fn input<In: JsonSchema>() -> Self {
        let input: SchemaFn = |generator| if HAS_SCHEMAS { In::json_schema(generator) } else { Schema::default() };
        Self { input, output: None }
    }

    /// Of a row that takes and gives a value.
    pub(crate) fn both<In: JsonSchema, Out: JsonSchema>() -> Self {
        let output: SchemaFn =
            |generator| if HAS_SCHEMAS { generator.subschema_for::<Out>() } else { Schema::default() };
        Self { output: Some(output), ..Self::input::<In>() }
    }

    /// Schema of the input, written in place.
    pub(crate) fn input_schema(&self, generator: &mut SchemaGenerator) -> Schema {
        (self.input)(generator)
    }

    /// Schema of the output, if there is one.
    pub(crate) fn output_schema(&self, generator: &mut SchemaGenerator) -> Option<Schema> {
        self.output.map(|schema| schema(generator))
    }
}
