//! The layers, one per file, each with its forward, and its backward right under it; their pages are a course in six
//! lessons.
//!
//! It leads from a weighted sum to backpropagation through time. It needs the chain rule, matrix products, and a
//! pencil. Read the files themselves, `src/layers/*.rs`, or these pages: the text is the same.
//!
//! # Syllabus
//!
//! | lesson | layer | what it teaches |
//! |---|---|---|
//! | 1 | [`linear`] | a gradient is summed over all uses of the value; the way back through a product is its transpose |
//! | 2 | [`softmax_cross_entropy`] | where gradients begin: prediction minus truth; the Jacobian of softmax and its mean term |
//! | 3 | [`batch_norm`] | statistics are functions of the data: one value, three paths to the loss |
//! |   | [`dropout`] | a random mask, once drawn, is a constant |
//! | 4 | [`attention`] | softmax again, over time; a value that counts twice; clips of different lengths in one batch |
//! | 5 | [`lstm`] | backpropagation through time: two states, two forks, one backward loop |
//! | 6 | [`residual`] | forks and sums in general: how a gradient gets past a layer |
//! |   | [`running`] | appendix: lessons 4 and 5 one frame at a time, for live sound |
//!
//! # How to read a lesson
//!
//! 1. *Notation*: a table, with the shape of everything.
//! 2. *Why it exists*: what would be missing without it.
//! 3. *Formula*: with the paper's equation number, where it has one; number by number at the forward function.
//! 4. *Derivation*: every step, to be followed with a pencil; the short form is at the backward function, above its
//!    code.
//! 5. *Worked by hand*: a small case with all its numbers. It runs as a test, so the numbers in its comments are the
//!    layer's own.
//! 6. *Mistakes worth knowing*: most of them run, and many still train. Names in brackets are planted on purpose in
//!    `tests/planted_faults.rs`.
//!
//! # Notation
//!
//! | symbol | meaning |
//! |---|---|
//! | `N` | clips in a batch |
//! | `T` | frames of the longest clip |
//! | `F` | frames of all clips: the rows of a packed matrix |
//! | `D` | inputs, features of a frame |
//! | `H` | hidden units |
//! | `K` | classes |
//! | `L` | the loss, one number |
//! | `dx` | ∂L/∂x, the gradient of `x`, of the shape of `x` |
//! | `x·W`, `x⊙m` | product of matrices, product number by number |
//! | `[j = k]` | 1 where it holds, else 0 |
//! | `h₋₁`, `c₋₁` | of the frame before |
//! | `â` | a gate before its activation |
//!
//! A layer's struct holds its parameters and nothing else, and is also the type of its gradient. What forward stores for
//! backward is its *tape*, kept by the caller and reused. `backward` **adds** to the gradients of parameters and
//! **writes** that of the input.
//!
//! Batches are *packed*: clips sorted by length, frames stored time-major, so the rows of one time step are contiguous
//! and there is no padding. Three clips of 4, 3 and 1 frames, each row of the matrix a frame:
//! ```text
//!              t = 0        t = 1     t = 2     t = 3
//! row          0  1  2      3  4      5  6      7
//! clip         A  B  C      A  B      A  B      A         F = 8; with padding N·T = 12
//! ```
//! The frame before row 6 (clip B, t = 2) is row 4: the same place in the block before. [`packed`](crate::packed) has
//! the rules.
//!
//! # Three rules
//!
//! All derivations use these and no others.
//!
//! 1. **One path: multiply.** Where `y = f(x)`, `dx = dy·∂y/∂x`: what arrives from above times the slope here.
//! 2. **Several paths: add.** A value that is used more than once (by several outputs, frames or clips) gets a gradient
//!    from each use, and they add up.
//! 3. **Backwards.** A value's gradient is complete only when all that uses it has been undone: the last layer first,
//!    the last frame first.
//!
//! # All lessons in one model
//!
//! ResLSTM-SA, [`models::res_lstm_sa`](crate::models::res_lstm_sa). Forward runs down, backward up:
//! ```text
//!  forward                     lesson                   backward
//!
//!  x [F,D] ──────┐                                      dx, two gradients added
//!     │          │
//!   LSTM1        │             5  lstm                  frame by frame, the last first
//!     │          │
//!    (+) ◀───────┘             6  residual              one gradient for both arms
//!     │ [F,D]
//!  batch norm                  3  batch_norm            over the F frames
//!     │ [F,D]
//!   LSTM2                      5  lstm                  every frame has one from attention
//!     │ h [F,H]
//!  attention                   4  attention             one gradient per clip, then one per frame
//!     │ ctx [N,H]
//!  batch norm                  3  batch_norm            over the N clips
//!     │ [N,H]
//!   dropout                       dropout               the same mask
//!     │ [N,H]
//!   linear                     1  linear                dz·W
//!     │ z [N,K]
//!  softmax, loss               2  softmax_cross_entropy dz = (p − y)/N: here it begins
//!     ▼ L
//! ```
//!
//! # How the gradients are verified
//!
//! Derivations can be wrong; these checks can be run.
//!
//! - **The audit** ([`audit`](crate::audit)) compares every backward with dual numbers through the forward code (exact
//!   to rounding) and with central differences. It is the first test at the foot of every layer's file; `reslstm audit`
//!   prints it for whole models.
//! - **Golden numbers** from PyTorch: outputs, gradients, and weights after twenty steps of Adam, in
//!   `tests/golden/network`, compared by `tests/golden_network.rs`.
//! - **The audit itself is tested.** `tests/planted_faults.rs` plants the lessons' mistakes in a second backward of every
//!   layer; the audit must find each.
//!
//! # Programs to run
//!
//! | `cargo run --release --example …` | shows |
//! |---|---|
//! | `bptt_by_hand` | lesson 5 in plain arithmetic: three frames, every number compared with the layer's own |
//! | `toy_sequence` | lessons 1, 2, 4 and 5 learn which of two symbols came first |
//! | `audit_your_layer` | the audit finds a wrong sign in a layer of your own |
//! | `audit_gru` | a GRU of your own in under 90 lines, equal to PyTorch's |
//! | `audit_exercises` | two exercises with solutions: layer norm, a bidirectional LSTM |
//! | `audit_your_loss` | a loss of your own: focal loss, label smoothing, the concordance correlation coefficient |
//! | `read_attention` | how much each frame of a recording counts for a trained model |
//! | `embed` | a trained model inside another program |

pub mod attention;
pub mod batch_norm;
pub mod dropout;
pub mod linear;
pub mod lstm;
pub mod residual;
pub mod running;
pub mod softmax_cross_entropy;

pub use attention::{Attention, AttentionTape};
pub use batch_norm::{BatchNorm, BatchNormTape};
pub use linear::{Linear, LinearTape, PackedLinear};
pub use lstm::{Lstm, LstmTape, PackedLstm, Packing, StateGradients};
pub use running::{RunningAttention, RunningLstm};
