//! A module with its functions in another order.

use portway_worker_bindgen::likeness;
use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{CodeSection, FunctionSection, Module};
use wasmparser::{
    CodeSectionReader, FunctionBody, FunctionSectionReader, Parser, Payload, TypeRef, Validator, WasmFeatures,
};

/// The functions that a call names in one byte. The optimizer has put those there that are called most.
const NAMED_SHORTLY: u32 = 128;

/// The module with functions beside those that they are like, for what compresses it.
///
/// # Errors
/// When it is no module, or not a valid one afterwards.
pub(crate) fn rearranged(module: &[u8]) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let Functions { imported, bodies } = functions(module)?;
    let first = NAMED_SHORTLY.saturating_sub(imported) as usize;
    let (called_most, others) = bodies.split_at(first.min(bodies.len()));
    let mut order = likeness::order(called_most);
    order.extend(likeness::order(others).into_iter().map(|index| called_most.len() + index));
    let mut numbers = vec![0; order.len()];
    for (number, index) in (imported..).zip(&order) {
        numbers[*index] = number;
    }
    let mut rearranged = Module::new();
    Order { imported, order, numbers }.parse_core_module(&mut rearranged, Parser::new(0), module)?;
    let bytes = rearranged.finish();
    Validator::new_with_features(WasmFeatures::all()).validate_all(&bytes)?;
    Ok(bytes)
}

struct Functions<'a> {
    /// How many come from outside. They have the first numbers.
    imported: u32,
    /// The others.
    bodies: Vec<&'a [u8]>,
}

fn functions(module: &[u8]) -> Result<Functions<'_>, wasmparser::BinaryReaderError> {
    let (mut imported, mut bodies) = (0, Vec::new());
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    imported += u32::from(matches!(import?.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)));
                }
            }
            Payload::CodeSectionEntry(body) => bodies.push(&module[body.range()]),
            _ => {}
        }
    }
    Ok(Functions { imported, bodies })
}

struct Order {
    imported: u32,
    /// The functions of the module in their new order, without those from outside.
    order: Vec<usize>,
    /// The new number of each.
    numbers: Vec<u32>,
}

impl Order {
    fn sorted<T: Clone>(&self, all: &[T]) -> Vec<T> {
        self.order.iter().filter_map(|index| all.get(*index).cloned()).collect()
    }
}

impl Reencode for Order {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, number: u32) -> Result<u32, Error<Self::Error>> {
        let own = number.checked_sub(self.imported).and_then(|index| self.numbers.get(index as usize));
        Ok(own.copied().unwrap_or(number))
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        let types = section.into_iter().collect::<Result<Vec<u32>, _>>()?;
        for number in self.sorted(&types) {
            functions.function(self.type_index(number)?);
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        let bodies = section.into_iter().collect::<Result<Vec<FunctionBody<'_>>, _>>()?;
        for body in self.sorted(&bodies) {
            utils::parse_function_body(self, code, body)?;
        }
        Ok(())
    }
}
