//! An order in which functions stand beside those that they are like.
//!
//! What compresses a module for its upload finds repetitions within 32 KiB only. Generic code is compiled to many functions
//! that are nearly the same, and the compiler leaves them far from each other.

use std::collections::HashMap;

/// How many bytes a piece has. Two functions are alike as far as they consist of the same pieces.
const PIECE: usize = 4;

/// A piece that one in so many functions has tells nothing.
const COMMON: usize = 4;

/// The functions in their new order: the largest one first, then always the one that is most like the one before.
#[must_use]
pub fn order(bodies: &[&[u8]]) -> Vec<usize> {
    let pieces = Pieces::of(bodies);
    let mut rest: Vec<bool> = vec![true; bodies.len()];
    let mut order = Vec::with_capacity(bodies.len());
    let mut next = (0..bodies.len()).max_by_key(|index| bodies[*index].len());
    let mut shared = vec![0_u32; bodies.len()];
    while let Some(function) = next {
        order.push(function);
        rest[function] = false;
        next = pieces.most_alike(function, &rest, &mut shared).or_else(|| rest.iter().position(|is_left| *is_left));
    }
    order
}

/// Which function has which pieces.
struct Pieces {
    /// The pieces of each function that are not common.
    of_function: Vec<Vec<u32>>,
    /// The functions that have a piece.
    functions: Vec<Vec<u32>>,
}

impl Pieces {
    fn of(bodies: &[&[u8]]) -> Self {
        let mut numbers: HashMap<&[u8], u32> = HashMap::new();
        let mut functions: Vec<Vec<u32>> = Vec::new();
        for (index, body) in (0..).zip(bodies) {
            for piece in body.windows(PIECE) {
                let number = *numbers.entry(piece).or_insert(functions.len() as u32);
                if number as usize == functions.len() {
                    functions.push(Vec::new());
                }
                let having = &mut functions[number as usize];
                if having.last() != Some(&index) {
                    having.push(index);
                }
            }
        }
        let mut of_function = vec![Vec::new(); bodies.len()];
        for (number, having) in (0..).zip(&functions) {
            if having.len() > 1 && having.len() <= bodies.len() / COMMON {
                for function in having {
                    of_function[*function as usize].push(number);
                }
            }
        }
        Self { of_function, functions }
    }

    /// The one of the rest that shares most with the function, measured by what both consist of.
    fn most_alike(&self, function: usize, rest: &[bool], shared: &mut [u32]) -> Option<usize> {
        shared.fill(0);
        for piece in &self.of_function[function] {
            for other in &self.functions[*piece as usize] {
                shared[*other as usize] += 1;
            }
        }
        let likeness = |other: usize| f64::from(shared[other]) / (self.of_function[other].len() as f64).sqrt();
        let alike = (0..rest.len()).filter(|other| rest[*other] && shared[*other] > 0);
        alike.max_by(|one, other| likeness(*one).total_cmp(&likeness(*other)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alike_functions_stand_together() {
        const FAMILIES: usize = 12;
        let body = |index: usize| {
            let word = |number: usize| format!("{}-{number};", index % FAMILIES);
            (0..20).map(word).chain([format!("{index}")]).collect::<String>()
        };
        let bodies: Vec<String> = (0..3 * FAMILIES).map(body).collect();
        let bodies: Vec<&[u8]> = bodies.iter().map(String::as_bytes).collect();
        let families: Vec<usize> = order(&bodies).iter().map(|index| index % FAMILIES).collect();
        assert!(families.chunks(3).all(|three| three == [three[0]; 3]), "{families:?}");
    }

    #[test]
    fn each_function_is_there_once() {
        let mut state = 1_u32;
        let mut draw = |most: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % most
        };
        let bodies: Vec<Vec<u8>> = (0..200).map(|_| (0..draw(40)).map(|_| draw(4) as u8).collect()).collect();
        let bodies: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
        let mut order = order(&bodies);
        order.sort_unstable();
        assert!(order.into_iter().eq(0..200));
        assert_eq!(super::order(&[]), [0_usize; 0]);
    }
}
