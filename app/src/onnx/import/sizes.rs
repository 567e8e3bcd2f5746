//! Arithmetic on sizes, which exporters write where the number of frames is not fixed.

use super::constant::Constant;
use super::node::Node;
use super::value::place;

/// A list of whole numbers.
pub fn list(numbers: Vec<i64>) -> Constant {
    of_shape(vec![numbers.len() as i64], numbers)
}

fn number(number: i64) -> Constant {
    of_shape(Vec::new(), vec![number])
}

fn of_shape(dims: Vec<i64>, numbers: Vec<i64>) -> Constant {
    Constant { dims, values: numbers.iter().map(|&number| number as f32).collect(), whole: Some(numbers) }
}

/// More sizes than any tensor has.
const MOST_SIZES: usize = 16;

/// What a node makes of whole numbers; `None` if it is nothing that exporters do with sizes.
pub fn compute(node: Node, inputs: &[&Constant]) -> Option<Constant> {
    let numbers = inputs.iter().map(|input| input.whole.as_deref()).collect::<Option<Vec<&[i64]>>>()?;
    let at = |place: i64, of: &[i64]| super::value::place(place, of.len()).map(|place| of[place]);
    Some(match (node.op(), &numbers[..]) {
        ("Concat", parts) if parts.iter().map(|part| part.len()).sum::<usize>() <= MOST_SIZES => list(parts.concat()),
        ("Gather", &[of, &[only]]) if inputs[1].dims.is_empty() => number(at(only, of)?),
        ("Gather", &[of, chosen]) => list(chosen.iter().map(|&place| at(place, of)).collect::<Option<_>>()?),
        ("Slice", &[of, &[start], &[end]] | &[of, &[start], &[end], &[0]]) => list(slice(of, start, end).to_vec()),
        ("Unsqueeze" | "Reshape", &[of, _]) => list(of.to_vec()),
        ("Squeeze", &[&[only]] | &[&[only], _]) => number(only),
        ("Add" | "Sub" | "Mul" | "Div", &[a, b]) => {
            let dims = if inputs[0].dims.len() < inputs[1].dims.len() { &inputs[1].dims } else { &inputs[0].dims };
            let count = a.len().max(b.len());
            let pairs = (0..count).map(|i| Some((*a.get(i % a.len())?, *b.get(i % b.len())?)));
            let results = pairs.map(|pair| calculate(node.op(), pair?)).collect::<Option<Vec<_>>>()?;
            of_shape(dims.clone(), results)
        }
        _ => return None,
    })
}

fn slice(of: &[i64], start: i64, end: i64) -> &[i64] {
    let limit = |number: i64| place(number, of.len()).unwrap_or(if number < 0 { 0 } else { of.len() });
    of.get(limit(start)..limit(end)).unwrap_or_default()
}

fn calculate(op: &str, (a, b): (i64, i64)) -> Option<i64> {
    match op {
        "Add" => a.checked_add(b),
        "Sub" => a.checked_sub(b),
        "Mul" => a.checked_mul(b),
        _ => a.checked_div(b),
    }
}
