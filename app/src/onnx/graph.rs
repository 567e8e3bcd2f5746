//! Writing a graph as a formula: `h.matmul(&u).softmax(0)` adds two nodes and is the value of the second.

use super::proto::{
    AttributeProto, AttributeType, DimensionProto, FLOAT, GraphProto, INT64, NodeProto, Size, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use std::cell::RefCell;
use std::ops::{Add, Div, Mul, Sub};

/// The version of ONNX's operators that graphs are written in: the first that has `STFT` and `DFT`.
pub const OPSET: i64 = 17;
/// The version of the file format that came with it.
pub const IR_VERSION: i64 = 8;

/// A graph that is being written.
#[derive(Default)]
pub struct Graph {
    written: RefCell<GraphProto>,
    /// What the names begin with of all that is written now.
    scope: RefCell<String>,
}

/// The output of a node, an input, or a constant.
#[derive(Clone)]
pub struct Value<'g> {
    graph: &'g Graph,
    name: String,
}

/// What stands on either side of an operator: a value, or a number.
pub trait Operand<'g> {
    /// The value in `graph`.
    fn value(self, graph: &'g Graph) -> Value<'g>;
}

impl<'g> Operand<'g> for &Value<'g> {
    fn value(self, _: &'g Graph) -> Value<'g> {
        self.clone()
    }
}

impl<'g> Operand<'g> for Value<'g> {
    fn value(self, _: &'g Graph) -> Value<'g> {
        self
    }
}

impl<'g> Operand<'g> for f32 {
    fn value(self, graph: &'g Graph) -> Value<'g> {
        graph.constant("", &[], &[self])
    }
}

impl Graph {
    /// An input of this shape; sizes that differ from call to call have names.
    pub fn input(&self, name: &str, shape: &[Size], doc: &str) -> Value<'_> {
        self.written.borrow_mut().input.push(describe(name, shape, doc));
        Value { graph: self, name: name.into() }
    }

    /// The names of all nodes, values and constants that `write` writes begin with `scope`.
    pub fn within<T>(&self, scope: &str, write: impl FnOnce() -> T) -> T {
        let outer = self.scope.replace(scope.into());
        let written = write();
        self.scope.replace(outer);
        written
    }

    /// Makes `value` an output, under its name.
    pub fn output(&self, value: &Value<'_>, shape: &[Size], doc: &str) {
        self.written.borrow_mut().output.push(describe(&value.name, shape, doc));
    }

    /// A constant of this shape. Without a name it is numbered.
    pub fn constant(&self, name: &str, shape: &[usize], values: &[f32]) -> Value<'_> {
        let raw_data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensor(name, FLOAT, shape, raw_data)
    }

    /// The graph as a message.
    pub fn finish(self, name: &str) -> GraphProto {
        GraphProto { name: name.into(), ..self.written.into_inner() }
    }

    fn scoped(&self, name: &str) -> String {
        format!("{}{name}", self.scope.borrow())
    }

    /// A list of whole numbers: axes, places, lengths.
    fn whole_numbers(&self, values: &[i64]) -> Value<'_> {
        let raw_data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensor("", INT64, &[values.len()], raw_data)
    }

    fn whole_number(&self, value: i64) -> Value<'_> {
        self.tensor("", INT64, &[], value.to_le_bytes().to_vec())
    }

    fn tensor(&self, name: &str, data_type: i32, shape: &[usize], raw_data: Vec<u8>) -> Value<'_> {
        let constants = &mut self.written.borrow_mut().initializer;
        let dims = shape.iter().map(|&size| size as i64).collect();
        let same = |it: &&TensorProto| {
            name.is_empty() && (it.data_type, &it.dims, &it.raw_data) == (data_type, &dims, &raw_data)
        };
        if let Some(there) = constants.iter().find(same) {
            return Value { graph: self, name: there.name.clone() };
        }
        let name = if name.is_empty() { format!("constant_{}", constants.len()) } else { self.scoped(name) };
        constants.push(TensorProto { dims, data_type, name: name.clone(), raw_data, ..Default::default() });
        Value { graph: self, name }
    }

    /// A node with one output.
    fn node(&self, op_type: &str, inputs: &[&Value<'_>], attributes: Vec<AttributeProto>) -> Value<'_> {
        let nodes = &mut self.written.borrow_mut().node;
        let name = self.scoped(&format!("{op_type}_{}", nodes.len()));
        nodes.push(NodeProto {
            input: inputs.iter().map(|value| value.name.clone()).collect(),
            output: vec![name.clone()],
            name: name.clone(),
            op_type: op_type.into(),
            attribute: attributes,
            domain: String::new(),
        });
        Value { graph: self, name }
    }
}

fn describe(name: &str, shape: &[Size], doc: &str) -> ValueInfoProto {
    let dim = shape.iter().map(|size| DimensionProto { value: Some(size.clone()) }).collect();
    let tensor_type = TensorTypeProto { elem_type: FLOAT, shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto { tensor_type: Some(tensor_type) }),
        doc_string: doc.into(),
    }
}

fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: name.into(), i: Some(value), r#type: AttributeType::Int.into(), ..Default::default() }
}

fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        ints: values.to_vec(),
        r#type: AttributeType::Ints.into(),
        ..Default::default()
    }
}

fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { name: name.into(), f: Some(value), r#type: AttributeType::Float.into(), ..Default::default() }
}

fn text(name: &str, value: &str) -> AttributeProto {
    let s = Some(value.as_bytes().to_vec());
    AttributeProto { name: name.into(), s, r#type: AttributeType::String.into(), ..Default::default() }
}

/// ONNX's operators, one method each. Axes are counted from 0.
impl<'g> Value<'g> {
    fn apply(&self, op_type: &str, others: &[&Value<'g>], attributes: Vec<AttributeProto>) -> Value<'g> {
        self.graph.node(op_type, &[&[self], others].concat(), attributes)
    }

    /// This value under a name of its own, for people who look at the graph and for programs that ask for it.
    ///
    /// # Panics
    /// If it is not the output of the last node.
    pub fn called(self, name: &str) -> Value<'g> {
        let mut written = self.graph.written.borrow_mut();
        let last = written.node.last_mut().expect("a value that gets a name is the output of a node");
        assert_eq!(last.output, [self.name.as_str()], "only the value written last can get a name");
        let name = self.graph.scoped(name);
        last.output = vec![name.clone()];
        drop(written);
        Value { graph: self.graph, name }
    }

    /// A constant in the graph of this value.
    pub fn constant(&self, name: &str, shape: &[usize], values: &[f32]) -> Value<'g> {
        self.graph.constant(name, shape, values)
    }

    /// The product of two matrices.
    pub fn matmul(&self, right: &Value<'g>) -> Value<'g> {
        self.apply("MatMul", &[right], vec![])
    }

    /// `self·weightᵀ + bias`, with `weight` `[K,H]` and `bias` `[K]`.
    pub fn linear(&self, weight: &Value<'g>, bias: &Value<'g>) -> Value<'g> {
        self.apply("Gemm", &[weight, bias], vec![int("transB", 1)])
    }

    /// Hidden states `[T,1,1,H]` of the frames `[T,1,D]`. Gates are stacked in the order i, o, f, g: `w` `[1,4H,D]`,
    /// `r` `[1,4H,H]`, `b` `[1,8H]`.
    pub fn lstm(&self, [w, r, b]: [&Value<'g>; 3], hidden: usize) -> Value<'g> {
        self.apply("LSTM", &[w, r, b], vec![text("direction", "forward"), int("hidden_size", hidden as i64)])
    }

    /// Batch norm of rows, with the running `mean` and `variance`.
    pub fn batch_norm(&self, [scale, shift, mean, variance]: [&Value<'g>; 4], epsilon: f32) -> Value<'g> {
        self.apply("BatchNormalization", &[scale, shift, mean, variance], vec![float("epsilon", epsilon)])
    }

    /// exp, divided by its sum along an axis.
    pub fn softmax(&self, axis: i64) -> Value<'g> {
        self.apply("Softmax", &[], vec![int("axis", axis)])
    }

    /// A matrix transposed.
    pub fn transposed(&self) -> Value<'g> {
        self.apply("Transpose", &[], vec![ints("perm", &[1, 0])])
    }

    /// New axes of size 1; `axes` count those of the result.
    pub fn with_axes(&self, axes: &[i64]) -> Value<'g> {
        self.apply("Unsqueeze", &[&self.graph.whole_numbers(axes)], vec![])
    }

    /// Without these axes of size 1.
    pub fn without_axes(&self, axes: &[i64]) -> Value<'g> {
        self.apply("Squeeze", &[&self.graph.whole_numbers(axes)], vec![])
    }

    /// The mean along an axis, which stays, with size 1.
    pub fn mean(&self, axis: i64) -> Value<'g> {
        self.apply("ReduceMean", &[], vec![ints("axes", &[axis])])
    }

    /// The sum along an axis, which stays, with size 1.
    pub fn sum(&self, axis: i64) -> Value<'g> {
        self.apply("ReduceSum", &[&self.graph.whole_numbers(&[axis])], vec![])
    }

    /// The largest along an axis, which stays, with size 1.
    pub fn largest(&self, axis: i64) -> Value<'g> {
        self.apply("ReduceMax", &[], vec![ints("axes", &[axis])])
    }

    /// The largest of all, with as many axes.
    pub fn largest_of_all(&self) -> Value<'g> {
        self.apply("ReduceMax", &[], vec![])
    }

    /// The sum of squares along the last axis, which vanishes.
    pub fn sum_of_squares(&self) -> Value<'g> {
        self.apply("ReduceSumSquare", &[], vec![ints("axes", &[-1]), int("keepdims", 0)])
    }

    /// The larger of two, element by element.
    pub fn or_at_least(&self, other: impl Operand<'g>) -> Value<'g> {
        self.apply("Max", &[&other.value(self.graph)], vec![])
    }

    /// The smaller of two, element by element.
    pub fn or_at_most(&self, other: impl Operand<'g>) -> Value<'g> {
        self.apply("Min", &[&other.value(self.graph)], vec![])
    }

    /// Square root.
    pub fn sqrt(&self) -> Value<'g> {
        self.apply("Sqrt", &[], vec![])
    }

    /// To a constant power.
    pub fn power(&self, exponent: f32) -> Value<'g> {
        self.apply("Pow", &[&exponent.value(self.graph)], vec![])
    }

    /// e to this power.
    pub fn exp(&self) -> Value<'g> {
        self.apply("Exp", &[], vec![])
    }

    /// Natural logarithm.
    pub fn ln(&self) -> Value<'g> {
        self.apply("Log", &[], vec![])
    }

    /// Truth values: `self > other`.
    pub fn is_above(&self, other: impl Operand<'g>) -> Value<'g> {
        self.apply("Greater", &[&other.value(self.graph)], vec![])
    }

    /// Truth values: `self ≥ other`.
    pub fn is_at_least(&self, other: impl Operand<'g>) -> Value<'g> {
        self.apply("GreaterOrEqual", &[&other.value(self.graph)], vec![])
    }

    /// Both truth values.
    pub fn and(&self, other: &Value<'g>) -> Value<'g> {
        self.apply("And", &[other], vec![])
    }

    /// `yes` where this truth value holds, otherwise `no`.
    pub fn choose(&self, yes: impl Operand<'g>, no: impl Operand<'g>) -> Value<'g> {
        self.apply("Where", &[&yes.value(self.graph), &no.value(self.graph)], vec![])
    }

    /// Places `start..end` of an axis; an end of `i64::MAX` is the last, negative places count from the end.
    pub fn slice(&self, axis: i64, start: i64, end: i64) -> Value<'g> {
        let numbers = [start, end, axis].map(|number| self.graph.whole_numbers(&[number]));
        self.apply("Slice", &numbers.each_ref(), vec![])
    }

    /// The columns of a matrix at these places.
    pub fn columns(&self, places: &[usize]) -> Value<'g> {
        let places: Vec<i64> = places.iter().map(|&place| place as i64).collect();
        self.apply("Gather", &[&self.graph.whole_numbers(&places)], vec![int("axis", 1)])
    }

    /// Places `start`, `start − 1`, … down to 1 of an axis.
    pub fn reversed_from(&self, axis: i64, start: i64) -> Value<'g> {
        let numbers = [start, 0, axis, -1].map(|number| self.graph.whole_numbers(&[number]));
        self.apply("Slice", &numbers.each_ref(), vec![])
    }

    /// This value, followed along an axis by others.
    pub fn followed_by(&self, others: &[&Value<'g>], axis: i64) -> Value<'g> {
        self.apply("Concat", others, vec![int("axis", axis)])
    }

    /// Zeros before and after: first those before every axis, then those after.
    pub fn with_zeros_around(&self, counts: &[i64]) -> Value<'g> {
        self.apply("Pad", &[&self.graph.whole_numbers(counts)], vec![])
    }

    /// Repetitions of the first and last values: first the numbers before every axis, then those after.
    pub fn with_edges_repeated(&self, counts: &[i64]) -> Value<'g> {
        self.apply("Pad", &[&self.graph.whole_numbers(counts)], vec![text("mode", "edge")])
    }

    /// The place of the largest value along axis 1, which stays, with size 1; the last of several.
    pub fn place_of_largest(&self) -> Value<'g> {
        self.apply("ArgMax", &[], vec![int("axis", 1), int("select_last_index", 1)])
    }

    /// Of every row, the value at its place.
    pub fn at_places(&self, places: &Value<'g>) -> Value<'g> {
        self.apply("GatherElements", &[places], vec![int("axis", 1)])
    }

    /// Spectra `[1,T,B,2]`, real and imaginary, of the samples `[1,n,1]`: windows `[N]` that begin at every `hop`-th sample.
    pub fn stft(&self, hop: usize, window: &Value<'g>) -> Value<'g> {
        self.apply("STFT", &[&self.graph.whole_number(hop as i64), window], vec![int("onesided", 1)])
    }

    /// Spectra `[T,N/2+1,2]` of real rows `[T,N,1]`.
    pub fn dft(&self) -> Value<'g> {
        self.apply("DFT", &[], vec![int("axis", 1), int("onesided", 1)])
    }
}

macro_rules! operator {
    ($trait:ident, $method:ident, $op_type:literal) => {
        impl<'g, R: Operand<'g>> $trait<R> for &Value<'g> {
            type Output = Value<'g>;
            fn $method(self, right: R) -> Value<'g> {
                self.apply($op_type, &[&right.value(self.graph)], vec![])
            }
        }
        impl<'g, R: Operand<'g>> $trait<R> for Value<'g> {
            type Output = Value<'g>;
            fn $method(self, right: R) -> Value<'g> {
                (&self).$method(right)
            }
        }
    };
}

operator!(Add, add, "Add");
operator!(Sub, sub, "Sub");
operator!(Mul, mul, "Mul");
operator!(Div, div, "Div");
